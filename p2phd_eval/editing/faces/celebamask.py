"""CelebAMask-HQ, as it is downloaded, to a data set in pix2pixHD's layout: its masks of parts become label maps."""

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from p2phd_eval.beside import run_beside
from p2phd_eval.editing.faces.new_phases import new_phases
from p2phd_eval.errors import InputError, found_instead, require_whole
from p2phd_eval.images.decoding import decode_labels, image_size, read_rgb
from p2phd_eval.images.encoded_files import read_encoded
from p2phd_eval.images.png import write_png
from p2phd_eval.progress import OnProgress, unwatched

#: The masks in the order in which its authors paint them, each over those before; a part's label is its place here.
CELEBAMASK_CLASSES: tuple[str, ...] = (
    *("background", "skin", "nose", "eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "l_ear", "r_ear"),
    *("mouth", "u_lip", "l_lip", "hair", "hat", "ear_r", "neck_l", "neck", "cloth"),
)

_PHOTOS, _MASKS = "CelebA-HQ-img", "CelebAMask-HQ-mask-anno"
_MAPPING = "CelebA-HQ-to-CelebA-mapping.txt"
_IN_A_FOLDER = 2000  # masks' folders are numbered by thousands of two
# CelebA's own partition, by the number of the photo there; a person is in one part alone.
_FIRST_OF_VAL, _FIRST_OF_TEST = 162_771, 182_638
_PHASES = ("train", "val", "test")
_LARGEST_MAPPING = 16 << 20  # bytes; it has 1 MB
_MOST = 2**14  # pixels of a side


@dataclass(frozen=True, kw_only=True)
class ConvertedFaces:
    """A data set that was made of CelebAMask-HQ."""

    folder: str
    n: dict[str, int]  # faces by phase
    n_missing: int  # faces that the mapping names and whose photo is not there


def convert_celebamask(
    source: Path, out: Path, *, size: tuple[int, int] | None = None, on_progress: OnProgress = unwatched
) -> ConvertedFaces:
    """Write the faces of CelebAMask-HQ as label maps and photos, in the phases train, val and test of CelebA.

    The label map has 0 where there is no mask, and else the number of the last part in `CELEBAMASK_CLASSES` whose mask
    is not 0 there, which is how its authors join them.

    Parameters
    ----------
    source : Path
        The folder CelebAMask-HQ with CelebA-HQ-img, CelebAMask-HQ-mask-anno and CelebA-HQ-to-CelebA-mapping.txt. It may
        have photos of some faces only.
    out : Path
        The data set: a new or empty folder.
    size : (int, int), optional
        Width and height, pixels; by default those of the masks, 512 x 512. Photos are scaled to it, and maps, to the
        nearest pixel, where they have another.
    on_progress : callable, optional
        Called with (faces done, faces in all).

    Raises
    ------
    InputError
        If a file is missing or cannot be read, a face has no mask, or masks and photo have different shapes.
    """
    if size is not None:
        require_whole(1, _MOST, {"--size, width": size[0], "--size, height": size[1]})
    phases = _read_mapping(source / _MAPPING)
    there = [number for number in sorted(phases) if (source / _PHOTOS / f"{number}.jpg").is_file()]
    if not there:
        raise InputError(
            str(source / _PHOTOS), expected="the photos 0.jpg, 1.jpg and so on", found="none that the mapping names"
        )
    folders = [f"{phase}_{kind}" for phase in _PHASES for kind in ("img", "label")]
    n = dict.fromkeys(_PHASES, 0)
    with new_phases(out, folders, CELEBAMASK_CLASSES) as part:

        def writes() -> Iterator[Callable[[], str]]:
            for number in there:
                yield partial(_write_face, source, part, number, phases[number], size)

        def written(phase: str) -> None:
            n[phase] += 1
            on_progress(sum(n.values()), len(there))

        run_beside(writes(), written)
    return ConvertedFaces(folder=str(out), n=n, n_missing=len(phases) - len(there))


def _write_face(source: Path, part: Path, number: int, phase: str, size: tuple[int, int] | None) -> str:
    label = _read_parts(source / _MASKS, number)
    masks = (label.shape[1], label.shape[0])
    photo = source / _PHOTOS / f"{number}.jpg"
    given = image_size(photo)
    if given[0] * masks[1] != given[1] * masks[0]:
        raise InputError(
            str(photo),
            expected=f"a photo of the shape of its masks, {masks[0]} x {masks[1]}",
            found=f"{given[0]} x {given[1]}",
        )
    wanted, name = size or masks, f"{number:05d}"
    if wanted != masks:
        label = np.asarray(Image.fromarray(label).resize(wanted, Image.Resampling.NEAREST))
    write_png(part / f"{phase}_label" / f"{name}.png", label)
    target = part / f"{phase}_img" / f"{name}.jpg"
    if wanted == given:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(photo, target)
    else:
        scaled = Image.fromarray(read_rgb(photo)).resize(wanted, Image.Resampling.BICUBIC)
        write_png(target.with_suffix(".png"), np.asarray(scaled))
    return phase


def _read_parts(masks: Path, number: int) -> npt.NDArray[np.uint8]:
    label: npt.NDArray[np.uint8] | None = None
    for part, name in enumerate(CELEBAMASK_CLASSES):
        path = masks / str(number // _IN_A_FOLDER) / f"{number:05d}_{name}.png"
        if part == 0 or not path.is_file():
            continue
        mask = decode_labels(read_encoded(path), str(path)).pixels
        covered = (mask != 0).any(axis=2) if mask.ndim == 3 else mask != 0
        if label is None:
            label = np.zeros(covered.shape, dtype=np.uint8)
        if covered.shape != label.shape:
            raise InputError(
                str(path),
                expected=f"{label.shape[1]} x {label.shape[0]} pixels, as the face's other masks have",
                found=f"{covered.shape[1]} x {covered.shape[0]}",
            )
        label[covered] = part
    if label is None:
        raise InputError(
            str(masks / str(number // _IN_A_FOLDER)),
            expected=f"masks of face {number}, such as {number:05d}_skin.png",
            found="none",
            fix="Unpack all of CelebAMask-HQ, or remove the photo.",
        )
    return label


def _read_mapping(path: Path) -> dict[int, str]:
    """The phase of each face, by its number: lines of it, its number in CelebA, and its file there, below a heading."""
    expected = "lines such as `0 119613 119613.jpg`"
    try:
        with path.open(encoding="utf-8") as stream:
            lines = stream.read(_LARGEST_MAPPING).splitlines()
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(
            str(path),
            expected="the file of CelebAMask-HQ that says which photo of CelebA each face is",
            found="none",
            fix="It comes with the photos, and divides them: nobody is to be in the training and the test part.",
        ) from None
    except OSError as error:
        raise InputError(str(path), expected=expected, found=found_instead(error)) from error
    except UnicodeDecodeError as error:
        raise InputError(str(path), expected=expected, found=f"byte {error.start} that is no UTF-8") from error
    phases: dict[int, str] = {}
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        found = re.fullmatch(r"\s*(\d{1,9})\s+(\d{1,9})\s+\S+\s*", line, re.ASCII)
        if found is None:
            raise InputError(f"{path}, line {number}", expected=expected, found=f"{line:.60}")
        in_celeba = int(found[2])
        phase = 0 if in_celeba < _FIRST_OF_VAL else 1 if in_celeba < _FIRST_OF_TEST else 2
        phases[int(found[1])] = _PHASES[phase]
    return phases
