"""`--exposure`: what it takes, and what it refuses."""

from __future__ import annotations

import pytest

from p2phd_eval.blind_test.exposure_wishes import read_exposures
from p2phd_eval.errors import InputError


@pytest.mark.parametrize(
    ("text", "exposures"),
    [
        ("125ms..8s", (125, 250, 500, 1000, 2000, 4000, 8000)),  # the paper's
        ("0.125s..0.5s", (125, 250, 500)),
        ("1s,250ms", (250, 1000)),
        ("17ms", (17,)),
        ("60 s", (60_000,)),
    ],
)
def test_times_are_read(text: str, exposures: tuple[int, ...]) -> None:
    assert read_exposures(text) == exposures


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("8s..125ms", "a first time that is shorter than the last one"),
        ("1s..1s", "a first time that is shorter"),
        ("0ms", "times of 17 ms, one frame of most displays, to 60 s"),
        ("5ms", "times of 17 ms"),
        ("125ms..5h", "times with their unit"),
        ("61s", "to 60 s"),
        ("abc", "times with their unit, ms or s"),
        ("", "times with their unit"),
        ("125..8s", "times with their unit"),
        ("100ms,100ms", "different times"),
        ("62.5ms", "whole milliseconds"),
        ("100ms..1s", "Give 100ms..800ms or 100ms..1600ms."),
        ("125ms..8s..9s", "times with their unit"),
        (",".join(f"{k}ms" for k in range(20, 40)), "at most 16 times"),
    ],
)
def test_what_is_no_time_is_refused(text: str, found: str) -> None:
    with pytest.raises(InputError, match="--exposure") as caught:
        read_exposures(text)
    assert found in str(caught.value)
