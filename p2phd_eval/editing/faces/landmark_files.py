"""Files with the 68 points of a face: `.pts`, `.txt`, `.csv`, `.json` and `.npy`, whoever wrote them."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from p2phd_eval.editing.faces.face_points import N_POINTS, Points, check_points
from p2phd_eval.errors import InputError, found_instead, shown
from p2phd_eval.files import atomic_write
from p2phd_eval.images.names import is_hidden, pair_key
from p2phd_eval.json_files import decode_json

#: The endings of files of points.
LANDMARK_ENDINGS = (".pts", ".txt", ".csv", ".json", ".npy")

_EXPECTED = "the 68 points of a face, x and y of each"
_LARGEST = 1 << 20  # bytes; 68 points take some 4 kB as text
_HEADER = re.compile(r"[\"']?x[\"']?\s*[,;\s]\s*[\"']?y[\"']?", re.IGNORECASE)
_PTS_FIELD = re.compile(r"(version|n_points)\s*:\s*(\S+)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Landmarks:
    """The points of a face, and where each of them stands: for errors about them."""

    points: Points  # (68, 2), pixels
    places: tuple[str, ...]
    where: str


def list_landmarks(given: Path) -> dict[str, Path]:
    """Return the files of points of a folder, or the one that is given, by the names that photos have too.

    Raises `InputError` if there are none, or two have one name.
    """
    if given.is_file():
        paths = [given]
    elif given.is_dir():
        paths = sorted(each for each in given.iterdir() if each.suffix.lower() in LANDMARK_ENDINGS)
        paths = [each for each in paths if each.is_file() and not is_hidden(each.name)]
    else:
        raise InputError(
            str(given), expected="a file or folder of landmarks", found="nothing there", fix="Check the path."
        )
    if not paths:
        endings = ", ".join(LANDMARK_ENDINGS)
        raise InputError(
            str(given),
            expected=f"files of landmarks, which end in {endings}",
            found="none",
            fix=f"Give a folder of them, {N_POINTS} points in each.",
        )
    found: dict[str, Path] = {}
    for path in paths:
        key = pair_key(path.stem)
        if key in found:
            raise InputError(
                str(given),
                expected="one file of landmarks a name",
                found=f"{found[key].name} and {path.name}",
                fix="Keep one of them.",
            )
        found[key] = path
    return found


def read_landmarks(path: Path) -> Landmarks:
    """Read the points of a face.

    * `.pts`, as 300-W has them: the points between braces; the top left pixel is (1, 1), so 1 is taken off.
    * `.txt` and `.csv`: a point a line, with a comma, semicolon or spaces between x and y; a first line `x,y` and
      lines that begin with # are left out.
    * `.json`: a list of 68 pairs, alone or as "points" or "landmarks".
    * `.npy`: an array (68, 2); nothing is unpickled.

    In all but `.pts` the top left pixel is (0, 0), as dlib has it. Raises `InputError`, with the file and the line, if
    it cannot be read, or there are not 68 points of two finite numbers.
    """
    content = _content(path)
    ending = path.suffix.lower()
    if ending == ".npy":
        values: Any = _npy_array(content, path)
        places = tuple(f"{path}, row {number}" for number in range(len(values)))
    elif ending == ".json":
        values, places = _json_points(content, path)
    else:
        lines = _lines(content, path)
        numbered = _between_braces(lines, path) if ending == ".pts" else _without_header(lines)
        values = np.array([_pair(line, f"{path}, line {number}") for number, line in numbered])
        places = tuple(f"{path}, line {number}" for number, _ in numbered)
        if ending == ".pts":
            values = values - 1
    if len(values) != N_POINTS:
        raise InputError(
            str(path),
            expected=_EXPECTED,
            found=f"{len(values)} points",
            fix="They are those of iBUG's 68-point mark-up, as dlib and 300-W have them.",
        )
    return Landmarks(points=check_points(values, None, places, str(path)), places=places, where=str(path))


def write_landmarks(path: Path, points: Points) -> None:
    """Write points as `.txt`, x,y a line; `read_landmarks` gives the same numbers, and vid2vid reads them too."""
    text = "".join(f"{x!r},{y!r}\n" for x, y in points.tolist())
    with atomic_write(path) as stream:
        stream.write(text.encode())


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            content = stream.read(_LARGEST + 1)
    except OSError as error:
        raise InputError(str(path), expected=_EXPECTED, found=found_instead(error)) from error
    if len(content) > _LARGEST:
        raise InputError(str(path), expected=_EXPECTED, found=f"a file of more than {_LARGEST >> 20} MiB")
    return content


def _lines(content: bytes, path: Path) -> list[tuple[int, str]]:
    """The lines that hold anything, with their numbers."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(str(path), expected=_EXPECTED, found="bytes that are no text") from None
    numbered = [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1)]
    return [(number, line) for number, line in numbered if line and not line.startswith("#")]


def _without_header(lines: list[tuple[int, str]]) -> list[tuple[int, str]]:
    return lines[1:] if lines and _HEADER.fullmatch(lines[0][1]) else lines


def _between_braces(lines: list[tuple[int, str]], path: Path) -> list[tuple[int, str]]:
    """The lines of points of a `.pts` file; what it says of their number must hold."""
    texts = [line for _, line in lines]
    if "{" not in texts or "}" not in texts or texts.index("}") < texts.index("{"):
        raise InputError(str(path), expected="points between lines of { and }", found="none")
    begin, end = texts.index("{"), texts.index("}")
    for number, line in lines[:begin]:
        field = _PTS_FIELD.fullmatch(line)
        if field is None:
            raise InputError(f"{path}, line {number}", expected="version: 1 or n_points: 68", found=shown(line))
        if field[1].lower() == "n_points" and field[2] != str(end - begin - 1):
            raise InputError(
                f"{path}, line {number}", expected=f"the number of points, {end - begin - 1}", found=shown(field[2])
            )
    return lines[begin + 1 : end]


def _pair(line: str, where: str) -> tuple[float, float]:
    words = re.split(r"\s*[,;]\s*|\s+", line)
    try:
        x, y = (float(word) for word in words)
    except ValueError:
        raise InputError(where, expected="two numbers, x and y", found=shown(line)) from None
    return x, y


def _json_points(content: bytes, path: Path) -> tuple[npt.NDArray[np.float64], tuple[str, ...]]:
    document = decode_json(content, str(path), expected=_EXPECTED)
    place = "$"
    if isinstance(document, dict):
        key = next((key for key in ("points", "landmarks") if key in document), None)
        if key is None:
            raise InputError(str(path), expected='a list of points as "points" or "landmarks"', found="neither")
        document, place = document[key], f"$.{key}"
    if not isinstance(document, list):
        raise InputError(f"{path}, {place}", expected=_EXPECTED, found=shown(document))
    places = tuple(f"{path}, {place}[{number}]" for number in range(len(document)))
    for where, pair in zip(places, document, strict=True):
        if not isinstance(pair, list) or len(pair) != 2 or not all(type(each) in (int, float) for each in pair):
            raise InputError(where, expected="two numbers, [x, y]", found=f"{pair!r:.60}")
    return np.array(document, dtype=np.float64), places


def _npy_array(content: bytes, path: Path) -> npt.NDArray[Any]:
    from io import BytesIO

    stream = BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        if version != (1, 0):
            raise ValueError(f"version {version} of NumPy's format")
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
        # Before memory is taken for what a header promises.
        if len(shape) != 2 or shape[1] != 2 or not 0 <= shape[0] * 2 * dtype.itemsize <= _LARGEST or dtype.hasobject:
            raise ValueError(f"an array of {dtype} {shape}")
        stream.seek(0)
        return np.asarray(np.load(stream, allow_pickle=False))
    except Exception as error:  # NumPy raises a different type for each way in which a file is wrong
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(str(path), expected="an array of numbers (68, 2)", found=reason) from error
