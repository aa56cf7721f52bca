"""A blind test under a time limit from Python, from the images to the score."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from p2phd_eval.blind_test.make_and_score import make_blind_test, score_blind_test
from p2phd_eval.blind_test.score_exposures import score_exposure_test
from p2phd_eval.errors import InputError
from p2phd_eval.stats.verdicts.equivalence import Verdict
from tests.blind_test.exposed_answers import exposed_results, timing, written
from tests.commands.command_line import noise_folder


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("exposed")
    base, cand = (noise_folder(root / name, 40, seed=seed) for seed, name in enumerate(("base", "cand")))
    made = make_blind_test(base, cand, root / "page.html", exposure="125ms..1s", attention_checks=6, margin=0.15)
    assert (len(made.test.trials), made.exposure is not None, made.identity != made.test.page) == (40, True, True)
    return made.key


def test_who_sees_no_difference_at_first_and_then_does(key: Path, tmp_path: Path) -> None:
    """Until 250 ms people choose by turns, later the candidate."""
    files = [
        written(
            tmp_path / f"{k}.json",
            exposed_results(key, lambda n, ms, k=k: n >= 40 or ms > 250 or (n // 4 + k) % 2 == 0, person="p" * (k + 1)),
        )
        for k in range(8)
    ]
    scored = score_exposure_test(key, files)
    analysis = scored.analysis
    assert [each.exposure for each in analysis.exposures] == [125, 250, 500, 1000]
    assert [each.share for each in analysis.exposures] == [0.5, 0.5, 1.0, 1.0]
    assert all(each.trials == 80 and each.people == 8 for each in analysis.exposures)
    verdicts = [each.population.verdict for each in analysis.exposures if each.population]
    assert verdicts == [Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE, Verdict.BETTER, Verdict.BETTER]
    assert analysis.trend is not None
    assert analysis.trend.population is not None
    assert analysis.trend.per_doubling == pytest.approx(0.2)
    assert analysis.trend.population.p < 0.001
    assert (analysis.margin, scored.everyone) == (0.15, analysis)
    assert repr(scored).endswith(
        "the 8 who passed the checks count, the candidate's image was chosen in 75.0 % of the trials"
    )


def test_who_fails_the_checks_is_left_out_and_stands_beside(key: Path, tmp_path: Path) -> None:
    def careless(trial: int, _: int) -> bool:
        return trial < 41  # the baseline's in no trial, and one check right

    def lost(answer: object) -> object:
        # Two of the checks were shown for another time, so that four are too few to tell.
        late = msgspec.structs.replace(answer, timing=timing(answer.exposure, late=30_000))  # type: ignore
        return late if answer.trial >= 44 else answer  # type: ignore[attr-defined]

    people = {
        "Ada": exposed_results(key, lambda trial, _: trial >= 40, person="Ada"),
        "Bob": exposed_results(key, careless, person="Bob"),
        "Cleo": exposed_results(key, lambda *_: True, person="Cleo", change=lost),  # type: ignore[arg-type]
    }
    files = {name: written(tmp_path / f"{name}.json", document) for name, document in people.items()}
    scored = score_exposure_test(key, list(files.values()))
    assert [(each.person, each.checks, each.right, each.needed, each.passed) for each in scored.people] == [
        ("Ada", 6, 6, 6, True),
        ("Bob", 6, 1, 6, False),
        ("Cleo", 4, 4, None, False),
    ]
    assert (scored.analysis.overall.chosen, scored.analysis.overall.trials) == (0, 40)
    assert (scored.everyone.overall.chosen, scored.everyone.overall.trials) == (80, 120)
    with pytest.raises(InputError, match=r"passed the attention checks, found none of 1: Bob had 1 of 6 right"):
        score_exposure_test(key, [files["Bob"]])


def test_without_a_trial_that_held_its_time_there_is_no_score(key: Path, tmp_path: Path) -> None:
    def late(answer: object) -> object:
        return (
            answer
            if answer.trial >= 40
            else msgspec.structs.replace(  # type: ignore
                answer,
                timing=timing(answer.exposure, late=30_000),  # type: ignore
            )
        )

    path = written(tmp_path / "a.json", exposed_results(key, lambda *_: True, change=late))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="shown within 10 ms of their time, found 0 of 40"):
        score_exposure_test(key, [path])


def test_each_key_has_its_own_score(key: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Score it with score_exposure_test"):
        score_blind_test(key, [])
    base, cand = (noise_folder(tmp_path / name, 4, seed=seed) for seed, name in enumerate(("base", "cand")))
    with pytest.raises(InputError, match="Score it with score_blind_test"):
        score_exposure_test(make_blind_test(base, cand, tmp_path / "page.html").key, [])
