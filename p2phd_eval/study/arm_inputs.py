"""What the images of a command arm are made from, by content: its programs, scripts, weights and other files."""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from p2phd_eval.errors import InputError
from p2phd_eval.files import file_sha256, names_sha256
from p2phd_eval.images.names import is_hidden
from p2phd_eval.study.placeholders import fill, names_in

#: The folder that Python makes beside the scripts that it runs.
PYTHON_CACHE = "__pycache__"


def find_inputs(folder: Path, given: Sequence[str], arguments: Sequence[str], where: str) -> dict[str, str]:
    """Return the hash of each file and folder that an arm's images depend on, by the name that it was given with.

    `folder`: where the commands run, to which names are relative. `given`: names of files and folders. `arguments`: of
    the commands: those that are files there count too, such as a script. Raises `InputError`, which names `where`, for
    a given one that is not there.
    """
    for name in given:
        if not (folder / name).exists():
            raise InputError(where, expected="files and folders that are there", found=repr(name), fix=f"In {folder}.")
    scripts = [each for each in arguments if not names_in(each) and _is_file(folder / each)]
    return {name: input_sha256(folder / name) for name in dict.fromkeys((*given, *scripts))}


def input_sha256(path: Path) -> str:
    """Return the hash of a file, or of the names and contents of the files below a folder but for hidden ones."""
    if path.is_file():
        return file_sha256(path)
    files = {}
    for parent, folders, names in os.walk(path):
        folders[:] = sorted(each for each in folders if not is_hidden(each) and each != PYTHON_CACHE)
        for name in names:
            file = Path(parent, name)
            if not is_hidden(name) and file.is_file():
                files[file.relative_to(path).as_posix()] = file_sha256(file)
    return names_sha256(files)


def changed_inputs(folder: Path, inputs: Mapping[str, str]) -> list[str]:
    """Return the names of the inputs that are not what they were; `inputs` as `find_inputs` returned them."""
    places = {name: folder / name for name in inputs}
    return [name for name, place in places.items() if not place.exists() or input_sha256(place) != inputs[name]]


def require_program(program: str, folder: Path, environment: Mapping[str, str], where: str) -> None:
    """Raise InputError unless a program can be run: found in the PATH, or, with a slash, from `folder`."""
    if find_program(program, folder, environment) is None:
        there = "a file that is not executable" if _is_file(folder / program) else "which is not there"
        if program and (folder / program).is_dir():
            there = "a folder"
        raise InputError(
            where,
            expected="a program that can be run",
            found=f"{program!r}, {there}",
            fix="Give it its path, or use {python}, the Python that runs the study, before a script.",
        )


def find_program(program: str, folder: Path, environment: Mapping[str, str]) -> str | None:
    """Return the path of a program, as a command of an arm names it; None if there is none."""
    if names_in(program):
        # Only {python} can be known beforehand.
        return fill(program, {"python": sys.executable}) if names_in(program) == {"python"} else program
    if os.sep in program:
        place = folder / program
        return str(place) if os.access(place, os.X_OK) and place.is_file() else None
    return shutil.which(program, path=environment.get("PATH", os.environ.get("PATH")))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # an argument need not be the name of a file
        return False
