"""Results as JSON documents with a schema version, and reading them back."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from p2phd_eval.errors import InputError

SCHEMA_VERSION = 2
_PREFIX = "p2phd-eval/"
# What makes a document again, by its kind.
_MAKERS = {
    "compare": "Compare again: p2phd-eval compare ... --json FILE",
    "report": "Make it from its study's files: p2phd-eval report STUDY",
    "study": "Begin a new study folder: p2phd-eval study DATA --out STUDY",
}


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


def read_document(path: Path, kinds: Sequence[str]) -> dict[str, Any]:
    """Read a JSON document of one of some kinds, written by this version of the schema.

    Parameters
    ----------
    path : Path
        The file.
    kinds : sequence of str
        Kinds of `documents.document`: "report", "compare" and so on.

    Returns
    -------
    dict
        All numbers in it are finite.

    Raises
    ------
    InputError
        If there is no such file, it is not JSON (NaN and infinity are not), it is another kind of document, or it is
        of another version of the schema.
    """
    wanted = " or ".join(kinds)
    fix = how_to_remake(kinds[0])
    try:
        document: Any = json.loads(path.read_bytes(), parse_constant=_refuse, parse_float=_finite)
    except FileNotFoundError:
        raise InputError(str(path), expected=f"a {wanted} document", found="nothing there", fix=fix) from None
    except IsADirectoryError:
        inside = path / f"{kinds[0]}.json"
        hint = f"Give {inside}." if inside.is_file() else fix
        raise InputError(str(path), expected=f"a {wanted} document", found="a folder", fix=hint) from None
    except (ValueError, RecursionError) as error:
        raise InputError(str(path), expected="JSON, as this tool writes it", found=str(error), fix=fix) from error
    kind = document.get("schema") if isinstance(document, dict) else None
    if not isinstance(kind, str) or kind.removeprefix(_PREFIX) not in kinds or not kind.startswith(_PREFIX):
        found = f"schema {kind!r}" if isinstance(document, dict) else f"JSON that is a {type(document).__name__}"
        raise InputError(str(path), expected=f"a {wanted} document of p2phd-eval", found=found, fix=fix)
    _require_version(document, path, how_to_remake(kind.removeprefix(_PREFIX)))
    return dict(document)


def _require_version(document: dict[str, Any], path: Path, again: str) -> None:
    version = document.get("schema_version")
    if version == SCHEMA_VERSION and type(version) is int:
        return
    newer = isinstance(version, int) and version > SCHEMA_VERSION
    raise InputError(
        f"{path}, schema_version",
        expected=str(SCHEMA_VERSION),
        found=f"{version!r}, of a newer p2phd-eval" if newer else repr(version),
        fix=f"Update p2phd-eval; or, with this one: {again[0].lower()}{again[1:]}" if newer else again,
    )


def how_to_remake(kind: str) -> str:
    """Return the instruction that makes a new document of a kind, in this version of the schema."""
    return _MAKERS.get(kind, "Delete it, and p2phd-eval study makes it again.")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant}, which is not a number of JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text}, which is too large for a float64")
    return value
