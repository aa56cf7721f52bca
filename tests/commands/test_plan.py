"""`plan` as a user types it: from a pilot's JSON, or from numbers alone."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from p2phd_eval.stats.verdicts.power import VarianceComponents
from p2phd_eval.stats.verdicts.sample_size import plan_sizes
from tests.commands.command_line import document_of, error_of, invoke
from tests.documentation import DOCS
from tests.report.compared import compared

CHECKPOINTS = VarianceComponents(
    image_sd=40.0, n_images=300, seed_sd_baseline=None, seed_sd_candidate=None, runs_baseline=1, runs_candidate=1
)
RECIPES = VarianceComponents(
    image_sd=40.0, n_images=1500, seed_sd_baseline=0.8, seed_sd_candidate=1.0, runs_baseline=3, runs_candidate=3
)


def pilot_of(folder: Path, **candidates: Any) -> Path:
    """What `compare --json` writes of candidates with these components."""
    path = folder / "pilot.json"
    document = compared()
    document["candidates"] = [compared(name, components=values)["candidates"][0] for name, values in candidates.items()]
    path.write_text(json.dumps(document))
    return path


@pytest.fixture
def pilot(tmp_path: Path) -> Path:
    return pilot_of(tmp_path, amp=dataclasses.asdict(RECIPES))


def test_the_numbers_of_a_pilot_are_those_of_the_library(pilot: Path) -> None:
    found = document_of(invoke("plan", pilot, "--margin", 5, "--power", 0.9, "--json", "-"))
    expected = plan_sizes(RECIPES, 5, power=0.9, n=1500)
    (answer,) = found["plans"]
    assert (found["schema"], found["margin"], found["power"], found["images"]) == ("p2phd-eval/plan", "5", 0.9, 1500)
    assert answer["candidate"] == "amp"
    assert answer["components"] == dataclasses.asdict(RECIPES)
    assert [row["runs"] for row in answer["rows"]] == [None, 2, 3, 4, 5, 8, 10]
    assert [row["scope"] for row in answer["rows"]] == ["A", *"BBBBBB"]
    for row, wanted in zip(answer["rows"], expected.rows, strict=True):
        del row["scope"]
        assert row == dataclasses.asdict(wanted)
    assert (answer["runs_within"], answer["runs_detect"]) == (expected.runs_within, expected.runs_detect)
    low, value, high = (answer["seed_sd_range"][key] for key in ("low", "value", "high"))
    assert low < value < high
    # Were the seeds to differ that much more, more would be needed.
    assert answer["at_upper_seed_sd"]["runs_within"] > answer["runs_within"]


def test_the_tables_name_scopes_and_doubts(pilot: Path) -> None:
    result = invoke("plan", pilot, "--margin", 5)
    assert result.exit_code == 0, result.output
    row = plan_sizes(RECIPES, 5).rows[0]
    lines = result.stdout.splitlines()
    assert lines[0] == "# amp: Images needed for a margin of ±5 in FID@1500, with a power of 0.8"
    cells = next(line for line in lines if line.startswith("A: these checkpoints")).split("\t")
    # Checkpoints do not care about seeds, however much these differ.
    assert cells[2:] == [f"{row.images_within:,}", f"{row.images_detect:,}"] * 2
    for sentence in (
        "Scope A asks about these checkpoints: images are random, models fixed.",
        "Scope B asks about the training recipes: training seeds are random too.",
        "rests on 3 + 3 runs: its 95 % range is",
        "FID is biased upward by about c/n",
        "# amp: What 1,500 images can do",
        "none is enough",
    ):
        assert sentence in result.stdout


def test_images_at_hand_need_not_be_the_pilot_s(pilot: Path) -> None:
    few, many = (
        document_of(invoke("plan", pilot, "--margin", 5, "--images", n, "--json", "-"))["plans"][0] for n in (700, 5000)
    )
    assert few["runs_within"] > many["runs_within"]
    assert few["rows"][0]["smallest_margin"] > many["rows"][0]["smallest_margin"]


def test_numbers_instead_of_a_pilot() -> None:
    arguments = ("plan", "--image-sd", 60, "--seed-sd", 0.5, "--margin", 4)
    (answer,) = document_of(invoke(*arguments, "--json", "-"))["plans"]
    assert answer["candidate"] is None
    assert answer["seed_sd_range"] is None
    assert answer["components"]["n_images"] is None
    assert answer["rows"][0]["smallest_margin"] is None  # nobody said how many images there are
    result = invoke(*arguments)
    assert "exactly known" in result.stdout
    assert "images can do" not in result.stdout
    assert "# What 500 images can do" in invoke(*arguments, "--images", 500).stdout


def test_without_a_seed_sd_there_is_scope_a_alone(tmp_path: Path) -> None:
    pilot = pilot_of(tmp_path, amp=dataclasses.asdict(CHECKPOINTS))
    result = invoke("plan", pilot, "--margin", 5)
    assert "B: the recipes" not in result.stdout
    assert "Nothing is known of training seeds" in result.stdout
    assert "Scope B" not in result.stdout


def test_one_arm_with_several_runs_stands_for_both(tmp_path: Path) -> None:
    components = dataclasses.replace(RECIPES, seed_sd_candidate=None, runs_candidate=1)
    result = invoke("plan", pilot_of(tmp_path, amp=dataclasses.asdict(components)), "--margin", 5)
    assert "B: the recipes" in result.stdout
    assert "Only one arm's seed sd is known" in result.stdout
    assert "rests on 3 runs" in result.stdout


def judged_by(pilot: Path, estimand: str, baseline_runs: list[float]) -> Path:
    """The pilot, judged by this estimand, of which its baseline's runs have these values."""
    document = json.loads(pilot.read_text())
    for candidate in document["candidates"]:
        candidate["judged"] = estimand
        measured = next(each for each in candidate["measured"] if each["estimand"] == estimand)
        measured["baseline_runs"] = baseline_runs
    pilot.write_text(json.dumps(document))
    return pilot


def test_a_share_is_of_the_pilot_s_baseline_in_what_was_judged(pilot: Path) -> None:
    judged_by(pilot, "fid-at-n", [249.0, 251.0, 250.0])
    (answer,) = document_of(invoke("plan", pilot, "--margin", "2%", "--json", "-"))["plans"]
    assert (answer["judged"], answer["margin"], answer["from_seeds"]) == ("fid-at-n", pytest.approx(5), False)
    assert answer["rows"][1:] == [
        {"scope": "B", **dataclasses.asdict(row)} for row in plan_sizes(RECIPES, 5, n=1500).rows[1:]
    ]
    assert "Margin: 2 % of the baseline's FID@1500, 250." in invoke("plan", pilot, "--margin", "2%").stdout


def test_a_pilot_that_was_judged_by_kid_takes_no_margin_in_fid(tmp_path: Path) -> None:
    kid = dataclasses.asdict(dataclasses.replace(CHECKPOINTS, image_sd=0.05))
    pilot = judged_by(pilot_of(tmp_path, amp=kid), "kid", [0.1])
    message = error_of(invoke("plan", pilot, "--margin", 2))
    assert "since the pilot was judged by KID, found 2" in message
    assert "--margin 10%" in message
    assert "--judge fid-at-n" in message
    for margin, size in (("0.01", 0.01), ("10%", 0.01)):
        (answer,) = document_of(invoke("plan", pilot, "--margin", margin, "--json", "-"))["plans"]
        assert (answer["judged"], answer["margin"]) == ("kid", pytest.approx(size))
    assert "Images needed for a margin of ±0.01 in KID," in invoke("plan", pilot, "--margin", 0.01).stdout
    judged_by(pilot, "kid", [-0.001])
    message = error_of(invoke("plan", pilot, "--margin", "2%"))
    assert "expected a share of a KID above 0" in message


def test_a_margin_from_seeds_names_what_two_runs_cannot(pilot: Path) -> None:
    judged_by(pilot, "fid-at-n", [249.0, 251.0, 250.0])
    result = invoke("plan", pilot, "--margin", "seeds")
    assert "A: these checkpoints" not in result.stdout
    assert "a margin of about ±2.22 in FID@1500" in result.stdout
    assert "Two runs of the baseline say too little about their spread" in result.stdout
    (answer,) = document_of(invoke("plan", pilot, "--margin", "seeds", "--json", "-"))["plans"]
    two = answer["rows"][0]
    assert (two["runs"], two["images_within"], two["smallest_margin"]) == (2, None, None)
    assert answer["from_seeds"]


def test_a_pilot_of_which_nothing_was_judged_is_refused(pilot: Path) -> None:
    document = json.loads(pilot.read_text())
    # Where it is measured and refused its spread is known, and means as little as its value.
    document["candidates"][0] |= {"test": None, "judged": "fid", "refusal": "too few images"}
    pilot.write_text(json.dumps(document))
    message = error_of(invoke("plan", pilot, "--margin", 2))
    assert "expected amp, judged by fid" in message
    assert "that nothing was judged: too few images" in message


def test_each_candidate_has_its_plan_or_one_is_chosen(tmp_path: Path) -> None:
    both = {"amp16": dataclasses.asdict(CHECKPOINTS), "bf16": dataclasses.asdict(RECIPES)}
    pilot = pilot_of(tmp_path, **both)
    result = invoke("plan", pilot, "--margin", 5)
    assert "# amp16: Images" in result.stdout
    assert "# bf16: Images" in result.stdout
    assert "--confidence 0.975" in result.stderr  # Holm
    chosen = document_of(invoke("plan", pilot, "--margin", 5, "--candidate", "bf16", "--json", "-"))
    assert [each["candidate"] for each in chosen["plans"]] == ["bf16"]
    message = error_of(invoke("plan", pilot, "--margin", 5, "--candidate", "fp8"))
    assert "expected one of amp16, bf16" in message
    assert "found fp8" in message


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("not JSON", "Expecting value"),
        ("[]", "JSON that is a list"),
        (json.dumps({"schema": "p2phd-eval/compare", "schema_version": 1}), "schema_version: expected 3, found 1"),
        (json.dumps({"schema": "p2phd-eval/fid", "schema_version": 3}), "schema 'p2phd-eval/fid'"),
        (json.dumps({**compared(), "candidates": [{"name": "amp"}]}), "candidates[0]: expected the key"),
        (json.dumps({**compared(), "candidates": [3]}), "candidates[0]: expected object, found 3"),
        (json.dumps({**compared(), "candidates": []}), "expected at least one candidate"),
    ],
)
def test_a_file_that_is_no_pilot(tmp_path: Path, text: str, found: str) -> None:
    path = tmp_path / "pilot.json"
    path.write_text(text)
    assert found in error_of(invoke("plan", path, "--margin", 5))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"image_sd": -1}, "image_sd: expected float >= 0.0, found -1"),
        ({"image_sd": "forty"}, "image_sd: expected float, found 'forty'"),
        ({"n_images": 1}, "n_images: expected int >= 2, found 1"),
    ],
)
def test_components_that_cannot_be(tmp_path: Path, change: dict[str, Any], found: str) -> None:
    pilot = pilot_of(tmp_path, amp={**dataclasses.asdict(RECIPES), **change})
    message = error_of(invoke("plan", pilot, "--margin", 5))
    assert found in message
    assert "candidates[0]" in message


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (("--margin", 2), "expected the JSON of a pilot, or --image-sd, found neither"),
        (
            ("--margin", 2, "--image-sd", -3),
            "--image-sd: expected a standard deviation: a number from 0 to 1e+100, found -3",
        ),
        (("--margin", 2, "--image-sd", 3, "--candidate", "amp"), "--candidate"),
        (("--margin", 0, "--image-sd", 3), "--margin: expected a number above 0"),
        (("--margin", "2%", "--image-sd", 3), "without a pilot there is no baseline to take a share of, found 2%"),
        (("--margin", "seeds", "--image-sd", 3), "--margin seeds: expected a pilot with two or more runs an arm"),
        (("--margin", 2, "--image-sd", 3, "--power", 1), "--power: expected a probability"),
        (("--margin", 2, "--image-sd", 3, "--confidence", 95), "--confidence: expected a number above 0.5"),
        (("nowhere.json", "--margin", 2), "expected a compare or report document, found nothing there"),
        (("nowhere.json", "--margin", 2, "--image-sd", 3), "found both"),
        (("--image-sd", 3), "Missing option"),
    ],
)
def test_what_cannot_be_planned(arguments: tuple[object, ...], found: str) -> None:
    assert found in error_of(invoke("plan", *arguments))


def test_help_has_an_example() -> None:
    result = invoke("plan", "--help")
    assert result.exit_code == 0
    assert "p2phd-eval plan pilot.json --margin 2%" in result.output


def test_the_tutorial_shows_what_is_printed() -> None:
    (command,) = re.findall(r"^p2phd-eval (plan --image-sd .*)$", (DOCS / "tutorial.md").read_text(), re.MULTILINE)
    printed = invoke(*command.split()).stdout.splitlines()
    shown = re.findall(r"^\| ([AB]: .*) \|$", (DOCS / "tutorial.md").read_text(), re.MULTILINE)
    assert len(shown) == 7
    assert {row.replace(" | ", "\t") for row in shown} <= set(printed)
