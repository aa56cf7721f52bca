"""The plan of a comparison as tables and as a document."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from p2phd_eval.report.console import ResultTable
from p2phd_eval.report.documents import document
from p2phd_eval.stats.verdicts.sample_size import Plan, PlannedArm

_NO_PILOT = {"n_images": None, "runs_baseline": None, "runs_candidate": None}


def plan_tables(arm: PlannedArm) -> list[ResultTable]:
    """Return the table of images needed and, where a number of images is at hand, that of what it can do."""
    tables = [_images_table(arm)]
    if arm.plan.n is not None:
        tables.append(_at_hand_table(arm, arm.plan.n))
    return tables


def plan_document(arms: Sequence[PlannedArm], pilot: Path | None) -> dict[str, Any]:
    """Return the JSON document of the plans, one for each candidate of the pilot."""
    first = arms[0].plan
    return document(
        "plan",
        pilot=None if pilot is None else str(pilot),
        margin=first.margin,
        power=first.power,
        confidence=first.confidence,
        images=first.n,
        plans=[
            {
                "candidate": arm.name,
                "metric": arm.metric,
                "components": {**dataclasses.asdict(arm.components), **({} if pilot is not None else _NO_PILOT)},
                "seed_sd_range": None if arm.seed_sd is None else dataclasses.asdict(arm.seed_sd),
                **_answers(arm.plan),
                "at_upper_seed_sd": None if arm.upper is None else _answers(arm.upper),
            }
            for arm in arms
        ],
    )


def _answers(plan: Plan) -> dict[str, Any]:
    return {
        "rows": [{"scope": row.scope.value, **dataclasses.asdict(row)} for row in plan.rows],
        "runs_within": plan.runs_within,
        "runs_detect": plan.runs_detect,
    }


def _images_table(arm: PlannedArm) -> ResultTable:
    plan, upper = arm.plan, arm.upper
    columns = ["scope", "runs an arm", "to show it is within", f"to find ±{plan.margin:g}"]
    rows = [[*_place(row.runs), _images(row.images_within), _images(row.images_detect)] for row in plan.rows]
    if upper is not None and arm.seed_sd is not None:
        columns += [f"{column}, seed sd {arm.seed_sd.high:.3g}" for column in columns[2:]]
        for cells, row in zip(rows, upper.rows, strict=True):
            cells += [_images(row.images_within), _images(row.images_detect)]
    return ResultTable(
        title=f"{_of(arm)}Images needed for a margin of ±{plan.margin:g}, with a power of {plan.power:.4g}",
        columns=tuple(columns),
        rows=tuple(map(tuple, rows)),
        notes=(*_scopes(arm), *_meanings(plan), *_seed_notes(arm), *_image_notes(arm)),
    )


def _at_hand_table(arm: PlannedArm, n: int) -> ResultTable:
    plan, upper = arm.plan, arm.upper
    notes = []
    if arm.components.seed_sds:
        notes.append(f"Scope B with {n:,} images: {_runs_sentence(plan)}.")
        if upper is not None and arm.seed_sd is not None:
            notes.append(f"With a seed sd of {arm.seed_sd.high:.3g} instead: {_runs_sentence(upper)}.")
    return ResultTable(
        title=f"{_of(arm)}What {n:,} images can do, with a power of {plan.power:.4g}",
        columns=("scope", "runs an arm", "smallest margin to be shown", "smallest difference to be found"),
        rows=tuple(
            (*_place(row.runs), f"{row.smallest_margin:.3g}", f"{row.smallest_difference:.3g}") for row in plan.rows
        ),
        notes=tuple(notes),
    )


def _of(arm: PlannedArm) -> str:
    return "" if arm.name is None else f"{arm.name}: "


def _place(runs: int | None) -> tuple[str, str]:
    return ("A: these checkpoints", "as they are") if runs is None else ("B: the recipes", str(runs))


def _images(number: int | None) -> str:
    return "none is enough" if number is None else f"{number:,}"


def _scopes(arm: PlannedArm) -> list[str]:
    notes = ["Scope A asks about these checkpoints: images are random, models fixed."]
    if arm.components.seed_sds:
        notes.append("Scope B asks about the training recipes: training seeds are random too.")
    else:
        notes.append(
            "Nothing is known of training seeds, which move the FID too, often by more: for the recipes (scope B) "
            "give --seed-sd, or a pilot with several runs an arm."
        )
    return notes


def _meanings(plan: Plan) -> list[str]:
    inner, outer = f"{200 * plan.confidence - 100:.4g} %", f"{100 * plan.confidence:.4g} %"
    return [
        f"To show it is within: the {inner} interval lies inside ±{plan.margin:g}, if there is no true difference.",
        f"To find ±{plan.margin:g}: the {outer} interval excludes 0, if the true difference is that large.",
    ]


def _seed_notes(arm: PlannedArm) -> list[str]:
    notes = []
    components, range_ = arm.components, arm.seed_sd
    if components.seed_sds and None in (components.seed_sd_baseline, components.seed_sd_candidate):
        notes.append("Only one arm's seed sd is known: the other's is taken to be the same.")
    if range_ is not None:
        runs = " + ".join(map(str, range_.runs))
        notes.append(
            f"The pilot's seed sd of {range_.value:.3g} rests on {runs} runs: its 95 % range is {range_.low:.3g} to "
            f"{range_.high:.3g}."
        )
    elif components.seed_sds:
        notes.append("The seed sd is taken for exactly known. From a few runs it is not: try a larger one too.")
    plans = [each for each in (arm.plan, arm.upper) if each is not None]
    if any(None in (row.images_within, row.images_detect) for each in plans for row in each.rows):
        notes.append("None is enough: with so few runs the seeds alone leave too much open, whatever the images.")
    faded = sorted({row.runs or 0 for each in plans for row in each.rows if row.more_images_hurt})
    if faded:
        notes.append(
            f"With {' or '.join(map(str, faded))} runs an arm, many more images than that lose the power again: the "
            "few seeds alone then give the degrees of freedom. More runs are the way out."
        )
    return notes


def _image_notes(arm: PlannedArm) -> list[str]:
    notes = [
        "Images are label maps, generated by every run of both arms. FID is biased upward by about c/n: give all runs "
        "the same images, and compare only FIDs of one n."
    ]
    if arm.metric != "FID":
        notes.append(
            f"warning: the pilot could not judge by FID and judged by {arm.metric}: margin and differences here are "
            f"in units of {arm.metric}."
        )
    if arm.name is not None:
        notes.append(
            f"From the pilot's {arm.components.n_images:,} images: an image's influence has an sd of "
            f"{arm.components.image_sd:.3g}. With clusters, new images have to come in as many new clusters."
        )
    return notes


def _runs_sentence(plan: Plan) -> str:
    return (
        f"{_runs(plan.runs_within)} to show it is within, "
        f"{_runs(plan.runs_detect)} to find a difference of ±{plan.margin:g}"
    )


def _runs(number: int | None) -> str:
    return "no number of runs is enough" if number is None else f"{number} runs an arm"
