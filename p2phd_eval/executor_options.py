"""The options of an executor, `KEY=VALUE`: which there are, what they take, and what is said of others."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from p2phd_eval.errors import InputError

_OPTION = "--executor-option"
_GIB = {"K": 2**-20, "M": 2**-10, "G": 1.0, "T": 2.0**10}


@dataclass(frozen=True)
class Known:
    """An option that an executor has."""

    read: Callable[[str], Any]  # raises ValueError
    takes: str  # what it takes, for errors


def parse_options(given: Sequence[str]) -> dict[str, str]:
    """Read options as they stand on the command line; raises InputError for one without a name or named twice."""
    found: dict[str, str] = {}
    for text in given:
        key, sign, value = text.partition("=")
        if not sign or not key or not value:
            raise InputError(_OPTION, expected="KEY=VALUE", found=repr(text))
        if key in found:
            raise InputError(f"{_OPTION} {key}", expected="it once", found=f"{found[key]!r} and {value!r}")
        found[key] = value
    return found


def read_options(executor: str, given: Mapping[str, str], known: Mapping[str, Known]) -> dict[str, Any]:
    """Return the values of the options that are given; raises InputError for others, and for what they cannot take."""
    found = {}
    for key, text in given.items():
        if key not in known:
            names = " | ".join(known) or f"none: --executor {executor} has no options"
            raise InputError(f"{_OPTION} {key}={text}", expected=names, found=repr(key))
        try:
            found[key] = known[key].read(str(text))
        except (ValueError, OverflowError):
            raise InputError(f"{_OPTION} {key}", expected=known[key].takes, found=repr(text)) from None
    return found


def whole(least: int) -> Known:
    """Return an option that takes a whole number, which is at least `least`."""

    def read(text: str) -> int:
        value = int(text)
        if not least <= value < 2**31:
            raise ValueError
        return value

    return Known(read, f"a whole number from {least} on")


def _share_of_gpu(text: str) -> float:
    value = float(text)
    if not (0 <= value < 1 or value.is_integer()):
        raise ValueError
    return value


def _word(text: str) -> str:
    if not re.fullmatch(r"[\w.,:@+=/&|*()\[\]!-]+", text, re.ASCII):
        raise ValueError
    return text


def _amount(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise ValueError
    return value


def _memory(text: str) -> float:
    """In GiB."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT])?(?:i?B)?", text, re.IGNORECASE)
    if found is None or float(found[1]) == 0:
        raise ValueError
    return float(found[1]) * _GIB[(found[2] or "M").upper()]  # without a unit as sbatch takes it


def _minutes(text: str) -> int:
    """As sbatch writes times: minutes, minutes:seconds, hours:minutes:seconds, days-hours[:minutes[:seconds]]."""
    found = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", text)
    if found is None:
        raise ValueError
    days, *parts = found.groups()
    numbers = [int(part) for part in parts if part is not None]
    if days is not None:
        hours, minutes, seconds = (*numbers, 0, 0)[:3]
    elif len(numbers) == 3:
        hours, minutes, seconds = numbers
    else:
        hours, (minutes, seconds) = 0, (*numbers, 0)[:2]
    total = math.ceil(((int(days or 0) * 24 + hours) * 60 + minutes) + seconds / 60)
    if not 0 < total < 2**31:
        raise ValueError
    return total


WORD = Known(_word, "a word without spaces and quotes")
AMOUNT = Known(_amount, "a number above 0")
MEMORY = Known(_memory, "memory, such as 32G or 500M")
MINUTES = Known(_minutes, "a time as sbatch takes it, such as 90 (minutes), 12:00:00 or 2-00:00:00")
SHARE_OF_GPU = Known(_share_of_gpu, "a whole number, or a share of one GPU, such as 0.5")
