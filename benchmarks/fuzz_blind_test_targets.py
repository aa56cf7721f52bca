"""Keys and answers of blind tests, without a time limit and with one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
from fuzz_document_targets import document_kinds
from fuzz_image_targets import png
from fuzz_target import Case, Target


def _write_images(work: Path) -> None:
    """The images that pages are made of, in the folders ``a`` and ``b``."""
    for folder in ("a", "b"):
        for n in range(8):
            path = work / folder / f"i{n}.png"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(png(n + (folder == "b") * 100))


def _blind_test_seeds(work: Path) -> list[Case]:
    from p2phd_eval.blind_test.make_and_score import make_blind_test
    from p2phd_eval.blind_test.scoring import answers_checksum

    _write_images(work)
    made = make_blind_test(work / "a", work / "b", work / "page.html", trials=6)
    key = json.loads(made.key.read_bytes())
    cases = []
    for people in (1, 6):
        case = {"page.key.json": made.key.read_bytes()}
        for person in range(people):
            chosen = [("first", "second")[(person + trial) % 2] for trial in range(6)]
            answers = [(trial, each, ("left", "right")[trial % 2], 900) for trial, each in enumerate(chosen)]
            case[f"{person}.json"] = json.dumps(
                {
                    "schema": "p2phd-eval/blind-test-results",
                    "schema_version": _version("blind-test-results"),
                    "page": key["page"],
                    "session": f"{person:02}",
                    "participant": f"Ada {person}",
                    "checksum": answers_checksum(key["page"], f"{person:02}", answers),
                    "answers": [
                        dict(zip(("trial", "chosen", "side", "milliseconds"), each, strict=True)) for each in answers
                    ],
                }
            ).encode()
        cases.append(case)
    return cases


def _version(kind: str) -> int:
    return int(msgspec.structs.fields(document_kinds()[kind])[0].default)


def _exposure_seeds(work: Path) -> list[Case]:
    """Of a page under a time limit: one person who passes the checks, and six of whom one does not."""
    from p2phd_eval.blind_test.exposure_scoring import exposed_checksum
    from p2phd_eval.blind_test.key import read_key
    from p2phd_eval.blind_test.make_and_score import make_blind_test
    from p2phd_eval.report.documents.exposure_documents import ExposedAnswer, ExposureResults, Timing

    _write_images(work)
    wishes: dict[str, Any] = {"exposure": "100ms..200ms", "trials": 6, "attention_checks": 5}
    made = make_blind_test(work / "a", work / "b", work / "page.html", **wishes)
    key = read_key(Path(str(made.key)))
    assert key.exposure is not None
    intact, cases = [each.intact for each in key.exposure.checks], []
    for people in (1, 6):
        case = {"page.key.json": made.key.read_bytes()}
        for person in range(people):
            answers = []
            for trial in range(11):
                exposure = 1000 if trial >= 6 else 100 * (1 + (trial + person) % 2)
                lasted = 1000 * exposure + (20_000 if trial == 1 else 0)
                timing = Timing(frame=20_000, frames=exposure // 20, shown=9, hidden=9 + lasted, presented=lasted)
                answers.append(
                    ExposedAnswer(
                        trial=trial,
                        exposure=exposure,
                        chosen=intact[trial - 6] if trial >= 6 and person < 5 else "first",
                        side="left",
                        milliseconds=700,
                        timing=timing,
                        dropped=None,
                    )
                )
            saved = ExposureResults(
                page=key.page,
                session=f"{person:02}",
                participant=f"Ada {person}",
                checksum=exposed_checksum(key.page, f"{person:02}", answers),
                answers=tuple(answers),
            )
            case[f"{person}.json"] = msgspec.json.encode(saved)
        cases.append(case)
    return cases


def _read_blind_test(folder: Path) -> None:
    from p2phd_eval.commands.blind_test import blind_test

    answers = sorted(path for path in folder.glob("*.json") if path.name[0].isdigit())
    blind_test(paths=answers, score=folder / "page.key.json", json_target=str(folder / "out.json"))


BLIND_TEST_TARGETS = (
    Target(name="blind-test", seeds=_blind_test_seeds, read=_read_blind_test),
    Target(name="blind-test-exposure", seeds=_exposure_seeds, read=_read_blind_test),
)
