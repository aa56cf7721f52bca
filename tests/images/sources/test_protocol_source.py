"""A source under a protocol: sizes, the resize of photos, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from p2phd_eval.errors import InputError
from p2phd_eval.images.png import write_png
from p2phd_eval.images.protocols import Protocol
from p2phd_eval.images.sources.arrays import ArraySource
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.images.sources.protocol_source import ProtocolSource

OURS = Protocol(name="ours", images="ours", n=2, id_form="[a-z]", size=(32, 16), photo_size=(64, 32))


def folder(path: Path, *sizes: tuple[int, int]) -> Path:
    rng = np.random.default_rng(0)
    for name, (width, height) in zip("abcdef", sizes, strict=False):
        write_png(path / f"{name}.png", rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
    return path


def error_of(path: Path, protocol: Protocol = OURS, *, photos: bool = True) -> str:
    with pytest.raises(InputError) as error:
        source = ProtocolSource(open_source(path), protocol, photos=photos)
        [source.load(k) for k in range(len(source))]
    return str(error.value)


def test_photos_come_to_the_size_by_pillows_bicubic(tmp_path: Path) -> None:
    path = folder(tmp_path, (64, 32), (64, 32))
    plain = open_source(path)
    source = ProtocolSource(plain, OURS, photos=True)
    for k, file in enumerate(("a.png", "b.png")):
        with Image.open(path / file) as image:
            wanted = np.asarray(image.convert("RGB").resize((32, 16), Image.Resampling.BICUBIC))
        found = source.load(k)
        assert np.array_equal(found.pixels, wanted)
        assert np.array_equal(source.load_stored(k), wanted)
        # Other pixels have another hash, so that neither a cache nor a stamp takes them for the photos as they are.
        assert found.sha256 == source.content_sha256(k) != plain.content_sha256(k)
    assert (source.protocol, source.resized, source.ids) == ("ours", "bicubic", ("a", "b"))


def test_images_of_the_size_stay_as_they_are(tmp_path: Path) -> None:
    path = folder(tmp_path, (32, 16), (32, 16))
    source = ProtocolSource(open_source(path), OURS, photos=False)
    assert source.resized is None
    assert source.content_sha256(1) == open_source(path).content_sha256(1)
    assert np.array_equal(source.load(1).pixels, open_source(path).load(1).pixels)
    assert source.warnings == ("ours knows its images by their number and the form of their names alone",)
    (_, remark) = ProtocolSource(open_source(path), OURS, photos=True).warnings
    assert "how they came to it is not known" in remark


def test_sizes_of_no_case_and_of_two_cases_are_refused(tmp_path: Path) -> None:
    other = error_of(folder(tmp_path / "other", (48, 16), (48, 16)))
    assert (
        "a.png: expected 32 x 16 pixels (width x height), as ours has generated images, or photos of 64 x 32" in other
    )
    assert "found 48 x 16" in other
    big = error_of(folder(tmp_path / "big", (64, 32), (64, 32)), photos=False)
    assert "generated images are not resized" in big
    mixed = error_of(folder(tmp_path / "mixed", (64, 32), (32, 16)))
    assert "b.png: expected 64 x 32 pixels" in mixed
    assert "a mixture would be resized in two ways" in mixed
    # Features that lie in the cache are of images whose sizes nobody asked for.
    source = ProtocolSource(open_source(folder(tmp_path / "kept", (32, 16), (32, 16))), OURS, photos=True)
    source.require_sizes(np.array([(32, 16), (32, 16)], dtype=np.int32))
    with pytest.raises(InputError, match=r"b\.png: expected 32 x 16 .*, found 48 x 16"):
        source.require_sizes(np.array([(32, 16), (48, 16)], dtype=np.int32))
    anything = Protocol(name="any", images="any", n=2, id_form="[a-z]", size=(32, 16))
    source = ProtocolSource(open_source(folder(tmp_path / "any", (48, 40), (20, 30))), anything, photos=True)
    assert {source.load(k).pixels.shape for k in range(2)} == {(16, 32, 3)}
    assert "found 48 x 40" in error_of(tmp_path / "any", anything, photos=False)


def test_arrays_have_no_names_and_training_photos_are_on_no_list(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"2 arrays: .* found 000000"):
        ProtocolSource(ArraySource(np.zeros((2, 16, 32, 3), dtype=np.uint8)), OURS, photos=True)
    path = folder(tmp_path, (64, 32), (64, 32), (64, 32))
    assert "found 3 images" in error_of(path)
    assert len(ProtocolSource(open_source(path), OURS, photos=True, listed=False)) == 3
