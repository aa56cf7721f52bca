"""The document of `gate`."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from p2phd_eval.report.documents.document import Document
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.stats.verdicts.equivalence import Verdict
from p2phd_eval.stats.verdicts.floor_ratio import FloorVerdict
from p2phd_eval.stats.verdicts.scope import Scope


class GateRules(Struct, frozen=True, kw_only=True):
    """The rules, as given."""

    require: Literal["within", "not-worse", "within-floor"] | None
    max_dfid: float | None
    max_dkid: float | None
    within: str | None = None  # a share of the baseline's FID, such as "2%", or a number of FID
    two_sided: bool = False  # whether a candidate may not lie below by more, either


class GateDifference(Struct, frozen=True, kw_only=True):
    """One difference, positive where the candidate is worse."""

    estimand: Estimand
    estimate: float
    interval: tuple[float, float] | None  # two-sided, at the candidate's confidence; None where it is refused


class GateBand(Struct, frozen=True, kw_only=True):
    """A band around the baseline's FID@n, and what sampling alone makes of a rule that looks at the estimate."""

    baseline: float  # FID@n, the mean over its runs
    candidate: float
    low: float | None  # the smallest that passes; None: no lower end
    high: float  # the largest that passes
    standard_error: float  # of the difference, in the scope
    df: float | None  # None: normal
    scope: Scope  # "A": images are random; "B": training seeds too
    fails_if_equal: float  # probability that a candidate fails whose true value is the baseline's
    passes_at_edge: float  # that one passes whose true value is `high`
    passes_at_twice: float  # that one passes whose true value is twice as far from the baseline's
    images: int | None  # with which the first is below 5 %; None where no number does, or where it cannot be told
    interval_shows: Literal["inside", "outside", "undecided"]  # what the interval of the difference says of the band


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
    floor: FloorVerdict | UnsetType = UNSET  # what moved, where a noise floor is judged


class GateRow(GateCandidate, frozen=True, kw_only=True):
    """One candidate and one rule."""

    rule: str  # as on the command line, without its dashes: "require within", "max-dfid 1.0"
    holds: bool
    reason: str  # why, in a sentence or two; where it is broken, what to do
    band: GateBand | None = None  # of the rule "within"


class GateDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/gate"):
    """What `gate` found."""

    source: str  # the file that was judged
    holds: bool  # whether every rule holds for every candidate
    rules: GateRules
    results: tuple[GateRow, ...]
