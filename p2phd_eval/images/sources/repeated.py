"""Images that stand for several: the photo of a condition, for each of its samples."""

from collections.abc import Sequence

from p2phd_eval.images.condition_ids import images_of_conditions
from p2phd_eval.images.sources.chosen import ChosenSource
from p2phd_eval.images.sources.source import ImageSource


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
    return ChosenSource(source, [place_of[image] for image in image_of.values()], list(image_of))
