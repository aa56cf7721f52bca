"""Where the documents are, and what their tables promise."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema

DOCS = Path(__file__).parent.parent / "docs"


def documented_keys(heading: str) -> set[str]:
    """The names in the first column of the first table below a heading of artefacts.md."""
    _, found, below = (DOCS / "artefacts.md").read_text().partition(f"# {heading}\n")
    assert found, heading
    rows = re.findall(r"^\| (`.*?) \|", re.split(r"^#", below, maxsplit=1, flags=re.MULTILINE)[0], re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}


def schema_of(name: str) -> dict[str, Any]:
    """The published JSON Schema of a document."""
    return json.loads((DOCS / "schemas" / f"{name}.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def checked(document: dict[str, Any]) -> dict[str, Any]:
    """The document, which keeps to the published schema of its kind."""
    jsonschema.validate(document, schema_of(document["schema"].removeprefix("p2phd-eval/")))
    return document
