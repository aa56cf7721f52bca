"""A report has the keys that the documentation says it has. (For tests/study/, where `finished_study` is.)"""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema

from tests.documentation import checked, documented_keys, schema_of


def test_the_report_has_the_documented_keys(finished_study: Path) -> None:
    report = json.loads((finished_study / "report.json").read_text())
    parts = {
        "Report": [report],
        "A verdict": report["verdicts"],
        "A run": report["runs"],
        "Quality": [report["quality"]],
        "compare": [report["comparisons"]["training"], report["comparisons"]["repeat"]],
    }
    left_out = {"Report": {"edits", "floor", "segmentation"}}  # what this study did not ask for
    for heading, documents in parts.items():
        for document in documents:
            assert set(document) == documented_keys(heading) - left_out.get(heading, set()), heading


def test_what_a_study_writes_keeps_to_the_published_schemas(finished_study: Path) -> None:
    documents = (
        "report.json",
        "study.json",
        *(f"analysis/{name}.json" for name in ("bench", "comparisons", "quality")),
    )
    for name in documents:
        checked(json.loads((finished_study / name).read_text()))
    lines = [line for path in finished_study.glob("runs/*/log.jsonl") for line in path.read_text().splitlines()]
    found = {
        "log-line": lines,
        "run-outcome": [path.read_text() for path in finished_study.glob("runs/*/outcome.json")],
        "study-record": [path.read_text() for path in (finished_study / "records").rglob("*.json")],
        "image-folder": [path.read_text() for path in finished_study.glob("runs/*/samples/*/manifest.json")],
    }
    for name, texts in found.items():
        assert texts
        for text in texts:
            jsonschema.validate(json.loads(text), schema_of(name))
