"""Which files a result may take the place of: never an image, nor another file of data that a slip named."""

import os
from collections.abc import Iterable
from pathlib import Path

from p2phd_eval.errors import InputError
from p2phd_eval.images.names import IMAGE_ENDINGS, UNREAD_ENDINGS
from p2phd_eval.stores.store_path import StorePath, as_path
from p2phd_eval.targets import require_file_target

# Images, checkpoints and weights, arrays and features, archives.
_DATA_ENDINGS = (
    *IMAGE_ENDINGS,
    *UNREAD_ENDINGS,
    *(".pt", ".pth", ".ckpt", ".bin", ".safetensors", ".onnx", ".pkl", ".npz", ".h5", ".parquet"),
    *(".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z"),
)


def require_replaceable(path: str | os.PathLike[str], option: str) -> None:
    """Raise InputError if a text, a page or a table would replace a file that holds images or weights by its ending.

    `option`: what named the file. A link is what it leads to; a file that is not there yet may have any name. So is a
    place where no file can be written, see `require_file_target`.
    """
    require_file_target(path, option)
    given = as_path(path)
    file = given if isinstance(given, StorePath) else Path(os.path.realpath(given))
    if file.name.lower().endswith(_DATA_ENDINGS) and file.is_file():
        raise InputError(
            option,
            expected="a new file, or one that such a result may replace",
            found=f"{given}, which holds data by its ending",
            fix="Name another file.",
        )


def require_own_picture(path: str | os.PathLike[str], given: Iterable[object], option: str) -> None:
    """Raise InputError if a PNG cannot be written, or would replace one of the images that it is made of.

    `given`: what the images came from; folders and files are looked at. `option`: what named the picture.
    """
    require_file_target(path, option, ending=".png")
    file = Path(os.path.realpath(path))
    if not file.is_file():
        return
    inputs = {Path(os.path.realpath(each)): each for each in given if isinstance(each, str | os.PathLike)}
    for place in (file, *file.parents):
        if place in inputs:
            raise InputError(
                option,
                expected="a new file, or an earlier picture",
                found=f"{path}, of the images in {inputs[place]}",
                fix="Name another file.",
            )
