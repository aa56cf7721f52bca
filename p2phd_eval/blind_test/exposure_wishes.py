"""How long pairs are shown: `125ms..8s`, or a list, to milliseconds."""

import re

from p2phd_eval.errors import InputError

SHORTEST, LONGEST = 17, 60_000  # ms; a frame of a display of 60 Hz, and a minute
_MOST = 16  # exposures of one page
_FIX = "Give 125ms..8s for doublings from the first to the last, or a list such as 250ms,1s."
_TIME = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)\s*(ms|s)")


def read_exposures(text: str) -> tuple[int, ...]:
    """Return exposures in milliseconds, rising; raises `InputError` for what is no list of them.

    `text`: such as "125ms..8s", all doublings from the first to the last, or "250ms,1s".
    """
    first, dots, last = text.partition("..")
    if not dots:
        found = sorted(_milliseconds(each, text) for each in text.split(","))
        if len(set(found)) < len(found):
            raise _refused("different times", text)
        return _few(found, text)
    least, most = _milliseconds(first, text), _milliseconds(last, text)
    if least >= most:
        raise _refused("a first time that is shorter than the last one", text)
    doublings = [least]
    while doublings[-1] < most:
        doublings.append(2 * doublings[-1])
    if doublings[-1] != most:
        near = f"{least}ms..{doublings[-2]}ms or {least}ms..{doublings[-1]}ms" if len(doublings) > 2 else ""
        raise _refused("a last time that doubling the first one leads to", text, f"Give {near}." if near else _FIX)
    return _few(doublings, text)


def _milliseconds(text: str, whole: str) -> int:
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise _refused("times with their unit, ms or s", whole)
    milliseconds = float(match[1]) * (1000 if match[2] == "s" else 1)
    if not SHORTEST <= milliseconds <= LONGEST:
        raise _refused(f"times of {SHORTEST} ms, one frame of most displays, to {LONGEST // 1000} s", whole)
    if milliseconds != round(milliseconds):
        raise _refused("whole milliseconds", whole)
    return round(milliseconds)


def _few(exposures: list[int], text: str) -> tuple[int, ...]:
    if len(exposures) > _MOST:
        raise _refused(f"at most {_MOST} times", text)
    return tuple(exposures)


def _refused(expected: str, text: str, fix: str = _FIX) -> InputError:
    return InputError("--exposure", expected=expected, found=repr(text)[:100], fix=fix)
