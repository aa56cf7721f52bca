from __future__ import annotations

import io
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from p2phd_eval.errors import InputError
from p2phd_eval.images.decoding import decode_rgb, decode_stored, read_rgb
from p2phd_eval.images.formats import FORMATS, opened
from p2phd_eval.images.names import IMAGE_ENDINGS


def _encoded(kind: str, size: tuple[int, int] = (9, 7), **options: object) -> bytes:
    values = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(values).convert("P" if kind == "GIF" else "RGB").save(stream, format=kind, **options)
    return stream.getvalue()


def test_every_format_that_an_ending_stands_for_is_read(tmp_path: Path) -> None:
    assert {".bmp", ".jpg", ".jpeg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"} <= set(IMAGE_ENDINGS)
    for ending in IMAGE_ENDINGS:
        Image.new("1" if ending == ".pbm" else "L", (5, 4)).save(tmp_path / f"x{ending}")
        assert read_rgb(tmp_path / f"x{ending}").shape == (4, 5, 3)


_FOREIGN = {
    "an EPS file": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n%%EndComments\n0 0 20 20 rectfill\nshowpage\n",
    "a PDF file": b"%PDF-1.7\n",
    "a DDS file": _encoded("DDS"),
    "an ICO file": _encoded("ICO", (16, 16)),
    "a Photoshop file": b"8BPS\0\1" + bytes(40),
    "a HEIC file": b"\0\0\0\x18ftypheic" + bytes(40),
    "a video": b"\0\0\0\x18ftypisom" + bytes(40),
    "a NumPy array": b"\x93NUMPY\1\0" + bytes(40),
    "bytes of no known image format": _encoded("SGI"),
}


@pytest.mark.parametrize("name", _FOREIGN)
def test_other_formats_are_named_and_start_no_program(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ghostscript = tmp_path / "gs"
    ghostscript.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    ghostscript.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(InputError, match=rf"x\.png: expected a readable image, found .*{name}"):
        decode_rgb(_FOREIGN[name], "x.png")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind != "DIB"])
def test_damaged_files_are_errors_of_input_without_a_warning(kind: str) -> None:
    options: dict[str, object] = {"exif": Image.Exif().tobytes()} if kind in ("JPEG", "PNG", "WEBP") else {}
    sound = _encoded(kind, **options)
    rng = np.random.default_rng(1)
    refused = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(60):
            content = bytearray(sound[: rng.integers(12, len(sound) + 1)])
            for at in rng.integers(2, len(content), rng.integers(0, 6)):
                content[at] = rng.choice([0, 1, 127, 128, 255, rng.integers(256)])
            for decode in (decode_rgb, decode_stored):
                try:
                    decode(bytes(content), "x")
                except InputError as error:
                    refused += error.where == "x"
    assert refused > 20


def test_pillows_own_rules_are_back_after_an_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    filters = list(warnings.filters)
    with opened(_encoded("PNG")), opened(_encoded("PNG")) as image:
        assert image.size == (9, 7)  # above the limit
    assert Image.MAX_IMAGE_PIXELS == 10
    assert warnings.filters == filters
