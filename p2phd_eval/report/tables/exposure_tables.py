"""A blind test under a time limit, as it is scored: tables."""

from collections.abc import Sequence

from p2phd_eval.report.console import ResultTable
from p2phd_eval.report.documents.blind_test_documents import percent
from p2phd_eval.report.documents.exposure_documents import ExposureTiming, Observer
from p2phd_eval.report.documents.exposure_plan import exposure_text
from p2phd_eval.report.wording import VERDICTS
from p2phd_eval.stats.proportions.exposed_choice import ExposureAnalysis, ExposureShare


def exposure_table(
    title: str, analysis: ExposureAnalysis, timing: Sequence[ExposureTiming], notes: Sequence[str]
) -> ResultTable:
    """Return the table of the exposures, each with its share, intervals and verdict, and the overall share last."""
    level = f"{100 * analysis.confidence:.4g} %"
    shown = {each.exposure: each for each in timing}
    parts = [*analysis.exposures, analysis.overall]
    judged = [part.population or part.asked for part in parts]
    return ResultTable(
        title=title,
        columns=(
            "shown for",
            "really, median",
            "candidate chosen",
            "share",
            f"{level} interval, these people and images",
            f"{level} interval, people and images like these",
            "verdict",
            "p of 50 %, adjusted",
            f"p outside ± {percent(analysis.margin)} %, adjusted",
        ),
        rows=tuple(
            (
                "all exposures" if part.exposure is None else exposure_text(part.exposure),
                _median(None if part.exposure is None else shown[part.exposure].median),
                f"{part.chosen} of {part.trials}",
                "–" if part.share is None else f"{percent(part.share)} %",
                *_intervals(part),
                "no trials" if claim is None else VERDICTS[claim.verdict].of_people,
                "–" if claim is None else f"{claim.p_difference_holm:.2g}",
                "–" if claim is None else f"{claim.p_equivalence_holm:.2g}",
            )
            for part, claim in zip(parts, judged, strict=True)
        ),
        notes=(
            *notes,
            "Verdict and p-values are of people and images like these where there are five of either, else of these.",
        ),
        styles=tuple("" if claim is None else VERDICTS[claim.verdict].style for claim in judged),
    )


def observers_table(people: Sequence[Observer]) -> ResultTable:
    """Return the table of the people: what counts, what is left out, and the checks."""
    return ResultTable(
        title="Each person alone",
        columns=(
            "person",
            "attention checks",
            "candidate chosen",
            "left chosen",
            "time was off",
            "dropped",
            "display's frame",
            "median answer",
        ),
        rows=tuple(
            (
                each.person,
                _checks(each),
                f"{each.chosen} of {each.trials}",
                f"{each.left} of {each.trials}",
                str(each.off),
                str(each.dropped),
                "–" if each.frame is None else f"{each.frame:.1f} ms",
                "–" if each.seconds is None else f"{each.seconds:.1f} s",
            )
            for each in people
        ),
        styles=tuple("" if each.passed else "yellow" for each in people),
    )


def _checks(each: Observer) -> str:
    if each.needed is None and each.passed:
        return "none"
    if each.needed is None:
        return f"failed: only {each.checks} seen as planned"
    return f"{'passed' if each.passed else 'failed'}: {each.right} of {each.checks}, {each.needed} needed"


def _median(milliseconds: float | None) -> str:
    return "" if milliseconds is None else f"{milliseconds:.1f} ms"


def _intervals(part: ExposureShare) -> tuple[str, str]:
    claims = (part.asked, part.population)
    first, second = (
        "–" if claim is None else f"({percent(claim.interval[0])}, {percent(claim.interval[1])}) %" for claim in claims
    )
    return first, second
