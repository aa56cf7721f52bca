"""Files and folders that a call is to write: what cannot be written is refused before any work is done."""

import os
import tempfile
from pathlib import Path
from stat import S_ISBLK, S_ISDIR, S_ISREG

from p2phd_eval.errors import InputError
from p2phd_eval.files import own_descriptor
from p2phd_eval.stores.store_path import AnyPath, StorePath, as_path, require_writable

_ANOTHER_FILE = "Name another file."
_ANOTHER_FOLDER = "Choose another folder."


def require_file_target(path: str | os.PathLike[str], option: str, *, ending: str = "") -> None:
    """Raise InputError where `atomic_write` could not write a file: before the work, not after it.

    That is a folder, or a place in one that cannot be made or written to. What can go wrong later, such as a full disk,
    is not known here. Missing folders are no fault: they are made with the file.

    `option`: what named the file. `ending`: how its name has to end, since readers know by it what the file is; streams
    and devices, such as /dev/stdout, may have any name.
    """
    given = as_path(path)
    where = f"{option} {given}"
    if isinstance(given, StorePath):
        _require_ending(given, option, ending)
        require_writable(given)
        return
    status = None
    try:
        status = given.stat()
    except (FileNotFoundError, NotADirectoryError):  # the folders above will say whether it can be made
        pass
    except (OSError, ValueError) as error:  # a name that is too long, a link to itself, a NUL
        raise _refusal(where, "a file to write", _reason(error), _ANOTHER_FILE) from error
    if status is not None and (S_ISDIR(status.st_mode) or S_ISBLK(status.st_mode)):
        found = "a folder" if S_ISDIR(status.st_mode) else "a whole disk"
        raise _refusal(where, "a file to write", found, _ANOTHER_FILE)
    if own_descriptor(given) is not None or (status is not None and not S_ISREG(status.st_mode)):
        return
    target = Path(os.path.realpath(given))  # a link stays: the file that it leads to is replaced
    if status is not None and not os.access(target, os.W_OK):
        raise _refusal(where, "a file that may be replaced", "one that is write-protected", _ANOTHER_FILE)
    _require_room(target.parent, where, "a file to write", _ANOTHER_FILE)
    _require_ending(given, option, ending)


def require_folder_target(path: str | os.PathLike[str], option: str) -> None:
    """Raise InputError where a folder could not be made or written to, as `require_file_target` does for a file.

    `option`: what named the folder.
    """
    given = as_path(path)
    where = f"{option} {given}"
    if isinstance(given, StorePath):
        require_writable(given / "...")  # whatever lies in it
        return
    _require_room(Path(os.path.realpath(given)), where, "a folder to write to", _ANOTHER_FOLDER)


def _require_ending(given: AnyPath, option: str, ending: str) -> None:
    if not given.name.endswith(ending):
        raise InputError(option, expected=f"a file name ending in {ending}", found=str(given))


def _require_room(folder: Path, where: str, expected: str, fix: str) -> None:
    """Raise InputError unless a file can be made in a folder, or in the nearest one above it that is there."""
    nearest = folder
    try:
        nearest = next(place for place in (folder, *folder.parents) if place.exists())
        if nearest.is_dir():
            # To try it is the one way to know: permissions say nothing of a file system that is mounted read-only.
            with tempfile.TemporaryFile(dir=nearest):
                return
    except OSError as error:
        raise _refusal(where, expected, f"{nearest}, where nothing can be written: {_reason(error)}", fix) from error
    found = "a file" if nearest == folder and fix == _ANOTHER_FOLDER else f"{nearest}, a file, on the way to it"
    raise _refusal(where, expected, found, fix)


def _refusal(where: str, expected: str, found: str, fix: str) -> InputError:
    return InputError(where, expected=expected, found=found, fix=fix)


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)
