"""An unknown option is answered with what to use instead."""

from __future__ import annotations

import re

import pytest

from tests.commands.command_line import error_of, invoke


def answer_to(*typed: str) -> str:
    """The message of an error, taken out of its box."""
    return " ".join(re.sub(r"[│╭╮╰╯─]", " ", error_of(invoke(*typed))).split())


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("train --gpu_ids 0", "From pix2pixHD? Here it is --device, or torchrun --nproc-per-node for several GPUs."),
        ("train --fp16", "From pix2pixHD? Here it is --amp of `train`, or --precision."),
        ("--fp16", "From pix2pixHD? Here it is --amp of `train`, or --precision."),
        ("generate --how_many 50", "From pix2pixHD? Here it is --limit."),
        ("train --no_html", "From pix2pixHD? It is not needed here: no web page is written while training."),
        ("fid --netG local", "From pix2pixHD? Here it is --generator of"),
        ("fid --batch-size 50", "From another FID tool? It is not needed here: no result depends on it."),
        ("fid --num-workers 4", "From another FID tool? Here it is --workers."),
        ("metrics --save-stats a b", "Here it is `p2phd-eval features IMAGES --out FILE --statistics`."),
        ("train --batchSize 2", "Did you mean --batch-size?"),
        ("fid --cluster_by rule", "Did you mean --cluster-by?"),
        ("compare --confidnce 0.9", "Did you mean --confidence?"),
        ("report --ngf 8", "--ngf is an option of `"),
        ("data validate --anything", "No such option: --anything."),
    ],
)
def test_an_unknown_option_says_what_it_is_called_here(typed: str, answer: str) -> None:
    message = answer_to(*typed.split())
    assert answer in message
    assert "Possible options" not in message


@pytest.mark.parametrize(
    ("typed", "now"),
    [
        ("fid --features", "--feature-network"),
        ("train --resize", "--resize-or-crop"),
        ("study --cache", "--decoded-cache"),
        ("compare --weights", "--feature-weights"),
        ("blind-test --precision", "--half-width"),
    ],
)
def test_an_option_of_an_older_version_is_taken_and_says_what_it_is_called_now(typed: str, now: str) -> None:
    """A value that no option takes shows which option took it."""
    for words in ([*typed.split(), "-1"], [f"{typed}=-1"]):
        message = answer_to(*" ".join(words).split())
        assert f"{typed.split()[1]} is called {now} now; the old name will go." in message
        assert "No such option" not in message


def test_todays_options_are_left_as_they_are() -> None:
    assert "Give the file as an argument: `p2phd-eval weights verify FILE`" in answer_to(
        *("weights", "verify", "--weights", "value")
    )
    assert "--features is called" not in answer_to("train", "--features", "nothing")
