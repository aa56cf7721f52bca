from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.images.png import write_png
from p2phd_eval.images.sources.arrays import ArraySource
from p2phd_eval.images.sources.folder import FolderSource
from p2phd_eval.images.sources.generated import GeneratedSource
from p2phd_eval.images.sources.source import ImageSource
from p2phd_eval.images.sources.zip_archive import ZipSource
from tests.images.sources.pack import write_folder, write_zip

PALETTE = np.random.default_rng(0).integers(0, 256, (70_000, 3), dtype=np.uint8)


def _paint(label: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    return PALETTE[label]


@pytest.fixture(params=[np.uint8, np.uint16])
def labels(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, npt.NDArray[Any]]:
    rng = np.random.default_rng(1)
    found = {}
    for number in range(3):
        name = f"f_{number}_0_gtFine_labelIds.png"
        found[name] = rng.integers(0, np.iinfo(request.param).max, (4, 6 + number), dtype=request.param)
        write_png(tmp_path / "labels" / name, found[name])
    return found


def test_the_generator_gets_the_numbers_as_stored(tmp_path: Path, labels: dict[str, npt.NDArray[Any]]) -> None:
    files = {path.name: path.read_bytes() for path in (tmp_path / "labels").iterdir()}
    kept: list[ImageSource] = [
        FolderSource(tmp_path / "labels"),
        ZipSource(write_zip(tmp_path / "labels.zip", files.items())),
    ]
    for inputs in kept:
        source = GeneratedSource(inputs, _paint)
        assert source.names == inputs.names
        assert source.ids == ("f_0_0", "f_1_0", "f_2_0")
        for index, name in enumerate(source.names):
            image = source.load(index)
            np.testing.assert_array_equal(image.pixels, PALETTE[labels[name]])
            assert image.format == "array"
            assert image.sha256 == source.content_sha256(index)
            assert image.sha256 == ArraySource([image.pixels]).content_sha256(0)
            assert source.describe(index) == f"image generated from {inputs.describe(index)}"
        assert source.changed() is None


def test_changed_labels_are_noticed(tmp_path: Path, labels: dict[str, npt.NDArray[Any]]) -> None:
    source = GeneratedSource(FolderSource(tmp_path / "labels"), _paint)
    write_folder(tmp_path / "labels", {next(iter(labels)): b""})
    assert "rewritten" in str(source.changed())
    with pytest.raises(InputError, match=r"f_0_0_gtFine_labelIds\.png: .*empty file"):
        source.load(0)


@pytest.mark.parametrize(
    ("made", "found"),
    [
        (np.zeros((4, 4, 3), dtype=np.float32), "dtype float32"),
        (np.zeros((4, 4), dtype=np.uint8), r"shape \(4, 4\)"),
        (np.zeros((3, 4, 4), dtype=np.uint8), r"shape \(3, 4, 4\)"),
        (None, "NoneType"),
    ],
)
def test_what_is_no_image_is_refused(made: Any, found: str) -> None:
    source = GeneratedSource(ArraySource(np.zeros((1, 4, 4, 3), dtype=np.uint8)), lambda label: made)
    with pytest.raises(InputError, match=f"image generated from image 0 of 1 array: .*{found}"):
        source.load(0)


def test_the_generators_own_errors_come_through() -> None:
    source = GeneratedSource(ArraySource(np.zeros((1, 4, 4, 3), dtype=np.uint8)), lambda label: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        source.load(0)


def test_a_buffer_that_the_generator_uses_again_is_safe() -> None:
    buffer = np.zeros((4, 4, 3), dtype=np.uint8)

    def generate(label: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        buffer[:] = label
        return buffer

    labels = np.arange(2, dtype=np.uint8).reshape(2, 1, 1, 1) * np.ones((1, 4, 4, 3), dtype=np.uint8)
    source = GeneratedSource(ArraySource(labels), generate)
    first, second = source.load(0).pixels, source.load(1).pixels
    assert (first.max(), second.min()) == (0, 1)
