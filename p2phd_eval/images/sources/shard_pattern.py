"""Brace patterns of webdataset: ``train-{000000..000009}.tar`` stands for ten shards."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

from p2phd_eval.errors import InputError
from p2phd_eval.images.sources.disk_state import few

_RANGE = re.compile(r"\{(\d{1,9})\.\.(\d{1,9})\}")
_MOST = 100_000  # shards; a mistyped number would keep the machine busy with files that are not there


def is_shard_pattern(text: str) -> bool:
    """Return whether a path has a range in braces."""
    return _RANGE.search(text) is not None


def expand_shards(pattern: str) -> tuple[Path, ...]:
    """Return the files that a pattern with ranges in braces stands for; numbers keep the width of the first.

    Raises
    ------
    InputError
        If a range runs backwards, the pattern stands for more than 100,000 files, or any of them is missing.
    """
    ranges = []
    total = 1
    for match in _RANGE.finditer(pattern):
        first, last = int(match[1]), int(match[2])
        total *= last - first + 1
        if last < first or total > _MOST:
            raise InputError(
                pattern,
                expected=f"ranges from low to high, of at most {_MOST:,} files in all",
                found=match[0],
                fix="Write the first number first, such as train-{000000..000009}.tar.",
            )
        ranges.append([str(number).zfill(len(match[1])) for number in range(first, last + 1)])
    texts = _RANGE.split(pattern)[::3]  # what stands between the ranges; each has two groups
    paths = [
        Path(texts[0] + "".join(number + text for number, text in zip(numbers, texts[1:], strict=True)))
        for numbers in itertools.product(*ranges)
    ]
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        raise InputError(
            pattern,
            expected=f"{len(paths)} shards",
            found="none of them" if len(missing) == len(paths) else f"{few(missing, 'file')} missing",
            fix="Check the path and the numbers in braces; both ends of a range count.",
        )
    return tuple(paths)
