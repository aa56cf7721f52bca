"""Data sets of faces in pix2pixHD's layout: edge maps or part labels, from files of points or from photos."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from p2phd_eval.beside import run_beside
from p2phd_eval.editing.faces.face_maps import edge_map, part_map
from p2phd_eval.editing.faces.face_points import PART_NAMES, Points, check_points
from p2phd_eval.editing.faces.landmark_detector import LandmarkDetector
from p2phd_eval.editing.faces.landmark_files import Landmarks, list_landmarks, read_landmarks, write_landmarks
from p2phd_eval.editing.faces.map_kinds import FaceMaps
from p2phd_eval.editing.faces.new_phases import new_phases, require_phase_name
from p2phd_eval.errors import InputError, as_choice, require_whole
from p2phd_eval.generators.data.triplets import files_by_key
from p2phd_eval.images.decoding import read_rgb
from p2phd_eval.images.png import write_png
from p2phd_eval.progress import OnProgress, unwatched

_CROP = 2.5  # widths of the face's points, as the published procedure cuts photos
_MOST = 2**14  # pixels of a side


@dataclass(frozen=True, kw_only=True)
class FaceData:
    """A phase of faces that was written."""

    folder: str
    phase: str
    maps: str
    n: int
    without_face: tuple[str, ...]  # photos that were left out: no landmarks are given, or no face was found
    several_faces: tuple[str, ...]  # photos of which the largest face was taken


@dataclass(frozen=True, kw_only=True)
class _Frame:
    """The part of a picture that is taken, and the size that it gets."""

    box: tuple[int, int, int, int]  # left, top, right, bottom, pixels of the picture
    size: tuple[int, int]

    def points(self, points: Points) -> Points:
        """Points of the picture in the frame; the centres of pixels are at whole numbers in both."""
        left, top, right, bottom = self.box
        scale = np.array(self.size) / (right - left, bottom - top)
        return (points - (left, top) + 0.5) * scale - 0.5

    def photo(self, photo: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        return np.asarray(Image.fromarray(photo).crop(self.box).resize(self.size, Image.Resampling.BICUBIC))


def write_faces(
    out: Path,
    landmarks: Path | None = None,
    *,
    photos: Path | None = None,
    dlib_model: Path | None = None,
    maps: FaceMaps | str = FaceMaps.EDGES,
    phase: str = "train",
    size: tuple[int, int] | None = None,
    crop: bool = False,
    background: bool = True,
    on_progress: OnProgress = unwatched,
) -> FaceData:
    """Write a phase of a data set of faces: maps, photos, and the points in the maps' pixels.

    Edge maps are `<phase>_A` with photos as `<phase>_B` (`label_nc` 0), part labels `<phase>_label` with photos as
    `<phase>_img`; the points are `<phase>_keypoints`, a text file a face, from which the same call makes the same
    curves again, or others once they are changed. `classes.json` says which of both it is.

    Parameters
    ----------
    out : Path
        The data set; another phase of the same kind may be there.
    landmarks : Path, optional
        A file of 68 points, or a folder of such files: see `read_landmarks`.
    photos : Path, optional
        Folder of the photos, paired with the landmarks by name; those without landmarks are left out.
    dlib_model : Path, optional
        dlib's landmark model, to find the points in the photos, in place of `landmarks`.
    maps : FaceMaps or str
        "edges" or "parts".
    phase : str
    size : (int, int), optional
        Width and height of the maps, pixels. Photos are scaled to it, and the points with them; without photos it is
        the size of the picture that the points are of. By default that of each photo, or of what is cut of it.
    crop : bool
        Cut a square of 2.5 widths of the face's points, with the face a little below its middle.
    background : bool
        Draw into edge maps, around the face, the edges that the photo has.
    on_progress : callable, optional
        Called with (faces done, faces in all).

    Returns
    -------
    FaceData

    Raises
    ------
    InputError
        If points or photos cannot be used or do not belong together, a library that is needed is missing, or the phase
        is there already.
    """
    maps = as_choice(FaceMaps, maps, "--maps")
    require_phase_name(phase)
    if size is not None:
        require_whole(1, _MOST, {"--size, width": size[0], "--size, height": size[1]})
    if (landmarks is None) == (dlib_model is None):
        raise InputError(
            "LANDMARKS",
            expected="files of landmarks, or --dlib-model to find them in photos",
            found="neither" if landmarks is None else "both",
        )
    if photos is None and (size is None or crop or landmarks is None):
        needed = "--dlib-model" if landmarks is None else "--crop" if crop else "no --size"
        raise InputError("--photos", expected=f"a folder of photos with {needed}", found="none")
    pictures = {} if photos is None else files_by_key(photos)
    without: list[str] = []
    several: list[str] = []
    if landmarks is not None:
        files = list_landmarks(landmarks)
        if photos is not None:
            _require_photos(photos, files, pictures)
        without += sorted(pictures.keys() - files.keys())
        faces = _given(files, pictures)
        total = len(files)
    else:
        assert dlib_model is not None
        faces = _detected(LandmarkDetector(dlib_model), pictures, without, several)
        total = len(pictures)

    edges = maps is FaceMaps.EDGES
    a, b = ("A", "B") if edges else ("label", "img")
    folders = _Folders(maps=f"{phase}_{a}", photos=f"{phase}_{b}", keypoints=f"{phase}_keypoints")
    n = 0
    with new_phases(out, folders, () if edges else PART_NAMES) as part:

        def writes() -> Iterator[Callable[[], int]]:
            for face in faces:
                yield partial(_write, part, folders, face, edges, size, crop, background)

        def written(number: int) -> None:
            nonlocal n
            n += 1
            on_progress(number, total)

        run_beside(writes(), written)
        if n == 0:
            raise InputError(str(photos), expected="photos with a face", found=f"none in {total} photos")
    return FaceData(
        folder=str(out), phase=phase, maps=maps.value, n=n, without_face=tuple(without), several_faces=tuple(several)
    )


class _Folders(NamedTuple):
    """The names of a phase's folders; that of the maps is moved to its place last, when the others are there."""

    keypoints: str
    photos: str
    maps: str


@dataclass(frozen=True, kw_only=True)
class _Face:
    number: int  # of the photos or files that were looked at, from 1
    key: str
    landmarks: Callable[[], Landmarks]
    photo: Path | None


def _given(files: dict[str, Path], pictures: dict[str, Path]) -> Iterator[_Face]:
    for number, (key, path) in enumerate(sorted(files.items()), start=1):
        yield _Face(number=number, key=key, landmarks=partial(read_landmarks, path), photo=pictures.get(key))


def _detected(
    detector: LandmarkDetector, pictures: dict[str, Path], without: list[str], several: list[str]
) -> Iterator[_Face]:
    for number, (key, path) in enumerate(sorted(pictures.items()), start=1):
        points, n_faces = detector(read_rgb(path))
        if points is None:
            without.append(key)
            continue
        if n_faces > 1:
            several.append(key)
        found = Landmarks(points=points, places=(), where=str(path))
        yield _Face(number=number, key=key, landmarks=partial(_itself, found), photo=path)


def _itself(landmarks: Landmarks) -> Landmarks:
    return landmarks


def _write(
    part: Path, folders: _Folders, face: _Face, edges: bool, size: tuple[int, int] | None, crop: bool, background: bool
) -> int:
    landmarks = face.landmarks()
    pixels = None if face.photo is None else read_rgb(face.photo)
    # Without photos the points are of a picture of the size that is asked for.
    given = size if pixels is None else (pixels.shape[1], pixels.shape[0])
    assert given is not None
    check_points(landmarks.points, given, landmarks.places, landmarks.where)
    box = _square(landmarks.points, given) if crop else (0, 0, *given)
    frame = _Frame(box=box, size=size or (box[2] - box[0], box[3] - box[1]))
    points = check_points(frame.points(landmarks.points), frame.size, landmarks.places, landmarks.where)
    if pixels is not None and face.photo is not None:
        if (box, frame.size) == ((0, 0, *given), given):
            target = part / folders.photos / f"{face.key}{face.photo.suffix}"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(face.photo, target)
        else:
            pixels = frame.photo(pixels)
            write_png(part / folders.photos / f"{face.key}.png", pixels)
    drawn = edge_map(points, frame.size, pixels if background else None) if edges else part_map(points, frame.size)
    write_png(part / folders.maps / f"{face.key}.png", drawn)
    write_landmarks(part / folders.keypoints / f"{face.key}.txt", points)
    return face.number


def _square(points: Points, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The square around a face that is taken, moved into the picture, and smaller where the picture is."""
    low, high = points.min(axis=0), points.max(axis=0)
    side = max(1, min(round(float(high[0] - low[0]) * _CROP), *size))
    centre = ((low[0] + high[0]) / 2, (3 * low[1] + high[1]) / 4)
    left, top = (min(max(0, round(float(at) - side / 2)), whole - side) for at, whole in zip(centre, size, strict=True))
    return left, top, left + side, top + side


def _require_photos(photos: Path, files: dict[str, Path], pictures: dict[str, Path]) -> None:
    missing = sorted(files.keys() - pictures.keys())
    if missing:
        raise InputError(
            str(photos),
            expected="a photo of the name of each file of landmarks",
            found=f"none for {len(missing)}: {', '.join(missing[:5])}{' ...' if len(missing) > 5 else ''}",
            fix="Add them, or remove these landmarks.",
        )
