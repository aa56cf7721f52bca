"""The door for JSON, whoever wrote it: what comes in is finite, not deep, and of the types that are asked for."""

import json
import math
import os
import re
from collections.abc import Sequence
from typing import Any, NoReturn, TypeVar

import msgspec

from p2phd_eval.errors import InputError, found_instead
from p2phd_eval.stores.store_path import AnyPath, as_path

_T = TypeVar("_T")

_LARGEST = 64 << 20  # bytes of a file; empty lists, the worst, take twenty times as much memory
_DEEPEST = 100  # objects and lists inside each other; those of this tool have fewer than ten
_INTEGER_BITS = 64  # what other readers of JSON take, too


def read_json(path: str | os.PathLike[str], *, expected: str, fix: str = "") -> Any:
    """Read a JSON file; see `decode_json`.

    Raises `InputError` also if there is no such file, it cannot be read, or has more than 64 MiB.
    """
    return decode_json(_content(as_path(path), expected, fix), str(as_path(path)), expected=expected, fix=fix)


def read_json_as(kind: type[_T], path: str | os.PathLike[str], *, expected: str, fix: str = "") -> _T:
    """Read a JSON file as a value of a type; see `convert_json`."""
    return convert_json(read_json(path, expected=expected, fix=fix), kind, str(as_path(path)), fix=fix)


def read_json_or_none(kind: type[_T], path: str | os.PathLike[str]) -> _T | None:
    """Read a JSON file as a value of a type, as `read_json_as` does; None where there is none that can be read."""
    try:
        return read_json_as(kind, path, expected="JSON")
    except InputError:
        return None


def read_json_lines(kind: type[_T], path: str | os.PathLike[str], *, expected: str, fix: str = "") -> list[_T]:
    """Read a file of JSON lines as values of a type; errors name the line, counted from 1."""
    lines = _content(as_path(path), expected, fix).splitlines()
    return [
        decode_json_as(kind, line, f"{as_path(path)}, line {number}", expected=expected, fix=fix)
        for number, line in enumerate(lines, start=1)
    ]


def decode_json(content: bytes | str, where: str, *, expected: str, fix: str = "") -> Any:
    """Return the value that JSON text stands for.

    All numbers in it are finite, whole numbers fit into 64 bits, and no object or list lies deeper than 100 others.

    Parameters
    ----------
    content : bytes or str
        Bytes in UTF-8, 16 or 32, with a byte order mark or without.
    where : str
        What it is, for errors: a path.
    expected, fix : str
        What it should be, and what to do if it is not, for errors.

    Raises
    ------
    InputError
        If it is not JSON (NaN and infinity are not), a key stands twice in one object, or a number is too large.
    """
    try:
        text = content if isinstance(content, str) else content.decode(json.detect_encoding(content))
        # A byte order mark, which editors write, is no part of the text.
        value: Any = json.loads(
            text.removeprefix("\ufeff"),
            parse_constant=_refuse,
            parse_float=_finite,
            parse_int=_integer,
            object_pairs_hook=_object,
        )
        _require_flat(value)
    except RecursionError:
        raise InputError(where, expected=expected, found=_TOO_DEEP, fix=fix) from None
    except ValueError as error:  # what is not JSON and what is not UTF-8
        raise InputError(where, expected=expected, found=f"text that is not JSON: {error}", fix=fix) from error
    return value


def decode_json_as(kind: type[_T], content: bytes | str, where: str, *, expected: str, fix: str = "") -> _T:
    """Return JSON text as a value of a type; see `decode_json` and `convert_json`."""
    return convert_json(decode_json(content, where, expected=expected, fix=fix), kind, where, fix=fix)


def convert_json(values: Any, kind: type[_T], where: str, *, fix: str = "") -> _T:
    """Return JSON values as a value of a type: a dataclass, a Struct, or what msgspec knows otherwise.

    Keys that it does not know are left out. Raises `InputError`, with the place, if a value is missing or of another
    type.
    """
    try:
        return msgspec.convert(values, kind, str_keys=True)
    except msgspec.ValidationError as error:
        raise _misfit(str(error), values, where, fix) from error
    except UnicodeEncodeError as error:  # which msgspec makes of half a surrogate pair in a key
        found = "half of a surrogate pair"
        raise InputError(where, expected="keys that UTF-8 can hold", found=found, fix=fix) from error


def _content(path: AnyPath, expected: str, fix: str) -> bytes:
    try:
        with path.open("rb") as stream:
            content = stream.read(_LARGEST + 1)
    except (OSError, ValueError) as error:  # a path with a NUL is a ValueError
        raise InputError(str(path), expected=expected, found=found_instead(error), fix=fix) from error
    if len(content) > _LARGEST:
        raise InputError(str(path), expected=expected, found=f"more than {_LARGEST >> 20} MiB", fix=fix)
    return content


def _misfit(message: str, values: Any, where: str, fix: str) -> InputError:
    """The error of a value that does not fit, from what msgspec says of it."""
    what, _, place = message.partition(" - at ")
    place = place.replace("`", "") or "$"
    if missing := re.fullmatch(r"Object missing required field `(.+)`", what):
        expected, found = f"the key {missing[1]!r}", "none"
    elif unknown := re.fullmatch(r"Object contains unknown field `(.+)`", what):
        expected, found = f"no key {unknown[1]!r}", "it"
    else:
        expected, _, found = what.removeprefix("Expected ").replace("`", "").partition(", got ")
        if what.startswith("Invalid"):
            expected = "one of the values that there are"
        steps = re.findall(r"\.(\w+)|\[(\d+)\]", place)
        if "".join(f".{key}" if key else f"[{index}]" for key, index in steps) == place.removeprefix("$"):
            for key, index in steps:  # else a key of an object whose keys are free is on the way, which has no name
                values = values[int(index)] if index else values[key]
            found = f"{values!r:.100}"
    where = where if place == "$" else f"{where}, {place}"
    return InputError(where, expected=expected, found=found or "something else", fix=fix)


_TOO_DEEP = f"objects or lists that lie more than {_DEEPEST} deep in each other"


def _require_flat(value: Any) -> None:
    level: Sequence[Any] = [value]
    for _ in range(_DEEPEST):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise ValueError(_TOO_DEEP)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant}, which is not a number of JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text:.40}, which is too large for a float64")
    return value


def _integer(text: str) -> int:
    # The length first: to read digits takes time that grows with the square of their number.
    if len(text) > _INTEGER_BITS or (value := int(text)).bit_length() > _INTEGER_BITS:
        raise ValueError(f"a whole number of {len(text.lstrip('-'))} digits, more than {_INTEGER_BITS} bits hold")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice!r:.60} twice in one object")
    return values
