"""`p2phd-eval plan`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from p2phd_eval.commands.options.common import Json
from p2phd_eval.errors import InputError
from p2phd_eval.report.console import Output
from p2phd_eval.report.documents import read_document

if TYPE_CHECKING:
    from p2phd_eval.stats.verdicts.power import VarianceComponents
    from p2phd_eval.stats.verdicts.sample_size import Plan

_Arm = tuple[str | None, str, "VarianceComponents"]  # name, what was judged, its components
_AGAIN = "Write it with: p2phd-eval compare ... --json PILOT.json"


def plan(
    margin: Annotated[float, typer.Option("--margin", help="FID difference that still counts as none.")],
    pilot: Annotated[
        Path | None,
        typer.Argument(
            metavar="[PILOT]", help="A smaller comparison: what `compare --json` wrote, or the report.json of a study."
        ),
    ] = None,
    power: Annotated[
        float, typer.Option("--power", help="Wished probability that the comparison is decided, 0.5 to 0.999.")
    ] = 0.8,
    confidence: Annotated[float, typer.Option("--confidence", help="Of the interval that is to exclude 0.")] = 0.95,
    candidate: Annotated[
        str | None, typer.Option("--candidate", metavar="NAME", help="Of the pilot. Default: each of its candidates.")
    ] = None,
    images: Annotated[
        int | None,
        typer.Option("--images", min=2, help="Images at hand: what they can do. Default: the pilot's number."),
    ] = None,
    image_sd: Annotated[
        float | None,
        typer.Option(
            "--image-sd",
            help="Without a pilot: the sd of an image's influence on the FID difference, its standard error * sqrt(n).",
        ),
    ] = None,
    seed_sd: Annotated[
        float | None, typer.Option("--seed-sd", help="Without a pilot: the sd of the FID over training seeds.")
    ] = None,
    json_target: Json = None,
) -> None:
    """How many images, and how many training seeds an arm, decide a comparison?

    For each number of runs an arm: the images needed to show that there is no difference beyond the margin, and to
    find a difference as large as the margin. For these checkpoints (scope A), and where the spread over training
    seeds is known for the training recipes (scope B).

    Examples:

        p2phd-eval compare real/ fp32/ amp/ --margin 2 --json pilot.json

        p2phd-eval plan pilot.json --margin 2 --power 0.8

        p2phd-eval plan --image-sd 60 --seed-sd 3 --margin 2 --images 500
    """
    from p2phd_eval.report.tables.plan_tables import PlannedArm, plan_document, plan_tables
    from p2phd_eval.stats.verdicts.sample_size import at_upper_seed_sd, plan_sizes, seed_sd_range

    arms = _assumed(image_sd, seed_sd, candidate) if pilot is None else _read(pilot, image_sd, seed_sd, candidate)

    def sizes(components: VarianceComponents) -> Plan:
        n = images if images is not None or pilot is None else components.n_images
        return plan_sizes(components, margin, power=power, n=n, confidence=confidence)

    planned = []
    for name, metric, components in arms:
        upper = at_upper_seed_sd(components)
        planned.append(
            PlannedArm(
                name=name,
                metric=metric,
                components=components,
                plan=sizes(components),
                seed_sd=seed_sd_range(components),
                upper=None if upper is None else sizes(upper),
            )
        )
    output = Output(json_target)
    if len(arms) > 1:
        output.note(
            f"Each of {len(arms)} candidates is planned for alone. Judged together (Holm), none needs more than with "
            f"--confidence {1 - (1 - confidence) / len(arms):.4g}."
        )
    for arm in planned:
        for table in plan_tables(arm):
            output.table(table)
    output.document(plan_document(planned, pilot))


def _assumed(image_sd: float | None, seed_sd: float | None, candidate: str | None) -> list[_Arm]:
    from p2phd_eval.stats.verdicts.power import VarianceComponents

    if image_sd is None:
        raise InputError(
            "plan",
            expected="the JSON of a pilot, or --image-sd",
            found="neither",
            fix="Run a small comparison first: p2phd-eval compare ... --json PILOT.json",
        )
    if candidate is not None:
        raise InputError("--candidate", expected="the JSON of a pilot, which names candidates", found="no pilot")
    return [
        (
            None,
            "FID",
            VarianceComponents(
                image_sd=image_sd,
                n_images=2,
                seed_sd_baseline=seed_sd,
                seed_sd_candidate=seed_sd,
                runs_baseline=1,
                runs_candidate=1,
            ),
        )
    ]


def _read(pilot: Path, image_sd: float | None, seed_sd: float | None, candidate: str | None) -> list[_Arm]:
    if image_sd is not None or seed_sd is not None:
        raise InputError("plan", expected="the JSON of a pilot, or --image-sd and --seed-sd", found="both")
    document = read_document(pilot, ("compare", "report"))
    if document["schema"].endswith("/report"):
        document = document["comparisons"]["training"] or {"candidates": []}
    if not document["candidates"]:
        raise InputError(str(pilot), expected="at least one candidate", found="none", fix=_AGAIN)
    found = [_components(pilot, i, values) for i, values in enumerate(document["candidates"])]
    chosen = [each for each in found if candidate in (None, each[0])]
    if not chosen:
        names = ", ".join(str(name) for name, *_ in found)
        raise InputError("--candidate", expected=f"one of {names} in {pilot}", found=str(candidate))
    return chosen


def _components(pilot: Path, index: int, candidate: Any) -> _Arm:
    from p2phd_eval.stats.verdicts.power import VarianceComponents

    where = f"{pilot}: candidates[{index}]"
    try:
        components = VarianceComponents(**candidate["components"])
        return str(candidate["name"]), str(candidate.get("statistic", "FID")), components
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(
            where, expected="a name and the components of its variance", found=f"{error}", fix=_AGAIN
        ) from error
    except InputError as error:
        raise InputError(f"{where}: {error.where}", expected=error.expected, found=error.found, fix=_AGAIN) from error
