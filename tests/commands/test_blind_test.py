"""`blind-test` as a user types it: a page is made, results are scored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from p2phd_eval.blind_test.scoring import answers_checksum
from p2phd_eval.stats.proportions.binomial import clopper_pearson, trials_for_equivalence, trials_for_precision
from tests.blind_test.answers import chooser, results, saved
from tests.blind_test.exposed_answers import exposed_results, written
from tests.commands.command_line import document_of, error_of, invoke, noise_folder


@pytest.fixture
def page(tmp_path: Path) -> Path:
    for seed, name in enumerate(("fp32-run", "amp-run", "photos")):
        noise_folder(tmp_path / name, 40, seed=seed)
    path = tmp_path / "out" / "page.html"
    result = invoke("blind-test", tmp_path / "fp32-run", tmp_path / "amp-run", "--out", path, "--trials", 30)
    assert result.exit_code == 0, result.output
    return path


def key_of(page: Path) -> Path:
    return page.with_name("page.key.json")


def answers(page: Path, name: str, chosen: list[str]) -> Path:
    identity = json.loads(key_of(page).read_text())["page"]
    return saved(page.parent / f"{name}.json", results(identity, chosen, participant=name, session=name))


def test_making_a_page_says_how_many_people_it_takes(page: Path) -> None:
    folder = page.parent.parent
    arguments = ["blind-test", folder / "fp32-run", folder / "amp-run", "--trials", 30, "--out"]
    found = document_of(
        invoke(*arguments, folder / "b.html", "--reference", folder / "photos", "--half-width", 0.1, "--json", "-")
    )
    assert found["schema"] == "p2phd-eval/blind-test-page"
    assert (found["trials"], found["images"], found["warnings"]) == (30, 40, [])
    assert found["needed"]["for_precision"] == trials_for_precision(0.1)
    assert found["needed"]["for_within"] == trials_for_equivalence(0.1)
    assert json.loads((folder / "b.key.json").read_text())["page"] == found["page"]
    text = invoke(*arguments, page).stdout
    assert f"{trials_for_precision(0.05)} trials: 14 people" in text
    assert str(key_of(page)) in text


def test_the_same_command_writes_the_same_bytes(page: Path) -> None:
    before = page.read_bytes(), key_of(page).read_bytes()
    folder = page.parent.parent
    arguments = ["blind-test", folder / "fp32-run", folder / "amp-run", "--out", page, "--trials", 30]
    assert invoke(*arguments).exit_code == 0
    assert (page.read_bytes(), key_of(page).read_bytes()) == before
    assert "the key of another page" in error_of(invoke(*arguments, "--seed", 1))
    assert (page.read_bytes(), key_of(page).read_bytes()) == before


def test_the_page_does_not_hold_the_key(page: Path) -> None:
    source = page.read_text().lower()
    ids = [trial["id"] for trial in json.loads(key_of(page).read_text())["trials"]]
    for secret in ("fp32", "amp-run", "baseline", "candidate", "reference", str(page.parent.parent).lower()):
        assert secret not in source, secret
    assert not [each for each in ids if f'"{each}"' in source or f">{each}<" in source]
    # Nothing is loaded from elsewhere.
    assert "http" not in source
    assert " src=" not in source


def test_who_always_takes_the_candidate_is_scored_so(page: Path) -> None:
    path = answers(page, "Ada", chooser(key_of(page), lambda _: True))
    found = document_of(invoke("blind-test", "--score", key_of(page), path, "--json", "-"))
    assert found["schema"] == "p2phd-eval/blind-test"
    assert (found["chosen"], found["trials"], found["share"]) == (30, 30, 1.0)
    assert found["asked"]["verdict"] == "better"
    assert tuple(found["asked"]["interval"]) == clopper_pearson(30, 30)
    assert found["candidate"].endswith("amp-run")
    assert len(found["responses"]) == 30
    assert all(each["candidate"] and each["seconds"] > 0 for each in found["responses"])
    never = answers(page, "Bob", chooser(key_of(page), lambda _: False))
    assert (
        document_of(invoke("blind-test", "--score", key_of(page), never, "--json", "-"))["asked"]["verdict"] == "worse"
    )


def test_several_people_are_merged(page: Path) -> None:
    paths = [
        answers(page, name, chooser(key_of(page), wish))
        for name, wish in (("Ada", lambda i: i % 2 == 0), ("Bob", lambda i: i % 3 == 0), ("Cleo", lambda i: i < 15))
    ]
    found = document_of(invoke("blind-test", "--score", key_of(page), *paths, "--json", "-"))
    assert [(each["person"], each["chosen"]) for each in found["people"]] == [("Ada", 15), ("Bob", 10), ("Cleo", 15)]
    assert (found["chosen"], found["trials"], found["asked"]["verdict"]) == (40, 90, "inconclusive")
    assert found["population"] is None
    assert found["people"][0]["left"] == 15
    turned = document_of(invoke("blind-test", "--score", key_of(page), *paths[::-1], "--json", "-"))
    assert {**turned, "responses": []} == {**found, "responses": []}
    result = invoke("blind-test", "--score", key_of(page), *paths, "--half-width", 0.1)
    assert result.exit_code == 0, result.output
    for text in (
        "this group of people, these images\tinconclusive\t",
        "chosen in 40 of 90 trials (44.4 %).",
        "This group of people, these images: inconclusive, since 50 % lies in the 95 % interval of the share, 34.0 to",
        "does not lie inside the 40.0 to 60.0 % that count as even.",
        "People and images like these: no verdict, since that takes 5 people and 5 images or more, and there are 3 and",
        "People do not differ detectably",
        f"{trials_for_precision(0.1)} for an interval of ± 10.0 %",
    ):
        assert text in result.stdout


def test_from_five_people_on_others_like_them_have_a_verdict(page: Path) -> None:
    paths = [
        answers(page, f"p{k}", chooser(key_of(page), lambda i, k=k: (i + k) % 5 > 0 or i in {3, 17})) for k in range(6)
    ]
    found = document_of(invoke("blind-test", "--score", key_of(page), *paths, "--json", "-"))
    assert (found["asked"]["verdict"], found["population"]["verdict"]) == ("better", "better")
    assert found["population"]["interval"][0] < found["asked"]["interval"][0]
    text = invoke("blind-test", "--score", key_of(page), *paths).stdout
    assert "people and images like these\tcandidate better: chosen more often\t" in text
    assert "People and images like these: candidate better: chosen more often, since 50 % lies outside" in text


def test_a_habit_of_one_side_is_named(page: Path) -> None:
    document = json.loads(answers(page, "Ada", chooser(key_of(page), lambda i: i % 2 == 0)).read_text())
    left = [(each["trial"], each["chosen"], "left", each["milliseconds"]) for each in document["answers"]]
    for answer in document["answers"]:
        answer["side"] = "left"
    document["checksum"] = answers_checksum(document["page"], document["session"], left)
    path = saved(page.parent / "left.json", document)
    assert "Ada chose the left image in 30 of 30 trials" in invoke("blind-test", "--score", key_of(page), path).stdout


def test_bad_input_is_named(page: Path) -> None:
    folder = page.parent.parent
    base, cand = folder / "fp32-run", folder / "amp-run"
    assert "two folders of images" in error_of(invoke("blind-test", base, "--out", page))
    assert "--out" in error_of(invoke("blind-test", base, cand))
    assert "--margin" in error_of(invoke("blind-test", base, cand, "--out", page, "--margin", 0.5))
    assert "--half-width" in error_of(invoke("blind-test", base, cand, "--out", page, "--half-width", 0))
    assert "--confidence" in error_of(invoke("blind-test", base, cand, "--out", page, "--confidence", 95))
    assert "--trials" in error_of(invoke("blind-test", base, cand, "--out", page, "--trials", 41))
    mine = answers(page, "Ada", chooser(key_of(page), lambda _: True))
    assert "it beside --score" in error_of(invoke("blind-test", "--score", key_of(page), mine, "--out", page))
    assert "a blind-test-key document" in error_of(invoke("blind-test", "--score", mine, mine))
    assert "no other file" in error_of(invoke("blind-test", "--score", key_of(page), mine, mine))
    assert "nothing there" in error_of(invoke("blind-test", "--score", key_of(page), folder / "absent.json"))


def test_under_a_time_limit_each_exposure_has_its_share(page: Path) -> None:
    folder, timed = page.parent.parent, page.with_name("timed.html")
    wishes = ("--out", timed, "--exposure", "250ms,1s", "--attention-checks", 5)
    made = document_of(invoke("blind-test", folder / "fp32-run", folder / "amp-run", *wishes, "--json", "-"))
    assert (made["trials"], made["plan"]["exposures"], made["plan"]["checks"]) == (40, [250, 1000], 5)
    key = timed.with_name("timed.key.json")
    assert json.loads(key.read_text())["page"] == made["page"]
    text = invoke("blind-test", folder / "fp32-run", folder / "amp-run", *wishes).stdout
    assert "shown for\t250 ms, 1 s" in text
    assert "attention checks\t5, of which 5 must be right" in text
    # Six people who choose the candidate's where they see it for a second, and one who does not look.
    people = [
        exposed_results(key, lambda n, ms, k=k: n >= 40 or ms == 1000 or (n // 2 + k) % 2 == 0, person="p" * (k + 1))
        for k in range(6)
    ]
    idle = exposed_results(key, lambda *_: False, person="Zoe")
    paths = [written(page.parent / f"{each.participant}.json", each) for each in (*people, idle)]
    found = document_of(invoke("blind-test", "--score", key, *paths, "--json", "-"))
    assert found["schema"] == "p2phd-eval/blind-test-exposure"
    assert [each["share"] for each in found["analysis"]["exposures"]] == [0.5, 1.0]
    assert (found["analysis"]["overall"]["trials"], found["everyone"]["overall"]["trials"]) == (240, 280)
    assert [each["passed"] for each in found["people"]] == [False, *[True] * 6]
    text = invoke("blind-test", "--score", key, *paths, "--margin", 0.1).stdout
    for part in (
        "Zoe\tfailed: 0 of 5, 5 needed\t0 of 40",
        "Preference by exposure, with those who failed the attention checks",
        "1 s\t1000.0 ms\t120 of 120\t100.0 %",
        "people and images like these, candidate better: chosen more often",
        "With the time it changes: by +25.0 points a doubling",
        "6 of 7 people passed the attention checks, 5 right of 5 as settled with the page; left out: Zoe.",
    ):
        assert part in text
    assert "0.1, as it was settled with the page" in error_of(
        invoke("blind-test", "--score", key, *paths, "--margin", 0.2)
    )
    assert "it beside --score" in error_of(invoke("blind-test", "--score", key, *paths, "--exposure", "1s"))
    assert "--exposure beside it" in error_of(invoke("blind-test", "a", "b", "--out", timed, "--attention-checks", 5))
