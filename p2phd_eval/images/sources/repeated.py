"""A source whose images stand for several: the photo of a condition, for each of its samples."""

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from p2phd_eval.images.condition_ids import images_of_conditions
from p2phd_eval.images.sources.source import ImageSource, LoadedImage


class RepeatedSource(ImageSource):
    """Images of another source under other ids, some of them more than once.

    `source`: where they are read. `places`: which of its images each one is. `ids`: one for each place.
    """

    def __init__(self, source: ImageSource, places: Sequence[int], ids: Sequence[str]) -> None:
        super().__init__(source.name, [source.names[place] for place in places], ids, source.warnings)
        self._source, self._places = source, tuple(places)

    def content_sha256(self, index: int) -> str:
        """Return the hash of the image that is read."""
        return self._source.content_sha256(self._places[index])

    def load(self, index: int) -> LoadedImage:
        """Read the image from the other source."""
        return self._source.load(self._places[index])

    def load_stored(self, index: int) -> npt.NDArray[Any]:
        """Read the image from the other source."""
        return self._source.load_stored(self._places[index])

    def load_labels(self, index: int) -> npt.NDArray[Any]:
        """Read the label map from the other source."""
        return self._source.load_labels(self._places[index])

    def describe(self, index: int) -> str:
        """Return what the other source calls the image."""
        return self._source.describe(self._places[index])

    def changed(self) -> str | None:
        """Return what changed of the other source, or None."""
        return self._source.changed()


def photos_for(photos: ImageSource, samples: Sequence[ImageSource]) -> ImageSource:
    """Return the photos under the ids of the samples that were made of the same conditions; see `serving`."""
    return serving(photos, sorted(set().union(*(source.ids for source in samples))))


def serving(source: ImageSource, ids: Sequence[str], *, one_of_several: bool = False) -> ImageSource:
    """Return the images of a source, such as photos or label maps, under the ids of what was made of their conditions.

    An image ``cat`` serves for ``cat@0`` and ``cat@1``; see `images_of_conditions`. A source whose own ids are those,
    or of which nothing serves, is returned as it is.
    """
    image_of = images_of_conditions(source.ids, ids, one_of_several=one_of_several)
    if all(image == id_ for id_, image in image_of.items()):
        return source
    place_of = {image: place for place, image in enumerate(source.ids)}
    return RepeatedSource(source, [place_of[image] for image in image_of.values()], list(image_of))
