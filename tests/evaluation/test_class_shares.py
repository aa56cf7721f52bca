from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.class_shares import label_class_shares, stored_class_names
from p2phd_eval.images.png import write_png
from p2phd_eval.images.sources.folder import FolderSource
from p2phd_eval.scenes.data_set import CLASSES, write_dataset


def test_shares_of_drawn_scenes_are_their_pixels(tmp_path: Path) -> None:
    write_dataset(tmp_path / "data", n_train=3, n_test=0, width=96, height=64, seed=0)
    folder = tmp_path / "data" / "train_label"
    names = stored_class_names(folder)
    assert names == CLASSES
    ids = ["scene_000002", "scene_000000"]  # some of them, in an order of their own
    calls: list[tuple[int, int]] = []
    result = label_class_shares(FolderSource(folder), ids, names, lambda done, total: calls.append((done, total)))
    np.testing.assert_allclose(result.shares.sum(axis=1), 1, rtol=1e-12)
    assert calls == [(1, 2), (2, 2)]
    for image, row in zip(ids, result.shares, strict=True):
        label = np.asarray(Image.open(folder / f"{image}.png"))
        for name, share in zip(result.names, row, strict=True):
            assert share == (label == CLASSES.index(name)).mean()


def test_classes_that_occur_are_listed_by_number_and_named_as_far_as_names_go(tmp_path: Path) -> None:
    wide = np.array([[300, 300], [0, 7]], dtype=np.uint16)
    narrow = Image.fromarray(np.array([[0, 0], [1, 0]], dtype=np.uint8)).convert("P")
    write_png(tmp_path / "a_0_1_gtFine_labelIds.png", wide)
    narrow.save(tmp_path / "b.png")
    result = label_class_shares(FolderSource(tmp_path), ["a_0_1", "b"], ("road", "car"))
    assert result.names == ("road", "car", "class 7", "class 300")
    np.testing.assert_array_equal(result.shares, [[0.25, 0, 0.25, 0.5], [0.75, 0.25, 0, 0]])


def test_names_stand_beside_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "test_label"
    assert stored_class_names(folder) == ()
    stored = tmp_path / "classes.json"
    stored.write_text(json.dumps({"label_nc": 3}))
    assert stored_class_names(folder) == ()
    for text in ("{", "[1]", '{"classes": [1]}'):
        stored.write_text(text)
        with pytest.raises(InputError, match=r"classes\.json"):
            stored_class_names(folder)


def test_bad_label_maps_are_named(tmp_path: Path) -> None:
    label = np.zeros((4, 4), dtype=np.uint8)
    write_png(tmp_path / "a.png", label)
    write_png(tmp_path / "photo.png", np.zeros((4, 4, 3), dtype=np.uint8))
    write_png(tmp_path / "c_0_1_gtFine_labelIds.png", label)
    write_png(tmp_path / "c_0_1_gtFine_instanceIds.png", label)
    source = FolderSource(tmp_path)
    with pytest.raises(InputError, match="1 without one, such as 'b'"):
        label_class_shares(source, ["a", "b"])
    with pytest.raises(InputError, match=r"photo\.png.*found 3 channels"):
        label_class_shares(source, ["a", "photo"])
    Image.fromarray(label).save(tmp_path / "d.jpg")
    with pytest.raises(InputError, match=r"d\.jpg: expected a lossless label map, found JPEG"):
        label_class_shares(FolderSource(tmp_path), ["d"])
    with pytest.raises(InputError, match=r"instanceIds\.png.*both 'c_0_1'"):
        label_class_shares(source, ["c_0_1"])
    assert label_class_shares(source, ["a"]).names == ("class 0",)


def test_no_ids_have_no_classes(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", np.zeros((4, 4), dtype=np.uint8))
    result = label_class_shares(FolderSource(tmp_path), [])
    assert (result.shares.shape, result.names) == ((0, 0), ())
