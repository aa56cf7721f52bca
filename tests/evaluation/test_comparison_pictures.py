from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.comparison_pictures import influence_strip
from p2phd_eval.images.png import write_png
from p2phd_eval.images.sources.folder import FolderSource
from p2phd_eval.scenes.data_set import write_dataset
from p2phd_eval.stats.verdicts.explanation import ImageInfluence


def test_the_strip_shows_label_real_baseline_candidate_and_difference(tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_dataset(data, n_train=3, n_test=0, width=64, height=32, seed=0)
    photos = FolderSource(data / "train_img")
    for index, image in enumerate(photos.ids):
        pixels = photos.load(index).pixels // 2
        write_png(tmp_path / "baseline" / f"{image}.png", pixels)
        write_png(tmp_path / "candidate" / f"{image}.png", pixels + np.uint8(10 * index))
    sources = [photos, FolderSource(tmp_path / "baseline"), FolderSource(tmp_path / "candidate")]
    names = ["real", "fp32", "amp"]
    worst = [ImageInfluence(id=f"scene_00000{k}", influence=0.1 * k, contribution=0.0) for k in (2, 0)]
    picture = influence_strip(worst, sources, names, FolderSource(data / "train_label"))
    # A caption of 18 above all and above each row; 4 between tiles.
    assert picture.shape == (18 + 4 + 2 * (18 + 32 + 4), 4 + 5 * (64 + 4), 3)
    first, second = 18 + 4 + 18, 18 + 4 + 18 + (18 + 32 + 4)
    np.testing.assert_array_equal(picture[first : first + 32, 72 : 72 + 64], photos.load(2).pixels)
    assert (picture[first : first + 32, 276 : 276 + 64] == 4 * 20).all()  # of the difference, amplified by 4
    assert (picture[second : second + 32, 276 : 276 + 64] == 0).all()
    plain = influence_strip(worst, sources, names, None)
    assert plain.shape == (picture.shape[0], 4 + 4 * (64 + 4), 3)
    np.testing.assert_array_equal(plain[first : first + 32, 4 : 4 + 64], photos.load(2).pixels)


def test_a_strip_needs_its_images(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", np.zeros((8, 8, 3), dtype=np.uint8))
    source = FolderSource(tmp_path)
    with pytest.raises(InputError, match="at least one image"):
        influence_strip([], [source] * 3, ["r", "b", "c"], None)
    missing = [ImageInfluence(id="b", influence=1.0, contribution=1.0)]
    with pytest.raises(InputError, match="the id 'b'"):
        influence_strip(missing, [source] * 3, ["r", "b", "c"], None)
