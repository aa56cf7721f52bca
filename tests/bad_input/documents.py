"""Bad input: documents."""

from __future__ import annotations

import json

from tests.bad_input.case import Case, text


def _version_of_tomorrow() -> None:
    text("verdict.json", json.dumps({"schema": "p2phd-eval/compare", "schema_version": 99}))


DOCUMENTS = (
    Case(
        area="Documents",
        kind="No JSON",
        make=lambda: text("verdict.json", "{"),
        typed="gate verdict.json --require within",
        words="verdict.json",
    ),
    Case(
        area="Documents",
        kind="A document of a newer version",
        make=_version_of_tomorrow,
        typed="gate verdict.json --require within",
        words="of a newer p2phd-eval",
    ),
    Case(
        area="Documents",
        kind="JSON that is nested without end",
        make=lambda: text("verdict.json", "[" * 100_000),
        typed="gate verdict.json --require within",
        words="verdict.json",
    ),
    Case(
        area="Documents",
        kind="A number that no float holds",
        make=lambda: text("verdict.json", '{"schema": "p2phd-eval/compare", "schema_version": 3, "n": 1e999}'),
        typed="gate verdict.json --require within",
        words="1e999",
    ),
)
