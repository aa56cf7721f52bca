"""The plan of a comparison as tables."""

from p2phd_eval.formatting import given_text, number_text
from p2phd_eval.report.console import NOTHING, ResultTable
from p2phd_eval.stats.verdicts.sample_size import Plan, PlannedArm


def plan_tables(arm: PlannedArm) -> list[ResultTable]:
    """Return the table of images needed and, where a number of images is at hand, that of what it can do."""
    tables = [_images_table(arm)]
    if arm.plan.n is not None:
        tables.append(_at_hand_table(arm, arm.plan.n))
    return tables


def _images_table(arm: PlannedArm) -> ResultTable:
    plan, upper = arm.plan, arm.upper
    columns = ["scope", "runs an arm", "to show it is within", f"to find ±{given_text(plan.margin)}"]
    rows = [[*_place(row.runs), _images(row.images_within), _images(row.images_detect)] for row in plan.rows]
    if upper is not None and arm.seed_sd is not None:
        columns += [f"{column}, seed sd {number_text(arm.seed_sd.high)}" for column in columns[2:]]
        for cells, row in zip(rows, upper.rows, strict=True):
            cells += [_images(row.images_within), _images(row.images_detect)]
    return ResultTable(
        title=f"{_of(arm)}Images needed for a margin of {_size(arm)}, with a power of {plan.power:.4g}",
        columns=tuple(columns),
        rows=tuple(map(tuple, rows)),
        notes=(*_scopes(arm), *_meanings(plan), f"Margin: {arm.margin_text}.", *_seed_notes(arm), *_image_notes(arm)),
    )


def _at_hand_table(arm: PlannedArm, n: int) -> ResultTable:
    plan, upper = arm.plan, arm.upper
    notes = []
    if arm.components.seed_sds:
        notes.append(f"Scope B with {n:,} images: {_runs_sentence(plan)}.")
        if upper is not None and arm.seed_sd is not None:
            notes.append(f"With a seed sd of {number_text(arm.seed_sd.high)} instead: {_runs_sentence(upper)}.")
    return ResultTable(
        title=f"{_of(arm)}What {n:,} images can do, with a power of {plan.power:.4g}",
        columns=("scope", "runs an arm", "smallest margin to be shown", "smallest difference to be found"),
        rows=tuple(
            (*_place(row.runs), *(_found(value) for value in (row.smallest_margin, row.smallest_difference)))
            for row in plan.rows
        ),
        notes=tuple(notes),
    )


def _size(arm: PlannedArm) -> str:
    about = "about " if arm.plan.from_seeds else ""
    return f"{about}±{given_text(arm.plan.margin)} in {_judged(arm)}"


def _judged(arm: PlannedArm) -> str:
    # Without a pilot nobody said how many images there are.
    return "FID@n" if arm.name is None else arm.judged.name_at(arm.components.n_images)


def _found(value: float | None) -> str:
    return NOTHING if value is None else number_text(value)


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
        f"To show it is within: the {inner} interval lies inside the margin, if there is no true difference.",
        f"To find ±{given_text(plan.margin)}: the {outer} interval excludes 0, if the true difference is that large.",
    ]


def _seed_notes(arm: PlannedArm) -> list[str]:
    notes = []
    components, range_ = arm.components, arm.seed_sd
    if components.seed_sds and None in (components.seed_sd_baseline, components.seed_sd_candidate):
        notes.append("Only one arm's seed sd is known: the other's is taken to be the same.")
    if range_ is not None:
        runs = " + ".join(map(str, range_.runs))
        notes.append(
            f"The pilot's seed sd of {number_text(range_.value)}, image noise taken out, rests on {runs} runs: its "
            f"95 % range is {number_text(range_.low)} to {number_text(range_.high)}."
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
    if arm.plan.from_seeds:
        notes.append(
            "Two runs of the baseline say too little about their spread: with a margin from them nothing can be called "
            "within the error range. Train three or more, or set a margin beforehand."
        )
    return notes


def _image_notes(arm: PlannedArm) -> list[str]:
    notes = [
        "Images are label maps, generated by every run of both arms. FID is biased upward by about c/n: give all runs "
        "the same images, and compare only FIDs of one n."
    ]
    if arm.name is not None:
        notes.append(f"Margin and differences are those of {_judged(arm)}, by which the pilot was judged.")
        notes.append(
            f"From the pilot's {arm.components.n_images:,} images: an image's influence has an sd of "
            f"{number_text(arm.components.image_sd)}. With clusters, new images have to come in as many new clusters."
        )
    return notes


def _runs_sentence(plan: Plan) -> str:
    return (
        f"{_runs(plan.runs_within)} to show it is within, "
        f"{_runs(plan.runs_detect)} to find a difference of ±{given_text(plan.margin)}"
    )


def _runs(number: int | None) -> str:
    return "no number of runs is enough" if number is None else f"{number} runs an arm"
