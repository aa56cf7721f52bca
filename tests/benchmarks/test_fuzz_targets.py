"""Readers against damaged files, with a small budget; `benchmarks/fuzz.py` does it without end."""

from __future__ import annotations

import contextlib
import importlib
import random
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import typer
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from p2phd_eval.errors import InputError

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
#: Those whose cases are made and read in milliseconds: without a training.
QUICK = (
    *("images", "zip", "tar", "shards", "list", "features", "statistics", "statistics-pt", "feature-cache"),
    *("comparison", "blind-test", "study-records", "classes", "cluster-table", "cluster-rule", "validations"),
    *("landmarks", "celebamask", "arms-file", "conditions", "sample-manifest"),
    *("inception-weights", "lpips-weights", "document-report", "document-study", "document-compare"),
)


@pytest.fixture(scope="module")
def fuzz() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        yield importlib.import_module("fuzz_targets")
    for name in [name for name in sys.modules if name.startswith("fuzz_")]:
        del sys.modules[name]


@pytest.mark.parametrize("name", QUICK)
def test_damaged_files_are_taken_or_refused(fuzz: ModuleType, tmp_path: Path, name: str) -> None:
    target = fuzz.targets()[name]
    (tmp_path / "seeds").mkdir()
    seeds = target.seeds(tmp_path / "seeds")
    folder = tmp_path / "case"

    @settings(max_examples=10, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.integers(0, 10**9))
    def read(number: int) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        sys.modules["fuzz_target"].write_case(target.mutated(seeds, random.Random(number)), folder)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with contextlib.suppress(InputError, typer.Exit):
                target.read(folder)

    read()
