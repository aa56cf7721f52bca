"""Placeholders in the commands of an arm: `{seed}` and the like, and nothing else that is in braces."""

import re
from collections.abc import Mapping
from difflib import get_close_matches

from p2phd_eval.errors import InputError

#: What each stands for.
PLACEHOLDERS = {
    "seed": "the run's seed",
    "out": "the empty folder that `generate` writes the images into",
    "run": "the folder that `train` writes, and `generate` reads",
    "data": "REAL, the data set or the real images",
    "conditions": "the CSV of conditions",
    "device": 'where to compute, such as "cuda:0" or "cpu"',
    "python": "the Python that runs the study",
}
_BRACED = re.compile(r"\{\{(\w*)\}\}|\{([A-Za-z_]\w*)\}")
#: What other languages would take for one: with spaces, or with a format.
_NEARLY = re.compile(r"\{\s*([A-Za-z_]\w*)\s*(?:[:!][^{}]*)?\}")


def names_in(text: str) -> set[str]:
    """Return the names of the placeholders in a text; `{{seed}}` is none, but the text `{seed}`."""
    return {found[2] for found in _BRACED.finditer(text) if found[2] is not None}


def fill(text: str, values: Mapping[str, str]) -> str:
    """Return a text with its placeholders filled in; `values` holds all that are in it."""
    return _BRACED.sub(lambda found: f"{{{found[1]}}}" if found[2] is None else values[found[2]], text)


def require_placeholders(text: str, where: str, allowed: tuple[str, ...] = tuple(PLACEHOLDERS)) -> None:
    """Raise InputError if a text holds a placeholder that is none, or none of those `allowed` at this place."""
    for name in sorted(names_in(text)):
        if name in allowed:
            continue
        near = get_close_matches(name, allowed, n=1)
        raise InputError(
            where,
            expected=f"placeholders among {', '.join(f'{{{each}}}' for each in allowed)}",
            found=f"{{{name}}} in {text!r}",
            fix=(f"Did you mean {{{near[0]}}}? " if near else "") + f"Braces that are meant as such: {{{{{name}}}}}.",
        )
    for nearly in _NEARLY.finditer(_BRACED.sub("", text)):
        if nearly[1].lower() in PLACEHOLDERS:
            raise InputError(
                where,
                expected=f"{{{nearly[1].lower()}}} as it stands here, without spaces or a format",
                found=f"{nearly[0]} in {text!r}",
            )
