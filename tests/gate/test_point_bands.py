"""A band around the baseline's FID as a rule of the gate: real comparisons, and what stands beside the answer."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy import stats

from p2phd_eval import check_gate
from p2phd_eval.errors import InputError
from p2phd_eval.gate.outputs import band_table, gate_document, summary_markdown, write_junit
from p2phd_eval.gate.rules import GateResult
from p2phd_eval.report.documents.gate_documents import GateBand, GateRow
from tests.documentation import checked
from tests.gate.gate_documents import comparison, read, read_back, report

SAME, WORSE, BETTER = "tf32", "fp16", "bf16"


@pytest.fixture(scope="module")
def compared() -> dict[str, Any]:
    return comparison({SAME: 0.5, WORSE: 0.75, BETTER: 0.0})


@pytest.fixture(scope="module")
def recipes() -> dict[str, Any]:
    """Three training seeds an arm: scope B."""
    return comparison({SAME: 0.5, WORSE: 0.75}, runs=3)


def gate(document: dict[str, Any], folder: Path, within: str | float, *, two_sided: bool = False) -> GateResult:
    return check_gate(read(document, folder), within=within, two_sided=two_sided)


def band_of(row: GateRow) -> GateBand:
    assert row.band is not None
    return row.band


def at_n(entry: dict[str, Any]) -> dict[str, Any]:
    measured: dict[str, Any] = next(each for each in entry["measured"] if each["estimand"] == "fid-at-n")
    return measured


def test_the_estimate_alone_decides(compared: dict[str, Any], tmp_path: Path) -> None:
    worse, better = (at_n(compared["candidates"][k])["estimate"] for k in (1, 2))
    assert better < 0 < worse
    for within, two_sided, holds in (
        (worse, False, [True, True, True]),
        (worse * (1 - 1e-9), False, [True, False, True]),
        (-better, True, [True, worse <= -better, True]),
        (-better * (1 - 1e-9), True, [True, worse <= -better, False]),
        (-better * (1 - 1e-9), False, [True, worse <= -better, True]),
    ):
        result = gate(compared, tmp_path, within, two_sided=two_sided)
        assert [each.holds for each in result.results] == holds, within


def test_a_share_is_one_of_the_baselines_fid(compared: dict[str, Any], tmp_path: Path) -> None:
    entry = at_n(compared["candidates"][0])
    (baseline,), (candidate,) = entry["baseline_runs"], entry["runs"]
    row = gate(compared, tmp_path, "20%", two_sided=True).results[0]
    band = band_of(row)
    assert (row.rule, band.baseline, band.candidate) == ("within 20% two-sided", baseline, pytest.approx(candidate))
    assert (band.low, band.high) == (pytest.approx(0.8 * baseline), pytest.approx(1.2 * baseline))
    one_sided = gate(compared, tmp_path, "20 %").results[0]
    assert (one_sided.rule, band_of(one_sided).low) == ("within 20%", None)


def test_chances_are_those_of_the_documents_error(compared: dict[str, Any], tmp_path: Path) -> None:
    entry = at_n(compared["candidates"][0])
    width, t = 0.2 * entry["baseline_runs"][0], stats.t(entry["df"], scale=entry["se"])
    band = band_of(gate(compared, tmp_path, "20%", two_sided=True).results[0])
    assert (band.standard_error, band.df, band.scope.value) == (entry["se"], entry["df"], "A")
    assert band.fails_if_equal == pytest.approx(2 * t.sf(width))
    assert band.passes_at_edge == pytest.approx(t.cdf(0) - t.cdf(-2 * width))
    assert band.passes_at_twice == pytest.approx(t.cdf(-width) - t.cdf(-3 * width))
    # SE falls as one over the root: 1.96 SE = width.
    assert band.images == pytest.approx(60 * (1.96 * entry["se"] / width) ** 2, rel=0.1)


def test_of_recipes_seeds_are_random_too(recipes: dict[str, Any], tmp_path: Path) -> None:
    entry = at_n(recipes["candidates"][0])
    row = gate(recipes, tmp_path, "20%").results[0]
    band = band_of(row)
    assert (band.standard_error, band.scope.value) == (entry["se"], "B")
    assert band.baseline == pytest.approx(np.mean(entry["baseline_runs"]))
    assert "images and training seeds are random" in row.reason
    # What is not judged has no components in a document: no number of images is told, and none is denied.
    judged_by_kid = copy.deepcopy(recipes)
    judged_by_kid["candidates"][0]["judged"] = "kid"
    result = gate(judged_by_kid, tmp_path, "20%")
    assert band_of(result.results[0]).images is None
    table = band_table(result)
    assert table is not None
    assert table.rows[0][-1] == "-"
    wide = gate(recipes, tmp_path, 1e-6).results[0]
    assert band_of(wide).images is None
    assert "no number of images with these runs makes it less than 5 %" in wide.reason


def test_the_reason_says_what_the_interval_says(compared: dict[str, Any], tmp_path: Path) -> None:
    error = at_n(compared["candidates"][0])["se"]
    same, worse, _ = gate(compared, tmp_path, 8 * error, two_sided=True).results
    assert (band_of(same).interval_shows, band_of(worse).interval_shows) == ("inside", "outside")
    assert "90 % interval of dFID@60" in same.reason
    assert "95 % interval of dFID@60" in worse.reason
    narrow = gate(compared, tmp_path, abs(at_n(compared["candidates"][0])["estimate"]) * 1.01).results[0]
    assert (narrow.holds, band_of(narrow).interval_shows) == (True, "undecided")
    assert "leaves open whether it lies inside" in narrow.reason
    assert f"the verdict is {narrow.verdict.value}." in narrow.reason


def test_the_same_images_leave_nothing_to_chance(tmp_path: Path) -> None:
    document = comparison({SAME: 0.5}, noise=0.0)
    row = gate(document, tmp_path, "2%", two_sided=True).results[0]
    assert row.holds
    assert "nothing is left to chance" in row.reason


def test_a_study_is_judged_by_its_comparison_of_recipes(recipes: dict[str, Any], tmp_path: Path) -> None:
    training = comparison({"amp-fp16": 0.5, "amp-bf16": 0.75}, runs=3)
    arms = ["amp-fp16", "amp-bf16"]
    assert [each.band for each in gate(report(training, arms), tmp_path, "20%").results] == [
        each.band for each in gate(training, tmp_path, "20%").results
    ]
    failed = gate(report(training, arms, {"amp-fp16": 1}), tmp_path, 1e6).results
    assert [each.holds for each in failed] == [False, True]
    (nothing,) = gate(report(None, ["amp-fp16"], {"fp32": 3}), tmp_path, "20%").results
    assert (nothing.holds, nothing.band) == (False, None)


def test_all_outputs_have_the_numbers(compared: dict[str, Any], tmp_path: Path) -> None:
    result = gate(compared, tmp_path, "20%", two_sided=True)
    document = checked(read_back(gate_document(result)))
    assert document["rules"]["within"] == "20%"
    assert document["rules"]["two_sided"] is True
    assert document["results"][0]["band"]["interval_shows"] in ("inside", "undecided")
    table = band_table(result)
    assert table is not None
    assert [row[0] for row in table.rows] == [SAME, WORSE, BETTER]
    assert "scope A" in table.notes[0]
    markdown = summary_markdown(result)
    for cell in table.rows[0][1:]:
        assert cell.split()[-1].rstrip("%") in markdown
    assert markdown.count("\n| ---") == 2
    write_junit(tmp_path / "gate.xml", result)
    case = next(ElementTree.parse(tmp_path / "gate.xml").getroot().iter("testcase"))
    assert "By sampling alone" in "".join(case.itertext())
    assert band_table(check_gate(read(compared, tmp_path), require="within")) is None


@pytest.mark.parametrize("damage", [None, [], "text", -1.0, math.nan])
@pytest.mark.parametrize("key", ["se", "df", "estimate", "baseline_runs", "runs"])
def test_a_damaged_document_is_bad_input_or_a_broken_rule(
    compared: dict[str, Any], tmp_path: Path, key: str, damage: Any
) -> None:
    document = copy.deepcopy(compared)
    document["candidates"] = document["candidates"][1:2]
    at_n(document["candidates"][0])[key] = damage
    try:
        (row,) = gate(document, tmp_path, 1e-6, two_sided=True).results
    except InputError:
        return
    assert not row.holds


@pytest.mark.parametrize("within", ["0%", "-2%", "nan%", "much", "", "inf", 0, -1.0, "2%%", "seeds"])
def test_bands_that_are_none(within: str | float) -> None:
    with pytest.raises(InputError, match="--within: expected a share of the baseline's FID above 0"):
        check_gate("report.json", within=within)


def test_two_sides_of_nothing() -> None:
    with pytest.raises(InputError, match="--two-sided: expected a band, such as --within 2%"):
        check_gate("report.json", require="within", two_sided=True)
