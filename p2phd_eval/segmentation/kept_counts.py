"""Pixels by class that were counted once, kept by content in the program's cache."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from p2phd_eval.files import atomic_write
from p2phd_eval.npz_files import read_npz
from p2phd_eval.stats.segmentation.class_counts import ClassCounts
from p2phd_eval.user_folders import cache_folder

_ARRAYS = ("hits", "truth", "predicted", "confusion", "sizes")
_ENDING = ".npz"
Size = tuple[int, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class SegmentedPhotos:
    """What a segmenter saw in photos, against their label maps."""

    counts: ClassCounts  # by image
    confusion: npt.NDArray[np.int64]  # (K, K), of all images: rows are the truth
    sizes: tuple[Size, ...]  # width and height of each photo, as the segmenter got it


@dataclass(frozen=True, kw_only=True)
class ClearedCounts:
    """What `clear_counts` did."""

    folder: Path
    removed: int  # files, of 16 images or fewer each
    freed: int  # bytes


def counts_folder() -> Path:
    """The folder of what was counted; it may be missing."""
    return cache_folder() / "segmentation"


def clear_counts() -> ClearedCounts:
    """Remove all that is kept; raises OSError where that is not allowed."""
    folder, removed, freed = counts_folder(), 0, 0
    for file in sorted(folder.glob(f"*{_ENDING}")):
        freed += file.stat().st_size
        file.unlink()
        removed += 1
    return ClearedCounts(folder=folder, removed=removed, freed=freed)


def read_counts(file: Path, images: int, classes: int) -> SegmentedPhotos | None:
    """Return what was kept; None where nothing is, or it is damaged."""
    if not file.is_file():
        return None
    try:
        arrays = read_npz(file, _ARRAYS, expected="counts of classes")
        hits, truth, predicted, confusion, sizes = (arrays[name] for name in _ARRAYS)
        shapes = [each.shape for each in (hits, confusion, sizes)]
        if shapes != [(images, classes), (classes, classes), (images, 2)] or hits.dtype != np.int64:
            return None
        counts = ClassCounts(hits=hits, truth=truth, predicted=predicted)
    except Exception:  # each damage has its own
        return None
    return SegmentedPhotos(
        counts=counts, confusion=confusion, sizes=tuple((width, height) for width, height in sizes.tolist())
    )


def write_counts(file: Path, found: SegmentedPhotos) -> None:
    """Keep counts, whole or not at all; raises OSError where nothing can be written."""
    counts = found.counts
    with atomic_write(file) as stream:
        np.savez_compressed(
            stream,
            hits=counts.hits,
            truth=counts.truth,
            predicted=counts.predicted,
            confusion=found.confusion,
            sizes=np.array(found.sizes, dtype=np.int64),
        )
