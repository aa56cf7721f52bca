"""Folders of the user: the home, and the one of what can be made again."""

import os
from pathlib import Path

import platformdirs

from p2phd_eval.errors import InputError

CACHE_VARIABLE = "P2PHD_EVAL_CACHE"


def cache_folder() -> Path:
    """The folder that ``P2PHD_EVAL_CACHE`` names, else this program's folder in the user's cache; it may be missing.

    Raises `InputError` as `expand_home` does.
    """
    try:
        given = os.environ.get(CACHE_VARIABLE) or platformdirs.user_cache_dir("p2phd-eval")
    except RuntimeError:  # newer versions look for the home themselves
        given = "~"
    return expand_home(given, "the cache", fix=f"Set HOME, or name a folder in {CACHE_VARIABLE}.")


def expand_home(path: str, where: str, *, fix: str = "Set HOME, or give the whole path.") -> Path:
    """Return a path whose `~` is the home folder.

    Raises `InputError` if nobody knows that, as in a container whose user has no name.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise InputError(where, expected="a home folder to find it in", found=f"none for {path}", fix=fix) from None
