"""The exception for input that cannot be used, its special cases, and checks of values that raise it."""

from __future__ import annotations

from enum import Enum
from errno import EISDIR, ENOENT, ENOTDIR
from functools import partial
from numbers import Integral, Real
from typing import TypeVar

_Choice = TypeVar("_Choice", bound=Enum)

#: The largest whole number that documents hold: what 64-bit integers take, and so every tool that reads them.
MOST = 2**63 - 1


class InputError(Exception):
    """Input that cannot be used: a file, a folder, an option or a value.

    The command line prints it without a traceback and exits with code 2; library callers may catch it.

    Parameters
    ----------
    where : str
        The file, folder, option or key at fault.
    expected : str
        What would have been right.
    found : str
        What was there instead.
    fix : str, optional
        What to do about it, as an instruction.
    """

    def __init__(self, where: str, *, expected: str, found: str, fix: str = "") -> None:
        self.where = where
        self.expected = expected
        self.found = found
        self.fix = fix
        message = f"{where}: expected {expected}, found {found}."
        super().__init__(f"{message}\n{fix}" if fix else message)

    def __reduce__(self) -> tuple[partial[InputError], tuple[str]]:
        # Decoding processes send it to their parent; exceptions are otherwise made again from the message alone.
        return partial(type(self), expected=self.expected, found=self.found, fix=self.fix), (self.where,)


def shown(value: object) -> str:
    """Return what stands for a value in a message: as Python writes it where that is short, else its type."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**40:
        return f"a number of some {int(value.bit_length() * 0.30103) + 1} digits"
    if value is None or isinstance(value, bool | int | float | str):
        text = repr(value)
        return text if len(text) <= 100 else f"{text[:100]}..."
    return f"a {type(value).__name__}"


def found_instead(error: OSError | ValueError) -> str:
    """Return what a message says was found where a file could not be opened; a path with a NUL is a ValueError."""
    number = getattr(error, "errno", None)
    if number in (ENOENT, ENOTDIR):
        return "nothing there"
    if number == EISDIR:
        return "a folder"
    return f"what cannot be read: {getattr(error, 'strerror', None) or error}"


class DivergenceError(InputError):
    """A network whose losses or samples are no longer finite: an outcome of its training, not a mistake of the user."""


class MemoryShortage(InputError):
    """Work that needs more memory than there is: an outcome of a recipe on a machine, where a study asks for it."""


def as_choice(kind: type[_Choice], given: object, where: str) -> _Choice:
    """Return the member of an enumeration that is given as such or by its value; raise `InputError` for others."""
    try:
        return kind(given)
    except ValueError:
        raise InputError(where, expected=" | ".join(str(each.value) for each in kind), found=repr(given)) from None


#: What seeds are: what every library takes, and what fits into a JSON document.
LARGEST_SEED = 2**64 - 1
#: Of a bootstrap or a swap test: more digits than an error needs, and no more memory than there is.
MOST_REPLICATES = 1_000_000


def require_whole(least: int, most: int, numbers: dict[str, object]) -> None:
    """Raise `InputError` for the first of some named values that is no whole number in a range; None is no number."""
    for where, number in numbers.items():
        if number is not None and not (isinstance(number, Integral) and least <= int(number) <= most):
            raise InputError(where, expected=f"a whole number from {least} to {most}", found=shown(number))


def is_number(value: object, least: float, most: float) -> bool:
    """Whether a value is a number in a range, its ends included; NaN is in none."""
    return isinstance(value, Real) and bool(least <= value <= most)  # type: ignore[operator]


def require_at_least(least: int, numbers: dict[str, object]) -> None:
    """Raise `InputError` for the first of some named numbers that is smaller, or than 64 bits hold; what is no number
    is let through."""
    for where, number in numbers.items():
        if isinstance(number, int) and number < least:
            raise InputError(where, expected=f"at least {least}", found=shown(number))
        if isinstance(number, int) and number > MOST:
            raise InputError(where, expected=f"at most {MOST}", found=shown(number))
