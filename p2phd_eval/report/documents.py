"""Results as JSON documents with a schema version."""

from __future__ import annotations

import math
from typing import Any

SCHEMA_VERSION = 2


def document(kind: str, **fields: Any) -> dict[str, Any]:
    """Return the JSON document of a result.

    Parameters
    ----------
    kind : str
        The command that made it: "fid", "compare" and so on.
    **fields
        Everything the table shows, as JSON values.
    """
    return {"schema": f"p2phd-eval/{kind}", "schema_version": SCHEMA_VERSION, **fields}


def finite(value: float) -> float | None:
    """A number for JSON, which knows no infinity: None for it."""
    return value if math.isfinite(value) else None
