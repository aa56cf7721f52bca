"""The plots of a report: what they say is what the report says."""

from __future__ import annotations

import copy
import re
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from p2phd_eval.report.figure import Plot
from p2phd_eval.report.page_tables import interval, signed
from p2phd_eval.report.plots import curves_plot, forest_plot, runs_plot, scaler_plot

HOSTILE = "<script>alert(1)</script>&\"'$x^2$_{y}"


def candidate(
    name: str, estimate: float, half: float, *, statistic: str = "FID", margin: float | None = 2.0
) -> dict[str, Any]:
    return {
        "name": name,
        "statistic": statistic,
        "margin": {"value": margin},
        "test": {
            "estimate": estimate,
            "confidence": 0.95,
            "interval": [estimate - half, estimate + half],
            "tost_interval": [estimate - 0.8 * half, estimate + 0.8 * half],
        },
    }


@pytest.fixture
def report() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    arms = ("fp32", "amp-fp16", "amp-bf16")
    runs = [
        {
            "name": f"{arm}-s{seed}",
            "arm": arm,
            "seed": seed,
            "repeat": False,
            "status": "finished",
            "fid": rng.uniform(40, 60),
        }
        for arm in arms
        for seed in range(3)
    ]
    runs.append({**runs[0], "name": "fp32-s0-repeat", "repeat": True})
    steps = list(range(0, 100, 10))
    curves = {
        run["name"]: {
            "step": steps,
            "losses": {name: rng.uniform(0, 2, 10).tolist() for name in ("G_GAN", "D_real")},
            "loss_scale": {name: [65536.0 if run["arm"] == "amp-fp16" else None] * 10 for name in ("G", "D")},
            "skipped_steps": {name: sorted(rng.integers(0, 5, 10).tolist()) for name in ("G", "D")},
        }
        for run in runs
    }
    return {
        "what_was_run": {"arms": [{"name": arm} for arm in arms]},
        "runs": runs,
        "curves": curves,
        "comparisons": {
            "training": {"n": 500, "candidates": [candidate("amp-fp16", 0.31, 1.2), candidate("amp-bf16", -0.75, 2.6)]},
            "sampling": [
                {
                    "arm": "fp32",
                    "document": {
                        "candidates": [
                            candidate("fp32, generated in amp-fp16", 0.002, 0.001, statistic="KID", margin=None)
                        ]
                    },
                }
            ],
            "repeat": {"candidates": [candidate("fp32-s0-repeat", 0.05, 0.4)]},
        },
    }


def plots(report: dict[str, Any]) -> list[Plot]:
    drawn = [
        forest_plot(report, "FID"),
        forest_plot(report, "KID"),
        runs_plot(report),
        curves_plot(report),
        scaler_plot(report),
    ]
    return [plot for plot in drawn if plot is not None]


def texts(plot: Plot) -> str:
    return "\n".join("".join(element.itertext()) for element in ElementTree.fromstring(plot.svg).iter("{*}text"))


def places(plot: Plot, gid: str) -> list[float]:
    """The x coordinates of what is drawn below an id; of a marker where it is put."""
    root = ElementTree.fromstring(plot.svg)
    (group,) = [element for element in root.iter() if (element.get("id") or "").endswith(f"-{gid}")]
    used = [float(element.attrib["x"]) for element in group.iter() if element.tag.endswith("}use")]
    if used:
        return used
    path = next(element.attrib["d"] for element in group.iter() if element.tag.endswith("}path"))
    return [float(x) for x in re.findall(r"[ML] (-?[\d.]+) ", path)]


def test_the_differences_are_the_reports(report: dict[str, Any]) -> None:
    plot = forest_plot(report, "FID")
    assert plot is not None
    compared = [*report["comparisons"]["training"]["candidates"], *report["comparisons"]["repeat"]["candidates"]]
    written = texts(plot)
    for each in compared:
        assert f"{signed(each['test']['estimate'])} {interval(each['test']['interval'])}" in written
        assert each["name"] in written
    assert "fp32, generated" not in written  # judged by KID, which has another unit


def test_places_are_values_on_one_scale(report: dict[str, Any]) -> None:
    plot = forest_plot(report, "FID")
    assert plot is not None
    compared = [*report["comparisons"]["training"]["candidates"], *report["comparisons"]["repeat"]["candidates"]]
    values, xs = [], []
    for index, each in enumerate(compared):
        for gid, value in (
            ("estimate", [each["test"]["estimate"]]),
            ("interval", each["test"]["interval"]),
            ("tost", each["test"]["tost_interval"]),
        ):
            values += value
            xs += places(plot, f"{gid}-{index}")
        left, right = min(places(plot, f"margin-{index}")), max(places(plot, f"margin-{index}"))
        values += [-each["margin"]["value"], each["margin"]["value"]]
        xs += [left, right]
    scale, offset = np.polyfit(values, xs, 1)
    assert scale > 0
    np.testing.assert_allclose(np.asarray(values) * scale + offset, xs, atol=0.01)
    np.testing.assert_allclose(places(plot, "zero"), [offset, offset], atol=0.01)


def test_runs_lie_where_their_fid_is(report: dict[str, Any]) -> None:
    report["runs"][4] |= {"status": "diverged", "fid": None}
    plot = runs_plot(report)
    assert plot is not None
    root = ElementTree.fromstring(plot.svg)
    of_id = {(element.get("id") or "").removeprefix("runs-"): element for element in root.iter()}
    assert "failed-1-1" in of_id
    assert "run-1-1" not in of_id
    assert "run-again-0-0" in of_id
    assert "failed" in texts(plot)
    finished = [run for run in report["runs"] if run["fid"] is not None and not run["repeat"]]
    column = {"fp32": 0, "amp-fp16": 1, "amp-bf16": 2}
    heights = [
        float(
            next(
                use for use in of_id[f"run-{column[run['arm']]}-{run['seed']}"].iter() if use.tag.endswith("}use")
            ).attrib["y"]
        )
        for run in finished
    ]
    scale, offset = np.polyfit([run["fid"] for run in finished], heights, 1)
    assert scale < 0  # up is more
    np.testing.assert_allclose([run["fid"] * scale + offset for run in finished], heights, atol=0.01)


def test_hostile_names_are_text(report: dict[str, Any]) -> None:
    hostile = copy.deepcopy(report)
    hostile["what_was_run"]["arms"][1]["name"] = HOSTILE
    for run in hostile["runs"]:
        run["arm"] = HOSTILE if run["arm"] == "amp-fp16" else run["arm"]
    hostile["comparisons"]["training"]["candidates"][0]["name"] = HOSTILE
    for plot in plots(hostile):
        root = ElementTree.fromstring(plot.svg)
        assert not [element for element in root.iter() if element.tag.endswith("script")]
    forest = forest_plot(hostile, "FID")
    assert forest is not None
    assert "<script>alert(1)</script>" in "".join(texts(forest).split("\n"))
    assert "$x^2$_{y}" in texts(forest)


def test_all_on_one_page_have_ids_of_their_own_and_only_the_pages_colours(report: dict[str, Any]) -> None:
    drawn = plots(report)
    assert len(drawn) == 5
    ids = [
        element.get("id") for plot in drawn for element in ElementTree.fromstring(plot.svg).iter() if element.get("id")
    ]
    assert len(set(ids)) == len(ids)
    for plot in drawn:
        root = ElementTree.fromstring(plot.svg)
        own = {element.get("id") for element in root.iter()}
        for reference in re.findall(r"(?:url\(|href=\")#([^)\"]+)", plot.svg):
            assert reference in own
        assert root.get("role") == "img"
        assert root.get("aria-label") == plot.label
        assert set(re.findall(r"#[0-9a-f]{6}\b", plot.svg)) <= set(
            re.findall(r"#[0-9a-f]{6}\b", "".join(filter(None, own)))
        )
        assert set(re.findall(r"var\((--[a-z0-9-]+)\)", plot.svg)) <= {
            "--ink",
            "--muted",
            "--line",
            "--band",
            *(f"--arm-{i}" for i in range(6)),
        }


def test_the_same_report_gives_the_same_bytes(report: dict[str, Any]) -> None:
    assert [plot.svg for plot in plots(report)] == [plot.svg for plot in plots(copy.deepcopy(report))]


def test_what_there_is_not_is_not_drawn(report: dict[str, Any]) -> None:
    report["comparisons"] = {"training": None, "sampling": [], "repeat": None}
    assert forest_plot(report, "FID") is None
    for curve in report["curves"].values():
        curve["loss_scale"] = {"G": [None] * 10, "D": [None] * 10}
    assert scaler_plot(report) is None
    report["curves"] = {}
    assert curves_plot(report) is None
    report["runs"] = []
    assert runs_plot(report) is None


def test_a_gap_in_a_curve_is_a_gap(report: dict[str, Any]) -> None:
    def strokes(plot: Plot | None) -> int:
        assert plot is not None
        return sum(path.count("M ") for path in re.findall(r' d="([^"]+)"', plot.svg))

    whole = strokes(curves_plot(report))
    report["curves"]["fp32-s1"]["losses"]["G_GAN"][4] = None
    assert strokes(curves_plot(report)) == whole + 1
