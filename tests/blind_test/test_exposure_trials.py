"""Attention checks, and the identity of a page under a time limit."""

from __future__ import annotations

import msgspec
import numpy as np

from p2phd_eval.blind_test.exposure_trials import PRACTICE, ExposureTest, in_disorder, make_exposure_test
from p2phd_eval.blind_test.trials import make_trials
from p2phd_eval.images.sources.arrays import ArraySource
from p2phd_eval.report.documents.exposure_plan import ExposurePlan

PLAN = ExposurePlan(exposures=(125, 250, 500), checks=8, margin=0.1, confidence=0.95)


def drawn(n: int, *, plan: ExposurePlan = PLAN, trials: int | None = None, seed: int = 0) -> ExposureTest:
    """A test of two sets of images of noise."""
    rng = np.random.default_rng(0)
    sources = [ArraySource(list(rng.integers(0, 256, (n, 26, 34, 3), dtype=np.uint8))) for _ in range(2)]
    test = make_trials(*sources, trials=trials, seed=seed, multiple=len(plan.exposures))
    return make_exposure_test(test, *sources, plan)


def test_by_default_each_exposure_has_as_many_trials() -> None:
    assert [len(drawn(n).trials) for n in (2, 5, 20, 130)] == [2, 3, 18, 99]
    assert len(drawn(20, trials=20).trials) == 20


def test_blocks_in_disorder_are_the_same_pixels_elsewhere() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (26, 34, 3), dtype=np.uint8)
    mixed = in_disorder(pixels, np.random.default_rng(2))
    assert not np.array_equal(mixed, pixels)
    assert np.array_equal(np.sort(mixed.reshape(-1, 3), axis=0), np.sort(pixels.reshape(-1, 3), axis=0))
    assert np.array_equal(mixed[24:], pixels[24:])  # blocks of 4 x 5; what is left of them stays
    assert np.array_equal(in_disorder(pixels[:1, :1], np.random.default_rng(2)), pixels[:1, :1])


def test_checks_come_from_both_arms_and_from_pairs_that_are_no_trials() -> None:
    test = drawn(40, trials=12)
    assert (len(test.checks), len(test.practice)) == (8, PRACTICE)
    assert [each.of for each in test.key.checks] == ["baseline", "candidate"] * 4
    assert not {each.id for each in test.key.checks} & {trial.id for trial in test.trials}
    assert {each.intact for each in test.key.checks} == {"first", "second"}
    # Where all are trials, images are seen twice.
    assert len({each.id for each in drawn(5, trials=5).key.checks}) == 5


def test_the_identity_holds_what_people_see_and_the_rules() -> None:
    test = drawn(12)
    assert test.page == drawn(12).page == test.key.identity()
    changes = ({"tolerance": 11}, {"margin": 0.2}, {"lucky": 0.1}, {"exposures": (125, 250)}, {"mask": 200})
    others = [drawn(12, plan=msgspec.structs.replace(PLAN, **change)).page for change in changes]
    assert len({test.page, drawn(12, seed=1).page, *others}) == 7
