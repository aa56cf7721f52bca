"""Which runs are compared with which, and that every number is that of the images' own values."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.cluster_rules import parse_rule
from p2phd_eval.files import file_sha256
from p2phd_eval.images.sources.arrays import ArraySource
from p2phd_eval.quality import lpips_weights
from p2phd_eval.quality.dists import Dists
from p2phd_eval.quality.image_distance import PSNR, PSNR_MOST, SSIM
from p2phd_eval.quality.image_quality import per_image_quality
from p2phd_eval.quality.lpips import Lpips
from p2phd_eval.quality.lpips_weights import find_lpips_weights
from p2phd_eval.quality.run_quality import QualityRun, RunQuality, quality_of_runs
from p2phd_eval.stats.verdicts.paired_means import image_mean, mean_difference
from p2phd_eval.stats.verdicts.scope import Scope
from p2phd_eval.user_folders import CACHE_VARIABLE
from tests.quality.alexnet import write_random_alexnet
from tests.quality.vgg16 import write_random_vgg16

N = 6
IDS = [f"{'ab'[k % 2]}_{k}" for k in range(N)]  # two clusters


def run(arm: str, seed: int, *, repeat: bool = False, noise: int = 20, ids: list[str] = IDS) -> QualityRun:
    """Samples that are the photos with noise; a repeat has the pixels of its run."""
    rng = np.random.default_rng([seed, len(arm), noise])
    pixels = np.clip(PHOTOS + rng.normal(scale=noise, size=PHOTOS.shape), 0, 255).astype(np.uint8)
    keep = [IDS.index(image) for image in ids]
    name = f"{arm}-s{seed}{'-repeat' if repeat else ''}"
    return QualityRun(name=name, arm=arm, seed=seed, repeat=repeat, source=ArraySource(pixels[keep], ids=ids))


PHOTOS = np.repeat(np.repeat(np.random.default_rng(0).integers(256, size=(N, 5, 6, 3)), 7, axis=1), 7, axis=2)
PHOTO_SOURCE = ArraySource(PHOTOS.astype(np.uint8), ids=IDS)
RUNS = [
    *(run("fp32", seed) for seed in (0, 1, 2)),
    *(run("amp", seed, noise=30) for seed in (1, 2)),
    run("fp32", 0, repeat=True),
]


@pytest.fixture(autouse=True)
def _no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LPIPS' weights are neither in a cache nor to be fetched."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(lpips_weights, "URL", (tmp_path / "missing.pth").as_uri())


def test_numbers_are_those_of_the_images() -> None:
    found = quality_of_runs(PHOTO_SOURCE, RUNS, baseline="fp32", confidence=0.9)
    samples = [each.source for each in RUNS]
    other, same, again = [(0, 1), (0, 2), (1, 2)], [(1, 3), (2, 4)], [(0, 5)]
    values = per_image_quality(PHOTO_SOURCE, samples, pairs=[*other, *same, *again])
    assert [(row.metric, row.arm) for row in found.to_photo] == list(
        itertools.product(("SSIM", "PSNR"), ("fp32", "amp"))
    )
    for row in found.to_photo:
        table = values.to_photo[row.metric]
        assert row.mean == image_mean(table[:3] if row.arm == "fp32" else table[3:5], confidence=0.9)
        expected = mean_difference(table[:3], table[3:5], scope=Scope.RECIPES, confidence=0.9)
        assert row.difference == (None if row.arm == "fp32" else expected)
        assert row.p_holm == (None if row.arm == "fp32" else expected.p_value)
    kinds = {
        "fp32 and fp32, other seed": slice(0, 3),
        "fp32 and amp, same seed": slice(3, 5),
        "fp32 and fp32, same seed again": slice(5, 6),
    }
    assert [(row.metric, row.kind) for row in found.between] == list(itertools.product(("SSIM", "PSNR"), kinds))
    for distance in found.between:
        table = values.between[distance.metric][kinds[distance.kind]]
        assert (distance.pairs_of_runs, distance.mean) == (len(table), image_mean(table, confidence=0.9))
    assert "6 images; 90 % intervals" in found.notes[0]
    assert "scope B" in found.notes[0]


def test_p_of_several_candidates_are_adjusted_together_in_each_metric() -> None:
    runs = [*RUNS[:5], *(run("bf16", seed, noise=22) for seed in (1, 2))]
    found = quality_of_runs(PHOTO_SOURCE, runs, baseline="fp32")
    for metric in ("SSIM", "PSNR"):
        rows = [row for row in found.to_photo if row.metric == metric and row.difference is not None]
        smaller, larger = sorted(row.difference.p_value for row in rows if row.difference is not None)
        assert sorted(row.p_holm for row in rows if row.p_holm is not None) == pytest.approx(
            [min(1, 2 * smaller), max(min(1, 2 * smaller), larger)]
        )
    assert any("those of the 2 candidates in one metric are adjusted together" in note for note in found.notes)


def test_values_of_few_images_that_are_skewed_are_named() -> None:
    """One sample of six is far worse than the others."""
    pixels = PHOTOS.astype(np.uint8)
    pixels[0] = 255 - pixels[0]
    pixels[1:, ::2] //= 2
    skewed = QualityRun(name="fp32-s0", arm="fp32", seed=0, repeat=False, source=ArraySource(pixels, ids=IDS))
    found = quality_of_runs(PHOTO_SOURCE, [skewed], baseline="fp32")
    mean = found.to_photo[0].mean
    assert mean.skewness < -0.5
    assert mean.value - mean.interval[0] > 1.2 * (mean.interval[1] - mean.value)
    assert any("SSIM of fp32" in note for note in found.notes if note.startswith("warning: a few images lie far"))


def test_the_order_of_the_runs_does_not_matter_but_for_the_baseline_first() -> None:
    there = quality_of_runs(PHOTO_SOURCE, RUNS, baseline="fp32")
    back = quality_of_runs(PHOTO_SOURCE, RUNS[::-1], baseline="fp32")
    assert [row.arm for row in back.to_photo] == [row.arm for row in there.to_photo]
    assert numbers(back) == pytest.approx(numbers(there))


def test_a_repeat_that_is_the_same_says_so() -> None:
    found = quality_of_runs(PHOTO_SOURCE, RUNS, baseline="fp32")
    again = {row.metric: row.mean for row in found.between if row.kind.endswith("again")}
    assert again["SSIM"].interval == (1.0, 1.0)
    assert (again["PSNR"].value, again["PSNR"].error.value) == (pytest.approx(PSNR_MOST), 0.0)
    assert any("same seed again: 6 of 6 pairs of images are identical" in note for note in found.notes)


def test_one_run_of_an_arm_makes_it_scope_a() -> None:
    found = quality_of_runs(PHOTO_SOURCE, RUNS[:4], baseline="fp32")
    assert {row.difference.scope for row in found.to_photo if row.difference is not None} == {Scope.CHECKPOINTS}
    assert "scope A" in found.notes[0]
    alone = quality_of_runs(PHOTO_SOURCE, RUNS[:1], baseline="fp32")
    assert (len(alone.to_photo), alone.between) == (2, ())


def test_clusters_are_those_of_the_rule() -> None:
    found = quality_of_runs(PHOTO_SOURCE, RUNS, baseline="fp32", cluster_by=parse_rule("^(.)_"))
    values = per_image_quality(PHOTO_SOURCE, [each.source for each in RUNS])
    clusters = [image[0] for image in values.ids]
    assert found.to_photo[0].mean == image_mean(values.to_photo["SSIM"][:3], clusters=clusters)
    assert "clustered by ^(.)_" in found.notes[0]


def test_images_that_a_run_lacks_are_left_out_and_named() -> None:
    runs = [*RUNS[:2], run("amp", 0, ids=IDS[1:]), run("amp", 1, ids=IDS[:5])]
    found = quality_of_runs(PHOTO_SOURCE, runs, baseline="fp32")
    assert "2 of 6 images are left out, which are missing from amp-s0 (1), amp-s1 (1)." in found.notes
    kept = ArraySource(PHOTOS[1:5].astype(np.uint8), ids=IDS[1:5])
    assert numbers(quality_of_runs(kept, runs, baseline="fp32")) == pytest.approx(numbers(found))


def test_resized_photos_are_noted() -> None:
    large = ArraySource(np.repeat(np.repeat(PHOTOS, 2, axis=1), 2, axis=2).astype(np.uint8), ids=IDS)
    found = quality_of_runs(large, RUNS[:1], baseline="fp32")
    assert any(note.startswith("6 of 6 photos were resized") for note in found.notes)


def test_without_weights_lpips_is_left_out_with_a_note() -> None:
    found = quality_of_runs(PHOTO_SOURCE, RUNS[:1], baseline="fp32")
    assert [metric.name for metric in found.metrics] == ["SSIM", "PSNR"]
    assert found.notes[-1].startswith("LPIPS is left out")
    assert "--lpips-weights FILE" in found.notes[-1]


def test_with_weights_lpips_is_there(tmp_path: Path) -> None:
    path = write_random_alexnet(tmp_path / "random.pth")
    found = quality_of_runs(PHOTO_SOURCE, RUNS[:2], baseline="fp32", lpips_weights=path)
    lpips = Lpips(find_lpips_weights(path), "cpu")
    values = per_image_quality(
        PHOTO_SOURCE, [each.source for each in RUNS[:2]], pairs=[(0, 1)], distances=[SSIM, PSNR, lpips.as_distance()]
    )
    assert found.to_photo[2].mean == image_mean(values.to_photo["LPIPS"])
    assert found.between[2].mean == image_mean(values.between["LPIPS"])
    assert found.metrics[2].network == lpips.network
    assert "random.pth" in found.notes[-1]


def test_what_else_is_asked_for_is_there(tmp_path: Path) -> None:
    path = write_random_vgg16(tmp_path / "vgg16.pth")
    found = quality_of_runs(PHOTO_SOURCE, RUNS[:2], baseline="fp32", distance_weights={"dists": path})
    dists = Dists(path, "cpu")
    values = per_image_quality(
        PHOTO_SOURCE, [each.source for each in RUNS[:2]], pairs=[(0, 1)], distances=[dists.as_distance()]
    )
    assert [metric.name for metric in found.metrics] == ["SSIM", "PSNR", "DISTS"]
    assert found.to_photo[2].mean == image_mean(values.to_photo["DISTS"])
    assert found.between[2].mean == image_mean(values.between["DISTS"])
    assert found.metrics[2].weights_sha256 == file_sha256(path)
    assert any("DISTS is computed with vgg16, custom weights" in note for note in found.notes)


def test_bad_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="samples of the baseline bf16"):
        quality_of_runs(PHOTO_SOURCE, RUNS, baseline="bf16")
    with pytest.raises(InputError, match="no such file"):
        quality_of_runs(PHOTO_SOURCE, RUNS, baseline="fp32", lpips_weights=tmp_path / "missing.pth")


def numbers(found: RunQuality) -> list[float]:
    means = [row.mean for row in (*found.to_photo, *found.between)]
    differences = [row.difference for row in found.to_photo if row.difference is not None]
    return [
        *(number for mean in means for number in (mean.value, mean.error.value)),
        *(number for each in differences for number in (each.estimate, each.p_value, *each.interval)),
    ]


def test_the_photo_of_a_condition_serves_for_all_of_its_samples_which_are_its_cluster() -> None:
    rng = np.random.default_rng(9)
    ids = [f"{image}@{seed}" for image in IDS for seed in (0, 1)]
    twice = np.repeat(PHOTOS, 2, axis=0)

    def made(arm: str, noise: int) -> QualityRun:
        pixels = np.clip(twice + rng.normal(scale=noise, size=twice.shape), 0, 255).astype(np.uint8)
        return QualityRun(name=arm, arm=arm, seed=0, repeat=False, source=ArraySource(pixels, ids=ids))

    runs = [made("fp32", 20), made("amp", 30)]
    found = quality_of_runs(PHOTO_SOURCE, runs, baseline="fp32")
    values = per_image_quality(PHOTO_SOURCE, [each.source for each in runs])
    same = per_image_quality(ArraySource(twice.astype(np.uint8), ids=ids), [each.source for each in runs])
    assert values.ids == tuple(sorted(ids))
    labels = [image.partition("@")[0] for image in values.ids]
    for row in found.to_photo:
        table = values.to_photo[row.metric]
        assert np.array_equal(table, same.to_photo[row.metric])
        assert row.mean == image_mean(table[:1] if row.arm == "fp32" else table[1:], clusters=labels)
    assert found.notes[0].startswith("12 images (6 conditions x 2 seeds), clustered by condition; 95 % intervals;")
    assert not any("images are left out" in note for note in found.notes)
