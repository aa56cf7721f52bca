"""The plots of a study's report: differences, runs, losses and loss scales."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from p2phd_eval.report.documents.comparison_documents import Candidate
from p2phd_eval.report.documents.study_documents import ReportDocument, StudyRun
from p2phd_eval.report.page.figure import (
    BAND,
    INK,
    LINE,
    MUTED,
    WIDTH,
    Plot,
    add_axes,
    add_text,
    arm_colour,
    as_text,
    figure_of,
    plot_of,
)
from p2phd_eval.report.page.page_tables import interval, signed

_LEFT = 0.75  # inches, for the numbers of the y axis


@dataclass(frozen=True, kw_only=True)
class _Row:
    group: str
    name: str  # wrapped
    arm: str | None
    candidate: Candidate


def forest_plot(report: ReportDocument, statistic: Literal["FID", "KID"]) -> Plot | None:
    """Draw the differences of a study that are judged by one statistic, a row each.

    It shows the point estimate, the interval of the two one-sided tests (thick), the confidence interval (thin) and the
    comparison's own margin (shaded). There is no plot where no difference is judged by this statistic.

    `statistic`, "FID" or "KID": in units of it.
    """
    rows = [row for row in _rows(report) if row.candidate.statistic == statistic]
    if not rows:
        return None
    heights = [_lines(row.name) * LINE + 0.3 for row in rows]
    heads = [0.35 if index == 0 or rows[index - 1].group != row.group else 0.0 for index, row in enumerate(rows)]
    drawn, below = sum(heights) + sum(heads), 0.55
    with figure_of(drawn + below + 0.05) as figure:
        axes = add_axes(figure, 0.15, below, WIDTH - 0.3, drawn)
        axes.set_ylim(0, drawn)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        top, bottoms = drawn, []
        for index, (row, head, height) in enumerate(zip(rows, heads, heights, strict=True)):
            if head:
                add_text(figure, 0.15, below + top - 0.28, row.group, color=MUTED, fontstyle="italic")
            top -= head
            colour = INK if row.arm is None else _colours(report)[row.arm]
            _difference(axes, index, row.candidate, top - height, colour, height)
            test = row.candidate.test
            numbers = f"{signed(test.estimate)} {interval(test.interval)}"
            add_text(figure, 0.2, below + top - 0.06, row.name, va="top")
            add_text(figure, WIDTH - 0.2, below + top - 0.06, numbers, va="top", ha="right")
            top -= height
            bottoms.append(top)
        # Not through the text above the marks, so a piece a row.
        pieces = axes.vlines(np.zeros(len(bottoms)), bottoms, np.add(bottoms, 0.27), color=MUTED, linewidth=1)
        pieces.set(gid="zero", zorder=2)
        axes.margins(x=0.06)
        axes.autoscale(axis="x")
        axes.set_xlabel(f"d{statistic} (candidate - baseline), lower is better")
        confidence = 100 * rows[0].candidate.test.confidence
        label = (
            f"Differences of {statistic}: the dot is the estimate, the thick line its {2 * confidence - 100:.4g} % "
            f"interval, the thin line (and the numbers) its {confidence:.4g} % interval, the shaded band the "
            "comparison's margin, where it has one."
        )
        return plot_of(figure, f"forest-{statistic.lower()}", label)


def _rows(report: ReportDocument) -> list[_Row]:
    arms = _colours(report)
    rows = []
    for group, of_arm, compared in report.compared:
        for candidate in compared.candidates:
            arm = candidate.name if of_arm is None else of_arm
            name = as_text(candidate.name, 22)
            rows.append(_Row(group=group, name=name, arm=arm if arm in arms else None, candidate=candidate))
    return rows


def _difference(axes: Axes, index: int, candidate: Candidate, bottom: float, colour: str, height: float) -> None:
    test, margin, at = candidate.test, candidate.margin.value, bottom + 0.16
    if margin is not None:
        (band,) = axes.barh(bottom, 2 * margin, left=-margin, height=height - 0.03, align="edge", color=BAND, zorder=0)
        band.set_gid(f"margin-{index}")
    for name, ends, width in (("interval", test.interval, 1.2), ("tost", test.tost_interval, 4.5)):
        (line,) = axes.plot(ends, (at, at), color=colour, linewidth=width, solid_capstyle="butt", zorder=3)
        line.set_gid(f"{name}-{index}")
    (point,) = axes.plot(test.estimate, at, "o", color=colour, markersize=8, zorder=4)
    point.set_gid(f"estimate-{index}")


def runs_plot(report: ReportDocument) -> Plot | None:
    """Draw the FID of every run, a column an arm; None where no run finished or failed."""
    runs = [run for run in report.runs if run.failed or run.fid is not None]
    if not runs:
        return None
    arms = _colours(report)
    seeds = sorted({run.seed for run in runs})
    # The same place in every column, so that an arm's seed is easily found in another.
    shifts = dict(zip(seeds, np.linspace(-0.28, 0.28, len(seeds)) if len(seeds) > 1 else (0.0,), strict=True))
    names = [as_text(arm, 60 // (3 * len(arms)) + 8) for arm in arms]
    below = max(map(_lines, names)) * LINE + 0.2
    with figure_of(3.4 + below) as figure:
        axes = add_axes(figure, _LEFT, below + 0.3, WIDTH - _LEFT - 0.1, 2.95)
        failures = add_axes(figure, _LEFT, below, WIDTH - _LEFT - 0.1, 0.3)
        for column, (arm, colour) in enumerate(arms.items()):
            of_arm = [run for run in runs if run.arm == arm]
            fids = [run.fid for run in of_arm if run.fid is not None and not (run.repeat or run.failed)]
            if fids:
                mean, end = np.mean(fids), column + 0.4
                (line,) = axes.plot((column - 0.4, end), (mean, mean), color=colour, linewidth=1.5)
                line.set_gid(f"mean-{column}")
                if len(fids) > 1:
                    spread = np.std(fids, ddof=1)
                    (bar,) = axes.plot((end, end), (mean - spread, mean + spread), color=colour, linewidth=1.5)
                    bar.set_gid(f"spread-{column}")
            for run in of_arm:
                _run(failures if run.failed else axes, run, column, shifts[run.seed], colour)
            if any(run.failed for run in of_arm):
                failures.text(column - 0.4, 0, "failed", color=MUTED, va="center", ha="left")
        for each in (axes, failures):
            each.set_xlim(-0.5, len(arms) - 0.5)
            each.grid(axis="x", visible=False)
        axes.set_xticks([])
        axes.margins(y=0.15)
        axes.spines["bottom"].set_visible(False)
        failures.set_ylim(-1, 1)
        failures.set_yticks([])
        failures.set_xticks(range(len(arms)), names)
        training = report.comparisons.training
        statistic = "FID" if training is None else f"FID@{training.n}"
        axes.set_ylabel(statistic)
        if all(run.failed for run in runs):
            axes.set_yticks([])
        label = (
            f"{statistic} of every run, with its seed; the line is the mean of an arm, the bar at its end one "
            "standard deviation up and down, a hollow ring a seed that was trained a second time, a cross a run that "
            "failed."
        )
        return plot_of(figure, "runs", label)


def _run(axes: Axes, run: StudyRun, column: int, shift: float, colour: str) -> None:
    failed, repeat = run.failed, run.repeat
    at, height = column + shift, 0.0 if failed or run.fid is None else run.fid
    face, size = ("none", 11) if repeat and not failed else (colour, 7)
    (mark,) = axes.plot(
        at, height, "x" if failed else "o", color=colour, markerfacecolor=face, markersize=size, markeredgewidth=1.5
    )
    mark.set_gid(f"{'failed' if failed else 'run'}-{'again-' if repeat else ''}{column}-{run.seed}")
    # Above the mark, where neither the mean's line nor the next seed is; a failure has no room above it.
    place, align = ((9, 0), ("left", "center")) if failed else ((0, 7), ("center", "bottom"))
    if repeat and not failed:
        place, align = (0, -9), ("center", "top")
    axes.annotate(str(run.seed), (at, height), place, textcoords="offset points", ha=align[0], va=align[1], color=MUTED)


def curves_plot(report: ReportDocument) -> Plot | None:
    """Draw the losses of all runs, a panel a loss; None where none was logged."""
    curves = report.curves
    names = list(dict.fromkeys(name for curve in curves.values() for name in curve.losses))
    if not names:
        return None
    across, rows = 2, (len(names) + 1) // 2
    each, drawn = WIDTH / across, 1.75
    key = _key_height(report)
    with figure_of(key + rows * drawn + 0.2) as figure:
        _key(figure, report, key + rows * drawn + 0.2)
        for index, name in enumerate(names):
            left, bottom = _LEFT + index % across * each, 0.45 + (rows - 1 - index // across) * drawn
            axes = add_axes(figure, left - 0.1, bottom, each - _LEFT, drawn - 0.6)
            axes.set_title(as_text(name, 26), color=INK)
            _few_ticks(axes)
            if index + across >= len(names):
                axes.set_xlabel("step")
            for run, curve in curves.items():
                if name in curve.losses:
                    _line(axes, report, run, curve.step, curve.losses[name])
        label = (
            "Losses of all runs at the logged steps, not smoothed: a thin line a seed, coloured by arm, dashed where "
            "a seed was trained a second time; a gap is a value that is not finite."
        )
        return plot_of(figure, "curves", label)


def scaler_plot(report: ReportDocument) -> Plot | None:
    """Draw loss scales and skipped steps of the runs that scaled their loss; None where none did."""
    curves = {
        run: curve
        for run, curve in report.curves.items()
        if any(value is not None for scales in curve.loss_scale.values() for value in scales)
    }
    if not curves:
        return None
    key, drawn = _key_height(report), 1.9
    with figure_of(key + 2 * drawn + 0.2) as figure:
        _key(figure, report, key + 2 * drawn + 0.2)
        for row, (quantity, title) in enumerate(
            (("skipped_steps", "skipped steps, cumulative"), ("loss_scale", "loss scale"))
        ):
            for column, network in enumerate(("G", "D")):
                left = _LEFT - 0.1 + column * WIDTH / 2
                axes = add_axes(figure, left, 0.45 + row * drawn, WIDTH / 2 - _LEFT, drawn - 0.65)
                axes.set_title(f"{title}, {network}", color=INK)
                _few_ticks(axes)
                if quantity == "loss_scale":
                    axes.set_yscale("log", base=2)
                    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.6g}")
                else:
                    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
                    axes.set_xlabel("step")
                for run, curve in curves.items():
                    _line(axes, report, run, curve.step, getattr(curve, quantity)[network])
        label = (
            "Loss scale (logarithmic axis) and skipped steps so far of generator G and discriminator D, at the logged "
            "steps of the runs that scaled their loss; a line a seed, coloured by arm."
        )
        return plot_of(figure, "scaler", label)


def _colours(report: ReportDocument) -> dict[str, str]:
    return {arm: arm_colour(index) for index, arm in enumerate(report.arms)}


def _lines(text: str) -> int:
    return text.count("\n") + 1


def _key_height(report: ReportDocument) -> float:
    return sum(_lines(as_text(arm, 60)) for arm in _colours(report)) * LINE


def _key(figure: Figure, report: ReportDocument, top: float) -> None:
    """Say which colour is which arm, a line or more each."""
    for arm, colour in _colours(report).items():
        name = as_text(arm, 60)
        add_text(figure, 0.15, top - 0.04, "\u25a0", color=colour, va="top")
        add_text(figure, 0.4, top - 0.04, name, va="top")
        top -= _lines(name) * LINE


def _few_ticks(axes: Axes) -> None:
    axes.locator_params(nbins=4)


def _line(axes: Axes, report: ReportDocument, run: str, steps: Sequence[int], values: Sequence[float | None]) -> None:
    """Draw one run's values; those between two gaps as dots, since a line needs two."""
    about = next((each for each in report.runs if each.name == run), None)
    colour = MUTED if about is None else _colours(report).get(about.arm, MUTED)
    style = "--" if about is not None and about.repeat else "-"
    drawn = _gaps(values)
    gap = np.concatenate(([True], np.isnan(drawn), [True]))
    axes.plot(steps, drawn, style, color=colour, linewidth=1)
    lone = ~gap[1:-1] & gap[:-2] & gap[2:]
    if lone.any():
        axes.plot(np.asarray(steps)[lone], drawn[lone], ".", color=colour, markersize=4)


def _gaps(values: Sequence[float | None]) -> npt.NDArray[np.float64]:
    return np.array([math.nan if value is None or not math.isfinite(value) else value for value in values], np.float64)
