"""A gate in one call: a report or a comparison, as a file or as it was read, and the rules it has to meet."""

import os

from p2phd_eval.errors import as_choice
from p2phd_eval.gate.rules import GateResult, Requirement, Rules, judge
from p2phd_eval.report.documents.comparison_documents import CompareDocument
from p2phd_eval.report.documents.document import read_document
from p2phd_eval.report.documents.floor_documents import FloorDocument
from p2phd_eval.report.documents.study_documents import ReportDocument
from p2phd_eval.stores.store_path import as_path


def check_gate(
    report: str | os.PathLike[str] | ReportDocument | CompareDocument | FloorDocument,
    *,
    require: str | None = None,
    max_dfid: float | None = None,
    max_dkid: float | None = None,
    within: str | float | None = None,
    two_sided: bool = False,
) -> GateResult:
    """Check whether every candidate of a report meets every rule; at least one rule is needed.

    Parameters
    ----------
    report : path-like, ReportDocument, CompareDocument or FloorDocument
        The `report.json` of a study, or what `p2phd-eval compare --json` or `floor --json` wrote; the file or its
        document.
    require : {"within", "not-worse", "within-floor"}, optional
        "within": the verdict is within, negligible or better. "not-worse": that, or inconclusive and shown not to be
        worse by more than the margin. "within-floor", of a noise floor or of a study with benign arms: its images are
        inside the floor. Of a noise floor, "within" and "not-worse" are that, or quality that is kept.
    max_dfid : float, optional
        The upper end of the interval of dFID is at most this: of the one that was judged, or else of dFID@n.
    max_dkid : float, optional
        The same of dKID.
    within : str or float, optional
        The candidate's FID@n, as it was found, is not above the baseline's by more than this: a share such as "2%", or
        a number of FID. The rule knows no error; each of its results says in `band` how often chance alone decides.
    two_sided : bool
        Of `within`: nor below it by more.

    Returns
    -------
    GateResult
        `holds` says whether all is well, `results` why, for each candidate and rule.

    Raises
    ------
    InputError
        If there is no rule, or the document cannot be read, lacks something or has no candidate.

    Examples
    --------
    >>> assert check_gate("study/report.json", require="within").holds
    >>> gate = check_gate("study/report.json", within="2%", two_sided=True)
    >>> gate.results[0].band.fails_if_equal  # the probability that a candidate fails which is as good as the baseline
    """
    required = None if require is None else as_choice(Requirement, require, "--require")
    rules = Rules(
        require=required,
        max_dfid=max_dfid,
        max_dkid=max_dkid,
        within=None if within is None else str(within),
        two_sided=two_sided,
    )
    if isinstance(report, (ReportDocument, CompareDocument, FloorDocument)):
        return judge(report, rules, "the report")
    return judge(
        read_document(as_path(report), ReportDocument, CompareDocument, FloorDocument), rules, str(as_path(report))
    )
