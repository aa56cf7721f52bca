"""A band around the baseline's FID@n in which the candidate's has to lie, and how much of the answer is chance.

It is the rule by which MLPerf inference accepted images of SDXL: a FID within 2 % of the reference's. The rule knows no
error, so what the report's error makes of it stands beside it.
"""

import dataclasses
import math

from msgspec import structs

from p2phd_eval.errors import InputError, shown
from p2phd_eval.formatting import apart_texts, chance_text, given_text, interval_text, number_text
from p2phd_eval.report.documents.comparison_documents import Candidate, CompareDocument, MeasuredPart
from p2phd_eval.report.documents.gate_documents import GateBand
from p2phd_eval.stats.confidence import t_interval
from p2phd_eval.stats.design import StandardError
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.stats.verdicts.point_rule import PointRuleResult, Shown, judge_by_point
from p2phd_eval.stats.verdicts.power import VarianceComponents, found_components
from p2phd_eval.stats.verdicts.scope import Scope

_LARGEST = {True: 1e4, False: 1e100}  # of a share in percent, and of a number
#: What is random where a candidate is sampled again.
RANDOM = {Scope.CHECKPOINTS: "images", Scope.RECIPES: "images and training seeds"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Band:
    """How far the candidate's FID@n may lie from the baseline's."""

    amount: float  # a share of the baseline's FID@n, or a number of FID
    is_share: bool
    two_sided: bool  # whether a candidate may not lie below by more, either

    @property
    def text(self) -> str:
        """The band as on the command line."""
        return given_text(100 * self.amount) + "%" if self.is_share else given_text(self.amount)

    def width(self, baseline: float) -> float:
        """Return how far that is from a baseline of this FID@n."""
        return self.amount * baseline if self.is_share else self.amount


def parse_band(given: str | float, *, two_sided: bool) -> Band:
    """Read a band: a share such as "2%", or a number of FID. Raises `InputError` for what is not above 0."""
    text = str(given).strip()
    is_share = text.endswith("%")
    try:
        amount = float(text.removesuffix("%"))
    except ValueError:
        amount = math.nan
    if not 0 < amount <= _LARGEST[is_share]:
        raise InputError(
            "--within",
            expected="a share of the baseline's FID above 0, such as 2%, or a number of FID, such as 0.5",
            found=shown(given),
        )
    return Band(amount=amount / 100 if is_share else amount, is_share=is_share, two_sided=two_sided)


def judge_by_band(entry: Candidate, document: CompareDocument, band: Band) -> tuple[bool, str, GateBand | None]:
    """Judge a candidate by a band: whether it holds, why, and the numbers; None where there are none."""
    name = Estimand.FID_AT_N.name_at(document.n)
    measured = next((each for each in entry.measured if each.estimand is Estimand.FID_AT_N), None)
    if measured is None or not measured.baseline_runs:
        return False, f"There is no {name}.", None
    baseline = math.fsum(measured.baseline_runs) / len(measured.baseline_runs)
    width = band.width(baseline)
    if not width > 0:
        return False, f"A share of the baseline's {name}, {number_text(baseline)}, is no band.", None
    result = judge_by_point(
        measured.estimate,
        _error(measured),
        width,
        two_sided=band.two_sided,
        components=_components(entry, measured, document),
        runs=_runs(measured, document.scope),
        confidence=document.confidence,
    )
    numbers = GateBand(
        baseline=baseline,
        candidate=baseline + measured.estimate,
        low=baseline - width if band.two_sided else None,
        high=baseline + width,
        standard_error=measured.se,
        df=measured.df,
        scope=document.scope,
        fails_if_equal=result.fails_if_equal,
        passes_at_edge=result.passes_at_edge,
        passes_at_twice=result.passes_at_twice,
        images=result.images,
        interval_shows=result.shown.value,
    )
    return result.holds, _reason(entry, document, numbers, result), numbers


def _error(measured: MeasuredPart) -> StandardError:
    return StandardError(value=measured.se, df=math.inf if measured.df is None else measured.df)


def _runs(measured: MeasuredPart, scope: Scope) -> tuple[int, int] | None:
    return (len(measured.baseline_runs), len(measured.runs)) if scope is Scope.RECIPES else None


def _components(entry: Candidate, measured: MeasuredPart, document: CompareDocument) -> VarianceComponents | None:
    """What the error of dFID@n is made of; in scope B a document tells it of what was judged alone."""
    if document.scope is Scope.CHECKPOINTS:
        images = _error(measured)
        return found_components(measured.baseline_runs, measured.runs, images, noise=(None, None), n=document.n)
    if entry.judged is not Estimand.FID_AT_N or entry.components is None:
        return None
    return VarianceComponents(**structs.asdict(entry.components))


def _reason(entry: Candidate, document: CompareDocument, band: GateBand, result: PointRuleResult) -> str:
    n, confidence = document.n, document.confidence
    ends = [band.high] if band.low is None else [band.low, band.high]
    candidate, baseline, *limits = apart_texts(band.candidate, band.baseline, *ends)
    inside = "inside" if result.holds else "outside"
    where = (
        f"{'not above' if result.holds else 'above'} {limits[0]}"
        if band.low is None
        else f"{inside} {' to '.join(limits)}"
    )
    place = f"{Estimand.FID_AT_N.name_at(n)} {candidate} is {where} (baseline {baseline})."
    told = {
        Shown.INSIDE: (2 * confidence - 1, "shows that it lies inside"),
        Shown.OUTSIDE: (confidence, "shows that it lies outside"),
        Shown.UNDECIDED: (2 * confidence - 1, "leaves open whether it lies inside"),
    }
    level, finding = told[result.shown]
    interval = interval_text(t_interval(result.estimate, result.error, level), marks=(-result.width, result.width))
    difference = f"{100 * level:.4g} % interval of {Estimand.FID_AT_N.difference_at(n)} {interval}"
    return f"{place} {_chance(entry, band)} The {difference} {finding}; the verdict is {entry.verdict.value}."


def _chance(entry: Candidate, band: GateBand) -> str:
    """What sampling alone makes of the rule, in a sentence."""
    if band.standard_error == 0:
        return "The images are the same, so that nothing is left to chance."
    images = images_text(band, entry.judged)
    enough = {None: "", "none": "; no number of images with these runs makes it less than 5 %"}
    return (
        f"By sampling alone ({RANDOM[band.scope]} are random, standard error {number_text(band.standard_error)}) a "
        f"candidate as good as the baseline fails with {chance_text(band.fails_if_equal)}"
        f"{enough.get(images, f'; from {images} images on with less than 5 %')}; one on the edge passes with "
        f"{chance_text(band.passes_at_edge)}, one twice as far with {chance_text(band.passes_at_twice)}."
    )


def images_text(band: GateBand, judged: Estimand | None) -> str | None:
    """How many images make a candidate like the baseline fail rarely; None where the document cannot tell."""
    if band.images is not None:
        return f"{band.images:,}"
    return "none" if band.scope is Scope.CHECKPOINTS or judged is Estimand.FID_AT_N else None
