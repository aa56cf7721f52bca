"""What a gate judges of a noise floor: the candidates of its document, and whether they are inside."""

from collections.abc import Sequence

from msgspec import UNSET

from p2phd_eval.errors import InputError
from p2phd_eval.report.documents.comparison_documents import CompareDocument
from p2phd_eval.report.documents.floor_documents import FloorDocument, FloorFid
from p2phd_eval.report.documents.gate_documents import GateCandidate, GateDifference
from p2phd_eval.report.documents.study_documents import ReportDocument
from p2phd_eval.report.floor_wording import FLOOR_VERDICTS
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.stats.verdicts.floor_ratio import FloorVerdict

#: What a gate judges.
Gated = CompareDocument | ReportDocument | FloorDocument


def candidates_of_floor(document: FloorDocument) -> list[GateCandidate]:
    """Return the candidates of a noise floor; their verdict is the nearest of those on quality."""
    return [
        GateCandidate(
            arm=entry.name,
            verdict=FLOOR_VERDICTS[entry.verdict].as_verdict,
            sentence=entry.sentence,
            judged=None if entry.fid is None else Estimand.FID_AT_N,
            refusal="there are no real photos" if entry.fid is None else "",
            differences=() if entry.fid is None else (_difference(entry.fid),),
            n=document.images if entry.fid is None else entry.fid.n,
            confidence=document.confidence,
            non_inferior=None,
            failed=0,
            floor=entry.verdict,
        )
        for entry in document.candidates
    ]


def floor_of(document: Gated, where: str) -> FloorDocument:
    """Return the noise floor that a document tells of; raises `InputError`, naming its file, if it tells of none."""
    if isinstance(document, FloorDocument):
        return document
    if isinstance(document, ReportDocument) and document.floor is not UNSET:
        return document.floor
    raise InputError(
        where,
        expected="a noise floor, for --require within-floor",
        found="a report without any" if isinstance(document, ReportDocument) else "a comparison of FIDs",
        fix="Mark an arm of the study as benign, or give what p2phd-eval floor --json wrote.",
    )


def inside_floor(arm: str, floor: Sequence[GateCandidate]) -> tuple[bool, str]:
    """Return whether an arm is inside the noise floor, and why; `floor`: all candidates of its document."""
    found = next((each for each in floor if each.arm == arm), None)
    if found is None:
        return False, f"{arm} is not held against the noise floor: it has no finished run of a seed that all arms have."
    return found.floor is FloorVerdict.INSIDE, found.sentence


def _difference(fid: FloorFid) -> GateDifference:
    return GateDifference(estimand=Estimand.FID_AT_N, estimate=fid.estimate, interval=fid.interval)
