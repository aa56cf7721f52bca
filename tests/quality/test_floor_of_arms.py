"""Arms against the noise floor: verdicts on pictures whose changes are known, pairing, and what cannot be used."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.cluster_rules import parse_rule
from p2phd_eval.quality.floor_arms import FloorArm, FloorRun, RealPhotos
from p2phd_eval.quality.floor_of_arms import FloorCandidate, NoiseFloor, floor_of_arms
from p2phd_eval.quality.image_distance import PSNR, SSIM
from p2phd_eval.stats.verdicts.equivalence import Verdict
from p2phd_eval.stats.verdicts.floor_ratio import FloorVerdict, Position
from tests.quality.floor_arms import arm, shifted
from tests.quality.pictures import names_of, scenes, source

N = 60


BASE = scenes(N)
AGAIN, COMPILED = scenes(N), scenes(N, amount=4, seed=1)
NEAR, FAR = scenes(N, amount=3.5, seed=2), scenes(N, amount=16, seed=3)


def judged(*candidates: FloorArm, **options: Any) -> NoiseFloor:
    given = {
        "baseline": arm("fp32", BASE),
        "benign": [arm("again", AGAIN), arm("compiled", COMPILED)],
        "distances": (SSIM, PSNR),
    }
    given |= options
    return floor_of_arms(given.pop("baseline"), candidates, given.pop("benign"), **given)


def only(found: NoiseFloor) -> FloorCandidate:
    (candidate,) = found.candidates
    return candidate


def test_pictures_that_moved_little_far_and_not_at_all() -> None:
    found = judged(arm("near", NEAR), arm("far", FAR), arm("same", BASE), tolerance=1.5)
    verdicts = {each.name: each.verdict for each in found.candidates}
    assert verdicts == {"near": FloorVerdict.INSIDE, "far": FloorVerdict.QUALITY_UNKNOWN, "same": FloorVerdict.INSIDE}
    assert (found.judge.name, found.images, found.seeds) == ("1 - SSIM", N, (0,))
    assert {row.metric.name for row in found.candidates[0].rows} == {"1 - SSIM", "MSE"}
    assert any("again: every image is the one of fp32" in note for note in found.notes)
    assert "near: inside" in repr(found)


def test_the_distance_is_the_mean_over_images() -> None:
    row = only(judged(arm("far", FAR), judge="mse")).judged
    expected = np.square(FAR.astype(float) - BASE).mean()
    assert (row.metric.name, row.metric.unit) == ("MSE", "squared levels of 8 bits")
    assert row.ratio.distance == pytest.approx(expected, rel=1e-5)
    assert row.ratio.floors[0] == 0
    assert row.ratio.farthest == 1


def test_quality_that_is_kept_and_that_is_lost() -> None:
    photos = scenes(N, amount=20, seed=9)
    real = RealPhotos(images=source(photos), features=shifted(0.0, seed=77))
    blurred = scenes(N, blur=3, seed=4)
    benign = [arm("compiled", COMPILED, features=0.0)]
    same = dataclasses.replace(arm("far", FAR).runs[0], features=shifted(0.0, seed=40))
    found = judged(
        FloorArm(name="far", runs=(same,)),
        arm("blurred", blurred, features=1.5),
        baseline=arm("fp32", BASE, features=0.0),
        benign=benign,
        real=real,
        margin="400%",
    )
    far, blur = found.candidates
    assert (far.verdict, far.quality) == (FloorVerdict.QUALITY_WITHIN, far.fid and far.fid.verdict)
    assert blur.verdict is FloorVerdict.QUALITY_WORSE
    assert blur.fid is not None
    assert blur.fid.verdict is Verdict.WORSE
    assert found.photo_margin == 4
    assert far.judged.to_photo is not None
    distance = np.square(photos.astype(float) - FAR).mean()
    assert next(row for row in far.rows if row.metric.name == "MSE").to_photo.edited == pytest.approx(
        distance, rel=1e-5
    )  # type: ignore[union-attr]


def test_kid_stands_beside_that_of_benign_variants() -> None:
    found = judged(
        arm("far", FAR, features=1.0),
        baseline=arm("fp32", BASE, features=0.0),
        benign=[arm("compiled", COMPILED, features=0.0)],
    )
    kid, floor = only(found).kid, found.benign[0].kid
    assert kid is not None
    assert floor is not None
    assert kid.p_value == 0.001
    assert kid.value > 10 * abs(floor.value)
    assert found.comparison is None


def test_photos_of_other_names_leave_the_fid() -> None:
    real = RealPhotos(
        images=source(BASE, [f"photo{k}" for k in range(N)]),
        features=dataclasses.replace(shifted(0.0, seed=7), ids=tuple(f"photo{k}" for k in range(N))),
    )
    found = judged(
        arm("far", FAR, features=0.0),
        baseline=arm("fp32", BASE, features=0.0),
        benign=[arm("compiled", COMPILED, features=0.0)],
        real=real,
    )
    assert only(found).judged.to_photo is None
    assert only(found).fid is not None
    assert any("other names" in note for note in found.notes)


def test_runs_pair_by_seed_and_images_by_name() -> None:
    runs = [scenes(20, amount=4, seed=k) for k in range(1, 8)]
    baseline = arm("fp32", scenes(20), runs[0], seeds=(3, 5))
    candidate = arm("int8", runs[1], runs[2], seeds=(5, 3))
    benign = [arm("compiled", runs[3], runs[4], runs[5], seeds=(5, 3, 8))]
    found = judged(candidate, baseline=baseline, benign=benign, judge="mse")
    assert found.seeds == (3, 5)
    assert any("Seeds 8 are left out" in note for note in found.notes)
    expected = np.mean([np.square(runs[2] - scenes(20).astype(float)), np.square(runs[1] - runs[0].astype(float))])
    assert only(found).judged.ratio.distance == pytest.approx(expected, rel=1e-5)
    order = np.random.default_rng(0).permutation(20)
    names = np.array(names_of(20))[order].tolist()
    turned = FloorArm(
        name="int8",
        runs=tuple(
            FloorRun(seed=seed, images=source(each[order], names)) for seed, each in ((5, runs[1]), (3, runs[2]))
        ),
    )
    again = only(judged(turned, baseline=baseline, benign=benign, judge="mse"))
    assert again.judged.ratio == only(found).judged.ratio


def test_clusters_are_drawn_together() -> None:
    alone, grouped = (judged(arm("near", NEAR), cluster_by=rule) for rule in (None, parse_rule(r"^s(\d)")))
    assert (alone.clusters, grouped.clusters) == (None, 6)
    assert any("only 6 clusters" in note for note in grouped.notes)
    assert only(alone).judged.ratio.ratio != only(grouped).judged.ratio.ratio


def test_a_variant_that_is_the_candidate_is_told() -> None:
    found = judged(arm("int8", COMPILED))
    assert any("held against itself" in note for note in found.notes)
    assert only(found).judged.ratio.position is Position.INSIDE  # at a ratio of exactly 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"benign": []}, "at least a benign variant"),
        ({"benign": [arm("near", COMPILED)]}, "a name of its own for each"),
        ({"benign": [arm("compiled", COMPILED, seeds=(4,))]}, "a seed that the runs of all arms have"),
        ({"benign": [arm("compiled", scenes(N, size=(40, 40)))]}, "the size of the same image"),
        ({"judge": "lpips"}, "--judge lpips: expected ssim | mse"),
        ({"tolerance": 0.5}, "--tolerance"),
        ({"margin": "0%"}, "--margin"),
        ({"confidence": 1.0}, "--confidence"),
    ],
)
def test_what_cannot_be_used(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        judged(arm("near", NEAR), **options)
    assert message in str(error.value)


def test_images_that_are_not_common() -> None:
    near = FloorArm(name="near", runs=(FloorRun(seed=0, images=source(NEAR[:5], names_of(5))),))
    assert judged(near).images == 5
    for ids in (["s00", *"abcd"], list("abcde")):
        other = FloorArm(name="near", runs=(FloorRun(seed=0, images=source(NEAR[:5], ids)),))
        with pytest.raises(InputError, match="at least 2 ids that all sets share"):
            judged(other)
    with pytest.raises(InputError, match="at least a candidate"):
        judged()
