"""The rules of a gate, on real documents and on all verdicts; its files, read by their own parsers."""

from __future__ import annotations

import copy
import itertools
import tempfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from markdown_it import MarkdownIt

from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.comparison import FeatureArm, compare_feature_sets
from p2phd_eval.formatting import interval_text
from p2phd_eval.gate.outputs import append_summary, gate_document, summary_markdown, write_junit
from p2phd_eval.gate.rules import GateResult, Requirement, Rules, judge
from p2phd_eval.report.documents.comparison_documents import comparison_document
from p2phd_eval.report.markdown_text import markdown_text
from p2phd_eval.stats.verdicts.margins import parse_margin
from tests.features.feature_sets import feature_set
from tests.gate.gate_documents import comparison, read, read_back, report

WITHIN, NOT_WORSE = Requirement.WITHIN, Requirement.NOT_WORSE
# Arms of a study are precisions; what becomes of these is said here.
SAME, WORSE, BETTER = "tf32", "fp16", "bf16"
HOSTILE = (
    "<script>alert(1)</script> ]]> | `a` **b** [c](x) ![d](y) <!-- &amp; \x00\x1b[31m\x85\u202e\ud800\ufffe\n# e $f$"
)


@pytest.fixture(scope="module")
def compared() -> dict[str, Any]:
    """Four candidates, of which three are decided: like the baseline, worse, better."""
    return comparison({SAME: 0.5, WORSE: 1.0, BETTER: 0.0}, margin="1")


def edited(document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The document with its first candidate alone, changed."""
    copied = copy.deepcopy(document)
    entry = copied["candidates"][0]
    if "interval" in changes:
        entry["measured"][0]["interval"] = changes.pop("interval")
    entry.update(changes)
    copied["candidates"] = [entry]
    return copied


def judged(document: dict[str, Any], **rules: Any) -> GateResult:
    with tempfile.TemporaryDirectory() as folder:
        return judge(read(document, Path(folder)), Rules(**rules), "report.json")


def outcome(document: dict[str, Any], **rules: Any) -> list[bool]:
    return [each.holds for each in judged(document, **rules).results]


def test_real_verdicts(compared: dict[str, Any]) -> None:
    found = {entry["name"]: entry["verdict"] for entry in compared["candidates"]}
    assert found[SAME] in ("within", "negligible")
    assert (found[WORSE], found[BETTER]) == ("worse", "better")
    assert outcome(compared, require=WITHIN) == [True, False, True]
    assert outcome(compared, require=NOT_WORSE) == [True, False, True]
    assert not judged(compared, require=WITHIN).holds


PASSES = {
    # verdict, non-inferiority shown: within, not-worse
    ("within", True): (True, True),
    ("within", False): (True, True),
    ("within", None): (True, True),
    ("negligible", True): (True, True),
    ("negligible", False): (True, True),
    ("negligible", None): (True, True),
    ("better", True): (True, True),
    ("better", False): (True, True),
    ("better", None): (True, True),
    ("inconclusive", True): (False, True),
    ("inconclusive", False): (False, False),
    ("inconclusive", None): (False, False),
    ("worse", True): (False, False),
    ("worse", False): (False, False),
    ("worse", None): (False, False),
    ("not-judged", None): (False, False),
}


@pytest.mark.parametrize(("verdict", "non_inferior"), list(PASSES))
@pytest.mark.parametrize("kind", ["compare", "report"])
def test_every_verdict_and_rule(compared: dict[str, Any], kind: str, verdict: str, non_inferior: bool | None) -> None:
    document = edited(compared, verdict=verdict, non_inferior=non_inferior)
    document = report(document, [SAME]) if kind == "report" else document
    assert tuple(outcome(document, require=rule)[0] for rule in (WITHIN, NOT_WORSE)) == PASSES[verdict, non_inferior]


def test_without_a_margin_only_better_passes(compared: dict[str, Any]) -> None:
    document = comparison({SAME: 0.5, BETTER: 0.0}, margin=None)
    assert [entry["verdict"] for entry in document["candidates"]] == ["inconclusive", "better"]
    assert outcome(document, require=WITHIN) == outcome(document, require=NOT_WORSE) == [False, True]


def test_the_bound_is_met_by_the_upper_end_itself_and_by_no_point_estimate(compared: dict[str, Any]) -> None:
    entry = compared["candidates"][0]
    low, high = entry["test"]["interval"]
    assert entry["judged"] == "fid-at-n"
    document = edited(compared)
    assert outcome(document, max_dfid=high) == [True]
    for bound in (high - 1e-9, entry["test"]["estimate"], low, low - 1):
        assert outcome(document, max_dfid=bound) == [False], bound
    # Shown to be better by at least this much.
    assert outcome(edited(compared, interval=[-3.0, -1.0]), max_dfid=-1.0) == [True]
    assert outcome(edited(compared, interval=[-3.0, -1.0]), max_dfid=-1.5) == [False]


def test_a_bound_that_holds_is_no_verdict(compared: dict[str, Any]) -> None:
    """A candidate of less diversity has a low FID; a gate that asks for that alone says so."""
    for verdict in ("within", "better", "inconclusive", "worse"):
        (result,) = judged(edited(compared, verdict=verdict, interval=[-3.0, -1.0]), max_dfid=0.0).results
        assert result.holds
        told = f"The bound is about that alone: the verdict is {verdict}." in result.reason
        assert told == (verdict in ("inconclusive", "worse"))


def test_the_numbers_are_the_documents_to_the_last_digit(compared: dict[str, Any]) -> None:
    for document in (compared, report(compared, [SAME, WORSE, BETTER])):
        result = judged(document, require=WITHIN, max_dfid=0.1 + 0.2)
        written = read_back(gate_document(result))
        pairs = zip(written["results"][::2], written["results"][1::2], strict=True)
        for entry, (first, second) in zip(compared["candidates"], pairs, strict=True):
            for row in (first, second):
                found = {each["estimand"]: (each["estimate"], each["interval"]) for each in row["differences"]}
                assert found["fid-at-n"] == (entry["test"]["estimate"], entry["test"]["interval"])
                assert found == {each["estimand"]: (each["estimate"], each["interval"]) for each in entry["measured"]}
            assert (first["rule"], second["rule"]) == ("require within", "max-dfid 0.30000000000000004")
            assert entry["sentence"] in first["reason"]
            assert f"of dFID@60 {interval_text(entry['test']['interval'])}" in second["reason"]


def test_a_bound_is_about_what_was_judged_where_it_is_in_its_unit() -> None:
    document = comparison({SAME: 0.5}, margin="20%", judge="kid", n=200)
    measured = {each["estimand"]: each["interval"][1] for each in document["candidates"][0]["measured"]}
    for estimand, option in (("fid-at-n", "max_dfid"), ("kid", "max_dkid")):
        bound = measured[estimand]
        (result,) = judged(document, **{option: bound}).results
        assert result.holds
        assert ("was judged" in result.reason) == (estimand != "kid")
        assert outcome(document, **{option: bound - 1e-9}) == [False]
    document = comparison({SAME: 0.5}, margin="1", judge="fid", n=200)
    measured = {each["estimand"]: each["interval"][1] for each in document["candidates"][0]["measured"]}
    assert outcome(document, max_dfid=measured["fid"]) == [True]
    assert outcome(document, max_dfid=measured["fid"] - 1e-9) == [False]


def test_nothing_judged_is_no_pass_and_says_why() -> None:
    """Six images are too few to extrapolate a FID."""
    document = comparison({SAME: 0.5}, n=6, judge="fid")
    (entry,) = document["candidates"]
    assert entry["verdict"] == "not-judged"
    for rule in (WITHIN, NOT_WORSE):
        (result,) = judged(document, require=rule).results
        assert not result.holds
        assert result.reason.startswith("Nothing was judged.")
        assert entry["refusal"] in result.reason


def test_what_the_companion_contradicts_is_not_shown_to_be_not_worse(compared: dict[str, Any]) -> None:
    """A loss of fidelity behind a loss of diversity: FID@n can tell neither, the companion finds the loss."""
    rng = np.random.default_rng(5)
    n, d = 250, 64
    scene = rng.normal(size=(n, d))
    real, baseline = (scene + rng.normal(size=(n, d)) for _ in range(2))
    shrunk = 0.85 * (scene + rng.normal(size=(n, d)))
    arms = [FeatureArm(name=name, runs=(feature_set(each),)) for name, each in (("fp32", baseline), ("amp", shrunk))]
    result = compare_feature_sets(feature_set(real), arms, margin=parse_margin("3"), replicates=0)
    document = read_back(comparison_document(result, "real", [[Path("fp32")], [Path("amp")]]))
    (entry,) = document["candidates"]
    assert entry["test"]["verdict"] in ("within", "negligible")
    assert (entry["companion"]["objects"], entry["companion"]["verdict"]) == (True, "worse")
    assert (entry["verdict"], entry["test"]["non_inferior"], entry["non_inferior"]) == ("inconclusive", True, False)
    assert outcome(document, require=NOT_WORSE) == [False]


def test_a_failed_training_breaks_every_rule_of_its_arm() -> None:
    training = comparison({"amp-fp16": 0.5, "amp-bf16": 0.5}, runs=3, margin="5")
    assert {entry["verdict"] for entry in training["candidates"]} <= {"within", "negligible"}
    arms = ["amp-fp16", "amp-bf16"]
    rules = {"require": WITHIN, "max_dfid": 1e6}
    assert outcome(report(training, arms), **rules) == [True] * 4
    assert outcome(report(training, arms, {"fp32": 1}), **rules) == [True] * 4
    for failed in ({"amp-bf16": 1}, {"amp-bf16": 1, "fp32": 1}):
        result = judged(report(training, arms, failed), **rules)
        assert [each.holds for each in result.results] == [True, True, False, False]
        assert "One training of amp-bf16 failed" in result.results[2].reason
        assert "1 of 3 runs failed (diverged)" in result.results[2].reason


def test_an_arm_with_nothing_to_compare_breaks_all() -> None:
    document = report(None, ["amp-bf16"], {"fp32": 3})
    result = judged(document, require=NOT_WORSE, max_dfid=1e6, max_dkid=1e6)
    assert [each.holds for each in result.results] == [False, False, False]
    assert "nothing to compare" in result.results[1].reason


@pytest.mark.parametrize("rules", [{}, {"max_dfid": float("nan")}, {"max_dkid": float("inf"), "require": WITHIN}])
def test_rules_that_are_none(rules: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"--require within, --require not-worse|expected a finite number"):
        Rules(**rules)


@pytest.mark.parametrize("kind", ["compare", "report"])
def test_no_candidate_is_no_pass(compared: dict[str, Any], kind: str) -> None:
    empty = {**compared, "candidates": []}
    with pytest.raises(InputError, match="at least one candidate"):
        judged(report(empty, []) if kind == "report" else empty, require=WITHIN)


def paths_of(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path for key, inner in items for path in [(*above, key), *paths_of(inner, (*above, key))]]


@pytest.mark.parametrize("kind", ["compare", "report"])
@pytest.mark.parametrize("damage", ["gone", None, [], "text", float("nan"), {}, True])
def test_no_damage_makes_a_broken_rule_hold(compared: dict[str, Any], tmp_path: Path, kind: str, damage: Any) -> None:
    """Every value of a document in turn: the rules stay broken, or the error tells where; never a traceback."""
    whole = edited(compared, verdict="inconclusive")
    whole = report(whole, [SAME]) if kind == "report" else whole
    rules = Rules(require=WITHIN, max_dfid=-10.0)
    named = set()
    for path in paths_of(whole):
        if path[0] in ("schema", "schema_version"):
            continue
        document = copy.deepcopy(whole)
        place = document
        for key in path[:-1]:
            place = place[key]
        if damage == "gone":
            del place[path[-1]]
        else:
            place[path[-1]] = damage
        try:
            result = judge(read(document, tmp_path), rules, str(tmp_path))
        except InputError as error:
            assert error.where.startswith(str(tmp_path)), path
            assert "p2phd-eval" in error.fix or "shows nothing" in error.fix
            named.add(path[-1])
        else:
            assert not any(each.holds for each in result.results), path
    assert {"candidates" if kind == "compare" else "verdicts", "verdict", "interval"} <= named


def files(result: GateResult, folder: Path) -> tuple[ElementTree.Element, str]:
    write_junit(folder / "gate.xml", result)
    append_summary(folder / "summary.md", result)
    return ElementTree.parse(folder / "gate.xml").getroot(), (folder / "summary.md").read_text(encoding="utf-8")


def test_junit_has_the_structure_and_the_counts_that_ci_systems_read(compared: dict[str, Any], tmp_path: Path) -> None:
    result = judged(compared, require=WITHIN, max_dfid=1.0)
    root, _ = files(result, tmp_path)
    assert root.tag == "testsuites"
    (suite,) = root
    assert suite.tag == "testsuite"
    cases = list(suite)
    assert {case.tag for case in cases} == {"testcase"}
    failures = [case.find("failure") for case in cases]
    broken = [failure for failure in failures if failure is not None]
    for element in (root, suite):
        assert (element.get("tests"), element.get("failures")) == (str(len(cases)), str(len(broken)))
        assert (element.get("errors"), element.get("skipped")) == ("0", "0")
        assert float(element.get("time", "nan")) == 0
    assert [failure is None for failure in failures] == [each.holds for each in result.results]
    assert 0 < len(broken) < len(cases)
    for case, each in zip(cases, result.results, strict=True):
        assert case.get("name") == f"{each.arm}: {each.rule}"
        assert case.get("classname")
        text = case.findtext("system-out") if each.holds else case.findtext("failure")
        assert text == each.reason
    assert all(failure.get("message") == failure.text for failure in broken)


def rendered(markdown: str) -> tuple[list[list[str]], str]:
    """The cells of the only table as they are read, and the HTML, as a renderer that lets raw HTML through makes it."""
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    tokens = parser.parse(markdown)
    assert sum(token.type == "table_open" for token in tokens) == 1
    cells: list[list[str]] = []
    for before, token in itertools.pairwise(tokens):
        if before.type == "tr_open":
            cells.append([])
        if before.type in ("td_open", "th_open"):
            children = token.children or []
            assert {child.type for child in children} <= {"text", "text_special"}, token.content
            cells[-1].append("".join(child.content for child in children))
    return cells, parser.render(markdown)


@pytest.mark.parametrize("rules", [{"require": WITHIN}, {"max_dfid": 1e6}, {"max_dkid": 1e6}])
def test_hostile_names_are_shown_as_text(compared: dict[str, Any], tmp_path: Path, rules: dict[str, Any]) -> None:
    document = edited(compared, name=HOSTILE, sentence=f"{HOSTILE}, scope A: within.")
    result = judged(document, **rules)
    root, markdown = files(result, tmp_path)
    (case,) = root.iter("testcase")
    shown = r"<script>alert(1)</script> ]]> | `a` **b** [c](x) ![d](y) <!-- &amp; " + (
        r"\x00\x1b[31m\x85\u202e\ud800\ufffe\n# e $f$"
    )
    assert case.get("name", "").startswith(shown)
    cells, html = rendered(markdown)
    assert len(cells) == 2
    assert cells[1][1] == shown.replace(r"\x85", " ").replace(r"\n", " ")  # a cell has no lines
    assert "<script" not in html
    assert "<!--" not in html
    written = read_back(gate_document(result))
    assert written["results"][0]["arm"] == HOSTILE


def test_every_ascii_character_survives_markdown() -> None:
    text = "".join(map(chr, range(33, 127)))
    (_, row), _ = rendered(f"| a |\n| --- |\n| {markdown_text(text)} |")
    assert row == [text]


def test_a_summary_is_appended_and_says_which_rules_broke(compared: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_text("### Tests of another step\n", encoding="utf-8")
    result = judged(compared, require=WITHIN)
    append_summary(path, result)
    text = path.read_text(encoding="utf-8")
    assert text == "### Tests of another step\n" + summary_markdown(result)
    assert "### Gate: 1 of 3 rules broken" in text
    cells, _ = rendered(text)
    assert [row[0] for row in cells[1:]] == ["✅", "❌", "✅"]
    assert [row[3] for row in cells[1:]] == [each.reason for each in result.results]


def test_the_same_input_gives_the_same_bytes(compared: dict[str, Any], tmp_path: Path) -> None:
    result = judged(compared, require=WITHIN)
    for name in ("a", "b"):
        files(result, tmp_path / name)
    for name in ("gate.xml", "summary.md"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
