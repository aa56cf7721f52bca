"""Reads a whole data set before a run does, and lists everything that a run would stumble over."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from p2phd_eval.config import DataConfig
from p2phd_eval.errors import InputError
from p2phd_eval.generators.data.palettes import PaletteCheck
from p2phd_eval.generators.data.triplets import (
    MapKind,
    as_map,
    by_key,
    check_labels,
    folder_names,
    orphans,
    require_equal_sizes,
    stored_label_nc,
)
from p2phd_eval.images.decoding import decode_image, decode_rgb
from p2phd_eval.images.encoded_files import read_encoded
from p2phd_eval.images.names import ids_of_sets, list_images, unread_warnings
from p2phd_eval.images.oddities import Oddity, count_oddities, oddity_sentences
from p2phd_eval.progress import OnProgress, ProgressFactory, silent, unwatched

_AT_ONCE = 1 << 24  # pixels that are counted at once


@dataclass(frozen=True, kw_only=True)
class PhaseReport:
    """What one phase of a data set holds."""

    phase: str
    n: int  # complete samples
    sizes: dict[str, int]  # "WIDTHxHEIGHT" of the label maps to the number of files
    class_shares: dict[int, float]  # share of all pixels, by label; empty for label_nc 0
    problems: tuple[str, ...]  # one message each
    warnings: tuple[str, ...] = ()  # what is read, but perhaps not as it was meant; one sentence each


@dataclass(frozen=True, kw_only=True)
class DataReport:
    """What a whole data set holds."""

    label_nc: int
    instances: bool
    phases: tuple[PhaseReport, ...]
    problems: tuple[str, ...]  # in all phases, and in the data set as a whole
    warnings: tuple[str, ...] = ()  # likewise


def validate_data(
    data: str | Path, *, label_nc: int | None = None, instances: bool | None = None, progress: ProgressFactory = silent
) -> DataReport:
    """Read every file of a data set and name all that is wrong: files without partner, unreadable ones, wrong labels.

    Parameters
    ----------
    data : str or Path
        A data set in pix2pixHD's layout.
    label_nc : int, optional
        Number of classes; by default that of `classes.json`, or else 35.
    instances : bool, optional
        Whether instance maps are checked; by default if there are any.
    progress : ProgressFactory

    Raises
    ------
    InputError
        If there are no folders of a data set, or `classes.json` cannot be read and `label_nc` is not given.
    """
    data = Path(data)
    stored, problems = None, []
    try:
        stored = stored_label_nc(data)
    except InputError as error:
        if label_nc is None:
            raise
        problems.append(str(error))
    if stored is not None and label_nc not in (None, stored):
        problems.append(f"{data / 'classes.json'}: it states {stored} classes, --label-nc says {label_nc}")
    label_nc = stored if label_nc is None else label_nc
    assumed = label_nc is None
    config = DataConfig(instances=any(data.glob("*_inst")) if instances is None else instances)
    if label_nc is not None:
        config = replace(config, label_nc=label_nc)
    reports = []
    palettes = PaletteCheck()
    for phase in phases(data, config):
        with progress(f"read {phase}", "samples") as on_progress:
            reports.append(validate_phase(data, phase, config, palettes=palettes, on_progress=on_progress))
    return DataReport(
        label_nc=config.label_nc,
        instances=config.instances,
        phases=tuple(reports),
        problems=(*problems, *(problem for report in reports for problem in report.problems)),
        warnings=(
            *(_assumed_warnings(data, config.label_nc, reports) if assumed else ()),
            *(warning for report in reports for warning in report.warnings),
        ),
    )


def _assumed_warnings(data: Path, label_nc: int, reports: Sequence[PhaseReport]) -> tuple[str, ...]:
    """Say where nobody stated the classes, and the labels are those of a data set with far fewer than Cityscapes."""
    largest = max((label for report in reports for label in report.class_shares), default=None)
    if largest is None or 2 * (largest + 1) > label_nc:
        return ()
    return (
        f"{data}: {label_nc} classes are assumed, as in Cityscapes, and no label is above {largest}: networks would "
        f"have {label_nc - largest - 1} input channels that are always 0. State the classes with --label-nc, or in "
        f'{data / "classes.json"}: {{"label_nc": {largest + 1}}}',
    )


def phases(root: Path, config: DataConfig) -> list[str]:
    """Return the phases a data set has, in the order of their names; raises InputError if it has none."""
    ending = folder_names("", config)[0]
    found = sorted(path.name.removesuffix(ending) for path in root.glob(f"*{ending}") if path.is_dir())
    if not found:
        raise InputError(
            str(root),
            expected=f"folders such as train{ending}",
            found=", ".join(sorted(path.name for path in root.iterdir())[:5]) or "an empty folder"
            if root.is_dir()
            else "no such folder",
            fix="Lay the data out as pix2pixHD does, or make some: p2phd-eval data synthesize OUT",
        )
    return found


def validate_phase(
    root: Path,
    phase: str,
    config: DataConfig,
    *,
    palettes: PaletteCheck | None = None,
    on_progress: OnProgress = unwatched,
) -> PhaseReport:
    """Read every file of a phase and collect what is wrong instead of stopping at the first problem.

    Photos may be missing as a whole (a phase to sample from); if the folder is there, each must have its partner.

    `root`, `phase`, `config`: see `find_triplets`. `palettes`: has seen the phases before this one.
    """
    label_folder, instance_folder, photo_folder = folder_names(phase, config)
    problems: list[str] = []
    images = {label_folder: list_images(root / label_folder)}
    for folder in (instance_folder, photo_folder):
        if folder is None or (folder == photo_folder and not (root / folder).is_dir()):
            continue
        try:
            images[folder] = list_images(root / folder)
        except InputError as error:
            problems.append(str(error))
    ids = dict(zip(images, ids_of_sets([each.names for each in images.values()]), strict=True))
    labels = by_key(images[label_folder], ids.pop(label_folder))
    partners: dict[str, dict[str, Path]] = {}
    for folder, own_ids in ids.items():
        try:
            partners[folder] = by_key(images[folder], own_ids)
        except InputError as error:
            problems.append(str(error))
            continue
        missing, extra = orphans(labels, partners[folder])
        problems += [f"{root / label_folder}: {key!r} has no partner in {folder}" for key in missing]
        problems += [f"{root / folder}: {key!r} has no partner in {label_folder}" for key in extra]

    reader = _Reader(config, palettes or PaletteCheck())
    sizes: Counter[str] = Counter()
    complete = 0
    for done, (key, path) in enumerate(sorted(labels.items()), start=1):
        files = {folder: files.get(key) for folder, files in partners.items()}
        try:
            size = reader.read(path, root / label_folder, "label map" if config.label_nc else None)
            sizes[f"{size[0]}x{size[1]}"] += 1
            for folder, file in files.items():
                if file is not None:
                    kind: MapKind | None = "instance map" if folder == instance_folder else None
                    require_equal_sizes(size, path, reader.read(file, root / folder, kind), file)
            complete += all(file is not None for file in files.values())
        except InputError as error:
            problems.append(str(error))
        on_progress(done, len(labels))
    total = sum(reader.pixels.values())
    return PhaseReport(
        phase=phase,
        n=complete,
        sizes=dict(sizes),
        class_shares={label: count / total for label, count in sorted(reader.pixels.items())},
        problems=tuple(problems),
        warnings=(
            *(text for folder, each in images.items() for text in unread_warnings(str(root / folder), each.unread)),
            *reader.warnings(root / label_folder),
        ),
    )


class _Reader:
    """Reads the files of a phase, and keeps of them what the report says."""

    def __init__(self, config: DataConfig, palettes: PaletteCheck) -> None:
        self.pixels: Counter[int] = Counter()  # of all label maps, by class
        self._label_nc = config.label_nc
        self._palettes = palettes
        self._oddities: dict[Path, dict[str, tuple[Oddity, ...]]] = defaultdict(dict)  # by folder and name

    def read(self, path: Path, folder: Path, kind: MapKind | None) -> tuple[int, int]:
        """Return width and height of a map, or of a photo (None); raises `InputError` if it cannot be used."""
        content = read_encoded(path)
        name = path.relative_to(folder).as_posix()
        if kind is None:
            pixels, _, self._oddities[folder][name] = decode_rgb(content, str(path))
            return pixels.shape[1], pixels.shape[0]
        image, oddities = decode_image(content, str(path))
        self._oddities[folder][name] = tuple({*oddities} & {Oddity.TURNED, Oddity.FRAMES})  # numbers, not colours
        image = as_map(image, content, path, kind)
        if kind == "label map":
            values = np.asarray(image)
            check_labels(values, self._label_nc, path)
            for rows in np.array_split(values, 1 + values.size // _AT_ONCE):  # bincount takes 8 bytes a pixel
                self.pixels.update({label: n for label, n in enumerate(np.bincount(rows.ravel()).tolist()) if n})
            self._palettes.add(path, folder, image)
        return image.size

    def warnings(self, label_folder: Path) -> tuple[str, ...]:
        """Return a sentence for each oddity of each folder, and for the palettes of the label maps."""
        found = self._palettes.warnings(label_folder)
        for folder, oddities in self._oddities.items():
            sentences = oddity_sentences(*count_oddities(list(oddities), list(oddities.values())), len(oddities))
            found += tuple(f"{folder}: {sentence}" for sentence in sentences)
        return found
