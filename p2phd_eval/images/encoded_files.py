"""The content of image files, not decoded: for that Pillow need not be loaded."""

import os

from p2phd_eval.errors import InputError
from p2phd_eval.stores.store_path import as_path

#: Bytes of an encoded image above which none is read: 512 MiB. The largest photos have a tenth of it.
MAX_IMAGE_BYTES = 512 << 20


def read_encoded(path: str | os.PathLike[str]) -> bytes:
    """Return the content of an image file.

    Raises `InputError` if the file is missing, cannot be read, or is larger than `MAX_IMAGE_BYTES`.
    """
    file = as_path(path)
    try:
        with file.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            if size > MAX_IMAGE_BYTES:
                raise too_many_bytes(str(file), size)
            stream.seek(0)
            return stream.read()
    except OSError as error:
        raise unreadable(str(file), error.strerror or str(error)) from error


def too_many_bytes(where: str, size: int) -> InputError:
    """Return the error of an image of more than `MAX_IMAGE_BYTES`."""
    return InputError(
        where,
        expected=f"an image of at most {MAX_IMAGE_BYTES >> 20} MiB",
        found=f"{size} bytes",
        fix="It is no usual image, perhaps made to exhaust memory. Remove it.",
    )


def unreadable(where: str, found: str) -> InputError:
    """Return the error of a file that is no image, or cannot be read as one."""
    return InputError(
        where, expected="a readable image", found=found, fix="Make, copy or download it again, or leave it out."
    )
