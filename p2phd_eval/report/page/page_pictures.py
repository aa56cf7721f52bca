"""The pictures of a study's page: for some label maps the photo, what every arm made, and how they differ."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from p2phd_eval.errors import InputError
from p2phd_eval.files import page_bytes
from p2phd_eval.images.condition_ids import images_of_conditions
from p2phd_eval.images.pictures import difference_column, evenly_spaced, label_colours
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.images.sources.source import ImageSource
from p2phd_eval.report.documents.study_documents import COMMON_SAMPLING, ReportDocument
from p2phd_eval.report.wording import generated_name

_WIDEST = 512  # pixels of an embedded picture
_SMALL = 48 << 10  # bytes of a PNG up to which a picture is embedded without loss
_ROWS = 12


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One picture of a row."""

    name: str  # what it shows
    uri: str  # a data URI
    column: int  # in which it stands, from 0: the label map's, the photo's, and one an arm
    selectable: bool  # whether the slider may show it


@dataclass(frozen=True, kw_only=True)
class PictureRow:
    """The pictures of one label map."""

    id: str
    influence: float | None  # on dFID of the first candidate
    pictures: tuple[Picture, ...]


def picture_rows(report: ReportDocument, folder: Path) -> list[PictureRow]:
    """Return the label maps that a reader should see: by their influence on dFID, the worst for the candidate first.

    There are no rows where no run finished. Raises `InputError` if an image is missing or cannot be read.
    """
    shown = _first_runs(report)
    if not shown:
        return []
    arms = [(name, open_source(folder / samples)) for name, samples in shown]
    # Paths are relative to the study folder unless they are absolute.
    real = report.pictures.photos
    photos = None if real is None else open_source(folder / real, generated=False)
    labels = None if report.pictures.labels is None else open_source(folder / report.pictures.labels)
    rows = []
    for id_, influence in _chosen(report, arms[0][1]):
        before = [] if labels is None else [("label map", _label(labels, id_, report.pictures.label_nc))]
        # Real images without label maps need not have the samples' names.
        if photos is not None and (labels is not None or id_ in photos.ids):
            before.append(("photo", _pixels(photos, id_)))
        named = [*before, *((name, _pixels(source, id_)) for name, source in arms)]
        names, tiles = [name for name, _ in named], [tile for _, tile in named]
        differences = []
        first = len(before)
        for k in range(first + 1, len(tiles)):
            pair = [tiles[first], tiles[k]]
            caption = difference_column([pair], [names[first], names[k]], 1, 0)[2:]
            differences += [(k, name, pair[2]) for name in caption]
        pictures = [
            Picture(name=name, uri=data_uri(tile), column=column, selectable=name != "label map")
            for column, (name, tile) in enumerate(zip(names, tiles, strict=True))
        ]
        pictures += [
            Picture(name=name, uri=data_uri(tile), column=column, selectable=False)
            for column, name, tile in differences
        ]
        rows.append(PictureRow(id=id_, influence=influence, pictures=tuple(pictures)))
    return rows


def _first_runs(report: ReportDocument) -> list[tuple[str, str]]:
    """Each arm's first finished run, and in what else it was asked to generate: name and samples."""
    found: dict[str, str] = {}
    for run in report.runs:
        if not run.failed and not run.repeat and run.arm not in found:
            found[run.arm] = run.samples.get(COMMON_SAMPLING) or next(iter(run.samples.values()))
            asked = (each for each in report.what_was_run.generation or () if each in run.samples)
            found |= {generated_name(run.arm, precision): run.samples[precision] for precision in asked}
    return list(found.items())


def _chosen(report: ReportDocument, samples: ImageSource) -> list[tuple[str, float | None]]:
    main = report.main
    explanation = None if main is None else main.candidates[0].explanation
    if not explanation or not (explanation.upward or explanation.downward):
        return [(samples.ids[i], None) for i in evenly_spaced(len(samples), _ROWS)]
    # Both lists begin with their strongest, so the last of the second one is the mildest of those that speak for it.
    ordered = [*explanation.upward, *reversed(explanation.downward)]
    if len(ordered) > _ROWS:
        ordered = ordered[: _ROWS - 4] + ordered[-4:]
    return [(each.id, each.influence) for each in ordered]


def _index(source: ImageSource, id_: str) -> int:
    # The report is read from JSON, which has no bytes that are no Unicode.
    id_, *ids = (page_bytes(own).decode() for own in (id_, *source.ids))
    # Of conditions with several samples the first is shown, and the photo of a sample is that of its condition.
    found = images_of_conditions(ids, [id_], one_of_several=True)
    if id_ not in found:
        raise InputError(
            source.name,
            expected=f"an image of the label map {id_!r}, which the report shows",
            found=f"{len(source)} images, and none of that name",
            fix="Put it back, or delete the folder and continue the study.",
        )
    return ids.index(found[id_])


def _pixels(source: ImageSource, id_: str) -> npt.NDArray[np.uint8]:
    return source.load(_index(source, id_)).pixels


def _label(source: ImageSource, id_: str, label_nc: int) -> npt.NDArray[np.uint8]:
    stored = source.load_stored(_index(source, id_))
    # The colour of a class does not depend on how many there are.
    return label_colours(stored, max(label_nc, int(stored.max()) + 1)) if stored.ndim == 2 else stored


def data_uri(pixels: npt.NDArray[np.uint8], widest: int = _WIDEST) -> str:
    """Return a picture (H, W, 3) as a data URI, at most `widest` pixels wide."""
    image = Image.fromarray(pixels)
    if image.width > widest:
        image = image.resize((widest, round(image.height * widest / image.width)), Image.Resampling.LANCZOS)
    # Label maps are small as PNG at any size, and their edges stay sharp.
    kind, content = "png", _encoded(image, format="PNG", optimize=True)
    if len(content) > _SMALL:
        kind, content = "webp", _encoded(image, format="WEBP", quality=90, method=4)
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _encoded(image: Image.Image, **how: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, **how)
    return stream.getvalue()
