"""A table of conditions, such as prompts, of which a generator makes samples."""

import csv
import os
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from p2phd_eval.errors import InputError, found_instead
from p2phd_eval.images.condition_ids import SampleCounts, sample_counts, sample_id, split_sample
from p2phd_eval.images.names import is_hidden, pair_key

_NAME_COLUMNS = ("condition", "id")
_PROMPT_COLUMN = "prompt"
_MOST_BYTES = 200  # of a name: file systems take 255, of which a seed and an ending are a part


@dataclass(frozen=True, kw_only=True)
class Condition:
    """What a generator makes samples of."""

    name: str  # begins the names of its samples' files, as in "cat@0.png"
    prompt: str  # what it is told; the name where the table has no prompts


def read_conditions(path: str | os.PathLike[str]) -> tuple[Condition, ...]:
    """Read a table of conditions, in its order.

    The table is UTF-8, with a byte order mark or without, with commas and a header with the column ``condition`` (or
    ``id``) and, where there are prompts, ``prompt``; a line a condition. Other columns may stand in it too.

    Raises `InputError`, naming the line, if the file is missing or is no such table, or a name is empty, repeats, or
    cannot be the beginning of a file's name.
    """
    file = Path(path)
    lines = _lines(file)
    columns = [column.strip() for column in lines[0][1]] if lines else []
    names = [column for column in columns if column in _NAME_COLUMNS]
    if len(names) != 1 or columns.count(_PROMPT_COLUMN) > 1:
        if len(columns) == 1 and any(mark in columns[0] for mark in ";\t"):
            mark = "semicolons" if ";" in columns[0] else "tabs"
            raise _not_a_table(
                file,
                f"{mark} between the columns, as spreadsheets write them",
                "Save it as CSV with commas: in Excel as 'CSV UTF-8', with the comma as the list separator.",
            )
        raise _not_a_table(file, f"the columns {', '.join(map(repr, columns))}" if columns else "an empty file")
    name_place = columns.index(names[0])
    prompt_place = columns.index(_PROMPT_COLUMN) if _PROMPT_COLUMN in columns else name_place
    line_of: dict[str, int] = {}
    conditions = []
    for number, row in lines[1:]:
        cells = [cell.strip() for cell in row]
        where = f"{file}, line {number}"
        if len(cells) != len(columns):
            raise _not_a_table(Path(where), f"{len(cells)} cells: {row}", "Put quotes around a text that has commas.")
        if not cells[name_place] or not cells[prompt_place]:
            raise _not_a_table(Path(where), f"an empty cell: {row}")
        name = unicodedata.normalize("NFC", cells[name_place])
        _require_file_name(name, where)
        if line_of.setdefault(name, number) != number:
            raise InputError(
                where,
                expected="a condition of its own in each line",
                found=f"{name!r}, as in line {line_of[name]}",
                fix="Give it another name, or remove the line.",
            )
        conditions.append(Condition(name=name, prompt=cells[prompt_place]))
    if not conditions:
        raise _not_a_table(file, "a header and no line below it")
    return tuple(conditions)


def require_samples(conditions: Sequence[Condition], ids: Sequence[str], where: str) -> SampleCounts:
    """Return how many samples there are, after a check that each condition has one of every seed.

    `ids`: those of the images, in which none repeats. `where`: what errors call the images. Raises `InputError` if a
    sample is missing, or an image is of no condition; some are named.
    """
    samples = [split_sample(image) for image in ids]
    known = {condition.name for condition in conditions}
    foreign = sorted(image for image, (condition, _) in zip(ids, samples, strict=True) if condition not in known)
    if foreign:
        raise InputError(
            where,
            expected=f"samples of {len(known)} conditions, such as {sample_id(conditions[0].name, 0)}.png",
            found=f"{_some(foreign)} of no condition",
            fix="Name each image by its condition, @ and its seed, or write a manifest.jsonl beside them.",
        )
    seeds = sorted({seed for _, seed in samples}, key=lambda seed: (seed is not None, len(seed or ""), seed or ""))
    there = set(samples)
    missing = [
        sample_id(condition.name, seed)
        for condition in conditions
        for seed in seeds or [None]
        if (condition.name, seed) not in there
    ]
    if missing:
        raise InputError(
            where,
            expected=f"each of {len(known)} conditions with the same seeds",
            found=f"{len(ids)} images, without {_some(missing)}",
            fix="Generate the missing ones; a condition that fails has to fail in all arms, or be left out of all.",
        )
    return sample_counts(ids) or SampleCounts(conditions=len(known), fewest=1, most=1)


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """The rows of a table that are not empty, each with the number of its last line."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.reader(stream, strict=True)
            return [(rows.line_num, row) for row in rows if any(cell.strip() for cell in row)]
    except OSError as error:
        raise _not_a_table(path, found_instead(error)) from error
    except UnicodeDecodeError as error:
        raise _not_a_table(path, f"bytes that are no UTF-8 text at byte {error.start}") from error
    except csv.Error as error:
        raise _not_a_table(path, f"what is no table with commas: {error}") from error


def _require_file_name(name: str, where: str) -> None:
    bad = ""
    if not name.isprintable() or any(mark in name for mark in '/\\:*?"<>|'):
        bad = "a character that names of files cannot have everywhere"
    elif is_hidden(name) or name.endswith((".", " ")):
        bad = "a name of hidden or system files"
    elif len(name.encode()) > _MOST_BYTES:
        bad = f"{len(name.encode())} bytes, more than {_MOST_BYTES}"
    elif split_sample(name)[1] is not None:
        bad = "what would be read as a seed at its end"
    elif pair_key(name) != name:
        bad = f"an ending that is left off where images are paired: it would be {pair_key(name)!r}"
    if bad:
        raise InputError(
            where,
            expected="a condition that can begin the name of a file",
            found=f"{name!r:.100}: {bad}",
            fix="Give it a short name, such as cat-1, and say the rest in the column prompt.",
        )


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:3])) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _not_a_table(path: Path, found: str, fix: str = "") -> InputError:
    return InputError(
        str(path),
        expected=f"a table in UTF-8, with commas and the columns {_NAME_COLUMNS[0]} (or {_NAME_COLUMNS[1]}) and, where "
        f"there are prompts, {_PROMPT_COLUMN}, all filled",
        found=found,
        fix=fix or f"Write it so:\n{_NAME_COLUMNS[0]},{_PROMPT_COLUMN}\ncat-1,a cat on a red chair",
    )
