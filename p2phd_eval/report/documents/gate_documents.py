"""The document of `gate`."""

from typing import Literal

from msgspec import Struct

from p2phd_eval.report.documents.document import Document
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.stats.verdicts.equivalence import Verdict


class GateRules(Struct, frozen=True, kw_only=True):
    """The rules, as given."""

    require: Literal["within", "not-worse"] | None
    max_dfid: float | None
    max_dkid: float | None


class GateDifference(Struct, frozen=True, kw_only=True):
    """One difference, positive where the candidate is worse."""

    estimand: Estimand
    estimate: float
    interval: tuple[float, float] | None  # two-sided, at the candidate's confidence; None where it is refused


class GateCandidate(Struct, frozen=True, kw_only=True):
    """What a document says of one candidate; its numbers are the document's own."""

    arm: str
    verdict: Verdict
    sentence: str  # the verdict in words, with its scope and interval
    judged: Estimand | None  # what the verdict is about; None where nothing could be compared
    refusal: str  # why nothing was judged; empty where it was
    n: int | None  # images of each set
    differences: tuple[GateDifference, ...]  # everything that was measured
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
