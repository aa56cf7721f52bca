"""Where the documents are, and what their tables promise."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"


def documented_keys(heading: str) -> set[str]:
    """The names in the first column of the first table below a heading of artefacts.md."""
    _, found, below = (DOCS / "artefacts.md").read_text().partition(f"# {heading}\n")
    assert found, heading
    rows = re.findall(r"^\| (`.*?) \|", re.split(r"^#", below, maxsplit=1, flags=re.MULTILINE)[0], re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}
