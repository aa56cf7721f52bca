"""`p2phd-eval compare` as a user types it: pairing, scopes, margins, clusters, explanations."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from p2phd_eval.images.decoding import open_image
from p2phd_eval.images.png import write_png
from tests.commands.command_line import document_of, error_of, invoke, noise_folder
from tests.features.feature_sets import CITIES, arm_file


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    names = ("real", "fp32", "amp")
    real, baseline, candidate = (arm_file(tmp_path / f"{name}.npz", seed=k) for k, name in enumerate(names))
    return real, baseline, candidate


def compared(*arguments: object) -> dict[str, object]:
    return document_of(invoke("compare", *arguments, "--replicates", 20, "--json", "-"))


def test_one_run_an_arm_is_scope_a_with_margin_and_reason(files: tuple[Path, Path, Path]) -> None:
    document = compared(*files, "--margin", 2)
    (candidate,) = document["candidates"]
    assert (document["scope"], document["pairing"], document["n"]) == ("A", "triplets", 60)
    assert (candidate["name"], candidate["judged"], candidate["verdict"]) == ("amp.npz", "fid-at-n", "within")
    test = candidate["test"]
    assert test["interval"][0] < test["tost_interval"][0] < test["estimate"] < test["tost_interval"][1]
    assert max(test["p_lower"], test["p_upper"]) < 0.05 <= test["p_difference"]
    assert candidate["dfid"] == pytest.approx(candidate["runs"][0]["fid"] - document["baseline"]["runs"][0]["fid"])
    assert candidate["swap_test"]["p_value"] >= 1 / 1001
    assert "lies inside ±2" in candidate["reason"]
    plain = invoke("compare", *files, "--margin", 2, "--replicates", 20).stdout
    assert "Scope A: these checkpoints" in plain
    assert "within the error range" in plain


def test_without_margin_nothing_is_within_and_the_reason_is_given(files: tuple[Path, Path, Path]) -> None:
    (candidate,) = compared(*files)["candidates"]
    assert candidate["verdict"] == "inconclusive"
    assert "one baseline run shows no spread of seeds" in candidate["margin"]["text"]


def test_a_relative_margin_is_a_share_of_the_baseline(files: tuple[Path, Path, Path]) -> None:
    document = compared(*files, "--margin", "20%")
    value = document["candidates"][0]["margin"]["value"]
    assert value == pytest.approx(0.2 * document["baseline"]["runs"][0]["fid"])


def test_what_is_refused_is_not_judged_and_the_exit_code_is_0(tmp_path: Path) -> None:
    files = [arm_file(tmp_path / f"{name}.npz", seed=k, n=6) for k, name in enumerate(("real", "fp32", "amp"))]
    arguments = ("compare", *files, "--judge", "fid", "--margin", 1)
    pilot = tmp_path / "pilot.json"
    result = invoke(*arguments, "--json", pilot)
    assert result.exit_code == 0
    assert "nothing was judged. FID of the distributions was to be, but 6 images are too few" in result.stdout
    (candidate,) = json.loads(pilot.read_text())["candidates"]
    assert (candidate["verdict"], candidate["test"]) == ("not-judged", None)
    assert invoke(*arguments, "--fail-on", "inconclusive").exit_code == 1
    gate = invoke("gate", pilot, "--require", "not-worse")
    assert gate.exit_code == 1
    assert "Nothing was judged." in gate.stdout


def test_a_reference_gives_the_block_fid(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    reference = arm_file(tmp_path / "photos.npz", seed=9, n=80, prefix="photo")
    document = compared(*files, "--reference", reference, "--judge", "block-fid", "--margin", "50%")
    (candidate,) = document["candidates"]
    assert document["reference"]["n"] == 80
    assert candidate["judged"] == "block-fid"
    measured = {each["estimand"]: each for each in candidate["measured"]}
    assert candidate["test"]["estimate"] == measured["block-fid"]["estimate"]
    assert "--judge block-fid: expected --reference" in error_of(invoke("compare", *files, "--judge", "block-fid"))


def test_a_margin_fits_what_is_judged(files: tuple[Path, Path, Path]) -> None:
    message = error_of(invoke("compare", *files, "--judge", "kid", "--margin", 2))
    assert "--margin: expected a difference of KIDs" in message


@pytest.mark.parametrize("margin", ["0", "-1", "nan", "0%", "wide"])
def test_a_margin_must_be_above_0(tmp_path: Path, margin: str) -> None:
    message = error_of(invoke("compare", tmp_path, tmp_path / "a", tmp_path / "b", "--margin", margin))
    assert "--margin: expected a number above 0" in message


@pytest.mark.parametrize("confidence", ["0", "0.5", "1", "95"])
def test_confidence_lies_between_one_half_and_one(files: tuple[Path, Path, Path], confidence: str) -> None:
    assert "--confidence: expected a number above 0.5" in error_of(
        invoke("compare", *files, "--confidence", confidence)
    )


def test_several_seeds_an_arm_are_scope_b_with_their_margin(tmp_path: Path) -> None:
    real = arm_file(tmp_path / "real.npz", seed=0)
    rng = np.random.default_rng(5)
    arms = {
        name: [
            arm_file(tmp_path / f"{name}-{k}.npz", seed=10 * (k + 1) + offset, shift=rng.normal() * 0.1)
            for k in range(3)
        ]
        for offset, name in enumerate(("fp32", "amp"))
    }
    options = ("--baseline", *arms["fp32"], "--candidate", *arms["amp"])
    document = compared(real, *options)
    (candidate,) = document["candidates"]
    assert document["scope"] == "B"
    assert [len(each["runs"]) for each in (document["baseline"], candidate)] == [3, 3]
    assert candidate["margin"]["text"].startswith("2.77 standard deviations over 3 baseline runs")
    assert candidate["margin"]["range"][0] < candidate["margin"]["value"] < candidate["margin"]["range"][1]
    # 20 ways to deal six runs to two arms of three, each with its mirror image.
    assert round(candidate["seed_permutation_p"] * 20) in range(2, 21, 2)
    fixed = compared(real, *options, "--scope", "A")
    assert fixed["scope"] == "A"
    widths = [high - low for low, high in (each["test"]["interval"] for each in (fixed["candidates"][0], candidate))]
    assert widths[0] < widths[1]
    assert "B: the precision as a recipe" in invoke("compare", real, *options, "--replicates", 20).stdout


def test_scope_b_takes_two_seeds_an_arm(files: tuple[Path, Path, Path]) -> None:
    message = error_of(invoke("compare", *files, "--scope", "B"))
    assert "scope B, fp32.npz: expected two or more training seeds an arm" in message


def test_a_pilot_plans_the_next_study(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    pilot = tmp_path / "pilot.json"
    assert invoke("compare", *files, "--replicates", 20, "--json", pilot).exit_code == 0
    plan = document_of(invoke("plan", pilot, "--margin", 0.5, "--json", "-"))
    components = json.loads(pilot.read_text())["candidates"][0]["components"]
    assert plan["plans"][0]["components"] == components
    assert plan["plans"][0]["rows"][0]["images_within"] > 0


def test_names_that_match_partly_are_counted_or_refused(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    real, baseline, _ = files
    later = arm_file(tmp_path / "later.npz", seed=7, first=20)
    document = compared(real, baseline, later, "--margin", 2)
    assert document["n"] == 60 - 20
    assert any("20 of the images of fp32.npz are left out" in warning for warning in document["warnings"])
    message = error_of(invoke("compare", real, baseline, later, "--margin", 2, "--strict"))
    assert "--strict: expected the same image names in all sets" in message


def test_other_names_are_independent_images_and_the_loss_is_said(
    files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    real, baseline, candidate = files
    paired = compared(real, baseline, candidate)
    other = arm_file(tmp_path / "other.npz", seed=2, prefix="x")
    unpaired = compared(real, baseline, other)
    assert unpaired["pairing"] == "independent"
    assert unpaired["candidates"][0]["dfid"] == pytest.approx(paired["candidates"][0]["dfid"])
    assert unpaired["candidates"][0]["dfid_se"] > paired["candidates"][0]["dfid_se"]
    assert unpaired["candidates"][0]["swap_test"] is None
    assert any("all sets are taken as independent" in warning for warning in unpaired["warnings"])
    renamed = arm_file(tmp_path / "photos.npz", seed=0, prefix="photo")
    generated = compared(renamed, baseline, candidate)
    assert generated["pairing"] == "generated"
    assert generated["candidates"][0]["swap_test"] is not None


def test_clusters_widen_the_error_and_few_of_them_are_warned_of(tmp_path: Path) -> None:
    files = [arm_file(tmp_path / f"{name}.npz", seed=k, cities=True) for k, name in enumerate(("real", "a", "b"))]
    document = compared(*files, "--cluster-by", "cityscapes-city")
    assert document["clusters"] == 3
    assert any("only 3 clusters" in warning for warning in document["warnings"])
    (candidate,) = document["candidates"]
    # Three clusters cannot be quartered: no extrapolation, so KID stands beside the verdict.
    assert (candidate["judged"], candidate["test"]["df"] < 2.001) == ("fid-at-n", True)
    assert "too few, or too unequal, to extrapolate" in candidate["not_measured"]["fid"]
    assert candidate["companion"]["estimand"] == "kid-rq"
    frames = compared(*files, "--cluster-by", r"_(\d+)_")
    assert frames["clusters"] is None
    alone = compared(*files)["candidates"][0]["dfid_se"]
    assert frames["candidates"][0]["dfid_se"] == pytest.approx(alone, rel=1e-12)  # sums in another order
    message = error_of(invoke("compare", *files, "--cluster-by", r"^frankfurt"))
    assert "--cluster-by" in message


def test_candidates_are_adjusted_for_their_number(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    more = [arm_file(tmp_path / f"more{k}.npz", seed=20 + k) for k in range(2)]
    candidates = compared(*files, *more, "--margin", 2)["candidates"]
    raw = sorted(each["test"]["p_difference"] for each in candidates)
    adjusted = sorted(each["test"]["p_difference_holm"] for each in candidates)
    assert adjusted[0] == pytest.approx(min(1, 3 * raw[0]))


def test_explain_prints_where_the_difference_comes_from(tmp_path: Path) -> None:
    files = [arm_file(tmp_path / f"{name}.npz", seed=k, cities=True) for k, name in enumerate(("real", "a", "b"))]
    options = ("--cluster-by", "cityscapes-city", "--explain")
    document = compared(*files, *options)
    (candidate,) = document["candidates"]
    explanation = candidate["explanation"]
    assert explanation["dfid"] == pytest.approx(candidate["dfid"])
    assert explanation["mean_part"] + explanation["covariance_part"] == pytest.approx(candidate["dfid"])
    assert sum(part["contribution"] for part in explanation["clusters"]) == pytest.approx(candidate["dfid"])
    assert {part["name"] for part in explanation["clusters"]} == set(CITIES)
    assert explanation["upward"][0]["id"] in invoke("compare", *files, *options, "--replicates", 20).stdout
    message = error_of(invoke("compare", *files, "--labels", tmp_path))
    assert "--labels: expected --explain beside it" in message


def test_two_images_are_too_few(tmp_path: Path) -> None:
    files = [arm_file(tmp_path / f"{name}.npz", seed=k, n=2) for k, name in enumerate(("real", "a", "b"))]
    assert "at least 3" in error_of(invoke("compare", *files))


def test_a_picture_takes_images(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    message = error_of(invoke("compare", *files, "--picture", tmp_path / "p.png"))
    assert "--picture: expected images in all arguments, found features" in message


@pytest.mark.usefixtures("inception_weights")
def test_fail_on_turns_a_verdict_into_exit_code_1(tmp_path: Path) -> None:
    """Photos against themselves and against noise: the baseline is perfect, so noise is worse."""
    rng = np.random.default_rng(0)
    for i in range(8):
        smooth = rng.integers(0, 256, (2, 2, 3)).repeat(16, axis=0).repeat(16, axis=1).astype(np.uint8)
        write_png(tmp_path / "real" / f"i{i}.png", smooth)
        nearly = np.clip(smooth.astype(int) + rng.integers(-2, 3, smooth.shape), 0, 255).astype(np.uint8)
        write_png(tmp_path / "good" / f"i{i}.png", nearly)
    noise_folder(tmp_path / "noise", 8, size=(32, 32))
    picture = tmp_path / "strip.png"
    arguments = ("compare", tmp_path / "real", tmp_path / "good", tmp_path / "noise", "--margin", 1, "--device", "cpu")
    assert invoke(*arguments, "--replicates", 10, "--explain", "--picture", picture).exit_code == 0
    assert open_image(picture).width == 4 * 36 + 4  # real, good, noise and the difference: 32 pixels each and a gap
    result = invoke(*arguments, "--replicates", 10, "--fail-on", "worse")
    assert result.exit_code == 1
    assert "noise, these checkpoints (scope A): " in result.stdout
    assert "worse in FID@8, since the" in result.stdout
    assert invoke(*arguments, "--replicates", 10, "--fail-on", "inconclusive").exit_code == 0


@pytest.mark.usefixtures("inception_weights")
def test_runs_are_compared_by_their_folders_or_their_manifests(scenes: Path, runs: Path, tmp_path: Path) -> None:
    photos, folders = scenes / "test_img", (runs / "fp32" / "samples", runs / "amp" / "samples")
    picture = tmp_path / "side-by-side.png"
    options = ("--device", "cpu", "--replicates", 20, "--json", "-")
    document = document_of(invoke("compare", photos, *folders, "--picture", picture, *options))
    assert open_image(picture).width == 4 * 68 + 4  # real, fp32, amp and the difference: 64 pixels each and a gap
    (candidate,) = document["candidates"]
    assert (candidate["name"], document["n"], document["scope"]) == ("amp", 4, "A")
    assert document["baseline"]["runs"][0]["manifest"]["training_precision"] == "fp32"
    assert candidate["runs"][0]["manifest"]["training_precision"] == "amp-bf16"
    by_manifest = document_of(invoke("compare", photos, "--runs", runs, *options))
    assert by_manifest["candidates"][0]["name"] == "amp-bf16"
    assert by_manifest["candidates"][0]["dfid"] == candidate["dfid"]
    explained = invoke("compare", photos, *folders, "--explain", "--labels", scenes / "test_label", *options)
    classes = document_of(explained)["candidates"][0]["explanation"]["classes"]
    assert sum(part["contribution"] for part in classes) == pytest.approx(candidate["dfid"])
    assert "road" in {part["name"] for part in classes}


@pytest.mark.usefixtures("inception_weights")
def test_runs_whose_samples_were_altered_are_refused(scenes: Path, runs: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(runs, tmp_path / "runs"))
    first, second, third, _ = sorted((copy / "amp/samples").glob("*.png"))
    command = ("compare", scenes / "test_img", "--runs", copy, "--device", "cpu")
    shutil.copy(second, first)
    third.rename(third.with_name("new.png"))
    message = error_of(invoke(*command, "--force"))
    assert f"found 1 altered ({first.name}), 1 added (new.png), 1 gone ({third.name})" in message
    third.with_name("new.png").unlink()
    again = invoke("generate", copy / "amp", scenes, "--out", copy / "amp/samples", "--device", "cpu")
    assert "2 images of 64 x 32 written" in again.stderr  # the way out
    assert invoke(*command).exit_code == 0
