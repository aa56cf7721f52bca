"""The section of a study's page that is about segmentation: verdicts, IoU by class with its intervals, and pictures."""

from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes

from p2phd_eval.images.decoding import read_rgb
from p2phd_eval.report.documents.segment_documents import SegmentArm, SegmentDocument
from p2phd_eval.report.page.figure import LINE, MUTED, WIDTH, Plot, add_axes, arm_colour, as_text, figure_of, plot_of
from p2phd_eval.report.page.page_pictures import data_uri
from p2phd_eval.report.page.page_tables import Cell, Table, plain_table
from p2phd_eval.report.tables.segment_tables import class_iou_table, segment_table

_WIDEST = 1280  # pixels of the picture
_LEFT = 1.3  # inches, for the names of classes
_NAME = 18  # characters of them in a line
_MOST_CLASSES = 40  # that a plot shows, those with most pixels


@dataclass(frozen=True, kw_only=True)
class SegmentSection:
    """What the section shows."""

    sentences: tuple[str, ...]  # a candidate each
    scores: Table
    plot: Plot
    classes: Table
    picture: str | None  # a data URI
    notes: tuple[str, ...]


def segment_section(document: SegmentDocument, picture: Path) -> SegmentSection:
    """Return the section; `picture`: that of the worst and median images, left out where it is gone."""
    scores, classes = segment_table(document), class_iou_table(document)
    verdicts = {each.name: each.verdict.value for each in document.verdicts}
    column = scores.columns.index("verdict")
    return SegmentSection(
        sentences=tuple(each.sentence for each in document.verdicts),
        scores=Table(
            columns=scores.columns,
            rows=tuple(
                tuple(
                    Cell(text, verdict=verdicts.get(row[0], "") if place == column else "")
                    for place, text in enumerate(row)
                )
                for row in scores.rows
            ),
        ),
        plot=class_plot(document),
        classes=plain_table(classes),
        picture=data_uri(read_rgb(picture), _WIDEST) if picture.is_file() else None,
        notes=(*scores.notes[len(document.verdicts) :], *classes.notes),
    )


def class_plot(document: SegmentDocument) -> Plot:
    """Draw the IoU of each class with its interval, a mark for each arm, and a ring for the real photos."""
    largest = sorted(range(len(document.classes)), key=lambda k: -document.classes[k].pixels)[:_MOST_CLASSES]
    shown = sorted(k for k in largest if document.classes[k].counted)
    names = [as_text(document.classes[k].name, _NAME) for k in shown]
    arms = list(document.arms)
    heights = [max(LINE * (name.count("\n") + 1), 0.11 * len(arms)) + 0.12 for name in names]
    drawn, below = sum(heights), 0.5
    with figure_of(drawn + below + 0.05) as figure:
        axes = add_axes(figure, _LEFT, below, WIDTH - _LEFT - 0.2, drawn)
        axes.set_ylim(0, drawn)
        axes.set_xlim(0, 100)
        middles, top = [], drawn
        for row, (k, height) in enumerate(zip(shown, heights, strict=True)):
            middle = top - height / 2
            for number, arm in enumerate(arms):
                at = middle + 0.11 * ((len(arms) - 1) / 2 - number)
                _mark(axes, f"{row}-{number}", arm, k, at, arm_colour(number))
            if document.real is not None and (real := document.real.classes[k]) is not None:
                (ring,) = axes.plot(real.value, middle, "o", color=MUTED, fillstyle="none", markersize=9, clip_on=False)
                ring.set_gid(f"real-{row}")
            middles.append(middle)
            top -= height
        axes.set_yticks(middles, names)
        axes.set_xlabel("IoU, %")
        ring_text = "" if document.real is None else ", the real photos (ring)"
        names_text = ", ".join(arm.name for arm in arms)
        percent = f"{100 * document.confidence:.4g} %"
        label = f"IoU of each class with its {percent} interval, from above: {names_text}{ring_text}."
        return plot_of(figure, "segmentation", label)


def _mark(axes: Axes, name: str, arm: SegmentArm, place: int, at: float, colour: str) -> None:
    found = arm.classes[place]
    if found is None:
        return
    if found.interval is not None:
        (line,) = axes.plot(found.interval, (at, at), color=colour, linewidth=1.6, solid_capstyle="butt", zorder=3)
        line.set_gid(f"interval-{name}")
    (point,) = axes.plot(found.value, at, "o", color=colour, markersize=4, zorder=4)
    point.set_gid(f"estimate-{name}")
