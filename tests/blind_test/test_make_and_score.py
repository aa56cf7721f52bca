"""A blind test from Python, from the images to the score."""

from __future__ import annotations

from pathlib import Path

import pytest

from p2phd_eval.blind_test.make_and_score import make_blind_test, score_blind_test
from p2phd_eval.errors import InputError
from tests.blind_test.answers import chooser, results, saved
from tests.commands.command_line import noise_folder


def test_what_was_made_is_scored(tmp_path: Path) -> None:
    base, cand = (noise_folder(tmp_path / name, 12, seed=seed) for seed, name in enumerate(("base", "cand")))
    made = make_blind_test(base, cand, tmp_path / "page.html", half_width=0.1)
    assert (made.page.stat().st_size > 1000, made.key, len(made.test.trials)) == (True, tmp_path / "page.key.json", 12)
    answers = saved(tmp_path / "ada.json", results(made.test.page, chooser(made.key, lambda _: True)))
    scored = score_blind_test(str(made.key), [str(answers)], half_width=0.1)
    assert (scored.score.chosen, len(scored.responses), scored.key.candidate.images) == (12, 12, str(cand))
    assert scored.needed == made.needed
    assert repr(made).startswith(f"MadeBlindTest: {made.page}, to send, shows 12 of 12 images")
    assert repr(scored).startswith("ScoredBlindTest: The candidate's image was chosen in 12 of 12 trials (100.0 %). ")


def test_wishes_are_checked_before_images_are_read(tmp_path: Path) -> None:
    for wish in ({"margin": 0.5}, {"half_width": 0.0}, {"confidence": 95.0}):
        with pytest.raises(InputError, match=next(iter(wish)).replace("_", "-")):
            make_blind_test(tmp_path / "absent", tmp_path / "absent", tmp_path / "page.html", **wish)
    assert not list(tmp_path.iterdir())
