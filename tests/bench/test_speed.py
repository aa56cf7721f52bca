"""Ratios, rows and the search for the largest batch."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2phd_eval.bench.speed import BenchResult, Measurement, Setting, largest_that_fits, settings
from p2phd_eval.errors import InputError


def row(precision: str, batch_size: int, *seconds: float, variant: str = "plain", **fields: Any) -> Measurement:
    setting = Setting(precision=precision, batch_size=batch_size, variant=variant)
    return Measurement(setting=setting, seconds=seconds, **fields)


def result_of(*rows: Measurement) -> BenchResult:
    return BenchResult(measurements=rows, largest=(), width=64, height=32)


def test_ratios_need_what_they_compare() -> None:
    fp32 = row("fp32", 1, 4.0, 4.0, peak_memory_bytes=100)
    amp = row("amp-fp16", 1, 2.0, 1.0, peak_memory_bytes=60)
    (same, memory) = result_of(fp32, amp).ratios()
    assert (same.value, same.interval) == (4 / 1.5, (4 / 1.75, 4 / 1.25))
    assert (memory.value, memory.interval, memory.talk) == (0.6, None, None)
    assert result_of(row("fp32", 1), amp).ratios() == []  # fp32 did not fit
    assert result_of(amp).ratios() == []
    names = [ratio.name for ratio in result_of(fp32, amp, row("amp-fp16", 2, 2.0)).ratios()]
    assert names[1] == "amp-fp16 with twice the batch (2) against fp32, per image"


def test_an_unknown_variant_is_refused() -> None:
    with pytest.raises(InputError, match="channels-last"):
        Setting(precision="fp32", batch_size=1, variant="channels_last")


def test_rows_of_the_table() -> None:
    rows = settings(["fp32", "bf16"], [1, 4], ["compile"], against=True)
    assert [str(setting) for setting in rows] == [
        *("fp32, original, batch 1", "fp32, original, batch 4"),
        *("fp32, batch 1", "fp32, compile, batch 1", "fp32, batch 4", "fp32, compile, batch 4"),
        *("bf16, batch 1", "bf16, compile, batch 1", "bf16, batch 4", "bf16, compile, batch 4"),
    ]


@given(st.integers(0, 5000))
def test_the_search_finds_the_largest_batch(limit: int) -> None:
    asked = []

    def attempt(size: int) -> str | None:
        asked.append(size)
        return None if size <= limit else f"{size} are too many"

    found, reason = largest_that_fits(attempt)
    if limit >= 4096:
        assert (found, reason) == (4096, "no larger one was tried")
    else:
        assert found == limit
        assert reason == f"{limit + 1} are too many"
    assert len(asked) <= 26  # 13 doublings, and as many halvings


@given(st.integers(0, 5000), st.integers(0, 6000))
def test_a_guess_changes_no_answer(limit: int, guess: int) -> None:
    def attempt(size: int) -> str | None:
        return None if size <= limit else f"{size} are too many"

    assert largest_that_fits(attempt, lambda: guess) == largest_that_fits(attempt)


@pytest.mark.parametrize("off", range(-4, 5))
def test_a_good_guess_saves_attempts(off: int) -> None:
    """Each of which takes steps of a whole batch."""
    asked = []

    def attempt(size: int) -> str | None:
        asked.append(size)
        return None if size <= 50 else "too many"

    assert largest_that_fits(attempt, lambda: 50 + off) == (50, "too many")
    assert len(asked) <= 8  # 12 without
