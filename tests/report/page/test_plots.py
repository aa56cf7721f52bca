"""The marks of a report's plots, read back from their SVG and held against the numbers of a small study."""

from __future__ import annotations

import copy
import re
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest

from p2phd_eval.formatting import estimate_texts
from p2phd_eval.report.page.figure import Plot
from p2phd_eval.report.page.plots import curves_plot, epochs_plot, forest_plots, runs_plot, scaler_plot
from tests.report.page.small_study import HOSTILE, renamed, typed


def all_plots(report: dict[str, Any]) -> list[Plot]:
    read = typed(report)
    forests = [plot for plots in forest_plots(read).values() for plot in plots]
    made = (*forests, runs_plot(read), epochs_plot(read), curves_plot(read), scaler_plot(read))
    return [plot for plot in made if plot is not None]


def parsed(plot: Plot) -> ElementTree.Element:
    """The SVG as XML, without its namespace."""
    return ElementTree.fromstring(plot.svg.replace(' xmlns="http://www.w3.org/2000/svg"', "", 1))


def texts(plot: Plot) -> list[str]:
    return ["".join(each.itertext()) for each in parsed(plot).iter("text")]


def marks(plot: Plot, pattern: str) -> dict[str, list[tuple[float, float]]]:
    """Of the elements whose id matches: the group of the pattern, and the points they stand at, in units of the SVG."""
    found = {}
    for element in parsed(plot).iter():
        if match := re.fullmatch(pattern, element.get("id", "")):
            uses = [(float(each.attrib["x"]), float(each.attrib["y"])) for each in element.iter("use")]
            paths = [each.attrib["d"] for each in element.iter("path") if not uses]
            found[match[1]] = uses or [
                (float(x), float(y)) for d in paths for x, y in re.findall(r"[ML] (-?[\d.]+) (-?[\d.]+)", d)
            ]
    return found


def candidates_of(report: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """All candidates, by what the comparisons are about."""
    found = report["comparisons"]
    return {
        "training": found["training"]["candidates"],
        "generation": [each for arm in found["sampling"] for each in arm["document"]["candidates"]],
        "same seed again": found["repeat"]["candidates"],
    }


@pytest.mark.parametrize("what", ["training", "generation", "same seed again"])
@pytest.mark.parametrize("place", [0, 1], ids=["judged", "companion"])
def test_marks_stand_where_the_numbers_of_the_report_are(small_report: dict[str, Any], what: str, place: int) -> None:
    candidates = candidates_of(small_report)[what]
    plots = forest_plots(typed(small_report))[what]
    assert len(plots) == 2  # what is judged, then the companion
    plot = plots[place]
    assert plot.label.startswith(("What is judged, dFID@30:", "The companion, dFID of the distributions:")[place])
    (zero,) = marks(plot, r"forest-\d-(zero)").values()
    assert len(zero) == 2 * len(candidates)  # a piece a row, which leaves the text alone
    at = [(0.0, x) for x, _ in zero]  # number of the report, place in the SVG
    shown = texts(plot)
    for index, candidate in enumerate(candidates):
        found = candidate["companion"] if place else candidate["test"] | {"margin": candidate["margin"]["value"]}
        wanted = {"estimate": [found["estimate"]], "margin": [-found["margin"], found["margin"]]}
        wanted |= {"interval": found["interval"]} | ({} if place else {"tost": found["tost_interval"]})
        for name, numbers in wanted.items():
            (points,) = marks(plot, rf"forest-\d-({name}-{index})").values()
            assert len(numbers) == len({x for x, _ in points})
            at += zip(sorted(numbers), sorted({x for x, _ in points}), strict=True)
        assert all(word in " ".join(shown) for word in candidate["name"].split())  # long ones go over several lines
        marked = () if place else (0.0, -found["margin"], found["margin"])
        assert " ".join(estimate_texts(found["estimate"], found["interval"], marked)) in shown
    numbers, places = np.array(at).T
    # One axis for all: from a number to its place leads one straight line.
    slope, start = np.polyfit(numbers, places, 1)
    assert slope > 0
    np.testing.assert_allclose(slope * numbers + start, places, atol=1e-3)


def test_a_plot_has_one_unit(small_report: dict[str, Any]) -> None:
    """A companion of another unit has a plot of its own, and so has what is judged by another measure."""
    report = copy.deepcopy(small_report)
    report["comparisons"]["training"]["candidates"][1]["companion"]["estimand"] = "kid-rq"
    plots = forest_plots(typed(report))["training"]
    axes = [[text for text in texts(plot) if text.endswith("lower is better")] for plot in plots]
    names = ["dFID@30", "dFID of the distributions", "dKID (rational quadratic)"]
    assert axes == [[f"{name} (candidate - baseline), lower is better"] for name in names]
    assert ["amp-bf16" in texts(plot) for plot in plots] == [True, False, True]


def test_what_was_not_judged_is_not_drawn(small_report: dict[str, Any]) -> None:
    report = copy.deepcopy(small_report)
    (candidate,) = report["comparisons"]["repeat"]["candidates"]
    candidate |= {"test": None, "companion": None, "verdict": "not-judged", "refusal": "too few images"}
    assert set(forest_plots(typed(report))) == {"training", "generation"}


def test_the_fid_over_epochs_is_that_of_the_report(small_report: dict[str, Any]) -> None:
    plot = epochs_plot(typed(small_report))
    assert plot is not None
    lines = marks(plot, r"epochs-fid-(\d+)")
    at_x, at_y = [], []
    for index, curve in enumerate(small_report["curves"].values()):
        points = lines[str(index)]
        assert len(points) == len(curve["fid"]["epoch"])
        for (x, y), epoch, fid in zip(points, curve["fid"]["epoch"], curve["fid"]["fid"], strict=True):
            at_x.append((epoch, x))
            at_y.append((fid, y))
    for at in (at_x, at_y):
        numbers, places = np.array(at).T
        slope, start = np.polyfit(numbers, places, 1)
        np.testing.assert_allclose(slope * numbers + start, places, atol=1e-3)
    never = copy.deepcopy(small_report)
    for curve in never["curves"].values():
        curve["fid"] = None
    assert epochs_plot(typed(never)) is None


def test_every_run_has_its_mark(small_report: dict[str, Any]) -> None:
    plot = runs_plot(typed(small_report))
    assert plot is not None
    arms = [arm["name"] for arm in small_report["what_was_run"]["arms"]]
    heights = {name: points[0][1] for name, points in marks(plot, r"runs-run-([\d-]+|again-[\d-]+)").items()}
    finished = [run for run in small_report["runs"] if run["status"] == "finished"]
    assert len(heights) == len(finished)
    assert list(marks(plot, r"runs-failed-(.*)")) == ["1-2"]  # amp-fp16, seed 2
    at = []
    for run in finished:
        again = "again-" if run["repeat"] else ""
        at.append((run["fid"], heights[f"{again}{arms.index(run['arm'])}-{run['seed']}"]))
    for column, arm in enumerate(arms):
        fids = [run["fid"] for run in finished if run["arm"] == arm and not run["repeat"]]
        ((_, mean), (_, same)) = marks(plot, rf"runs-mean-({column})")[str(column)]
        low, high = (y for _, y in marks(plot, rf"runs-spread-({column})")[str(column)])
        assert mean == same
        sd = np.std(fids, ddof=1)
        at += [(np.mean(fids), mean), (np.mean(fids) - sd, low), (np.mean(fids) + sd, high)]
    numbers, places = np.array(at).T
    slope, start = np.polyfit(numbers, places, 1)
    assert slope < 0  # SVG counts downwards
    np.testing.assert_allclose(slope * numbers + start, places, atol=1e-3)


def test_a_value_between_two_gaps_is_drawn(small_report: dict[str, Any]) -> None:
    gaps = copy.deepcopy(small_report)
    values = [None, 1.0, None, None, 2.0]
    gaps["curves"] = {"fp32-s0": {**gaps["curves"]["fp32-s0"], "losses": {"G_GAN": values}}}
    plot, whole = (
        curves_plot(typed(gaps)),
        curves_plot(typed({**gaps, "curves": {"fp32-s0": {**gaps["curves"]["fp32-s0"]}}})),
    )
    assert plot == whole
    assert plot is not None
    drawn = re.findall(r"<use [^>]*var\(--arm-0\)[^>]*>", plot.svg)
    assert len(drawn) == 2


def test_loss_scales_are_those_of_the_runs_that_have_them(small_report: dict[str, Any]) -> None:
    plot = scaler_plot(typed(small_report))
    assert plot is not None
    lines = [each for each in re.findall(r"<path [^>]*>", plot.svg) if "var(--arm-" in each]
    assert {re.findall(r"var\(--arm-(\d)\)", each)[0] for each in lines} == {"1"}  # amp-fp16's
    assert len(lines) == 3 * 2 * 2  # runs, networks, quantities
    unscaled = copy.deepcopy(small_report)
    for curve in unscaled["curves"].values():
        curve["loss_scale"] = {name: [None] * len(curve["step"]) for name in ("G", "D")}
    assert scaler_plot(typed(unscaled)) is None


def test_without_runs_there_is_no_plot(small_report: dict[str, Any]) -> None:
    nothing: dict[str, Any] = {"training": None, "sampling": [], "repeat": None}
    empty = {**small_report, "comparisons": nothing, "runs": [], "curves": {}}
    assert all_plots(empty) == []


def test_the_same_report_gives_the_same_bytes_and_leaves_matplotlib_alone(small_report: dict[str, Any]) -> None:
    before = dict(matplotlib.rcParams)
    report = small_report
    first = all_plots(report)
    with matplotlib.rc_context({"font.size": 30, "svg.fonttype": "path", "text.usetex": True}):
        assert all_plots(report) == first
    assert dict(matplotlib.rcParams) == before
    assert len(first) == 10


def test_plots_take_the_page_s_colours_and_share_no_id(small_report: dict[str, Any]) -> None:
    plots = all_plots(small_report)
    ids = [match for plot in plots for match in re.findall(r'\bid="([^"]+)"', plot.svg)]
    assert len(set(ids)) == len(ids)
    for plot in plots:
        assert not re.search(r"#[0-9a-fA-F]{6}\b", plot.svg)
        for target in re.findall(r'(?:href="#|url\(#)([^")]+)', plot.svg):
            assert target in ids
        root = parsed(plot)
        assert (root.get("role"), root.get("aria-label")) == ("img", plot.label)
        assert "{http" not in ElementTree.tostring(root, encoding="unicode")


@pytest.mark.parametrize("name", [HOSTILE, "a\x00b\x1b[31m\ufffe", "漢字 " * 30, "$\\frac{1}{0$"])
def test_any_name_is_text(small_report: dict[str, Any], name: str) -> None:
    named = renamed(small_report, "amp-fp16", name)
    plots = all_plots(named)
    assert len(plots) == 10
    # What XML cannot hold is replaced, and lines are broken at blanks or where they are too long.
    characters = [each for each in name if each.isprintable() and not each.isspace()]
    drawn = [re.sub(r"\s|\ufffd", "", "".join(texts(plot))) for plot in plots]
    assert ["".join(characters) in text for text in drawn] == [True] * 2 + [False] * 4 + [True] * 4  # as it is trained
    assert not any(list(parsed(plot).iter("script")) for plot in plots)
