"""Label maps as numbers, and class maps at another size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from p2phd_eval.errors import InputError
from p2phd_eval.images.sources.folder import FolderSource
from p2phd_eval.segmentation.label_pixels import at_size, label_numbers, require_one_shape


@pytest.mark.parametrize("size", [(3, 5), (7, 4), (14, 10), (1, 1), (20, 3)])
def test_the_nearest_pixel_is_pillows(size: tuple[int, int]) -> None:
    classes = np.random.default_rng(0).integers(0, 9, size=(5, 7))
    theirs = Image.fromarray(classes.astype(np.uint8)).resize(size, Image.Resampling.NEAREST)
    assert np.array_equal(at_size(classes, size), np.asarray(theirs))


def test_grey_in_three_channels_has_its_numbers_and_colours_are_refused(tmp_path: Path) -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    Image.fromarray(np.repeat(grey[..., np.newaxis], 3, axis=2)).save(tmp_path / "a.png")
    Image.fromarray(np.random.default_rng(0).integers(0, 9, (3, 4, 3), dtype=np.uint8)).save(tmp_path / "b.png")
    source = FolderSource(tmp_path)
    assert np.array_equal(label_numbers(source, 0), grey)
    with pytest.raises(InputError, match="class numbers in one channel, found colours"):
        label_numbers(source, 1)


def test_a_photo_may_have_another_size_and_no_other_shape() -> None:
    require_one_shape((1024, 512), (2048, 1024), "photo")
    require_one_shape((480, 352), (480, 360), "photo")  # rounded to 32
    with pytest.raises(InputError, match="shape of its label map, 2048 x 1024"):
        require_one_shape((512, 512), (2048, 1024), "photo")
