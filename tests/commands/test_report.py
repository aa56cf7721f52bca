"""A report has the keys that the documentation says it has. (For tests/study/, where `finished_study` is.)"""

from __future__ import annotations

import json
from pathlib import Path

from tests.documentation import documented_keys


def test_the_report_has_the_documented_keys(finished_study: Path) -> None:
    report = json.loads((finished_study / "report.json").read_text())
    parts = {
        "Report": [report],
        "A verdict": report["verdicts"],
        "A run": report["runs"],
        "Quality": [report["quality"]],
        "compare": [report["comparisons"]["training"], report["comparisons"]["repeat"]],
    }
    for heading, documents in parts.items():
        for document in documents:
            assert set(document) == documented_keys(heading), heading
