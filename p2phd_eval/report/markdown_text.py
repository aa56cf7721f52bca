"""Text and rows of tables in GitHub-flavoured Markdown."""

import html
from collections.abc import Sequence

from p2phd_eval.formatting import one_line

# Character references stand for the character alone, never for structure (CommonMark 0.31, 6.2); @ and $ are GitHub's.
_REFERENCES = {ord(mark): f"&#{ord(mark)};" for mark in "\\`*_[]|~#@$"}


def markdown_row(cells: Sequence[str]) -> str:
    """Return a row of a table, of cells that are Markdown already."""
    return f"| {' | '.join(cells)} |"


def markdown_text(text: str) -> str:
    """Return text such that it appears as it is, on one line, in a cell of a table too."""
    # All marks in one pass: a reference such as &#95; holds a mark itself.
    return html.escape(one_line(" ".join(str(text).split())), quote=False).translate(_REFERENCES)
