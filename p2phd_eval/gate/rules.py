"""The rules of a gate: what a document must show of each candidate for an automatic check to pass."""

import dataclasses
import sys
from collections.abc import Sequence
from enum import Enum

from msgspec import UNSET

from p2phd_eval.errors import InputError, is_number, shown
from p2phd_eval.formatting import interval_text, number_text
from p2phd_eval.gate.floor_candidates import Gated, candidates_of_floor, floor_of, inside_floor
from p2phd_eval.gate.point_bands import Band, judge_by_band, parse_band
from p2phd_eval.report.documents.comparison_documents import Candidate, CompareDocument
from p2phd_eval.report.documents.document import from_result
from p2phd_eval.report.documents.floor_documents import FloorDocument
from p2phd_eval.report.documents.gate_documents import GateBand, GateCandidate, GateDifference, GateRow
from p2phd_eval.report.documents.study_documents import ArmVerdict, ReportDocument
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.stats.verdicts.equivalence import FAVOURABLE, Verdict

# A candidate's part of a comparison, and the comparison.
_Compared = tuple[Candidate, CompareDocument]
# What a bound is about where it is judged; the first where something else is.
_IN_FID = (Estimand.FID_AT_N, Estimand.FID, Estimand.BLOCK_FID)
_IN_KID = (Estimand.KID, Estimand.KID_RQ)


class Requirement(str, Enum):
    """What `--require` asks of a verdict."""

    WITHIN = "within"  # equivalence is shown (within, negligible), or the candidate is better
    NOT_WORSE = "not-worse"  # that, or inconclusive and shown not to be worse by more than the margin
    WITHIN_FLOOR = "within-floor"  # images are shown to move no more than those of benign variants of the baseline


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rules:
    """The rules of one gate; None: no such rule."""

    require: Requirement | None = None
    max_dfid: float | None = None  # the upper end of the interval of dFID may lie here or below
    max_dkid: float | None = None  # the same of dKID
    within: str | None = None  # the estimate of FID@n may lie this far from the baseline's: "2%", or a number of FID
    two_sided: bool = False  # of `within`: and no farther below it

    def __post_init__(self) -> None:
        if self.require is None and self.max_dfid is None and self.max_dkid is None and self.within is None:
            raise InputError(
                "gate",
                expected="a rule: --require within, --require not-worse, --require within-floor, --max-dfid NUMBER, "
                "--max-dkid NUMBER or --within 2%",
                found="none",
            )
        if self.two_sided and self.within is None:
            raise InputError("--two-sided", expected="a band, such as --within 2%", found="none")
        if self.within is not None:
            parse_band(self.within, two_sided=self.two_sided)
        for name, value in (("--max-dfid", self.max_dfid), ("--max-dkid", self.max_dkid)):
            if value is not None and not is_number(value, -sys.float_info.max, sys.float_info.max):
                raise InputError(name, expected="a finite number", found=shown(value))

    @property
    def band(self) -> Band | None:
        """What `within` says."""
        return None if self.within is None else parse_band(self.within, two_sided=self.two_sided)


@dataclasses.dataclass(frozen=True, kw_only=True)
class GateResult:
    """All rules and all candidates, in the document's order."""

    source: str  # the document that was judged
    rules: Rules
    results: tuple[GateRow, ...]

    @property
    def holds(self) -> bool:
        """Whether every rule holds for every candidate."""
        return all(result.holds for result in self.results)

    @property
    def conclusion(self) -> str:
        """Whether the rules hold, in words."""
        broken = sum(not result.holds for result in self.results)
        return "all rules hold" if not broken else f"{broken} of {len(self.results)} rules broken"

    def __repr__(self) -> str:
        broken = [f"{each.arm}, {each.rule}: {each.reason}" for each in self.results if not each.holds]
        return "\n".join([f"GateResult: {self.conclusion}", *broken])


def judge(document: Gated, rules: Rules, where: str) -> GateResult:
    """Judge each candidate of a document by each rule.

    A training of a candidate that failed breaks every rule: what is left to compare is a selection, and no interval
    speaks of the run that has no FID.

    `where`: its file, for errors. Raises `InputError` if the document has no candidate, or is asked for a noise floor
    and tells of none.
    """
    compared: list[_Compared | None]
    floor = candidates_of_floor(floor_of(document, where)) if rules.require is Requirement.WITHIN_FLOOR else []
    if isinstance(document, FloorDocument):
        compared, found = [None] * len(document.candidates), candidates_of_floor(document)
    elif isinstance(document, CompareDocument):
        compared = [(entry, document) for entry in document.candidates]
        found = [_of_comparison(entry, document) for entry in document.candidates]
    else:
        judged_in = document.judged_in
        by_arm = {arm: (_entry_of(arm, comparison), comparison) for arm, comparison in judged_in.items()}
        compared = [by_arm.get(verdict.arm) for verdict in document.verdicts]
        found = [_of_report(*each, where) for each in zip(document.verdicts, compared, strict=True)]
    if not found:
        fix = "Compare one with the baseline: a gate without any shows nothing."
        raise InputError(where, expected="at least one candidate", found="none", fix=fix)
    results = tuple(row for each in zip(found, compared, strict=True) for row in _judge(*each, rules, floor))
    return GateResult(source=where, rules=rules, results=results)


def _entry_of(arm: str, comparison: CompareDocument) -> Candidate:
    return next(entry for entry in comparison.candidates if entry.name == arm)


def _of_comparison(entry: Candidate, comparison: CompareDocument) -> GateCandidate:
    return from_result(
        GateCandidate,
        entry,
        arm=entry.name,
        differences=tuple(from_result(GateDifference, each) for each in entry.measured),
        n=comparison.n,
        confidence=comparison.confidence,
        failed=0,
    )


def _of_report(entry: ArmVerdict, compared: _Compared | None, where: str) -> GateCandidate:
    """The verdict, which counts failed runs; what it leaves out comes from the comparison of the runs that finished."""
    if compared is None and entry.judged is not None:
        raise InputError(
            f"{where}, verdicts",
            expected=f"a candidate {entry.arm!r} in its comparisons",
            found="none",
            fix=ReportDocument.again,
        )
    found = None if compared is None else _of_comparison(*compared)
    return GateCandidate(
        arm=entry.arm,
        verdict=entry.verdict,
        sentence=entry.sentence,
        judged=entry.judged if found is None else found.judged,
        refusal="" if found is None else found.refusal,
        differences=() if found is None else found.differences,
        n=None if found is None else found.n,
        confidence=entry.confidence,
        non_inferior=None if found is None else found.non_inferior,
        failed=entry.failed,
    )


def _judge(
    candidate: GateCandidate, compared: _Compared | None, rules: Rules, floor: Sequence[GateCandidate]
) -> list[GateRow]:
    found = []
    if rules.require is not None:
        rule = f"require {rules.require.value}"
        if rules.require is Requirement.WITHIN_FLOOR:
            found.append(_result(candidate, rule, *inside_floor(candidate.arm, floor)))
        else:
            found.append(_result(candidate, rule, _meets(candidate, rules.require), _verdict_sentence(candidate)))
    for option, bound, estimands in (("max-dfid", rules.max_dfid, _IN_FID), ("max-dkid", rules.max_dkid, _IN_KID)):
        if bound is not None:
            # What was judged, where the bound is in its unit.
            estimand = candidate.judged if candidate.judged in estimands else estimands[0]
            assert estimand is not None
            found.append(_result(candidate, f"{option} {bound!r}", *_bounded(candidate, estimand, bound)))
    if rules.band is not None:
        rule = f"within {rules.band.text}{' two-sided' if rules.two_sided else ''}"
        if compared is None:
            found.append(_result(candidate, rule, False, f"There is no FID@n: {candidate.sentence}"))
        else:
            found.append(_result(candidate, rule, *judge_by_band(*compared, rules.band)))
    return found


def _result(candidate: GateCandidate, rule: str, holds: bool, reason: str, band: GateBand | None = None) -> GateRow:
    if candidate.failed:
        runs = "one training" if candidate.failed == 1 else f"{candidate.failed} trainings"
        lead = f"{runs[0].upper()}{runs[1:]} of {candidate.arm} failed, and those which finished are a selection."
        holds, reason = False, f"{lead} {reason}"
    return from_result(GateRow, candidate, rule=rule, holds=holds, reason=reason, band=band)


def _verdict_sentence(candidate: GateCandidate) -> str:
    if candidate.floor is not UNSET:  # which says what moved
        return candidate.sentence
    judged = candidate.verdict is not Verdict.NOT_JUDGED
    return f"{f'Verdict {candidate.verdict.value}' if judged else 'Nothing was judged'}. {candidate.sentence}"


def _meets(candidate: GateCandidate, requirement: Requirement) -> bool:
    if candidate.verdict in FAVOURABLE:
        return True
    undecided = candidate.verdict is Verdict.INCONCLUSIVE
    return requirement is Requirement.NOT_WORSE and undecided and candidate.non_inferior is True


def _bounded(candidate: GateCandidate, estimand: Estimand, bound: float) -> tuple[bool, str]:
    difference = next((each for each in candidate.differences if each.estimand is estimand), None)
    if difference is None or difference.interval is None:
        name = f"d{estimand.value}" if candidate.n is None else estimand.difference_at(candidate.n)
        return False, f"There is no interval of {name}: {candidate.refusal or candidate.sentence}"
    assert candidate.n is not None and candidate.judged is not None
    low, high = difference.interval
    beside = "" if estimand is candidate.judged else f" ({candidate.judged.difference_at(candidate.n)} was judged)"
    interval = (
        f"{100 * candidate.confidence:.4g} % interval of {estimand.difference_at(candidate.n)} "
        f"{interval_text(difference.interval)}"
    )
    if high <= bound:
        favourable = candidate.verdict in FAVOURABLE
        more = "" if favourable else f" The bound is about that alone: the verdict is {candidate.verdict.value}."
        return True, f"The {interval} ends at or below {bound:g}{beside}.{more}"
    shown = "so more than that is not excluded" if low <= bound else "and lies wholly above it"
    return False, f"The {interval} ends {number_text(high - bound)} above {bound:g}, {shown}{beside}."
