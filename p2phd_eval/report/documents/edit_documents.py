"""The document of `edit compare`: what editing does to the gap between arms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from msgspec import Struct

from p2phd_eval.report.documents.document import Document, finite, from_result
from p2phd_eval.stats.verdicts.equivalence import Verdict
from p2phd_eval.stats.verdicts.scope import Scope
from p2phd_eval.stats.verdicts.widening import MarginBase

if TYPE_CHECKING:
    from pathlib import Path

    from p2phd_eval.editing.compare_edits import EditComparison
    from p2phd_eval.editing.edit_distances import Place, Values
    from p2phd_eval.stats.errors.ratios import Ratio
    from p2phd_eval.stats.verdicts.widening import Estimate, Widening


class EditEstimate(Struct, frozen=True, kw_only=True):
    """A mean over edits; of a difference where it is one."""

    value: float
    se: float
    interval: tuple[float, float]
    p_value: float  # two-sided, of 0


class EditRatio(Struct, frozen=True, kw_only=True):
    """A widening as a share of a distance."""

    value: float
    interval: tuple[float | None, float | None]  # by Fieller's method; null: the data do not bound it


class WideningPart(Struct, frozen=True, kw_only=True):
    """How much farther apart the arms are on edited maps, at the same pixels; positive: farther."""

    edits: int
    images: int
    pairs: int  # of runs of both arms with one training seed
    scope: Scope
    original: float  # mean distance of the arms on maps as they were
    edited: float  # and on edited maps
    estimate: EditEstimate  # edited - original
    of_original: EditRatio | None  # the estimate over `original`; null where that is 0
    seeds_original: float | None  # mean distance of two seeds of the baseline on maps as they were; null for one seed
    seeds_edited: float | None
    seeds_estimate: EditEstimate | None  # how much editing widens the gap between two seeds
    of_seeds: EditRatio | None  # the estimate over `seeds_original`
    margin: float | None  # in units of the distance
    p_within: float | None  # of a widening or narrowing by the margin or more
    verdict: Verdict  # worse: the gap widens; better: it narrows


class WideningRowPart(Struct, frozen=True, kw_only=True):
    """The edits of one kind, in one distance at one place."""

    distance: str
    place: Literal["inside", "outside"]  # of what was edited
    kind: str  # of edits; "all"
    widening: WideningPart
    p_holm: float  # adjusted for all kinds in this distance and place; of "all" its own


class LocalityPart(Struct, frozen=True, kw_only=True):
    """How much samples change outside of what was edited."""

    distance: str
    baseline: EditEstimate
    candidate: EditEstimate
    difference: EditEstimate  # candidate - baseline


class EditedCandidatePart(Struct, frozen=True, kw_only=True):
    """A candidate against the baseline."""

    name: str
    judged: WideningPart  # of the judged distance inside; its verdict is adjusted for all candidates
    rows: tuple[WideningRowPart, ...]
    locality: tuple[LocalityPart, ...]


class EditRunPart(Struct, frozen=True, kw_only=True):
    """A training run."""

    folder: str
    seed: int  # of its training
    checkpoint_sha256: str


class EditArmPart(Struct, frozen=True, kw_only=True):
    """An arm, its runs in the order of their seeds."""

    name: str
    runs: tuple[EditRunPart, ...]


class EditGap(Struct, frozen=True, kw_only=True):
    """One edit: the judged distance inside, mean over the pairs of runs, by candidate; null where no pixel changed."""

    number: int  # its place in the script, from 1
    kind: str
    image: str
    inside: float  # share of the pixels that it changed
    original: tuple[float | None, ...]
    edited: tuple[float | None, ...]


class MarginPart(Struct, frozen=True, kw_only=True):
    """A widening that still counts as none."""

    share: float
    base: MarginBase  # gap: of the arms' distance on maps as they were; seeds: of that of two baseline seeds


class EditCompareDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/edit-compare"):
    """What editing does to the gap between arms."""

    again: ClassVar[str] = "Make it again: p2phd-eval edit compare."

    data: str
    data_sha256: str  # of names and contents of its label and instance maps
    phase: str
    script: str
    arms: tuple[EditArmPart, ...]  # the baseline first
    precision: str  # of generation
    judge: str  # the distance that the verdicts are about, inside of what was edited
    units: dict[str, str]  # of each distance; empty: none
    margin: MarginPart | None
    confidence: float
    candidates: tuple[EditedCandidatePart, ...]
    edits: tuple[EditGap, ...]
    worst: tuple[int, ...]  # numbers of the edits of which the first candidate's gap widened most
    notes: tuple[str, ...]


def edit_document(result: EditComparison, data: str, script: str, below: Path | None = None) -> EditCompareDocument:
    """Return the document of a comparison; `below`: the folder that runs are named from."""
    found, count = result.distances, len(result.arms[0].runs)

    def gaps(values: Mapping[tuple[str, Place], Values], k: int) -> tuple[float | None, ...]:
        own = values[result.judge.name, "inside"]
        means = [own[c * count : (c + 1) * count, k].mean() for c in range(len(result.candidates))]
        return tuple(finite(float(mean)) for mean in means)

    return EditCompareDocument(
        data=data,
        data_sha256=result.script.data_sha256,
        phase=result.script.phase,
        script=script,
        arms=tuple(
            EditArmPart(
                name=arm.name,
                runs=tuple(
                    from_result(
                        EditRunPart,
                        run,
                        folder=str(run.source) if below is None else run.source.relative_to(below).as_posix(),
                    )
                    for run in arm.runs
                ),
            )
            for arm in result.arms
        ),
        precision=result.precision,
        judge=result.judge.name,
        units={metric.name: metric.unit for metric in found.metrics},
        margin=None if result.margin is None else from_result(MarginPart, result.margin),
        confidence=result.confidence,
        candidates=tuple(
            EditedCandidatePart(
                name=each.name,
                judged=_widening(each.judged),
                rows=tuple(from_result(WideningRowPart, row, widening=_widening(row.widening)) for row in each.rows),
                locality=tuple(
                    LocalityPart(
                        distance=row.distance,
                        **{name: _estimate(getattr(row, name)) for name in ("baseline", "candidate", "difference")},
                    )
                    for row in each.locality
                ),
            )
            for each in result.candidates
        ),
        edits=tuple(
            from_result(EditGap, edit, original=gaps(found.original, k), edited=gaps(found.edited, k))
            for k, edit in enumerate(found.edits)
        ),
        worst=tuple(edit.number for edit in result.worst),
        notes=result.notes,
    )


def _widening(each: Widening) -> WideningPart:
    return from_result(
        WideningPart,
        each,
        estimate=_estimate(each.estimate),
        of_original=None if each.of_original is None else _ratio(each.of_original),
        seeds_estimate=None if each.seeds_estimate is None else _estimate(each.seeds_estimate),
        of_seeds=None if each.of_seeds is None else _ratio(each.of_seeds),
    )


def _estimate(each: Estimate) -> EditEstimate:
    return from_result(EditEstimate, each)


def _ratio(each: Ratio) -> EditRatio:
    low, high = each.interval
    return EditRatio(value=each.value, interval=(finite(low), finite(high)))
