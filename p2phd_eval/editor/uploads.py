"""What a person brings along: masks of objects and photos for styles, checked, and kept beside the script."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from p2phd_eval.editing.data_scenes import read_mask
from p2phd_eval.errors import InputError
from p2phd_eval.files import atomic_write
from p2phd_eval.images.decoding import decode_rgb

#: Where they are, in the folder of the script.
FOLDER = "files"
#: Bytes of an upload: a photo of a camera has a third of it.
MOST_BYTES = 32 << 20
_MOST_PIXELS = 1 << 26  # 64 megapixels; a mask is as large as the scene, and a camera's photo has less

UploadKind = Literal["mask", "photo"]


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A file that was brought along."""

    file: str  # from the folder of the script
    sha256: str
    width: int
    height: int


def keep_upload(folder: Path, content: bytes, kind: UploadKind) -> Upload:
    """Check a file, and keep it under the hash of its content in the folder of the script.

    Raises `InputError` for what is no image, is damaged or too large, and for a mask without transparency.
    """
    if len(content) > MOST_BYTES:
        raise InputError(kind, expected=f"at most {MOST_BYTES >> 20} MiB", found=f"{len(content)} bytes")
    decoded = decode_rgb(content, kind)
    height, width = decoded.pixels.shape[:2]
    if height * width > _MOST_PIXELS:
        raise InputError(kind, expected=f"at most {_MOST_PIXELS / 1e6:.0f} megapixels", found=f"{width} x {height}")
    sha256 = hashlib.sha256(content).hexdigest()
    name = f"{sha256[:32]}.{decoded.format.lower()}"
    path = folder / FOLDER / name
    there = path.exists()
    if not there:
        with atomic_write(path) as stream:
            stream.write(content)
    if kind == "mask":
        try:
            read_mask(path, sha256)
        except InputError as error:
            if not there:
                path.unlink()
            raise InputError(kind, expected=error.expected, found=error.found, fix=error.fix) from None
    return Upload(file=f"{FOLDER}/{name}", sha256=sha256, width=width, height=height)


def require_upload(folder: Path, file: str) -> None:
    """Raise `InputError` if a file that an edit names is none that was brought along: a page names no others."""
    parent, _, name = file.rpartition("/")
    if parent != FOLDER or not any(each.name == name for each in (folder / FOLDER).glob("*")):
        raise InputError("file", expected="one that was uploaded", found=repr(file))
