"""Reading results under a time limit: which trials count by the rule, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from p2phd_eval.blind_test.exposure_scoring import is_off, read_exposed
from p2phd_eval.blind_test.key import key_path, read_key
from p2phd_eval.blind_test.make_and_score import make_blind_test
from p2phd_eval.errors import InputError
from p2phd_eval.report.documents.exposure_documents import Timing
from p2phd_eval.report.documents.exposure_plan import ExposurePlan
from tests.blind_test.exposed_answers import dropped, exposed_results, timing, written
from tests.commands.command_line import noise_folder

PLAN = ExposurePlan(exposures=(125, 250), checks=5, margin=0.1, confidence=0.95)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("exposed")
    base, cand = (noise_folder(root / name, 12, seed=seed) for seed, name in enumerate(("base", "cand")))
    return make_blind_test(base, cand, root / "page.html", exposure="125ms..250ms", trials=6, attention_checks=5).key


@pytest.mark.parametrize(
    ("exposure", "found", "off"),
    [
        (250, timing(250), False),  # 15 frames of 60 Hz
        (250, timing(250, late=16_667), True),  # a frame that was dropped
        (250, timing(250, late=-16_667), True),
        (250, timing(250, late=9_000), False),
        (125, timing(125), False),  # 7.5 frames: 8 are 133.3 ms
        (125, timing(125, frame=6_944), False),  # 144 Hz: 18 frames are 125.0 ms
        (125, timing(125, frame=6_944, late=6_944), False),  # one of them more is within 10 ms
        (125, timing(125, frame=6_944, late=2 * 6_944), True),
        (250, timing(250, frame=33_333), True),  # 30 Hz: 7 frames are 233, 8 are 267 ms
        (500, timing(500, frame=33_333), False),
        (250, msgspec.structs.replace(timing(250), presented=266_667), True),  # by the frames alone
        (250, msgspec.structs.replace(timing(250), hidden=5_266_667), True),  # by the clock alone
        (250, Timing(frame=0, frames=0, shown=0, hidden=250_000, presented=250_000), True),
    ],
)
def test_a_time_that_is_off_is_seen(exposure: int, found: Timing, off: bool) -> None:
    assert is_off(exposure, found, PLAN) == off


def test_what_counts_and_what_does_not(key: Path, tmp_path: Path) -> None:
    def change(answer: Any) -> Any:
        if answer.trial == 1:
            return dropped(answer)
        late = timing(answer.exposure, late=20_000)
        return msgspec.structs.replace(answer, timing=late) if answer.trial in (2, 7) else answer

    read = read_key(key)
    assert read.exposure is not None
    document = exposed_results(key, lambda trial, _: trial != 3, change=change)
    responses = read_exposed(read, read.exposure, [written(tmp_path / "a.json", document)])
    assert [each.check for each in responses] == [False] * 6 + [True] * 5
    assert [each.left_out for each in responses] == [None, "hidden", "off", *([None] * 4), "off", *([None] * 3)]
    assert [each.agrees for each in responses] == [True, None, True, False, *([True] * 7)]
    assert responses[0].image == read.trials[0].id
    assert responses[6].image == read.exposure.checks[0].id
    assert (responses[0].seconds, responses[1].seconds, responses[1].presented) == (0.6, None, None)


@pytest.mark.parametrize(
    ("edit", "found"),
    [
        ({"page": "cd" * 32}, "found answers to cdcdcdcdcdcd"),
        ({"schema": "p2phd-eval/blind-test-results"}, "expected a blind-test-exposure-results document"),
        ({"participant": ""}, "participant's name"),
        ({"session": "other"}, "checksum"),
        ({"answers": []}, "found 0 answers"),
        ({0: {"trial": 1}}, "one answer to each of 6 trials and 5 attention checks, found 11 answers, to 10"),
        ({0: {"exposure": 500}}, "$.answers[0]: expected an exposure of the plan, 125 or 250 ms, found 500 ms"),
        ({0: {"exposure": 1000}}, "$.answers[0]: expected an exposure of the plan"),
        ({8: {"exposure": 125}}, "$.answers[8]: expected an exposure of the plan, 1000 ms"),
        ({2: {"timing": None}}, "$.answers[2]: expected an answer with its timing, found no 'timing'"),
        ({2: {"chosen": None}}, "found no 'chosen'"),
        ({2: {"dropped": "hidden"}}, "no answer to a pair that was dropped"),
        ({2: {"dropped": "late"}}, "answers[2].dropped"),
        ({2: {"timing": {"frame": 1}}}, "answers[2].timing"),
        ({2: {"milliseconds": 5}}, "checksum"),
        ({3: {"timing": msgspec.to_builtins(timing(250, late=1))}}, "checksum"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_and_named(
    key: Path, tmp_path: Path, edit: dict[Any, Any], found: str
) -> None:
    document = json.loads(msgspec.json.encode(exposed_results(key, lambda *_: True)))
    for place, change in edit.items():
        if isinstance(place, int):
            document["answers"][place] |= change
        else:
            document[place] = change
    read, path = read_key(key), written(tmp_path / "a.json", document)
    assert read.exposure is not None
    with pytest.raises(InputError) as caught:
        read_exposed(read, read.exposure, [path])
    assert str(path) in str(caught.value)
    assert found in str(caught.value)


def test_rules_that_were_changed_afterwards_are_refused(key: Path, tmp_path: Path) -> None:
    document = json.loads(key.read_text())
    document["exposure"]["plan"]["tolerance"] = 100
    changed = key_path(tmp_path / "page.html")
    changed.write_text(json.dumps(document))
    with pytest.raises(InputError, match="the times and rules that were settled with the page"):
        read_key(changed)
