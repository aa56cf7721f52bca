"""The document of `plan`."""

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from p2phd_eval.report.documents.document import Document, from_result
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.stats.verdicts.sample_size import Plan, PlannedArm, SeedSdRange
from p2phd_eval.stats.verdicts.scope import Scope

_NO_PILOT = {"n_images": None, "runs_baseline": None, "runs_candidate": None}


class PlannedFrom(Struct, frozen=True, kw_only=True):
    """What makes the difference uncertain; without a pilot nobody counted images and runs."""

    image_sd: float
    n_images: int | None
    seed_sd_baseline: float | None
    seed_sd_candidate: float | None
    runs_baseline: int | None
    runs_candidate: int | None
    image_df: float | None
    noise_sd_baseline: float | None
    noise_sd_candidate: float | None


class RunsAsked(Struct, frozen=True, kw_only=True):
    """What a number of runs an arm asks for, and what it gives."""

    scope: Scope
    runs: int | None  # None: scope A
    images_within: int | None  # None: no number is enough
    images_detect: int | None
    more_images_hurt: bool
    smallest_margin: float | None
    smallest_difference: float | None


class Answers(Struct, frozen=True, kw_only=True):
    """How many images and runs decide."""

    rows: tuple[RunsAsked, ...]
    runs_within: int | None
    runs_detect: int | None


class ArmPlan(Struct, frozen=True, kw_only=True):
    """The plan of one candidate."""

    candidate: str | None
    judged: Estimand  # margin and differences are in its unit
    margin: float  # from seeds: what it is on average
    margin_text: str  # where it comes from
    from_seeds: bool  # guessed from the runs of the planned comparison
    components: PlannedFrom
    seed_sd_range: SeedSdRange | None
    rows: tuple[RunsAsked, ...]
    runs_within: int | None
    runs_detect: int | None
    at_upper_seed_sd: Answers | None


class PlanDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/plan"):
    """What `plan` found."""

    pilot: str | None  # file
    margin: str  # as it was asked: a number, a share, or seeds
    power: float
    confidence: float
    images: int | None  # at hand
    plans: tuple[ArmPlan, ...]


def plan_document(arms: Sequence[PlannedArm], pilot: Path | None, margin: str) -> PlanDocument:
    """Return the document of the plans, one for each candidate of the pilot; `margin` is what was asked."""
    first = arms[0].plan
    return from_result(
        PlanDocument,
        first,
        margin=margin,
        pilot=None if pilot is None else str(pilot),
        images=first.n,
        plans=tuple(
            from_result(
                ArmPlan,
                arm.plan,
                candidate=arm.name,
                judged=arm.judged,
                margin_text=arm.margin_text,
                components=from_result(PlannedFrom, arm.components, **({} if pilot is not None else _NO_PILOT)),
                seed_sd_range=arm.seed_sd,
                rows=_rows(arm.plan),
                at_upper_seed_sd=None if arm.upper is None else from_result(Answers, arm.upper, rows=_rows(arm.upper)),
            )
            for arm in arms
        ),
    )


def _rows(plan: Plan) -> tuple[RunsAsked, ...]:
    return tuple(from_result(RunsAsked, row) for row in plan.rows)
