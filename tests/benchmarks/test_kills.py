"""What benchmarks/kills.py would say of a command that loses what it had finished."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def kills() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        yield importlib.import_module("kills")
    sys.modules.pop("kills")


def test_what_is_lost_is_named_and_what_grows_is_not(kills: ModuleType) -> None:
    before = {"step": 4, "a.png": "1", "b.png": "2"}
    assert kills.lost(before, {"step": 6, "a.png": "1", "b.png": "2", "c.png": "3"}) == []
    assert sorted(kills.lost(before, {"step": 2, "a.png": "1", "b.png": "9"})) == [
        "b.png is another",
        "step is another",
    ]
    assert kills.lost(before, {"step": 4, "a.png": "1"}) == ["b.png is gone"]
