"""From photos and their label maps to pixels of each class that a segmenter took for each class."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from p2phd_eval.images.sources.source import ImageSource
from p2phd_eval.progress import OnProgress, unwatched
from p2phd_eval.segmentation.class_map import ClassMap
from p2phd_eval.segmentation.kept_counts import SegmentedPhotos, Size, counts_folder, read_counts, write_counts
from p2phd_eval.segmentation.label_pixels import at_size, label_numbers, require_one_shape
from p2phd_eval.segmentation.segmenter import Segmenter
from p2phd_eval.stats.segmentation.class_counts import confusion_matrix, counts_of_confusions, stacked

_VERSION = 1  # of how photos are segmented and counted; with another one nothing that is kept is of use
_CHUNK = 16  # images that are kept together, and read ahead
_READERS = 4
Pixels = npt.NDArray[np.uint8]
Classes = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class _Pairs:
    """Photos and label maps that belong together, and the sizes that the photos are brought to."""

    photos: ImageSource
    labels: ImageSource
    places: tuple[tuple[int, int], ...]
    sizes: tuple[Size | None, ...]

    def part(self, start: int, size: int) -> _Pairs:
        """Return some of them."""
        own = slice(start, start + size)
        return _Pairs(photos=self.photos, labels=self.labels, places=self.places[own], sizes=self.sizes[own])


class PhotoSegmenter:
    """Segments photos and counts their pixels by class; what was counted once is kept, by content.

    `batch_size`: photos of one size at a time; no result depends on it. `folder`: where counts are kept, by default
    ``segmentation`` in the program's cache folder.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        class_map: ClassMap,
        *,
        batch_size: int = 4,
        device: torch.device | None = None,
        folder: Path | None = None,
    ) -> None:
        self._segmenter, self._class_map = segmenter, class_map
        self._batch_size, self._device = batch_size, device
        self._folder = counts_folder() if folder is None else folder

    def count(
        self,
        photos: ImageSource,
        labels: ImageSource,
        ids: Sequence[str],
        *,
        sizes: Sequence[Size] | None = None,
        on_progress: OnProgress = unwatched,
    ) -> SegmentedPhotos:
        """Segment photos and count, in the order of `ids`, which both sets have.

        A label map is never resized; predictions are, to its size: each pixel is the nearest one's.

        `sizes`: width and height that each photo is brought to first (bicubic), such as those of samples; None: none.
        Raises `InputError` if an image cannot be read, a label map holds numbers without a class, a photo has another
        shape than its label map, or as the segmenter does.
        """
        place = {image: index for index, image in enumerate(photos.ids)}
        label_place = {image: index for index, image in enumerate(labels.ids)}
        pairs = _Pairs(
            photos=photos,
            labels=labels,
            places=tuple((place[image], label_place[image]) for image in ids),
            sizes=(None,) * len(ids) if sizes is None else tuple(sizes),
        )
        parts = []
        for start in range(0, len(ids), _CHUNK):
            parts.append(self._kept(pairs.part(start, _CHUNK)))
            on_progress(min(start + _CHUNK, len(ids)), len(ids))
        return SegmentedPhotos(
            counts=stacked([each.counts for each in parts]),
            confusion=np.sum([each.confusion for each in parts], axis=0),
            sizes=tuple(size for each in parts for size in each.sizes),
        )

    def classes_of(self, photo: Pixels, size: Size) -> Classes:
        """Return the scored class of each pixel of a photo (h, w, 3), at a size: width and height."""
        (numbers,) = self._predict(photo[np.newaxis])
        return at_size(self._class_map.predicted_classes(numbers), size)

    def _kept(self, pairs: _Pairs) -> SegmentedPhotos:
        contents = [
            (pairs.photos.content_sha256(photo), pairs.labels.content_sha256(label), size)
            for (photo, label), size in zip(pairs.places, pairs.sizes, strict=True)
        ]
        key = [_VERSION, self._segmenter.identity, self._class_map.sha256, contents]
        digest = hashlib.sha256(json.dumps(key, separators=(",", ":")).encode()).hexdigest()
        file = self._folder / f"{digest}.npz"
        found = read_counts(file, len(contents), len(self._class_map.classes))
        if found is None:
            found = self._counted(pairs)
            with contextlib.suppress(OSError):  # where nothing can be written it is counted again
                write_counts(file, found)
        return found

    def _counted(self, pairs: _Pairs) -> SegmentedPhotos:
        def load(place: tuple[int, int], size: Size | None) -> tuple[Pixels, Classes]:
            photo, label = place
            pixels = pairs.photos.load(photo).pixels
            truth = self._class_map.true_classes(label_numbers(pairs.labels, label), pairs.labels.describe(label))
            require_one_shape(size_of(pixels), size_of(truth), pairs.photos.describe(photo))
            return resized(pixels, size), truth

        with ThreadPoolExecutor(_READERS) as pool:
            loaded = list(pool.map(load, pairs.places, pairs.sizes))
        classes, confusions = len(self._class_map.classes), []
        for batch in _batches(loaded, self._batch_size):
            predictions = self._predict(np.stack([pixels for pixels, _ in batch]))
            for numbers, (_, truth) in zip(predictions, batch, strict=True):
                predicted = at_size(self._class_map.predicted_classes(numbers), size_of(truth))
                confusions.append(confusion_matrix(truth, predicted, classes, ignore=-1))
        return SegmentedPhotos(
            counts=counts_of_confusions(np.stack(confusions)),
            confusion=np.sum(confusions, axis=0),
            sizes=tuple(size_of(pixels) for pixels, _ in loaded),
        )

    def _predict(self, photos: Pixels) -> Classes:
        images = torch.from_numpy(np.ascontiguousarray(photos))
        with torch.inference_mode():
            found: Classes = self._segmenter(images.to(self._device)).cpu().numpy()
        return found


def size_of(pixels: npt.NDArray[np.generic]) -> Size:
    """Return width and height of an image (h, w) or (h, w, 3)."""
    return pixels.shape[1], pixels.shape[0]


def resized(photo: Pixels, size: Size | None) -> Pixels:
    """Return a photo (h, w, 3) at a size, width and height: bicubic and antialiased."""
    if size is None or size_of(photo) == size:
        return photo
    return np.array(Image.fromarray(photo).resize(size, Image.Resampling.BICUBIC))


def _batches(loaded: Sequence[tuple[Pixels, Classes]], most: int) -> Iterator[list[tuple[Pixels, Classes]]]:
    """Cut images into batches of one size, in their order."""
    for _, alike in groupby(loaded, key=lambda each: each[0].shape):
        rest = list(alike)
        for start in range(0, len(rest), most):
            yield rest[start : start + most]
