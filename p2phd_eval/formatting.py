"""Numbers as people read them: three digits that matter, and one precision for all numbers that stand together.

And text as a terminal may get it: names of files, members of archives and fields of documents are a stranger's, and
what they hold beside characters that show would move the cursor, set the title, forge a line or turn the text around.
"""

import math
import re
from collections.abc import Collection

_DIGITS = 3
_MOST_DIGITS = 16  # that a double has
_MOST_DECIMALS = 6  # beyond them, powers of ten are easier to read
# What a CI system takes for a command to itself in the log of a job: a line's "::error::", and "##[error]" anywhere.
_LOG_COMMAND = re.compile(r"^(\s*):(?=:)|#(?=#\w*\[)")


def printable(text: str) -> str:
    r"""Return a text as a terminal or a log may get it: what does not show becomes `\x1b`; its line breaks stay.

    That is control characters, marks that turn the direction of text, others without a shape, and halves of surrogate
    pairs, which stand for the bytes of a name that is not UTF-8. Nor does a line of it begin a command to a CI system.
    """
    return "\n".join(map(one_line, text.split("\n")))


def one_line(text: str) -> str:
    r"""Return a text likewise on one line: in a name, a cell or a title, a line break becomes `\n` and a tab `\t`."""
    if not text.isprintable():
        text = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
    return _LOG_COMMAND.sub(lambda found: f"{found[0][:-1]}\\x{ord(found[0][-1]):02x}", text)


def number_text(value: float) -> str:
    """Return a number with three significant digits, such as 0.0312, 2.50 or 1234."""
    return _fixed(value, _decimals(value))


def given_text(value: float) -> str:
    """Return a number as it was typed, where six digits are all that it has, else as `number_text` has it."""
    typed = f"{value:.6g}"
    return typed if float(typed) == value else number_text(value)


def signed_text(value: float) -> str:
    """Return a difference likewise, with its sign: +2.50; 0 has none."""
    return _signed(value, _decimals(value))


def interval_text(interval: tuple[float, float], marks: Collection[float] = ()) -> str:
    """Return an interval of differences, both ends with the decimals that its width asks for: (-1.90, +1.77).

    `marks`: numbers that rounding carries no end onto or across, such as 0 where a sentence says that it lies outside.
    """
    decimals, digits = _interval_precision(interval, marks)
    return "({}, {})".format(*(_signed(end, decimals, digits) for end in interval))


def estimate_texts(estimate: float, interval: tuple[float, float], marks: Collection[float] = ()) -> tuple[str, str]:
    """Return a difference and its interval, all with the decimals of the interval; see `interval_text`."""
    return _signed(estimate, *_interval_precision(interval, marks)), interval_text(interval, marks)


def apart_texts(*values: float) -> list[str]:
    """Return numbers that are held against each other: with the decimals that their spread asks for, and as many more
    as tell apart those that differ."""
    decimals = _decimals(max(values) - min(values) or max(map(abs, values)))
    while True:
        texts = [_unsigned_zero(f"{value:.{decimals}f}") for value in values]
        if len(set(texts)) == len(set(values)) or decimals >= _MOST_DIGITS:
            return texts
        decimals += 1


def chance_text(probability: float) -> str:
    """Return a probability in percent, with two digits of it or of what it lacks to 100 %; ends are said to be such."""
    if min(probability, 1 - probability) < 0.001:
        return "less than 0.1 %" if probability < 0.5 else "more than 99.9 %"
    percent = 100 * probability
    return f"{percent:.{_decimals(min(percent, 100 - percent), digits=2)}f} %"


def duration_text(seconds: float) -> str:
    """Return a duration in two units, such as "2 h 05 min", or in days."""
    minutes = round(seconds / 60)
    if minutes >= 72 * 60:
        return f"{round(minutes / 1440):,} days"
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min" if seconds >= 120 else f"{seconds:.0f} s"


def fixed_text(value: float, decimals: int) -> str:
    """Return a number with so many decimals; what is rounded to 0 has no sign: 0.00, never -0.00."""
    return _fixed(value, decimals)


def signed_fixed_text(value: float, decimals: int) -> str:
    """Return a difference likewise, with its sign: +2.50; what is rounded to 0 has none."""
    return _signed(value, decimals)


def error_text(value: float, error: float) -> str:
    """Return a difference and its standard error, with the decimals that the error asks for: +2.50 ± 0.31."""
    decimals = _decimals(error if error > 0 else value, digits=_DIGITS - 1)
    return f"{_signed(value, decimals)} ± {_fixed(error, decimals)}"


def _decimals(scale: float, digits: int = _DIGITS) -> int:
    if not math.isfinite(scale) or scale == 0:
        return 0
    # Of the rounded number: 9.996 is 10.0.
    return max(0, digits - 1 - int(f"{scale:.{digits - 1}e}".partition("e")[2]))


def _interval_precision(interval: tuple[float, float], marks: Collection[float]) -> tuple[int, int]:
    """Decimals, and significant digits where there would be too many of them."""
    low, high = interval
    decimals = _decimals(high - low if math.isfinite(high - low) and high > low else max(abs(low), abs(high)))
    more = 0
    while more < _MOST_DIGITS and not all(
        _on_one_side(end, float(_signed(end, decimals + more, _DIGITS + more)), marks) for end in interval
    ):
        more += 1
    return decimals + more, _DIGITS + more


def _on_one_side(exact: float, rounded: float, marks: Collection[float]) -> bool:
    return all((exact > mark) == (rounded > mark) and (exact < mark) == (rounded < mark) for mark in marks)


def _signed(value: float, decimals: int, digits: int = _DIGITS) -> str:
    text = _fixed(value, decimals, digits)
    return text if text.startswith("-") or float(text) == 0 else f"+{text}"


def _fixed(value: float, decimals: int, digits: int = _DIGITS) -> str:
    if not math.isfinite(value):
        return str(value)
    if decimals > _MOST_DECIMALS:
        return f"{value:.{digits - 1}e}" if value else "0"
    return _unsigned_zero(f"{value:.{decimals}f}")


def _unsigned_zero(text: str) -> str:
    return text.removeprefix("-") if float(text) == 0 else text
