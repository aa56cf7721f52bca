"""From a pilot, or from numbers that are assumed, to the images and training seeds that decide a comparison."""

import dataclasses
import os
from functools import partial
from pathlib import Path
from typing import Literal

from msgspec import structs

from p2phd_eval.errors import InputError, is_number, require_whole, shown
from p2phd_eval.report.documents.comparison_documents import Candidate, CompareDocument
from p2phd_eval.report.documents.document import read_document
from p2phd_eval.report.documents.study_documents import ReportDocument
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.stats.verdicts.margins import MarginRule, find_margin, parse_margin, require_margin_fits
from p2phd_eval.stats.verdicts.power import LARGEST_SD, VarianceComponents
from p2phd_eval.stats.verdicts.sample_size import MOST_IMAGES, PlannedArm, at_upper_seed_sd, plan_sizes, seed_sd_range


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Found:
    """What is known of a candidate before the comparison that is planned."""

    name: str | None
    judged: Estimand
    baseline_runs: tuple[float, ...]  # what is judged, for each run of the pilot's baseline; empty without a pilot
    components: VarianceComponents


def plan_comparison(
    pilot: str | os.PathLike[str] | None = None,
    *,
    margin: float | str,
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
    margin : float or str
        Difference that still counts as none, > 0, in units of what the pilot judged, FID@n without a pilot; a share of
        the pilot's baseline such as "2%"; or "seeds", 2.77 standard deviations over the baseline's training seeds.
    power, confidence
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
        the margin does not fit what the pilot judged, or a number is out of its range.

    Examples
    --------
    >>> plan_comparison("pilot.json", margin="2%")[0].plan.rows[0].images_within
    >>> plan_comparison(image_sd=60, seed_sd=3, margin=2.0, images=500)[0].plan.runs_within
    """
    require_whole(2, MOST_IMAGES, {"--images": images})
    for option, sd in (("--image-sd", image_sd), ("--seed-sd", seed_sd)):
        if sd is not None and not is_number(sd, 0, LARGEST_SD):
            expected = f"a standard deviation: a number from 0 to {LARGEST_SD:g}"
            raise InputError(option, expected=expected, found=shown(sd))
    rule = parse_margin(margin)
    if rule is None:
        raise InputError("--margin", expected='a number above 0, a share such as 2%, or "seeds"', found="none")
    if pilot is None:
        found = [_assumed(image_sd, seed_sd, candidate)]
    elif image_sd is not None or seed_sd is not None:
        raise InputError("plan", expected="the JSON of a pilot, or --image-sd and --seed-sd", found="both")
    else:
        found = _read(Path(pilot), candidate)
    planned = []
    for each in found:
        n = images if images is not None or pilot is None else each.components.n_images
        size, text = _margin(rule, each)
        sizes = partial(plan_sizes, margin=size, power=power, n=n, confidence=confidence)
        upper = at_upper_seed_sd(each.components)
        planned.append(
            PlannedArm(
                name=each.name,
                judged=each.judged,
                margin_text=text,
                components=each.components,
                plan=sizes(each.components),
                seed_sd=seed_sd_range(each.components),
                upper=None if upper is None else sizes(upper),
            )
        )
    return tuple(planned)


def _margin(rule: MarginRule, found: _Found) -> tuple[float | Literal["seeds"], str]:
    """The margin to plan for, and where it comes from."""
    name = found.judged.name_at(found.components.n_images)
    require_margin_fits(rule, found.judged, since=f"the pilot was judged by {name}")
    if rule.kind == "seeds":
        return "seeds", "2.77 standard deviations over the planned runs of the baseline, image noise taken out"
    if rule.kind == "relative" and not found.baseline_runs:
        raise InputError(
            "--margin",
            expected="a number, since without a pilot there is no baseline to take a share of",
            found=f"{100 * rule.amount:g}%",
            fix="Give the JSON of a pilot, or a number.",
        )
    margin = find_margin(rule, found.judged, found.baseline_runs, n=found.components.n_images, noise=None)
    if margin.value is None:
        raise InputError(
            "--margin",
            expected=f"a share of a {name} above 0",
            found=margin.text,
            fix="Give the margin as a number, or compare the pilot again with --judge fid-at-n.",
        )
    return margin.value, margin.text


def _assumed(image_sd: float | None, seed_sd: float | None, candidate: str | None) -> _Found:
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
    return _Found(name=None, judged=Estimand.FID_AT_N, baseline_runs=(), components=components)


def _read(pilot: Path, candidate: str | None) -> list[_Found]:
    document = read_document(pilot, CompareDocument, ReportDocument)
    compared = document.comparisons.training if isinstance(document, ReportDocument) else document
    if compared is None or not compared.candidates:
        fix = "Write it with: p2phd-eval compare ... --json PILOT.json"
        raise InputError(str(pilot), expected="at least one candidate", found="none", fix=fix)
    chosen = [each for each in compared.candidates if candidate in (None, each.name)]
    if not chosen:
        names = ", ".join(each.name for each in compared.candidates)
        raise InputError("--candidate", expected=f"one of {names} in {pilot}", found=str(candidate))
    return [_found(pilot, each) for each in chosen]


def _found(pilot: Path, candidate: Candidate) -> _Found:
    measured = {each.estimand: each for each in candidate.measured}.get(candidate.judged)
    if candidate.test is None or candidate.components is None or measured is None:
        raise InputError(
            str(pilot),
            expected=f"{candidate.name}, judged by {candidate.judged.value}",
            found=f"that nothing was judged: {candidate.refusal}",
            fix="Compare the pilot again with --judge fid-at-n, which is never refused.",
        )
    return _Found(
        name=candidate.name,
        judged=candidate.judged,
        baseline_runs=measured.baseline_runs,
        components=VarianceComponents(**structs.asdict(candidate.components)),
    )
