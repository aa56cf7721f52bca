from __future__ import annotations

import io
import re
import struct
import zlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from p2phd_eval.errors import InputError
from p2phd_eval.images import bands, decoding, encoded_files
from p2phd_eval.images.decoding import (
    decode_rgb,
    decode_stored,
    image_size,
    open_image,
    read_rgb,
    require_sensible_size,
)
from p2phd_eval.images.encoded_files import read_encoded
from p2phd_eval.images.formats import opened
from p2phd_eval.images.png import write_png


def _encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format=kind, **options)
    return stream.getvalue()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_reading_is_pillows_conversion(tmp_path: Path, mode: str) -> None:
    values = np.random.default_rng(0).integers(0, 256, (9, 14, 4), dtype=np.uint8)
    image = Image.fromarray(values, "RGBA") if mode == "RGBA" else Image.fromarray(values[..., :3]).convert(mode)
    image.save(tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as opened:
        assert opened.mode == mode
        expected = np.asarray(opened.convert("RGB"))
    got = read_rgb(tmp_path / "x.png")
    assert got.dtype == np.uint8
    assert got.flags.writeable
    np.testing.assert_array_equal(got, expected)


def test_cmyk_is_pillows_conversion(tmp_path: Path) -> None:
    values = np.random.default_rng(1).integers(0, 256, (16, 8, 4), dtype=np.uint8)
    Image.fromarray(values, "CMYK").save(tmp_path / "x.jpg")
    with Image.open(tmp_path / "x.jpg") as opened:
        expected = np.asarray(opened.convert("RGB"))
    np.testing.assert_array_equal(read_rgb(tmp_path / "x.jpg"), expected)


def test_transparency_of_a_palette_neither_warns_nor_changes_colours(tmp_path: Path) -> None:
    image = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) % 4).convert("P")
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 8, 7])
    image.save(tmp_path / "x.png", transparency=bytes([0, 128, 255, 10]))
    image.save(tmp_path / "opaque.png")
    np.testing.assert_array_equal(read_rgb(tmp_path / "x.png"), read_rgb(tmp_path / "opaque.png"))


def test_orientation_is_not_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # EXIF 2.3, tag Orientation: rotated by 90 degrees
    Image.new("RGB", (20, 10)).save(tmp_path / "x.jpg", exif=exif)
    assert read_rgb(tmp_path / "x.jpg").shape == (10, 20, 3)


def test_16_bit_grey_is_scaled_not_clipped(tmp_path: Path) -> None:
    values = np.concatenate([np.arange(0, 65536, 101), [65535]]).astype(np.uint16)[None]
    write_png(tmp_path / "x.png", values)
    exact = [round(Fraction(int(value) * 255, 65535)) for value in values[0]]
    got = read_rgb(tmp_path / "x.png")
    np.testing.assert_array_equal(got, np.repeat(np.array(exact, dtype=np.uint8)[None, :, None], 3, axis=2))


def test_grey_of_unknown_range_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 70000]], dtype=np.int32)).save(tmp_path / "wide.tif")
    with pytest.raises(InputError, match="0 to 70000"):
        read_rgb(tmp_path / "wide.tif")
    Image.fromarray(np.array([[0.0, 0.5]], dtype=np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(InputError, match="floating-point"):
        read_rgb(tmp_path / "float.tif")


@pytest.mark.parametrize("kept", [20, 60, 0.5, 0.95])
@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "tif", "bmp"])
def test_truncated_files_are_named(tmp_path: Path, ending: str, kept: float) -> None:
    path = tmp_path / f"x.{ending}"
    Image.fromarray(np.random.default_rng(2).integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(path)
    content = path.read_bytes()
    length = int(kept * len(content)) if kept < 1 else int(kept)
    path.write_bytes(content[:length])
    with pytest.raises(InputError, match=re.escape(str(path)) + rf".*\b{length} bytes"):
        open_image(path)


def test_files_that_are_no_images_are_described(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(InputError, match="found text, beginning 'version https://git-lfs"):
        open_image(path)
    path.write_bytes(b"")
    with pytest.raises(InputError, match="an empty file"):
        open_image(path)
    path.write_bytes(bytes(range(128, 160)))
    with pytest.raises(InputError, match="32 bytes of no known image format, beginning 80 81"):
        open_image(path)
    with pytest.raises(InputError, match="No such file"):
        open_image(tmp_path / "missing.png")
    with pytest.raises(InputError, match="directory"):
        open_image(tmp_path)


def _claiming(width: int, height: int) -> bytes:
    """Return a grey PNG file whose header claims a size, and whose pixels are missing."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", header), (b"IDAT", b""))
    )


def test_pixels_are_limited_by_memory_and_by_the_files_size() -> None:
    with pytest.raises(InputError, match=r"found 30000 x 30000 pixels, 900 megapixels\.\n.*mogrify"):
        decode_rgb(_claiming(30000, 30000), "x.png")
    with opened(_claiming(30000, 30000)) as image:
        require_sensible_size(image, 50 << 20, "x.png")  # as a photo has
    with opened(_claiming(9600, 9600)) as image:
        require_sensible_size(image, 1000, "x.png")  # all white
    with opened(_claiming(60000, 30000)) as image, pytest.raises(InputError, match="expected at most 1074 megapixels"):
        require_sensible_size(image, 400 << 20, "x.png")


def test_a_jpeg_of_very_many_scans_is_refused() -> None:
    content = _encoded(Image.new("L", (3000, 3000)), "JPEG", progressive=True)
    last = content[content.rindex(b"\xff\xc4") : -2]  # its Huffman table and its scan
    with pytest.raises(InputError, match="expected a JPEG file of at most 32 scans, found 486 of 3000 x 3000 pixels"):
        decode_rgb(content[:-2] + 480 * last + content[-2:], "x")


def test_large_images_are_converted_in_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(7).integers(0, 256, (23, 31, 4), dtype=np.uint8)
    images = [Image.fromarray(values), Image.fromarray(values[..., :3]).convert("P"), Image.fromarray(values[..., 0])]
    contents = [
        *(_encoded(image, "PNG") for image in images),
        _encoded(Image.fromarray(values[..., 0].astype(np.uint16) * 250), "PNG"),
        _encoded(Image.fromarray(values, "CMYK"), "TIFF"),
    ]
    whole = [decode_rgb(content, "x").pixels for content in contents]
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)  # of which a band has more
    for module in (decoding, bands):
        monkeypatch.setattr(module, "BAND", 100)
    for content, expected in zip(contents, whole, strict=True):
        np.testing.assert_array_equal(decode_rgb(content, "x").pixels, expected)


def test_a_png_with_much_metadata_is_read() -> None:
    values = np.random.default_rng(8).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    text = PngInfo()
    text.add_text("workflow", "x" * 3_000_000, zip=True)
    profile = bytes(3_000_000)
    content = _encoded(Image.fromarray(values), "PNG", pnginfo=text, icc_profile=profile)
    np.testing.assert_array_equal(decode_rgb(content, "x").pixels, values)
    # A text after the pixels is met when these are decoded, not when the file is opened.
    end = content.index(b"IEND") - 4
    begin, after = content.index(b"zTXt") - 4, content.index(b"IDAT") - 4
    late = content[:begin] + content[after:end] + content[begin:after] + content[end:]
    np.testing.assert_array_equal(decode_rgb(late, "x").pixels, values)
    with pytest.raises(InputError, match="a PNG file that is damaged or truncated"):
        decode_rgb(content[: after + 20], "x")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_bytes_decode_as_their_file_does(tmp_path: Path, mode: str) -> None:
    values = np.random.default_rng(4).integers(0, 256, (9, 14, 3), dtype=np.uint8)
    image = Image.fromarray(values[..., 0].astype(np.uint16) * 257) if mode == "I;16" else None
    content = _encoded(image or Image.fromarray(values).convert(mode), "PNG")
    (tmp_path / "x.png").write_bytes(content)
    decoded = decode_rgb(content, "x")
    np.testing.assert_array_equal(decoded.pixels, read_rgb(tmp_path / "x.png"))
    assert decoded.format == "PNG"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF", "WEBP", "PPM"])
def test_the_format_is_that_of_the_content(kind: str) -> None:
    assert decode_rgb(_encoded(Image.new("RGB", (8, 8)), kind), "x").format == kind


def test_a_jpeg_of_several_pictures_is_a_jpeg() -> None:
    pictures = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    content = _encoded(pictures[0], "MPO", save_all=True, append_images=pictures[1:])
    with Image.open(io.BytesIO(content)) as opened:
        assert opened.format == "MPO"
    decoded = decode_rgb(content, "x")
    assert decoded.format == "JPEG"
    np.testing.assert_array_equal(decoded.pixels, decode_rgb(_encoded(pictures[0], "JPEG"), "x").pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_label_maps_keep_their_numbers(tmp_path: Path, dtype: type) -> None:
    labels = np.random.default_rng(5).integers(0, np.iinfo(dtype).max, (6, 5), dtype=dtype, endpoint=True)
    write_png(tmp_path / "x.png", labels)
    stored = decode_stored(read_encoded(tmp_path / "x.png"), "x").pixels
    assert stored.dtype == dtype
    np.testing.assert_array_equal(stored, labels)


def test_a_palette_gives_its_indices_and_other_modes_give_rgb() -> None:
    indices = np.arange(12, dtype=np.uint8).reshape(3, 4)
    image = Image.fromarray(indices, "L")
    image.putpalette(list(range(255, 255 - 36, -1)))
    np.testing.assert_array_equal(decode_stored(_encoded(image, "PNG"), "x").pixels, indices)
    content = _encoded(image.convert("RGBA"), "PNG")
    np.testing.assert_array_equal(decode_stored(content, "x").pixels, decode_rgb(content, "x").pixels)


def test_the_name_of_bytes_is_in_the_error() -> None:
    content = _encoded(Image.fromarray(np.random.default_rng(6).integers(0, 256, (30, 30, 3), dtype=np.uint8)), "PNG")
    with pytest.raises(InputError, match=r"a\.zip:b\.png: .*empty file \(zero bytes\)"):
        decode_rgb(b"", "a.zip:b.png")
    with pytest.raises(InputError, match=r"a\.zip:b\.png: .*PNG file .* truncated after 900 bytes"):
        decode_stored(content[:900], "a.zip:b.png")


def test_a_file_too_large_for_an_image_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = _encoded(Image.new("RGB", (8, 8)), "BMP")
    (tmp_path / "x.bmp").write_bytes(content)
    monkeypatch.setattr(encoded_files, "MAX_IMAGE_BYTES", len(content))
    assert read_encoded(tmp_path / "x.bmp") == content
    monkeypatch.setattr(encoded_files, "MAX_IMAGE_BYTES", len(content) - 1)
    with pytest.raises(InputError, match=rf"x\.bmp: .*found {len(content)} bytes"):
        read_encoded(tmp_path / "x.bmp")


def test_the_size_is_read_and_a_bad_header_is_described(tmp_path: Path) -> None:
    Image.new("L", (7, 5)).save(tmp_path / "x.png")
    assert image_size(tmp_path / "x.png") == (7, 5)
    (tmp_path / "x.png").write_bytes(b"")
    with pytest.raises(InputError, match="an empty file"):
        image_size(tmp_path / "x.png")
