"""How much of each label map every class covers."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from p2phd_eval.errors import InputError
from p2phd_eval.images.sources.source import ImageSource
from p2phd_eval.json_files import read_json_as
from p2phd_eval.progress import OnProgress, unwatched
from p2phd_eval.stats.verdicts.explanation import ClassShares
from p2phd_eval.stores.store_path import AnyPath


def label_class_shares(
    labels: ImageSource, ids: Sequence[str], names: Sequence[str] = (), on_progress: OnProgress = unwatched
) -> ClassShares:
    """Count the pixels of each class in label maps.

    `labels`: label maps: images of one channel that hold class numbers. `ids`: which of them, in the order of the
    result's rows. `names`: what class 0, 1 and so on are called, as `stored_class_names` reads them; others are called
    such as "class 7". The result has the classes that occur, by number. Raises `InputError` if an id has no label map
    or several, or a label map cannot be read, has several channels, or lost numbers to compression.
    """
    places: dict[str, int] = {}
    wanted = set(ids)
    for index, image in enumerate(labels.ids):
        if image in places and image in wanted:
            raise InputError(
                labels.name,
                expected="one label map for each id",
                found=f"{labels.names[places[image]]} and {labels.names[index]}, both {image!r}",
                fix="Keep the maps of class numbers alone in the folder.",
            )
        places[image] = index
    missing = [image for image in ids if image not in places]
    if missing:
        raise InputError(
            labels.name,
            expected=f"a label map for each of {len(ids)} images",
            found=f"{len(missing)} without one, such as {missing[0]!r}; the label maps are such as {labels.ids[0]!r}",
            fix="Give the folder of the label maps that the images were made from.",
        )
    counts = []
    for done, image in enumerate(ids, start=1):
        counts.append(_pixels_by_class(labels, places[image]))
        on_progress(done, len(ids))
    pixels = np.zeros((len(counts), max(map(len, counts), default=0)))
    for row, count in zip(pixels, counts, strict=True):
        row[: len(count)] = count
    present = np.flatnonzero(pixels.any(axis=0))
    return ClassShares(
        shares=pixels[:, present] / pixels.sum(axis=1, keepdims=True),
        names=tuple(names[k] if k < len(names) else f"class {k}" for k in present.tolist()),
    )


def stored_class_names(labels: AnyPath) -> tuple[str, ...]:
    """Return the names of the classes from the `classes.json` beside a folder of label maps; () without any.

    Raises `InputError` if the file is not JSON, or its "classes" is no list of names.
    """
    path = labels.parent / "classes.json"
    if not path.is_file():
        return ()
    return read_json_as(
        _Classes, path, expected='JSON with "classes", a list of names', fix="Mend or remove it."
    ).classes


class _Classes(Struct, frozen=True):
    classes: tuple[str, ...] = ()


def _pixels_by_class(labels: ImageSource, index: int) -> npt.NDArray[np.int64]:
    label = labels.load_labels(index)
    if label.ndim != 2:
        raise InputError(
            labels.describe(index),
            expected="a label map: one channel of class numbers",
            found=f"{label.shape[2]} channels",
            fix="Give the folder of class numbers; photos have no classes to count.",
        )
    return np.bincount(label.ravel()).astype(np.int64)
