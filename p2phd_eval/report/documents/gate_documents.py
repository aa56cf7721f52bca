"""The document of `gate`."""

from typing import Literal

from msgspec import Struct

from p2phd_eval.report.documents.document import Document
from p2phd_eval.stats.verdicts.equivalence import Verdict


class GateRules(Struct, frozen=True, kw_only=True):
    """The rules, as given."""

    require: Literal["within", "not-worse"] | None
    max_dfid: float | None
    max_dkid: float | None


class GateCandidate(Struct, frozen=True, kw_only=True):
    """What a document says of one candidate; its numbers are the document's own."""

    arm: str
    verdict: Verdict
    sentence: str  # the verdict in words, with its scope and interval
    statistic: str | None  # "FID" or "KID", whichever decides; None where nothing could be compared
    why_kid: str  # why FID does not decide; empty where it does
    estimate: float | None  # difference, positive where the candidate is worse; None where there is none
    interval: tuple[float, float] | None  # two-sided, at `confidence`
    confidence: float
    non_inferior: bool | None  # shown not to be worse by more than the margin; None without a margin
    failed: int  # trainings that did not finish


class GateRow(GateCandidate, frozen=True, kw_only=True):
    """One candidate and one rule."""

    rule: str  # as on the command line, without its dashes: "require within", "max-dfid 1.0"
    holds: bool
    reason: str  # why, in a sentence or two; where it is broken, what to do


class GateDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/gate"):
    """What `gate` found."""

    source: str  # the file that was judged
    holds: bool  # whether every rule holds for every candidate
    rules: GateRules
    results: tuple[GateRow, ...]
