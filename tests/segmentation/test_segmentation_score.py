"""The segmentation score in one call: arms, the oracle row, pairing, sizes, and what does not fit."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from p2phd_eval import segmentation_score
from p2phd_eval.errors import InputError
from p2phd_eval.images.protocols import Protocol
from p2phd_eval.segmentation.segmentation_score import SegmentationResult
from p2phd_eval.stats.segmentation.score_names import SegmentationScore
from p2phd_eval.stats.verdicts.equivalence import Verdict
from p2phd_eval.stats.verdicts.scope import Scope
from tests.segmentation.colour_scenes import CLASSES, VOID, ColourSegmenter, save, write_samples, write_scenes

IOU = SegmentationScore.MEAN_IOU


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Label maps and photos, with samples of three runs of two arms, and of one that is worse."""
    root = write_scenes(tmp_path_factory.mktemp("scenes"))
    for seed in range(3):
        write_samples(root, root / f"fp32-{seed}", 60, seed=seed)
        write_samples(root, root / f"amp-{seed}", 60, seed=10 + seed)
    write_samples(root, root / "worse", 90, seed=5)
    return root


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P2PHD_EVAL_CACHE", str(tmp_path / "cache"))


def scored(data: Path, *folders: str, **options: object) -> SegmentationResult:
    settings = {"segmenter": ColourSegmenter(), "ignore": [VOID], "device": "cpu", **options}
    return segmentation_score(data, {name: data / name for name in folders}, **settings)  # type: ignore[arg-type]


def test_images_are_held_against_a_protocol(data: Path) -> None:
    protocol = Protocol(name="ours", images="the scenes", n=12, id_form=".+", size=(48, 32))
    assert scored(data, "fp32-0", protocol=protocol).stamp.protocol == "ours"
    assert scored(data, "fp32-0").stamp.protocol is None
    for other, message in ((replace(protocol, n=13), "found 12 images"), (replace(protocol, size=(24, 16)), "48 x 32")):
        with pytest.raises(InputError, match=message):
            scored(data, "fp32-0", protocol=other)


def test_a_worse_arm_is_worse_and_real_photos_are_the_best(data: Path, tmp_path: Path) -> None:
    picture = tmp_path / "worst.png"
    found = scored(data, "fp32-0", "amp-0", "worse", margin=5, picture=picture)
    comparison = found.comparison
    assert [each.verdict for each in comparison.verdicts] == [Verdict.WITHIN, Verdict.WORSE]
    assert comparison.real is not None
    assert (
        comparison.real.scores[IOU].value > comparison.arms[0].scores[IOU].value > comparison.arms[2].scores[IOU].value
    )
    assert (comparison.images, comparison.scope) == (12, Scope.CHECKPOINTS)
    assert found.stamp.classes == CLASSES
    assert found.stamp.photo_sizes == ((48, 32),)
    assert all(each.true != each.predicted for each in found.confusions["worse"])
    assert len(found.worst) == 3
    with Image.open(picture) as image:
        assert image.width == 7 * 52 + 4


def test_seeds_make_it_a_statement_about_recipes(data: Path) -> None:
    arms = {name: [data / f"{name}-{seed}" for seed in range(3)] for name in ("fp32", "amp")}
    segmenter = ColourSegmenter()
    found = segmentation_score(data, arms, segmenter=segmenter, ignore=[VOID], margin="20%", device="cpu")
    assert found.comparison.scope is Scope.RECIPES
    assert len(found.comparison.arms[1].runs) == 3
    assert found.comparison.verdicts[0].verdict is Verdict.WITHIN
    assert segmenter.seen == 7 * 12


def test_without_photos_it_says_so_and_label_maps_may_be_more(data: Path, tmp_path: Path) -> None:
    labels = shutil.copytree(data / "test_label", tmp_path / "maps")
    some = tmp_path / "some"
    for path in sorted((data / "fp32-0").iterdir())[:8]:
        save(some / path.name, np.asarray(Image.open(path)))
    found = segmentation_score(labels, some, segmenter=ColourSegmenter(), ignore=[VOID], device="cpu")
    assert found.comparison.real is None
    assert found.comparison.verdicts == ()
    assert any("no real photos" in note for note in found.notes)
    assert "4 label maps have no sample and are left out; 8 are scored" in found.notes


def test_real_photos_are_brought_to_the_size_of_samples(data: Path) -> None:
    write_samples(data, data / "small", 60, scale=2)
    found = scored(data, "small")
    assert found.stamp.photo_sizes == ((24, 16),)
    assert "the real photos were brought to the size of their samples, such as 24 x 16 (bicubic)" in found.notes
    with pytest.raises(InputError, match="samples of the baseline's size, 24 x 16"):
        scored(data, "small", "fp32-0")


def test_classes_that_are_nowhere_or_only_predicted_are_told(data: Path, tmp_path: Path) -> None:
    class_map = tmp_path / "map.toml"
    class_map.write_text('[labels]\n0 = "sky"\n1 = "road"\n2 = "ignore"\n3 = "ignore"\n255 = "ignore"\n')
    segmenter = ColourSegmenter()
    segmenter.classes = ("sky", "road", "car", "tree", "moon")
    found = scored(data, "fp32-0", segmenter=segmenter, class_map=class_map, ignore=[])
    assert "in no label map and no prediction, and left out: moon" in found.notes
    assert any(note.startswith("predicted, but in no label map, and so in no mean: car, tree") for note in found.notes)
    assert found.comparison.counted == (True, True, False, False, False)


class Blind(ColourSegmenter):
    """Sees the sky alone."""

    def __call__(self, images: Tensor) -> Tensor:
        return torch.zeros(images.shape[:3], dtype=torch.int64)


def test_classes_that_the_segmenter_does_not_know_are_told(data: Path) -> None:
    blind = Blind()
    blind.identity = "1" * 64
    (note,) = (each for each in scored(data, "fp32-0", segmenter=blind).notes if "either" in each)
    assert note.startswith("hardly found in the real photos either (IoU below 10 %): road, car, tree; ")


def test_runs_and_maps_that_do_not_fit_are_refused(data: Path, tmp_path: Path) -> None:
    fewer = shutil.copytree(data / "amp-0", tmp_path / "fewer")
    (fewer / "scene03_synthesized_image.png").unlink()
    with pytest.raises(InputError, match="found 1 missing, such as 'scene03'"):
        segmentation_score(data, {"fp32": data / "fp32-0", "amp": fewer}, segmenter=ColourSegmenter())
    other = write_scenes(tmp_path / "other", 4)
    with pytest.raises(InputError, match="a label map for each of 12 samples, found 8 without one"):
        segmentation_score(other, data / "fp32-0", segmenter=ColourSegmenter(), ignore=[VOID])
    (data / "classes.json").write_text('{"label_nc": 4, "classes": ["a", "b", "c", "d"]}')
    try:
        with pytest.raises(InputError, match="such as 'a', found 4 others: sky"):
            scored(data, "fp32-0")
    finally:
        (data / "classes.json").unlink()
