"""Bad input to a blind test under a time limit: times, checks, and answers that do not fit."""

from __future__ import annotations

import json

import msgspec

from p2phd_eval.blind_test.make_and_score import make_blind_test
from tests.bad_input.case import Case, photos, text
from tests.blind_test.exposed_answers import exposed_results


def _exposed(change: dict[str, object], of_an_answer: dict[str, object] | None = None, tolerance: int = 10) -> None:
    """A page under a time limit and a person's answers to it, where somebody changed something."""
    photos("fp32", 4)
    photos("amp", 4)
    made = make_blind_test("fp32", "amp", "page.html", exposure="125ms..250ms", attention_checks=0)
    document = json.loads(msgspec.json.encode(exposed_results(made.key, lambda *_: True)))
    document["answers"][0] |= of_an_answer or {}
    text("ada.json", json.dumps(document | change))
    key = json.loads(made.key.read_text())
    key["exposure"]["plan"]["tolerance"] = tolerance
    text("page.key.json", json.dumps(key))


_AREA = "Blind tests under a time limit"

EXPOSURES = (
    Case(
        area=_AREA,
        kind="Times from the longest to the shortest",
        make=lambda: (photos("fp32"), photos("amp")),
        typed="blind-test fp32 amp --out page.html --exposure 8s..125ms",
        words="--exposure: expected a first time that is shorter than the last one, found '8s..125ms'",
    ),
    Case(
        area=_AREA,
        kind="No time at all",
        make=lambda: (photos("fp32"), photos("amp")),
        typed="blind-test fp32 amp --out page.html --exposure 0ms",
        words="--exposure: expected times of 17 ms, one frame of most displays, to 60 s, found '0ms'",
    ),
    Case(
        area=_AREA,
        kind="A time that is shorter than a frame",
        make=lambda: (photos("fp32"), photos("amp")),
        typed="blind-test fp32 amp --out page.html --exposure 5ms,1s",
        words="--exposure: expected times of 17 ms, one frame of most displays, to 60 s, found '5ms,1s'",
    ),
    Case(
        area=_AREA,
        kind="A time without a unit",
        make=lambda: (photos("fp32"), photos("amp")),
        typed="blind-test fp32 amp --out page.html --exposure abc",
        words="--exposure: expected times with their unit, ms or s, found 'abc'",
    ),
    Case(
        area=_AREA,
        kind="A last time that doubling does not lead to",
        make=lambda: (photos("fp32"), photos("amp")),
        typed="blind-test fp32 amp --out page.html --exposure 100ms..1s",
        words="--exposure: expected a last time that doubling the first one leads to",
    ),
    Case(
        area=_AREA,
        kind="Attention checks that a guess would pass",
        make=lambda: (photos("fp32"), photos("amp")),
        typed="blind-test fp32 amp --out page.html --exposure 125ms..8s --attention-checks 3",
        words="--attention-checks: expected 0, or 5 or more: fewer are passed by guessing, found 3",
    ),
    Case(
        area=_AREA,
        kind="Photos beside a pair",
        make=lambda: (photos("fp32"), photos("amp"), photos("real")),
        typed="blind-test fp32 amp --out page.html --exposure 125ms..8s --reference real",
        words="--reference: expected nothing beside --exposure",
    ),
    Case(
        area=_AREA,
        kind="Answers to another page",
        make=lambda: _exposed({"page": "0" * 64}),
        typed="blind-test --score page.key.json ada.json",
        words="ada.json: expected answers to the page",
    ),
    Case(
        area=_AREA,
        kind="Answers that were edited",
        make=lambda: _exposed({}, {"milliseconds": 1}),
        typed="blind-test --score page.key.json ada.json",
        words="ada.json: expected answers as the page saved them, found other ones: their checksum does not fit",
    ),
    Case(
        area=_AREA,
        kind="An answer without its timing",
        make=lambda: _exposed({}, {"timing": None}),
        typed="blind-test --score page.key.json ada.json",
        words="ada.json, $.answers[0]: expected an answer with its timing, found no 'timing'",
    ),
    Case(
        area=_AREA,
        kind="A rule that was changed after people answered",
        make=lambda: _exposed({}, tolerance=100),
        typed="blind-test --score page.key.json ada.json",
        words="page.key.json: expected the times and rules that were settled with the page",
    ),
)
