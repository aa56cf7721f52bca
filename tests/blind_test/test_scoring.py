"""Reading people's results: what is counted, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from p2phd_eval.blind_test.scoring import read_responses
from p2phd_eval.errors import InputError
from p2phd_eval.report.documents.blind_test_documents import ImagesOfKey, KeyDocument, TrialOfKey
from tests.blind_test.answers import results, saved

KEY = KeyDocument(
    page="ab" * 32,
    seed=0,
    versions={},
    baseline=ImagesOfKey(images="fp32", manifest=None),
    candidate=ImagesOfKey(images="amp", manifest=None),
    reference=None,
    trials=(
        TrialOfKey(id="x", candidate="first"),
        TrialOfKey(id="y", candidate="second"),
        TrialOfKey(id="z", candidate="second"),
        TrialOfKey(id="w", candidate="first"),
    ),
)
CHOSEN = ["first", "first", "second", "second"]


def test_answers_are_read_by_the_key(tmp_path: Path) -> None:
    paths = [
        saved(tmp_path / "a.json", results(KEY.page, CHOSEN, session="1", shift=3)),
        saved(tmp_path / "b.json", results(KEY.page, CHOSEN[::-1], session="2", participant="Bob")),
    ]
    responses = read_responses(KEY, paths)
    # Candidates stand at first, second, second, first.
    chosen = {(each.person, each.image): each.candidate for each in responses}
    assert chosen == {
        **dict(zip([("Ada", image) for image in "xyzw"], [True, False, True, False], strict=True)),
        **dict(zip([("Bob", image) for image in "xyzw"], [False, True, False, True], strict=True)),
    }
    ada = {each.image: each for each in responses if each.person == "Ada"}
    assert [ada[image].left for image in "xyzw"] == [True, False, True, False]
    assert [ada[image].seconds for image in "xyzw"] == [0.9, 0.901, 0.902, 0.903]


def changed(**fields: Any) -> dict[str, Any]:
    return {**results(KEY.page, CHOSEN), **fields}


def answered(**fields: Any) -> dict[str, Any]:
    document = results(KEY.page, CHOSEN)
    document["answers"][0] |= fields
    return document


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ([], "JSON that is a list"),
        (changed(schema="p2phd-eval/blind-test-key"), "blind-test-key"),
        (changed(schema_version=2), "schema_version: expected 1, found 2"),
        (results("cd" * 32, CHOSEN), "found answers to cdcdcdcdcdcd"),
        (results(KEY.page, CHOSEN[:3]), "4 answers, one to each trial, found 3"),
        (changed(answers=None), "$.answers: expected array, found None"),
        (changed(answers=["first"] * 4), "answers[0]"),
        (answered(trial=1), "one answer to each trial"),
        (answered(trial=4), "one answer to each trial"),
        (answered(trial=True), "answers[0]"),
        (answered(chosen="candidate"), "answers[0]"),
        (answered(side=["left"]), "answers[0]"),
        (answered(milliseconds=-1), "answers[0]"),
        (answered(milliseconds=0.5), "answers[0]"),
        (answered(chosen="second"), "checksum"),
        (changed(session="1"), "checksum"),
        (changed(participant=""), "participant's name"),
        (changed(participant=" \u0007\n"), "participant's name"),
        (changed(participant=7), "$.participant: expected str, found 7"),
        (changed(participant="x" * 81), "participant's name"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_and_named(tmp_path: Path, document: Any, found: str) -> None:
    path = saved(tmp_path / "results.json", document)
    with pytest.raises(InputError) as caught:
        read_responses(KEY, [path])
    assert str(path) in str(caught.value)
    assert found in str(caught.value)


def test_a_person_counts_once(tmp_path: Path) -> None:
    first = saved(tmp_path / "a.json", results(KEY.page, CHOSEN, session="1"))
    again = saved(tmp_path / "copy.json", results(KEY.page, CHOSEN, session="1", participant="Bob"))
    with pytest.raises(InputError, match=r"copy\.json: expected answers that no other file holds.*a\.json"):
        read_responses(KEY, [first, again])
    same_name = saved(tmp_path / "b.json", results(KEY.page, CHOSEN, session="2", participant=" ADA "))
    with pytest.raises(InputError, match=r"b\.json: expected a name that no other file has"):
        read_responses(KEY, [first, same_name])
    # Two people of one name: the message says that the name may be changed.
    other = saved(tmp_path / "b.json", {**results(KEY.page, CHOSEN, session="2"), "participant": "Ada 2"})
    assert len(read_responses(KEY, [first, other])) == 8


def test_a_name_is_text_for_a_terminal(tmp_path: Path) -> None:
    name = "\x1b[31m<b>Zoë</b>\t\u202e"
    (response, *_) = read_responses(KEY, [saved(tmp_path / "a.json", results(KEY.page, CHOSEN, participant=name))])
    assert response.person == "[31m<b>Zoë</b>"


def test_what_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.json", results(KEY.page, CHOSEN))
    path.write_text(path.read_text()[:-20])
    with pytest.raises(InputError, match="text that is not JSON"):
        read_responses(KEY, [path])
