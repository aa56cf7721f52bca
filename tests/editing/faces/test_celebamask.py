from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from p2phd_eval.editing.faces.celebamask import CELEBAMASK_CLASSES, convert_celebamask
from p2phd_eval.errors import InputError
from p2phd_eval.generators.data.validation import validate_data
from p2phd_eval.images.decoding import image_size, open_image
from p2phd_eval.images.png import write_png
from tests.editing.faces.celebamask_layout import draw_celebamask


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return draw_celebamask(tmp_path / "CelebAMask-HQ")


def test_masks_become_label_maps_in_the_phases_of_celeba(source: Path, tmp_path: Path) -> None:
    result = convert_celebamask(source, tmp_path / "data")
    assert result.n == {"train": 1, "val": 1, "test": 1}
    assert result.n_missing == 1
    names = {path.relative_to(tmp_path / "data").as_posix() for path in (tmp_path / "data").rglob("*.png")}
    keys = {"train": "00003", "val": "00017", "test": "02001"}
    assert names == {f"{phase}_{kind}/{key}.png" for phase, key in keys.items() for kind in ("label", "img")}
    label = np.asarray(open_image(tmp_path / "data/test_label/02001.png"))
    assert label.shape == (32, 32)
    # Later masks cover earlier ones: skin 1, nose 2, upper lip 11, hair 13.
    assert [int(label[y, x]) for y, x in ((0, 0), (26, 5), (13, 15), (21, 12), (5, 5))] == [0, 1, 2, 11, 13]
    assert image_size(tmp_path / "data/test_img/02001.png") == (32, 32)
    assert json.loads((tmp_path / "data/classes.json").read_text())["classes"][13] == "hair"
    report = validate_data(tmp_path / "data")
    assert report.problems == ()
    assert report.label_nc == len(CELEBAMASK_CLASSES) == 19


def test_photos_of_the_size_that_is_asked_for_stay_as_they_are(source: Path, tmp_path: Path) -> None:
    convert_celebamask(source, tmp_path / "data", size=(64, 64))
    assert (tmp_path / "data/train_img/00003.jpg").read_bytes() == (source / "CelebA-HQ-img/3.jpg").read_bytes()
    convert_celebamask(source, tmp_path / "small")
    large = np.asarray(open_image(tmp_path / "data/train_label/00003.png"))
    small = np.asarray(open_image(tmp_path / "small/train_label/00003.png"))
    np.testing.assert_array_equal(large, small.repeat(2, axis=0).repeat(2, axis=1))


def test_what_is_missing_or_wrong_is_named_and_nothing_is_left(source: Path, tmp_path: Path) -> None:
    out, masks = tmp_path / "data", source / "CelebAMask-HQ-mask-anno"

    def refused(message: str) -> None:
        with pytest.raises(InputError, match=message):
            convert_celebamask(source, out)
        assert not out.exists()

    write_png(masks / "1" / "02001_nose.png", np.zeros((16, 32), dtype=np.uint8))
    refused("02001_nose.png: expected 32 x 32 pixels, as the face's other masks have, found 32 x 16")
    for path in (masks / "1").iterdir():
        path.unlink()
    refused("expected masks of face 2001, such as 02001_skin.png, found none")
    Image.new("L", (32, 32)).save(masks / "0" / "00017_hat.png", format="JPEG")
    refused("00017_hat.png: expected a lossless label map, found JPEG")
    Image.new("RGB", (64, 48)).save(source / "CelebA-HQ-img" / "3.jpg")
    refused("3.jpg: expected a photo of the shape of its masks, 32 x 32, found 64 x 48")
    mapping = source / "CelebA-HQ-to-CelebA-mapping.txt"
    mapping.write_text("idx orig_idx orig_file\n0 1\n")
    refused("mapping.txt, line 2: expected lines such as `0 119613 119613.jpg`, found 0 1")
    mapping.write_text("idx orig_idx orig_file\n0 1 000001.jpg\n")
    refused("expected the photos 0.jpg, 1.jpg and so on, found none that the mapping names")
    mapping.unlink()
    refused("mapping.txt: expected the file of CelebAMask-HQ that says which photo of CelebA each face is, found none")
