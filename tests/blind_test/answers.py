"""What a participant's browser would save, for the tests of scoring."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from p2phd_eval.blind_test.scoring import answers_checksum
from p2phd_eval.report.documents.blind_test_documents import RESULTS_VERSION

SIDES = ("left", "right")


def results(
    page: str, chosen: Sequence[str], *, participant: str = "Ada", session: str = "00", shift: int = 0
) -> dict[str, Any]:
    """The answers "first" or "second" to each trial in turn; `shift` turns the order they were given in."""
    answers = [(trial, each, SIDES[trial % 2], 900 + trial) for trial, each in enumerate(chosen)]
    answers = answers[shift:] + answers[:shift]
    keys = ("trial", "chosen", "side", "milliseconds")
    return {
        "schema": "p2phd-eval/blind-test-results",
        "schema_version": RESULTS_VERSION,
        "page": page,
        "session": session,
        "participant": participant,
        "checksum": answers_checksum(page, session, answers),
        "answers": [dict(zip(keys, answer, strict=True)) for answer in answers],
    }


def saved(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def chooser(key: Path, wish: Callable[[int], bool]) -> list[str]:
    """The answers of someone who knows the key and takes the candidate where `wish` of the trial's number says so."""
    other = {"first": "second", "second": "first"}
    trials = json.loads(key.read_text())["trials"]
    return [each["candidate"] if wish(i) else other[each["candidate"]] for i, each in enumerate(trials)]
