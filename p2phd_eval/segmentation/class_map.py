"""What the numbers of label maps mean, in the classes of a segmenter."""

import csv
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError, found_instead, require_whole, shown

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

IGNORE = "ignore"
_MOST = 65_535  # what a label map's pixel may hold
_LARGEST = 1 << 20  # bytes
_UNKNOWN, _IGNORED = -2, -1
_EXAMPLE = (
    'a line [labels], and below it 0 = "ignore", 7 = "road" and so on, a line each; docs/segmentation.md shows one'
)


@dataclass(frozen=True, kw_only=True)
class ClassMap:
    """From label numbers, and from a segmenter's classes, to the classes that are scored."""

    source: str  # who says so, for messages: a file, or the segmenter
    classes: tuple[str, ...]  # that are scored, in the segmenter's order
    labels: Mapping[int, int | None]  # label number to the place of its class; None: its pixels do not count
    predicted: tuple[int, ...]  # of each of the segmenter's classes, the place of the class that it counts as

    @property
    def sha256(self) -> str:
        """The hash of what it says, in hexadecimal digits; two that say the same have the same."""
        said = json.dumps([self.classes, sorted(self.labels.items()), self.predicted], separators=(",", ":"))
        return hashlib.sha256(said.encode()).hexdigest()

    def true_classes(self, label: npt.NDArray[np.integer], where: str) -> npt.NDArray[np.int64]:
        """Return the class of each pixel of a label map (h, w), and -1 where it does not count.

        `where`: what errors call it. Raises `InputError`, naming a pixel, for a number without a meaning.
        """
        lookup = np.full(_MOST + 1, _UNKNOWN, dtype=np.int64)
        for number, place in self.labels.items():
            lookup[number] = _IGNORED if place is None else place
        found: npt.NDArray[np.int64] = lookup[label]
        unknown = found == _UNKNOWN
        if unknown.any():
            row, column = np.unravel_index(int(unknown.argmax()), unknown.shape)
            number = int(label[row, column])
            raise InputError(
                where,
                expected=f"class numbers that {self.source} knows",
                found=f"{number} at x={column}, y={row} (and {np.count_nonzero(unknown) - 1} more pixels without one)",
                fix=f'Give --class-map FILE that says what each number means, such as {number} = "{IGNORE}" below '
                f"[labels]; or leave its pixels out: --ignore {number}",
            )
        return found

    def predicted_classes(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the scored class of each pixel from the segmenter's numbers."""
        found: npt.NDArray[np.int64] = np.array(self.predicted, dtype=np.int64)[numbers]
        return found


def find_class_map(
    path: Path | None,
    classes: Sequence[str],
    *,
    ignore: Sequence[int] = (),
    names: Sequence[str] = (),
    labels: str = "the label maps",
) -> ClassMap:
    """Return what label numbers mean in a segmenter's classes.

    Parameters
    ----------
    path : Path or None
        A file of the user's: TOML with ``[labels]``, numbers to class names or "ignore", and perhaps ``[predicted]``,
        classes of the segmenter to those that they count as; or CSV with the columns label and class. None: the numbers
        are the segmenter's; where the data set names its classes, those of one name are one.
    classes : sequence of str
        The segmenter's.
    ignore : sequence of int
        Further label numbers whose pixels do not count.
    names : sequence of str
        The data set's names of its classes 0, 1 and so on, where it has some.
    labels : str
        What errors call the data set.

    Raises
    ------
    InputError
        If the file cannot be read or says something else, or names a class that the segmenter does not have; or,
        without one, if the data set has such a class.
    """
    require_label_numbers(ignore)
    if path is not None:
        given, merged = _read(path)
        return _built(str(path), given, merged, classes, ignore)
    if all(own == name for own, name in zip(classes, names, strict=False)):  # numbers beyond are told by their pixels
        return _built("the segmenter", dict(enumerate(classes)), {}, classes, ignore)
    by_number = {number: name for number, name in enumerate(names) if number not in ignore}
    foreign = next((name for name in by_number.values() if name not in classes), None)
    if foreign is not None:
        raise InputError(
            "--segmenter",
            expected=f"the classes of {labels}, such as {shown(foreign)}",
            found=f"{len(classes)} others: {_some(classes)}",
            fix=f"Say in a file for --class-map which of them each label number is: {_EXAMPLE}.",
        )
    return _built(f"the classes.json of {labels}", by_number, {}, classes, ignore)


def require_label_numbers(ignore: Sequence[int]) -> None:
    """Raise `InputError` if a label number to ignore is none that a label map can hold."""
    for number in ignore:
        require_whole(0, _MOST, {"--ignore": number})


def _built(
    source: str, given: Mapping[int, str], merged: Mapping[str, str], classes: Sequence[str], ignore: Sequence[int]
) -> ClassMap:
    named = [*((f"label {number}", name) for number, name in given.items()), *merged.items()]
    for where, name in [*named, *((name, name) for name in merged)]:
        if name not in classes and name != IGNORE:
            wanted = f'a class of the segmenter ({_some(classes)}), or "{IGNORE}"'
            raise InputError(f"{source}, {where}", expected=wanted, found=shown(name))
    for target in merged.values():
        if target == IGNORE or target in merged:
            raise InputError(
                f"{source}, [predicted]",
                expected="classes that count as other ones, which count as themselves",
                found=shown(target),
                fix="Only the truth decides which pixels count: what is predicted there is right or wrong."
                if target == IGNORE
                else "",
            )
    scored = tuple(name for name in classes if name not in merged)
    place = {name: k for k, name in enumerate(scored)}
    labels: dict[int, int | None] = {
        number: None if name == IGNORE else place[merged.get(name, name)] for number, name in given.items()
    }
    labels |= dict.fromkeys(ignore)
    if all(each is None for each in labels.values()):
        raise InputError(source, expected="a label number with a class", found="none: no pixel would count")
    predicted = tuple(place[merged.get(name, name)] for name in classes)
    return ClassMap(source=source, classes=scored, labels=labels, predicted=predicted)


def _read(path: Path) -> tuple[dict[int, str], dict[str, str]]:
    try:
        if path.stat().st_size > _LARGEST:
            raise _no_class_map(path, f"{path.stat().st_size} bytes")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise _no_class_map(path, found_instead(error)) from error
    except UnicodeDecodeError as error:
        raise _no_class_map(path, f"bytes that are no UTF-8 text at byte {error.start}") from error
    if path.suffix.lower() == ".csv":
        return _read_csv(path, text), {}
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # Python's own, of a number of thousands of digits, too
        raise _no_class_map(path, f"text that is no TOML: {error}") from error
    unknown = document.keys() - {"labels", "predicted"}
    labels, predicted = document.get("labels"), document.get("predicted", {})
    if unknown or not isinstance(labels, dict) or not isinstance(predicted, dict):
        raise _no_class_map(path, f"the keys {', '.join(map(shown, document))}" if document else "an empty file")
    for key, name in [*labels.items(), *predicted.items()]:
        if not isinstance(name, str):
            raise _no_class_map(path, f"{key} = {shown(name)}")
    return {_number(path, key): name for key, name in labels.items()}, predicted


def _read_csv(path: Path, text: str) -> dict[int, str]:
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines(), strict=True) if row]
    except csv.Error as error:
        raise _no_class_map(path, f"what is no table with commas: {error}") from error
    if not rows or sorted(rows[0]) != ["class", "label"]:
        raise _no_class_map(path, f"the columns {', '.join(map(shown, rows[0]))}" if rows else "an empty file")
    place = rows[0].index("label")
    found: dict[int, str] = {}
    for row in rows[1:]:
        if len(row) != 2:
            raise _no_class_map(path, f"{len(row)} cells in a line, {shown(','.join(row))}")
        number = _number(path, row[place])
        if number in found:
            raise _no_class_map(path, f"the label {number} twice")
        found[number] = row[1 - place]
    return found


def _number(path: Path, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= _MOST):
        raise _no_class_map(path, f"the label {shown(text)}, which is no number from 0 to {_MOST}")
    return int(text)


def _no_class_map(path: Path, found: str) -> InputError:
    return InputError(
        str(path),
        expected="a class map: TOML with [labels] and perhaps [predicted], or CSV with the columns label and class",
        found=found,
        fix=f"Write {_EXAMPLE}.",
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
