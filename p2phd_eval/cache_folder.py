"""The folder of what can be made again: downloaded weights and computed features."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

CACHE_VARIABLE = "P2PHD_EVAL_CACHE"


def cache_folder() -> Path:
    """The folder that ``P2PHD_EVAL_CACHE`` names, else this program's folder in the user's cache; it may be missing."""
    return Path(os.environ.get(CACHE_VARIABLE) or platformdirs.user_cache_dir("p2phd-eval")).expanduser()
