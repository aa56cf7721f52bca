"""What the first screen of a study's page says: a card for each arm, and how far from the photos all of them are."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from p2phd_eval.formatting import estimate_texts, given_text, interval_text
from p2phd_eval.images.condition_ids import SampleCounts
from p2phd_eval.report.documents.comparison_documents import Candidate, CompareDocument
from p2phd_eval.report.documents.study_documents import ArmVerdict, ReportDocument
from p2phd_eval.report.page.page_tables import judged_texts, random_parts
from p2phd_eval.report.wording import SCOPES, VERDICTS, VerdictWording, draws_text, scale_sentence
from p2phd_eval.stats.verdicts.equivalence import Verdict


@dataclass(frozen=True, kw_only=True)
class VerdictCard:
    """The verdict on an arm."""

    arm: str
    verdict: Verdict
    wording: VerdictWording
    sentence: str
    facts: tuple[tuple[str, str], ...]  # a word or two, and its number
    lines: tuple[str, ...]  # sentences below them
    details: tuple[str, ...]  # sentences for those who ask how it was found


def verdict_cards(report: ReportDocument) -> list[VerdictCard]:
    """Return a card for each arm but the baseline."""
    judged_in = report.judged_in
    return [
        _card(entry, judged_in.get(entry.arm), report.arms[0], _failures(report, entry.arm))
        for entry in report.verdicts
    ]


def convergence(report: ReportDocument) -> tuple[str, bool]:
    """Return how far from the photos the baseline is, as a sentence, and whether it is farther than models that work.

    The sentence is empty where nothing was compared, or the photos are too few to give a scale.
    """
    document = report.main
    if document is None or document.real_scale is None:
        return "", False
    fid = statistics.mean(run.fid for run in document.baseline.runs)
    sentence = scale_sentence(document.baseline.name, document.n, fid, document.real_scale)
    return sentence, document.real_scale.far_away(fid)


def _failures(report: ReportDocument, arm: str) -> list[str]:
    """Why runs of an arm, or of the baseline that it is held against, are missing from its comparison."""
    failed = [run for run in report.runs if run.failed and run.arm in (report.arms[0], arm)]
    return [f"{run.name} failed: {run.why or run.status}." for run in failed]


def _card(entry: ArmVerdict, document: CompareDocument | None, baseline: str, failures: Sequence[str]) -> VerdictCard:
    facts, lines, details = [], list[str](), []
    if document is not None:
        candidate = next(each for each in document.candidates if each.name == entry.arm)
        margin = candidate.margin.value
        if (test := candidate.test) is not None:
            estimate, interval = judged_texts(test)
            facts += [
                (f"{candidate.judged.difference_at(document.n)} against {baseline}", estimate),
                (f"{100 * test.confidence:.4g} % interval over {random_parts(document.scope)}", interval),
            ]
        if isinstance(document.samples, SampleCounts):
            facts.append(("images", draws_text(document.samples, document.clusters)))
        facts.append(("margin", "none" if margin is None else f"±{given_text(margin)}"))
        lines = [f"Margin: {candidate.margin.text}.", *_companion_lines(candidate, document.n)]
        details = [f"{SCOPES[document.scope]}.", *_test_lines(candidate)]
    facts.append(("runs", f"{entry.runs - entry.failed} of {entry.runs} finished"))
    return VerdictCard(
        arm=entry.arm,
        verdict=entry.verdict,
        wording=VERDICTS[entry.verdict],
        sentence=entry.sentence,
        facts=tuple(facts),
        lines=(*lines, *failures),
        details=tuple(details),
    )


def _companion_lines(candidate: Candidate, n: int) -> list[str]:
    companion = candidate.companion
    if companion is None:
        return []
    name = companion.estimand.difference_at(n)
    numbers = " ".join(estimate_texts(companion.estimate, companion.interval))
    objects = "does not let the verdict stand" if companion.objects else "does not object to the verdict"
    return [f"The companion, free of the bias of {n} images: {name} {numbers}; it {objects}."]


def _test_lines(candidate: Candidate) -> list[str]:
    test = candidate.test
    if test is None:
        return []
    return [
        f"By itself, not adjusted for other candidates and with the margin taken as known: "
        f"{200 * test.confidence - 100:.4g} % interval {interval_text(test.tost_interval)}, the thick line below.",
        f"p = {test.p_difference:.2g} of no difference"
        + (
            f", {test.p_difference_holm:.2g} after Holm's adjustment for several candidates."
            if test.p_difference_holm != test.p_difference
            else "."
        ),
    ]
