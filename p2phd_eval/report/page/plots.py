"""The plots of a study's report: differences, runs, losses and loss scales."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from p2phd_eval.formatting import estimate_texts
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
from p2phd_eval.report.page.page_tables import judged_texts, random_parts
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.stats.verdicts.scope import Scope

_LEFT = 0.75  # inches, for the numbers of the y axis
_SIDE = 0.35  # inches, for half of the first or last number of an x axis
_TITLE = 20  # characters that fit above a panel of half the width


@dataclass(frozen=True, kw_only=True)
class _Row:
    name: str  # wrapped
    colour: str
    estimate: float
    interval: tuple[float, float]
    tost_interval: tuple[float, float] | None
    margin: float | None
    numbers: str  # estimate and interval


@dataclass(frozen=True, kw_only=True)
class _Panel:
    """The differences that share an axis."""

    n: int
    confidence: float
    scope: Scope
    rows: list[_Row]


def forest_plots(report: ReportDocument) -> dict[str, list[Plot]]:
    """Draw the differences of a study, by what the comparisons are about: those judged, then their companions.

    A plot has one unit. It shows the point estimate, the confidence interval (thin), the margin (shaded), and of judged
    differences the interval of the two one-sided tests (thick).
    """
    arms = _colours(report)
    panels: dict[tuple[str, str, Estimand], _Panel] = {}
    for what, of_arm, compared in report.compared:
        for candidate in compared.candidates:
            name, colour = as_text(candidate.name, 22), arms.get(candidate.name if of_arm is None else of_arm, INK)
            found: list[tuple[str, Estimand, _Row]] = []
            if (test := candidate.test) is not None:
                row = _Row(
                    name=name,
                    colour=colour,
                    estimate=test.estimate,
                    interval=test.interval,
                    tost_interval=test.tost_interval,
                    margin=candidate.margin.value,
                    numbers=" ".join(judged_texts(test)),
                )
                found.append(("judged", candidate.judged, row))
            if (beside := candidate.companion) is not None:
                row = _Row(
                    name=name,
                    colour=colour,
                    estimate=beside.estimate,
                    interval=beside.interval,
                    tost_interval=None,
                    margin=beside.margin,
                    numbers=" ".join(estimate_texts(beside.estimate, beside.interval)),
                )
                found.append(("companion", beside.estimand, row))
            for part, estimand, row in found:
                empty = _Panel(n=compared.n, confidence=compared.confidence, scope=compared.scope, rows=[])
                panels.setdefault((what, part, estimand), empty).rows.append(row)
    plots: dict[str, list[Plot]] = {}
    for part in ("judged", "companion"):
        for index, ((what, found_part, estimand), panel) in enumerate(panels.items()):
            if found_part == part:
                plots.setdefault(what, []).append(_forest(f"forest-{index}", part, estimand, panel))
    return plots


def _forest(name: str, part: str, estimand: Estimand, panel: _Panel) -> Plot:
    statistic = estimand.difference_at(panel.n)
    heights = [_lines(row.name) * LINE + 0.3 for row in panel.rows]
    drawn, below = sum(heights), 0.55
    with figure_of(drawn + below + 0.05) as figure:
        axes = add_axes(figure, _SIDE, below, WIDTH - 2 * _SIDE, drawn)
        axes.set_ylim(0, drawn)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        top, bottoms = drawn, []
        for index, (row, height) in enumerate(zip(panel.rows, heights, strict=True)):
            _difference(axes, index, row, top - height, height)
            add_text(figure, 0.1, below + top - 0.06, row.name, va="top")
            add_text(figure, WIDTH - 0.1, below + top - 0.06, row.numbers, va="top", ha="right")
            top -= height
            bottoms.append(top)
        # Not through the text above the marks, so a piece a row.
        pieces = axes.vlines(np.zeros(len(bottoms)), bottoms, np.add(bottoms, 0.27), color=MUTED, linewidth=1)
        pieces.set(gid="zero", zorder=2)
        axes.margins(x=0.06)
        axes.autoscale(axis="x")
        axes.locator_params(axis="x", nbins=5)
        axes.set_xlabel(f"{statistic} (candidate - baseline), lower is better")
        percent, judged = 100 * panel.confidence, part == "judged"
        thick = f"its {2 * percent - 100:.4g} % interval (thick), " if judged else ""
        label = (
            f"{'What is judged' if judged else 'The companion'}, {statistic}: the estimate (dot), {thick}its "
            f"{percent:.4g} % interval over {random_parts(panel.scope)} (thin, and the numbers), "
            f"{'the margin' if judged else 'what the margin is in it'} (shaded)."
        )
        return plot_of(figure, name, label)


def _difference(axes: Axes, index: int, row: _Row, bottom: float, height: float) -> None:
    margin, at = row.margin, bottom + 0.16
    if margin is not None:
        (band,) = axes.barh(bottom, 2 * margin, left=-margin, height=height - 0.03, align="edge", color=BAND, zorder=0)
        band.set_gid(f"margin-{index}")
    for name, ends, width in (("interval", row.interval, 1.2), ("tost", row.tost_interval, 4.5)):
        if ends is not None:
            (line,) = axes.plot(ends, (at, at), color=row.colour, linewidth=width, solid_capstyle="butt", zorder=3)
            line.set_gid(f"{name}-{index}")
    (point,) = axes.plot(row.estimate, at, "o", color=row.colour, markersize=8, zorder=4)
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


def epochs_plot(report: ReportDocument) -> Plot | None:
    """Draw FID@n in the course of the trainings; None where it was not measured."""
    found = {run: curve.fid for run, curve in report.curves.items() if curve.fid is not None and curve.fid.epoch}
    if not found:
        return None
    key = _key_height(report)
    statistic = f"FID@{next(iter(found.values())).n}"
    with figure_of(key + 3.2) as figure:
        _key(figure, report, key + 3.2)
        axes = add_axes(figure, _LEFT, 0.5, WIDTH - _LEFT - _SIDE, 2.55)
        axes.set_xlabel("epoch")
        axes.set_ylabel(statistic)
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        for index, (run, fids) in enumerate(found.items()):
            colour, style = _run_style(report, run)
            (line,) = axes.plot(fids.epoch, fids.fid, style, color=colour, linewidth=1.2, marker=".", markersize=6)
            line.set_gid(f"fid-{index}")
        label = (
            f"{statistic} in the course of every training: a line a seed, coloured by arm, dashed where a seed was "
            "trained a second time. The verdict is on the last epoch; none was chosen by it."
        )
        return plot_of(figure, "epochs", label)


def curves_plot(report: ReportDocument) -> Plot | None:
    """Draw the losses of all runs, a panel a loss; None where none was logged."""
    curves = report.curves
    names = list(dict.fromkeys(name for curve in curves.values() for name in curve.losses))
    if not names:
        return None
    across, rows = 2, (len(names) + 1) // 2
    titles = [as_text(name, _TITLE) for name in names]
    title = max(map(_lines, titles)) * LINE
    drawn, key = 1.55 + title, _key_height(report)
    with figure_of(key + rows * drawn + 0.2) as figure:
        _key(figure, report, key + rows * drawn + 0.2)
        for index, name in enumerate(names):
            axes = _panel(figure, index % across, 0.45 + (rows - 1 - index // across) * drawn, drawn - 0.4 - title)
            axes.set_title(titles[index], color=INK)
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
        for row, (quantity, title) in enumerate((("skipped_steps", "skipped steps"), ("loss_scale", "loss scale"))):
            for column, network in enumerate(("G", "D")):
                axes = _panel(figure, column, 0.45 + row * drawn, drawn - 0.65)
                axes.set_title(f"{title}, {network}", color=INK)
                if quantity == "loss_scale":
                    axes.set_yscale("log", base=2)
                    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.6g}")
                else:
                    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
                    axes.set_xlabel("step")
                for run, curve in curves.items():
                    _line(axes, report, run, curve.step, getattr(curve, quantity)[network])
        label = (
            "Loss scale (logarithmic axis) and steps skipped so far of generator G and discriminator D, at the logged "
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


def _panel(figure: Figure, column: int, bottom: float, height: float) -> Axes:
    """Add one of two panels side by side; what stands right of its last tick is not cut."""
    axes = add_axes(figure, _LEFT - 0.1 + column * WIDTH / 2, bottom, WIDTH / 2 - _LEFT + 0.1 - _SIDE, height)
    axes.locator_params(nbins=4)
    return axes


def _run_style(report: ReportDocument, run: str) -> tuple[str, str]:
    """The colour and the style of the line of a run."""
    about = next((each for each in report.runs if each.name == run), None)
    if about is None:
        return MUTED, "-"
    return _colours(report).get(about.arm, MUTED), "--" if about.repeat else "-"


def _line(axes: Axes, report: ReportDocument, run: str, steps: Sequence[int], values: Sequence[float | None]) -> None:
    """Draw one run's values; those between two gaps as dots, since a line needs two."""
    colour, style = _run_style(report, run)
    drawn = _gaps(values)
    gap = np.concatenate(([True], np.isnan(drawn), [True]))
    axes.plot(steps, drawn, style, color=colour, linewidth=1)
    lone = ~gap[1:-1] & gap[:-2] & gap[2:]
    if lone.any():
        axes.plot(np.asarray(steps)[lone], drawn[lone], ".", color=colour, markersize=4)


def _gaps(values: Sequence[float | None]) -> npt.NDArray[np.float64]:
    return np.array([math.nan if value is None or not math.isfinite(value) else value for value in values], np.float64)
