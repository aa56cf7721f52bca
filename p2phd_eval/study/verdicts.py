"""The verdict on each arm of a study: what the comparison says, and what failed runs say."""

from collections.abc import Mapping, Sequence

from p2phd_eval.report.documents.comparison_documents import Candidate, CompareDocument
from p2phd_eval.report.documents.study_documents import ArmVerdict
from p2phd_eval.report.wording import FAILURES
from p2phd_eval.stats.proportions.binomial import more_failures_p
from p2phd_eval.stats.verdicts.equivalence import FAVOURABLE, Verdict
from p2phd_eval.study.outcome import Outcome
from p2phd_eval.study.study_plan import StudyPlan


def arm_verdicts(
    plan: StudyPlan, outcomes: Mapping[str, Outcome], training: CompareDocument | None
) -> tuple[ArmVerdict, ...]:
    """Return the verdict on each arm but the baseline, as the report has it.

    A comparison is one of runs that finished. Where more of an arm's runs failed than of the baseline's, it speaks of
    a selection: then nothing favourable is concluded, and "worse" where the failures alone show it (Fisher's exact
    test, one-sided) or no run is left to compare.

    `outcomes`: how each run ended, by name. `training`: the comparison; None where runs are missing.
    """
    endings = {arm: [outcomes[run.name] for run in plan.runs if run.arm == arm and not run.repeat] for arm in plan.arms}
    compared = {} if training is None else {entry.name: entry for entry in training.candidates}
    return tuple(
        _verdict(arm, endings[arm], endings[plan.arms[0]], compared.get(arm), training, plan) for arm in plan.arms[1:]
    )


def _verdict(
    arm: str,
    endings: Sequence[Outcome],
    baseline: Sequence[Outcome],
    compared: Candidate | None,
    training: CompareDocument | None,
    plan: StudyPlan,
) -> ArmVerdict:
    verdict = Verdict.INCONCLUSIVE if compared is None else compared.verdict
    sentence = f"{arm}: nothing to compare" if compared is None else compared.sentence
    before, reason = verdict, ""
    failed, failed_before = (sum(each.failed for each in arm_endings) for arm_endings in (endings, baseline))
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
        scope=None if training is None else training.scope,
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
