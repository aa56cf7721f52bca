from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from p2phd_eval.errors import InputError
from p2phd_eval.images.png import write_png
from p2phd_eval.segmentation import labelled_photos
from p2phd_eval.segmentation.labelled_photos import IGNORED, read_labelled_photos


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for number in range(5):
        write_png(
            tmp_path / "train_img" / f"{number}.png", rng.integers(0, 256, (6 + 2 * number, 8, 3), dtype=np.uint8)
        )
        label = np.zeros((6 + 2 * number, 8), np.uint8)
        label[:, 4:], label[0, 0] = 2, 255
        write_png(tmp_path / "train_label" / f"{number}.png", label)
    return tmp_path


def test_photos_and_labels_come_to_one_width(data: Path) -> None:
    photos = read_labelled_photos(data, phase="train", width=4, ignore=(255,))
    assert [tuple(each.shape) for each in photos.photos] == [(3, 4, 3), (4, 4, 3), (5, 4, 3), (6, 4, 3), (7, 4, 3)]
    assert photos.labels[0].tolist() == [[0, 0, 2, 2]] * 3  # the ignored corner is no pixel's centre
    assert photos.classes == ("0", "1", "2")


def test_ignored_labels_are_no_classes(data: Path) -> None:
    photos = read_labelled_photos(data, phase="train", width=None, ignore=(255,))
    assert photos.labels[0][0, 0] == IGNORED
    with pytest.raises(InputError, match="two classes or more"):
        read_labelled_photos(data, phase="train", width=None, ignore=(2, 255))
    (data / "classes.json").write_text(json.dumps({"classes": ["sky", "tree", "road", "car"]}))
    assert read_labelled_photos(data, phase="train", width=None, ignore=(255,)).classes == ("sky", "tree", "road")


def test_many_photos_are_thinned_evenly(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labelled_photos, "MOST_PHOTOS", 2)
    photos = read_labelled_photos(data, phase="train", width=None, ignore=(255,))
    assert [len(each) for each in photos.labels] == [6, 10]


def test_what_does_not_fit_is_refused(data: Path) -> None:
    write_png(data / "train_label" / "3.png", np.zeros((5, 8), np.uint8))
    with pytest.raises(InputError, match="expected its photo's size, 8x12, found 8x5"):
        read_labelled_photos(data, phase="train", width=None, ignore=(255,))
    (data / "train_label" / "3.png").unlink()
    with pytest.raises(InputError, match="found 1 in one alone, such as '3'"):
        read_labelled_photos(data, phase="train", width=None, ignore=(255,))


def test_instance_maps_are_no_labels(data: Path) -> None:
    Image.fromarray(np.full((12, 8), 26001, np.uint16)).save(data / "train_label" / "3.png")
    with pytest.raises(InputError, match="expected class numbers up to 4095"):
        read_labelled_photos(data, phase="train", width=None, ignore=(255,))
