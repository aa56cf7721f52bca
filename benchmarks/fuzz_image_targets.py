"""Images, and the forms in which sets of them come."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from fuzz_target import Case, Target
from PIL import Image


def pixels(n: int = 0, shape: tuple[int, ...] = (6, 8, 3)) -> Any:
    return np.random.default_rng(n).integers(0, 256, shape, dtype=np.uint8)


def _encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def png(n: int = 0) -> bytes:
    return _encoded(Image.fromarray(pixels(n)), "PNG")


def _image_seeds(work: Path) -> list[Case]:
    rgb = Image.fromarray(pixels())
    grey = rgb.convert("L")
    wide = Image.fromarray(pixels(shape=(6, 8)).astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[274] = 6
    made = {
        "a.png": _encoded(rgb, "PNG"),
        "b.png": _encoded(rgb.convert("P"), "PNG", transparency=0),
        "c.png": _encoded(wide, "PNG"),
        "d.png": _encoded(rgb.convert("RGBA"), "PNG", exif=exif),
        "e.png": _encoded(grey.convert("1"), "PNG"),
        "f.jpg": _encoded(rgb, "JPEG", exif=exif),
        "g.jpg": _encoded(rgb.convert("CMYK"), "JPEG", progressive=True),
        "h.bmp": _encoded(rgb, "BMP"),
        "i.tif": _encoded(rgb, "TIFF", compression="tiff_lzw"),
        "j.tiff": _encoded(wide, "TIFF"),
        "k.webp": _encoded(rgb, "WEBP", lossless=True),
        "l.gif": _encoded(rgb.convert("P"), "GIF", save_all=True, append_images=[grey.convert("P")]),
        "m.ppm": _encoded(rgb, "PPM"),
        "n.pgm": _encoded(wide, "PPM"),
        "o.jp2": _encoded(rgb, "JPEG2000"),
        "p.png": _encoded(rgb, "PNG", save_all=True, append_images=[grey.convert("RGB")]),
    }
    return [{f"set/{name}": content} for name, content in made.items()]


def _read_images(given: Path | str) -> None:
    from p2phd_eval.images.sources.open import open_source

    source = open_source(given)
    for index in range(min(len(source), 4)):
        source.content_sha256(index)
        source.load(index)
        source.load_stored(index)


def _zip_seeds(work: Path) -> list[Case]:
    cases = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", method) as archive:
            for n in range(3):
                archive.writestr(f"photos/i{n}.png", png(n))
            archive.writestr("notes.txt", "text")
        cases.append({"set.zip": stream.getvalue()})
    return cases


def _tar(kind: int = tarfile.PAX_FORMAT, *names: str) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=kind) as archive:
        for n, name in enumerate(names or ("a/i0.png", "a/i1.png", f"a/{'long' * 40}é.png", "notes.txt")):
            content = png(n)
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def _tar_seeds(work: Path) -> list[Case]:
    plain = [_tar(kind) for kind in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)]
    packed = {"gz": gzip.compress(plain[0]), "bz2": bz2.compress(plain[0]), "xz": lzma.compress(plain[0])}
    return [{"set.tar": each} for each in plain] + [{f"set.tar.{how}": content} for how, content in packed.items()]


def _read_tar(folder: Path) -> None:
    _read_images(next(iter(sorted(folder.glob("set.tar*"))), folder / "set.tar"))


def _shard_seeds(work: Path) -> list[Case]:
    shards = [_tar(tarfile.USTAR_FORMAT, f"{n}0.png", f"{n}0.json", f"{n}1.png", f"{n}1.json") for n in range(2)]
    return [{"s-00.tar": shards[0], "s-01.tar": shards[1]}]


def _list_seeds(work: Path) -> list[Case]:
    return [{"list.txt": b"set/a.png\nset/b.png\n# a comment\n\n", "set/a.png": png(0), "set/b.png": png(1)}]


IMAGE_TARGETS = (
    Target(name="images", seeds=_image_seeds, read=lambda folder: _read_images(folder / "set")),
    Target(name="zip", seeds=_zip_seeds, read=lambda folder: _read_images(folder / "set.zip")),
    Target(name="tar", seeds=_tar_seeds, read=_read_tar),
    Target(name="shards", seeds=_shard_seeds, read=lambda folder: _read_images(f"{folder}/s-{{00..01}}.tar")),
    Target(name="list", seeds=_list_seeds, read=lambda folder: _read_images(folder / "list.txt"), kept=("set/a.png",)),
)
