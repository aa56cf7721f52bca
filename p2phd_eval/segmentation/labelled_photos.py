"""The photos of a data set with their label maps, decoded and at one width, to train a segmenter on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.class_shares import stored_class_names
from p2phd_eval.files import names_sha256
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.progress import ProgressFactory, silent
from p2phd_eval.segmentation.label_pixels import label_numbers
from p2phd_eval.segmentation.module_segmenter import at_width

#: What an ignored pixel's label becomes; torch's loss leaves it out.
IGNORED = -100

#: Photos that a segmenter is trained on, at most, evenly spaced over the set: all of them lie in memory.
MOST_PHOTOS = 3000
# The network has a channel for each number up to the largest: instance maps would make it one of ten thousands.
_LARGEST_LABEL = 2**12 - 1


@dataclass(frozen=True, kw_only=True)
class LabelledPhotos:
    """Photos and label maps in the order of their names; sizes may differ from photo to photo but for the width."""

    photos: tuple[Tensor, ...]  # uint8 (h, w, 3) each
    labels: tuple[Tensor, ...]  # int16 (h, w) each, numbers of classes or IGNORED
    classes: tuple[str, ...]
    sha256: str  # of the names and contents of all files that were read

    def __len__(self) -> int:
        return len(self.photos)


def read_labelled_photos(
    data: Path, *, phase: str, width: int | None, ignore: Sequence[int], progress: ProgressFactory = silent
) -> LabelledPhotos:
    """Read ``<data>/<phase>_img`` and ``<data>/<phase>_label``, matched by name.

    Photos are scaled antialiased, label maps by the nearest pixel. The classes are numbered from 0 to the largest label
    that is not ignored; ``classes.json`` names them, or else their number does.

    `width`: None: that of the first photo, 256 at most. `ignore`: labels that stand for no class. Raises `InputError`
    if a folder is missing, a photo or label map has no partner, sizes do not agree, or a label map is none.
    """
    images, maps = (open_source(data / f"{phase}_{part}", generated=False) for part in ("img", "label"))
    chosen = _evenly(_pairs(data, phase, images.ids, maps.ids), MOST_PHOTOS)
    names = stored_class_names(data / f"{phase}_label")
    photos: list[Tensor] = []
    labels: list[Tensor] = []
    files: dict[str, str] = {}
    with progress("read the photos", "photos") as on_progress:
        for image, label_map in chosen:
            loaded, numbers = images.load(image), label_numbers(maps, label_map)
            where = maps.describe(label_map)
            if numbers.shape != loaded.pixels.shape[:2]:
                found, other = ("x".join(map(str, each.shape[1::-1])) for each in (numbers, loaded.pixels))
                raise InputError(where, expected=f"its photo's size, {other}", found=found)
            if width is None:
                width = min(256, loaded.pixels.shape[1])
            files[f"img/{images.names[image]}"] = loaded.sha256
            files[f"label/{maps.names[label_map]}"] = maps.content_sha256(label_map)
            photos.append(at_width(torch.from_numpy(loaded.pixels)[None], width)[0])
            labels.append(_labels_at(numbers, photos[-1].shape[:2], ignore, where))
            on_progress(len(photos), len(chosen))
    n_classes = max(int(each.max()) for each in labels) + 1
    if n_classes < 2:
        raise InputError(
            str(data / f"{phase}_label"), expected="label maps of two classes or more", found="one or none"
        )
    classes = tuple(names[k] if k < len(names) else str(k) for k in range(n_classes))
    if len(set(classes)) < n_classes:
        raise InputError(str(data / "classes.json"), expected="a name of its own for each class", found="one twice")
    return LabelledPhotos(photos=tuple(photos), labels=tuple(labels), classes=classes, sha256=names_sha256(files))


def _pairs(data: Path, phase: str, images: Sequence[str], maps: Sequence[str]) -> list[tuple[int, int]]:
    places = {key: index for index, key in enumerate(maps)}
    lonely = sorted(set(images) ^ set(maps))
    if lonely:
        raise InputError(
            str(data),
            expected=f"the same names in {phase}_img and {phase}_label",
            found=f"{len(lonely)} in one alone, such as {lonely[0]!r}",
            fix="`p2phd-eval data validate` lists all.",
        )
    return [(index, places[key]) for key, index in sorted((key, index) for index, key in enumerate(images))]


def _evenly(pairs: list[tuple[int, int]], most: int) -> list[tuple[int, int]]:
    if len(pairs) <= most:
        return pairs
    return [pairs[number * len(pairs) // most] for number in range(most)]


def _labels_at(numbers: npt.NDArray[np.integer], size: Sequence[int], ignore: Sequence[int], where: str) -> Tensor:
    values = numbers.astype(np.int64)
    values[np.isin(values, ignore)] = IGNORED
    if values.max() > _LARGEST_LABEL:
        raise InputError(
            where,
            expected=f"class numbers up to {_LARGEST_LABEL}",
            found=str(values.max()),
            fix="Name labels that stand for no class with --ignore; numbers of instances are no classes.",
        )
    # The pixel whose area holds the centre, as Pillow's nearest takes it.
    rows, columns = ((np.arange(new) * 2 + 1) * old // (2 * new) for new, old in zip(size, values.shape, strict=True))
    return torch.from_numpy(values[rows][:, columns].astype(np.int16))
