"""The rule of the attention checks."""

from __future__ import annotations

import pytest
from scipy import stats

from p2phd_eval.report.documents.exposure_plan import ExposurePlan, exposure_text


@pytest.mark.parametrize("seen", [5, 6, 8, 10, 12, 30])
@pytest.mark.parametrize("lucky", [0.01, 0.05])
def test_a_lucky_guess_passes_the_checks_as_seldom_as_was_settled(seen: int, lucky: float) -> None:
    plan = ExposurePlan(exposures=(125,), checks=seen, lucky=lucky, margin=0.1, confidence=0.95)
    right = plan.fewest_right(seen)
    assert right is not None
    passes = stats.binom.sf(right - 1, seen, 0.5)
    assert passes <= lucky or right == seen
    assert stats.binom.sf(right - 2, seen, 0.5) > lucky


def test_of_twelve_ten_are_needed_and_of_too_few_nothing_is_said() -> None:
    plan = ExposurePlan(exposures=(125,), checks=12, margin=0.1, confidence=0.95)
    assert (plan.fewest_right(12), plan.fewest_right(5), plan.fewest_right(4)) == (10, 5, None)


def test_exposures_are_written_as_people_read_them() -> None:
    assert [exposure_text(each) for each in (17, 125, 1000, 1500)] == ["17 ms", "125 ms", "1 s", "1.5 s"]
