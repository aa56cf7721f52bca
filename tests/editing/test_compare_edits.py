"""Edits under two arms: against photos made and measured by hand, resumed, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from p2phd_eval.editing.apply_edits import read_applied
from p2phd_eval.editing.compare_edits import EDITED, STRIP, EditComparison, compare_edits, read_area, samples_of
from p2phd_eval.editing.edit_judge import EditJudge
from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.arms import ArmFolders
from p2phd_eval.files import file_sha256
from p2phd_eval.generators.sampling.generation import generate
from p2phd_eval.images.decoding import read_rgb
from p2phd_eval.stats.verdicts.scope import Scope
from p2phd_eval.stats.verdicts.widening import widening
from tests.quality.alexnet import write_random_alexnet

Arms = tuple[ArmFolders, ArmFolders]


@pytest.fixture(scope="module")
def alexnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_alexnet(tmp_path_factory.mktemp("alexnet") / "random.pth")


def compare(scenes: Path, arms: Arms, out: Path, **options: object) -> EditComparison:
    return compare_edits(scenes / "data", arms, scenes / "edits.json", out, device="cpu", **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def compared(
    edited_scenes: Path, trained_arms: Arms, alexnet: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[EditComparison, Path]:
    out = tmp_path_factory.mktemp("compared") / "edits"
    return compare(edited_scenes, trained_arms, out, lpips_weights=alexnet), out


def test_runs_pair_by_their_seeds_and_the_baselines_with_each_other(compared: tuple[EditComparison, Path]) -> None:
    result, _ = compared
    assert [arm.seeds for arm in result.arms] == [(1, 2, 3), (1, 2, 3)]
    assert result.distances.pairs == ((0, 3), (1, 4), (2, 5), (0, 1), (0, 2), (1, 2))
    assert result.candidates[0].judged.scope is Scope.RECIPES
    assert result.candidates[0].judged.edits == len(result.script.edits) == 8


def test_distances_are_those_of_the_photos_inside_and_outside_of_the_edit(
    compared: tuple[EditComparison, Path],
) -> None:
    result, out = compared
    applied = read_applied(out / EDITED).edits
    for k in (0, 5):
        area = read_area(out / EDITED / applied[k].area)
        edited, original = Path(applied[k].label).name, f"{applied[k].edit.image}.png"
        for row in (1, 4):
            pair = result.distances.pairs[row]
            runs = [(arm, run) for arm in result.arms for run in arm.runs]
            for table, folder, name in (
                (result.distances.original, "original", original),
                (result.distances.edited, EDITED, edited),
            ):
                photos = [read_rgb(samples_of(out, *runs[run]) / folder / name).astype(float) for run in pair]
                squares = np.square(photos[0] - photos[1]).mean(axis=2)
                assert table["MSE", "inside"][row, k] == pytest.approx(squares[area].mean(), rel=1e-5)
                assert table["MSE", "outside"][row, k] == pytest.approx(squares[~area].mean(), rel=1e-5)


def test_the_judged_widening_is_that_of_these_distances(compared: tuple[EditComparison, Path]) -> None:
    result, _ = compared
    before, after = (each["MSE", "inside"] for each in (result.distances.original, result.distances.edited))
    images = [edit.image for edit in result.distances.edits]
    expected = widening(
        before[:3], after[:3], images, seeds_original=before[3:], seeds_edited=after[3:], margin=result.margin
    )
    judged = result.candidates[0].judged
    assert judged.estimate.interval == pytest.approx(expected.estimate.interval)
    assert judged.seeds_estimate is not None
    assert expected.seeds_estimate is not None
    assert judged.seeds_estimate.interval == pytest.approx(expected.seeds_estimate.interval)
    assert (judged.verdict, judged.margin) == (expected.verdict, pytest.approx(expected.margin))


def test_every_distance_place_and_kind_has_a_row(compared: tuple[EditComparison, Path]) -> None:
    result, _ = compared
    rows = result.candidates[0].rows
    found = {(row.distance, row.place) for row in rows if row.kind == "all"}
    assert found == {(name, place) for name in ("MSE", "1 - SSIM", "LPIPS") for place in ("inside", "outside")}
    assert all(row.widening.edits < 8 for row in rows if row.kind != "all")
    assert [row.distance for row in result.candidates[0].locality] == ["MSE", "1 - SSIM", "LPIPS"]


def test_photos_are_those_of_generate(
    compared: tuple[EditComparison, Path], edited_scenes: Path, trained_arms: Arms, tmp_path: Path
) -> None:
    result, out = compared
    generate(trained_arms[1].folders[0], edited_scenes / "data", tmp_path, batch_size=1, device="cpu")
    original = samples_of(out, result.arms[1], result.arms[1].runs[0]) / "original"
    for path in tmp_path.glob("*.png"):
        assert path.read_bytes() == (original / path.name).read_bytes()


def test_a_restyled_region_counts_as_edited(compared: tuple[EditComparison, Path]) -> None:
    result, _ = compared
    assert np.nanmin(result.distances.changed["MSE"]) >= 0
    styled = [k for k, edit in enumerate(result.distances.edits) if edit.kind == "style"]
    assert styled
    for k in styled:
        assert result.distances.edits[k].inside > 0


def test_a_second_call_makes_nothing_again_and_an_altered_photo_is_mended(
    compared: tuple[EditComparison, Path], edited_scenes: Path, trained_arms: Arms, alexnet: Path
) -> None:
    result, out = compared
    files = sorted(path for path in (out / "runs").rglob("*.png"))
    before = {path: (path.stat().st_mtime_ns, file_sha256(path)) for path in files}
    altered = files[3]
    altered.write_bytes(files[4].read_bytes())
    again = compare(edited_scenes, trained_arms, out, lpips_weights=alexnet)
    assert again.candidates == result.candidates
    assert {path: file_sha256(path) for path in files} == {path: each[1] for path, each in before.items()}
    assert [path for path in files if path.stat().st_mtime_ns != before[path][0]] == [altered]
    assert (out / STRIP).is_file()


def test_another_distance_is_judged(
    compared: tuple[EditComparison, Path], edited_scenes: Path, trained_arms: Arms, alexnet: Path
) -> None:
    _, out = compared
    result = compare(
        edited_scenes, trained_arms, out, lpips_weights=alexnet, judge=EditJudge.LPIPS, margin="50% of seeds"
    )
    judged = next(row for row in result.candidates[0].rows if row.distance == "LPIPS")
    assert result.candidates[0].judged.original == judged.widening.original
    assert result.candidates[0].judged.seeds_original is not None
    assert result.candidates[0].judged.margin == pytest.approx(result.candidates[0].judged.seeds_original / 2)


@pytest.mark.parametrize(
    ("options", "where"),
    [({"margin": "10"}, "--margin"), ({"judge": "fid"}, "--judge"), ({"confidence": 2.0}, "--confidence")],
)
def test_options_fail_before_anything_is_done(
    edited_scenes: Path, trained_arms: Arms, tmp_path: Path, options: dict[str, object], where: str
) -> None:
    with pytest.raises(InputError, match=where):
        compare(edited_scenes, trained_arms, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_a_script_of_another_data_set_is_refused(edited_scenes: Path, trained_arms: Arms, tmp_path: Path) -> None:
    other = (edited_scenes / "edits.json").read_text()
    script = tmp_path / "edits.json"
    digest = next(line for line in other.splitlines() if "data_sha256" in line)
    script.write_text(other.replace(digest, '  "data_sha256": "' + "0" * 64 + '",'))
    with pytest.raises(InputError, match="expected a script of the maps in"):
        compare_edits(edited_scenes / "data", trained_arms, script, tmp_path / "out", device="cpu")
    assert not (tmp_path / "out").exists()
