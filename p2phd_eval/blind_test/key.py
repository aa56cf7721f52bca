"""The key of a blind test: a file beside the page that says which image of a pair is whose."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL

import p2phd_eval
from p2phd_eval.blind_test.trials import BlindTest
from p2phd_eval.errors import InputError
from p2phd_eval.files import write_json

KEY_SCHEMA, KEY_VERSION = "p2phd-eval/blind-test-key", 1
RESULTS_SCHEMA, RESULTS_VERSION = "p2phd-eval/blind-test-results", 1
_MANIFEST = "manifest.json"  # what `generate` writes beside the images
_POSITIONS = ("first", "second")


@dataclass(frozen=True, kw_only=True)
class BlindKey:
    """What is needed to score the answers to a page."""

    page: str  # identity of the page, hexadecimal
    baseline: str  # what the user gave
    candidate: str
    reference: str | None  # None: the question was which one looks more like a photo
    ids: tuple[str, ...]  # of the label map of each trial
    candidate_first: tuple[bool, ...]  # of each trial


def key_path(page: Path) -> Path:
    """Return where the key of a page lies: ``page.key.json`` beside ``page.html``."""
    return page.with_name(f"{page.stem}.key.json")


def write_key(
    path: Path, test: BlindTest, *, baseline: Path, candidate: Path, reference: Path | None, seed: int
) -> None:
    """Write the key of a blind test, with what it was made from.

    Raises
    ------
    InputError
        If the key of another page is there: without it the answers to that page could never be scored.
    """
    if path.exists():
        try:
            before = read_key(path).page
        except InputError:
            before = ""
        if before != test.page:
            raise InputError(
                str(path),
                expected="no file, or the key of this very page",
                found="the key of another page" if before else "another file",
                fix="Choose another --out. Delete the key only if no answers to its page are to be scored any more.",
            )
    sides: dict[str, Any] = {
        name: None if folder is None else {"images": str(folder), "manifest": _manifest(folder)}
        for name, folder in (("baseline", baseline), ("candidate", candidate), ("reference", reference))
    }
    versions = {
        "p2phd-eval": p2phd_eval.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "pillow": PIL.__version__,
    }
    trials = [{"id": trial.id, "candidate": _POSITIONS[not trial.candidate_first]} for trial in test.trials]
    head = {"schema": KEY_SCHEMA, "schema_version": KEY_VERSION, "page": test.page, "seed": seed, "versions": versions}
    write_json(path, {**head, **sides, "trials": trials})


def read_key(path: Path) -> BlindKey:
    """Read a key.

    Raises
    ------
    InputError
        If it is not a key that this version knows.
    """
    document = read_document(path, KEY_SCHEMA, KEY_VERSION, "the key of a blind test, such as page.key.json")
    try:
        trials = [(str(trial["id"]), _POSITIONS.index(trial["candidate"]) == 0) for trial in document["trials"]]
        key = BlindKey(
            page=str(document["page"]),
            baseline=str(document["baseline"]["images"]),
            candidate=str(document["candidate"]["images"]),
            reference=None if document["reference"] is None else str(document["reference"]["images"]),
            ids=tuple(image for image, _ in trials),
            candidate_first=tuple(first for _, first in trials),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            str(path), expected="a whole key of a blind test", found=f"one that lacks or garbles {error}"
        ) from error
    if len(set(key.ids)) < max(2, len(key.ids)):
        raise InputError(str(path), expected="at least 2 trials, each of another image", found=f"{len(key.ids)} trials")
    return key


def read_document(path: Path, schema: str, version: int, expected: str) -> dict[str, Any]:
    """Read a JSON object of a schema and version.

    Raises
    ------
    InputError
        If it is missing, no JSON object, or of another schema or version.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(str(path), expected=expected, found="nothing there", fix="Check the path.") from None
    except (ValueError, RecursionError) as error:
        raise InputError(str(path), expected=expected, found=f"no JSON ({error})") from error
    found = document.get("schema") if isinstance(document, dict) else None
    if not isinstance(document, dict) or found != schema:
        raise InputError(str(path), expected=expected, found=f"schema {found!r}")
    if document.get("schema_version") != version:
        raise InputError(
            str(path),
            expected=f"version {version} of {schema}",
            found=repr(document.get("schema_version")),
            fix="Use the version of p2phd-eval that made the page.",
        )
    return document


def _manifest(folder: Path) -> dict[str, Any] | None:
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) else None
