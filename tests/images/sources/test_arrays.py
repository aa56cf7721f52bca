from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from p2phd_eval.errors import InputError
from p2phd_eval.images.sources.arrays import ArraySource


@pytest.fixture
def images() -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (4, 6, 5, 3), dtype=np.uint8)


def _require_equal(source: ArraySource, images: npt.NDArray[np.uint8]) -> None:
    reference = ArraySource(images)
    assert len(source) == len(images)
    for index, image in enumerate(images):
        loaded = source.load(index)
        np.testing.assert_array_equal(loaded.pixels, image)
        np.testing.assert_array_equal(source.load_stored(index), image)
        assert loaded.format == "array"
        assert loaded.pixels.flags.c_contiguous
        assert loaded.pixels.flags.writeable
        assert loaded.sha256 == source.content_sha256(index) == reference.content_sha256(index)


def test_every_form_gives_the_same_images_and_hashes(images: npt.NDArray[np.uint8]) -> None:
    channels_first = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    for source in (
        ArraySource(images),
        ArraySource(list(images)),
        ArraySource(image for image in images),
        ArraySource(np.asfortranarray(images)),
        ArraySource(channels_first, layout="NCHW"),
        ArraySource(list(channels_first), layout="NCHW"),
        ArraySource(torch.from_numpy(channels_first)),
        ArraySource(list(torch.from_numpy(channels_first))),
        ArraySource(torch.from_numpy(images), layout="NHWC"),
    ):
        _require_equal(source, images)
    source = ArraySource(images)
    assert source.name == "4 arrays"
    assert source.names == source.ids == ("000000", "000001", "000002", "000003")
    assert source.changed() is None
    assert source.describe(2) == "image 2 of 4 arrays"


def test_arrays_on_disk_are_read_as_they_are(tmp_path: Path, images: npt.NDArray[np.uint8]) -> None:
    np.save(tmp_path / "x.npy", images)
    _require_equal(ArraySource(np.load(tmp_path / "x.npy", mmap_mode="r")), images)


def test_the_array_is_not_handed_out(images: npt.NDArray[np.uint8]) -> None:
    source = ArraySource(images)
    before = source.content_sha256(0)
    source.load(0).pixels[:] = 0
    assert source.content_sha256(0) == before


def test_images_may_differ_in_size() -> None:
    source = ArraySource([np.zeros((2, 3, 3), dtype=np.uint8), np.zeros((5, 4, 3), dtype=np.uint8)], ids=["b", "a"])
    assert [source.load(index).pixels.shape for index in range(2)] == [(2, 3, 3), (5, 4, 3)]
    assert source.ids == ("b", "a")


def test_the_shape_is_part_of_the_hash() -> None:
    source = ArraySource([np.zeros((2, 3, 3), dtype=np.uint8), np.zeros((3, 2, 3), dtype=np.uint8)])
    assert source.content_sha256(0) != source.content_sha256(1)


@pytest.mark.parametrize("dtype", [np.float32, np.int64, bool])
def test_other_dtypes_are_refused_with_the_conversion(images: npt.NDArray[np.uint8], dtype: type) -> None:
    with pytest.raises(InputError, match=rf"(?s)dtype {np.dtype(dtype)}.*astype\(np\.uint8\)"):
        ArraySource(images.astype(dtype))


@pytest.mark.parametrize(
    "stored",
    [
        lambda x: x / 255,
        lambda x: x / 127.5 - 1,
        lambda x: (x / 255).astype(np.float16),
        lambda x: x.astype(np.float32),
        lambda x: x.astype(np.int64),
        lambda x: x.astype(np.uint16),
        lambda x: x.astype(np.uint16) * 257,
        lambda x: x * 257.0,
    ],
)
def test_the_conversion_that_the_error_names_is_right(images: npt.NDArray[np.uint8], stored: Any) -> None:
    x = stored(images)
    with pytest.raises(InputError) as refused:
        ArraySource(x)
    (line,) = re.findall(r"np\.clip\(.*?astype\(np\.uint8\)", refused.value.fix)
    assert np.abs(eval(line, {"np": np, "x": x}).astype(int) - images).max() <= (x.dtype == np.float16)


def test_values_of_no_usual_range_are_to_be_scaled_first(images: npt.NDArray[np.uint8]) -> None:
    for x in ((images / 255 - 0.45) / 0.22, images.astype(int) * 300, images * np.nan, images - 128.0):
        with pytest.raises(InputError, match=r"(?s)Undo what normalised them"):
            ArraySource(x)


@pytest.mark.parametrize(
    ("shape", "found"),
    [
        ((4, 3, 6, 5), r"images: .*\(h, w, 3\).*shape \(3, 6, 5\)"),
        ((4, 6, 5), r"shape \(6, 5\)"),
        ((4, 6, 5, 4), r"shape \(6, 5, 4\)"),
        ((4, 0, 5, 3), r"shape \(0, 5, 3\)"),
        ((0, 6, 5, 3), "at least one image"),
    ],
)
def test_other_shapes_are_refused(shape: tuple[int, ...], found: str) -> None:
    with pytest.raises(InputError, match=found):
        ArraySource(np.zeros(shape, dtype=np.uint8))


def test_other_mistakes_are_refused(images: npt.NDArray[np.uint8]) -> None:
    with pytest.raises(InputError, match=r"image 1: .*shape \(5, 3\)"):
        ArraySource([images[0], images[1, 0]])
    with pytest.raises(InputError, match=r"images of shape \(3, h, w\)"):
        ArraySource(torch.from_numpy(images))
    with pytest.raises(InputError, match=r"layout: .*'HWC'"):
        ArraySource(images, layout="HWC")
    with pytest.raises(InputError, match="ids: expected 4, one for each image, found 1"):
        ArraySource(images, ids=["a"])
    with pytest.raises(InputError, match="at least one image"):
        ArraySource([])
    with pytest.raises(InputError, match="images: expected arrays, tensors"):
        ArraySource(3)


def one_picture() -> Image.Image:
    return Image.fromarray(np.zeros((5, 6, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    ("given", "fix"),
    [
        ((np.zeros((2, 5, 6, 3), np.uint8), np.zeros(2)), r"batch\[0\]"),
        ([torch.zeros(2), torch.zeros((2, 3, 5, 6), dtype=torch.uint8)], r"batch\[1\]"),
        ((np.zeros((2, 5, 6, 3), np.uint8), np.zeros((2, 10))), r"batch\[0\]"),
        ((np.zeros((5, 6, 3), np.uint8), 7), r"batch\[0\]"),
        ([(one_picture(), 7), (one_picture(), 8)], r"batch\[0\]"),
        (({"image": np.zeros((2, 5, 6, 3), np.uint8), "label": ["a", "b"]} for _ in range(2)), r"batch\['image'\]"),
    ],
)
def test_images_with_labels_are_refused_with_the_line_to_write(given: object, fix: str) -> None:
    with pytest.raises(
        InputError, match=rf"images: expected images alone, found .*such as .*labels.\nTake .*\({fix} for"
    ):
        ArraySource(given)


def test_lists_of_pictures_and_of_batches_are_taken() -> None:
    batch = np.zeros((2, 5, 6, 3), dtype=np.uint8)
    assert len(ArraySource([batch, batch[:1]])) == 3
    assert len(ArraySource([one_picture(), one_picture()])) == 2
    assert len(ArraySource(torch.from_numpy(batch).permute(0, 3, 1, 2) for _ in range(2))) == 4
