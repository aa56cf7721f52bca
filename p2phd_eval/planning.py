"""From a pilot, or from numbers that are assumed, to the images and training seeds that decide a comparison."""

import os
from functools import partial
from pathlib import Path

from msgspec import structs

from p2phd_eval.errors import InputError
from p2phd_eval.report.documents.comparison_documents import CompareDocument
from p2phd_eval.report.documents.document import read_document
from p2phd_eval.report.documents.study_documents import ReportDocument
from p2phd_eval.stats.verdicts.power import VarianceComponents
from p2phd_eval.stats.verdicts.sample_size import PlannedArm, at_upper_seed_sd, plan_sizes, seed_sd_range

_Judged = tuple[str | None, str, VarianceComponents]  # name, what was judged, its components


def plan_comparison(
    pilot: str | os.PathLike[str] | None = None,
    *,
    margin: float,
    power: float = 0.8,
    confidence: float = 0.95,
    candidate: str | None = None,
    images: int | None = None,
    image_sd: float | None = None,
    seed_sd: float | None = None,
) -> tuple[PlannedArm, ...]:
    """How many images, and how many training seeds an arm, decide a comparison: what the command `plan` does.

    Parameters
    ----------
    pilot : path-like, optional
        A smaller comparison: what `compare --json` wrote, or the `report.json` of a study.
    margin, power, confidence
        See `plan_sizes`.
    candidate : str, optional
        Which of the pilot's candidates; by default each.
    images : int, optional
        Images at hand; by default the pilot's number.
    image_sd : float, optional
        Without a pilot: the standard deviation of an image's influence on the FID difference, its standard error times
        sqrt(n).
    seed_sd : float, optional
        Without a pilot: the standard deviation of the FID over training seeds.

    Returns
    -------
    tuple of PlannedArm
        One a candidate, each planned for alone.

    Raises
    ------
    InputError
        If there is neither a pilot nor `image_sd` or both are given, the pilot cannot be read or has no such candidate,
        or a number is out of its range.

    Examples
    --------
    >>> plan_comparison("pilot.json", margin=2.0)[0].plan.rows[0].images_within
    >>> plan_comparison(image_sd=60, seed_sd=3, margin=2.0, images=500)[0].plan.runs_within
    """
    if pilot is None:
        judged = [_assumed(image_sd, seed_sd, candidate)]
    elif image_sd is not None or seed_sd is not None:
        raise InputError("plan", expected="the JSON of a pilot, or --image-sd and --seed-sd", found="both")
    else:
        judged = _read(Path(pilot), candidate)
    planned = []
    for name, metric, components in judged:
        n = images if images is not None or pilot is None else components.n_images
        sizes = partial(plan_sizes, margin=margin, power=power, n=n, confidence=confidence)
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
    return tuple(planned)


def _assumed(image_sd: float | None, seed_sd: float | None, candidate: str | None) -> _Judged:
    if image_sd is None:
        raise InputError(
            "plan",
            expected="the JSON of a pilot, or --image-sd",
            found="neither",
            fix="Run a small comparison first: p2phd-eval compare ... --json PILOT.json",
        )
    if candidate is not None:
        raise InputError("--candidate", expected="the JSON of a pilot, which names candidates", found="no pilot")
    components = VarianceComponents(
        image_sd=image_sd,
        n_images=2,
        seed_sd_baseline=seed_sd,
        seed_sd_candidate=seed_sd,
        runs_baseline=1,
        runs_candidate=1,
    )
    return None, "FID", components


def _read(pilot: Path, candidate: str | None) -> list[_Judged]:
    document = read_document(pilot, CompareDocument, ReportDocument)
    compared = document.comparisons.training if isinstance(document, ReportDocument) else document
    if compared is None or not compared.candidates:
        fix = "Write it with: p2phd-eval compare ... --json PILOT.json"
        raise InputError(str(pilot), expected="at least one candidate", found="none", fix=fix)
    chosen: list[_Judged] = [
        (each.name, each.judged.value, VarianceComponents(**structs.asdict(each.components)))
        for each in compared.candidates
        if candidate in (None, each.name)
    ]
    if not chosen:
        names = ", ".join(each.name for each in compared.candidates)
        raise InputError("--candidate", expected=f"one of {names} in {pilot}", found=str(candidate))
    return chosen
