"""What stands behind an argument of `fid`, `compare` or `metrics`: images, features or statistics."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from p2phd_eval.errors import InputError
from p2phd_eval.features.feature_set import FeatureSet
from p2phd_eval.features.statistics import Statistics, load_statistics
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.images.sources.source import ImageSource
from p2phd_eval.stats.distances.moments import moments

Input = ImageSource | FeatureSet | Statistics


def open_input(path: str | os.PathLike[str]) -> Input:
    """Open images (see `open_source`), features that `p2phd-eval features` wrote, or statistics of any FID tool.

    Files ending in `.npz` hold features or statistics (`mu` and `sigma`), those in `.pt` torch-fidelity's statistics.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    InputError
        If nothing is there, or it cannot be read.
    """
    file = Path(path)
    if file.suffix.lower() == ".npz" and "features.npy" in _members(file):
        return FeatureSet.load(file)
    return load_statistics(file) if file.suffix.lower() in (".npz", ".pt") else open_source(path)


def open_images_or_features(path: str | os.PathLike[str]) -> ImageSource | FeatureSet:
    """Open an input as `open_input` does, where single images count: statistics are refused."""
    found = open_input(path)
    if isinstance(found, Statistics):
        raise InputError(
            str(path),
            expected="images, or features of `p2phd-eval features`",
            found="statistics: means and covariances, in which single images cannot be told apart",
            fix="Give the images they were made from.",
        )
    return found


def as_statistics(data: FeatureSet | Statistics) -> Statistics:
    """Return statistics as they are, and the moments of features."""
    if isinstance(data, Statistics):
        return data
    return Statistics(moments=moments(data.values), stamp=data.stamp, path=Path(data.stamp.source))


def _members(file: Path) -> list[str]:
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return []  # what reads it as statistics says what is wrong
