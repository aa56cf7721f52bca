"""The verdict on each arm of a study: what the comparison says, and what failed runs say."""

from collections.abc import Mapping, Sequence

from p2phd_eval.report.documents.comparison_documents import Candidate, CompareDocument
from p2phd_eval.report.documents.study_documents import ArmVerdict, Comparisons, ComparisonsDocument
from p2phd_eval.report.wording import FAILURES, generated_name
from p2phd_eval.stats.proportions.binomial import more_failures_p
from p2phd_eval.stats.verdicts.equivalence import FAVOURABLE, Verdict
from p2phd_eval.study.outcome import Outcome
from p2phd_eval.study.study_plan import StudyPlan


def arm_verdicts(
    plan: StudyPlan, outcomes: Mapping[str, Outcome], comparisons: Comparisons | ComparisonsDocument
) -> tuple[ArmVerdict, ...]:
    """Return the verdict on each arm but the baseline and the benign ones, as the report has it.

    Where there is none, the study is about the ways in which the baseline generates: then they are the candidates.

    A comparison is one of runs that finished. Where more of an arm's runs failed than of the baseline's, it speaks of
    a selection: then nothing favourable is concluded, and "worse" where the failures alone show it (Fisher's exact
    test, one-sided) or no run is left to compare.

    `outcomes`: how each run ended, by name.
    """
    endings = {arm: [outcomes[run.name] for run in plan.runs if run.arm == arm and not run.repeat] for arm in plan.arms}
    documents = [comparisons.training, *(each.document for each in comparisons.sampling)]
    compared = {
        entry.name: (entry, document) for document in documents if document is not None for entry in document.candidates
    }
    baseline = plan.arms[0]
    candidates = {arm: endings[arm] for arm in plan.arms[1:] if arm not in plan.benign}
    if not candidates:
        candidates = {generated_name(baseline, way): endings[baseline] for way in plan.generation}
    verdicts = []
    for name, of_candidate in candidates.items():
        entry, document = compared.get(name, (None, comparisons.training))
        verdicts.append(_verdict(name, of_candidate, endings[baseline], entry, document, plan))
    return tuple(verdicts)


def _verdict(
    arm: str,
    endings: Sequence[Outcome],
    baseline: Sequence[Outcome],
    compared: Candidate | None,
    document: CompareDocument | None,
    plan: StudyPlan,
) -> ArmVerdict:
    verdict = Verdict.INCONCLUSIVE if compared is None else compared.verdict
    sentence = f"{arm}: nothing to compare." if compared is None else compared.sentence
    if not plan.data:
        verdict = Verdict.NOT_JUDGED
        sentence = f"{arm}: its quality is not judged, since there are no real images to judge it by."
    before, reason = verdict, ""
    failed, failed_before = (sum(each.failed for each in arm_endings) for arm_endings in (endings, baseline))
    if failed == len(endings):
        sentence = f"{arm}: nothing to compare."
    if failed == len(endings) and failed_before < len(baseline):
        verdict, reason = Verdict.WORSE, f"none of its {failed} runs finished"
    elif failed * len(baseline) > failed_before * len(endings):
        p = more_failures_p((failed_before, len(baseline)), (failed, len(endings)))
        reason = (
            f"{failed} of its {len(endings)} runs failed, of {plan.arms[0]} {failed_before} of {len(baseline)} "
            f"(Fisher's exact p = {p:.2g}), so that runs which finished are a selection"
        )
        if p < 1 - plan.confidence:
            verdict = Verdict.WORSE
        elif verdict in FAVOURABLE:
            verdict = Verdict.INCONCLUSIVE
    changed = reason if verdict != before else None
    if failed:
        ways = sorted({FAILURES[each.status] for each in endings if each.failed})
        sentence += f" {failed} of {len(endings)} runs failed ({', '.join(ways)})."
    if changed is not None:
        sentence += f" The verdict is {verdict.value}, since {changed}."
    test = None if compared is None else compared.test
    return ArmVerdict(
        arm=arm,
        verdict=verdict,
        sentence=sentence,
        scope=None if document is None else document.scope,
        judged=None if compared is None else compared.judged,
        estimate=None if test is None else test.estimate,
        interval=None if test is None else test.interval,
        tost_interval=None if test is None else test.tost_interval,
        confidence=plan.confidence,
        margin=None if compared is None else compared.margin,
        runs=len(endings),
        failed=failed,
        why_changed=changed,
    )
