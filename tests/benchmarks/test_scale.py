"""The simulation of workers that fail, against what theory says of one worker and of many."""

from __future__ import annotations

import dataclasses
import importlib
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def scale() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        yield importlib.import_module("scale")
    sys.modules.pop("scale")


def test_a_worker_that_fails_takes_what_theory_says(scale: ModuleType) -> None:
    # A shard of T seconds under failures of rate r, each with a repair of R: (e^(rT) - 1) (1/r + R) on average.
    cluster = scale.Cluster(workers=1, seconds=0.01, start=10.0, failures=12.0, repair=60.0, spread=0.0)
    takes, rate = 10.0 + 20_000 * 0.01, 12 / 3600
    expected = (math.exp(rate * takes) - 1) * (1 / rate + 60.0)
    for bound in (False, True):
        found = scale.mean_makespan(cluster, 1, 20_000, bound=bound, repeats=2000)
        assert found == pytest.approx(expected, rel=0.06), bound


def test_without_failures_shards_fill_the_workers(scale: ModuleType) -> None:
    cluster = scale.Cluster(workers=4, seconds=0.01, start=5.0, failures=0.0, spread=0.0)
    rng = np.random.default_rng(0)
    assert scale.makespan(cluster, 8, 1000, rng) == pytest.approx(2 * 15.0)
    assert scale.makespan(cluster, 9, 1000, rng) == pytest.approx(3 * 15.0)
    assert scale.makespan(cluster, 4, 1000, rng, bound=True) == pytest.approx(15.0)
    # One slow worker of four: bound to its share it holds up all, three times as long; others take its work else.
    slow = dataclasses.replace(cluster, start=0.0, slow=0.25)
    assert scale.makespan(slow, 4, 1000, rng, bound=True) == pytest.approx(30.0)
    assert scale.makespan(slow, 400, 10, rng) < 13.0
