"""The verdict on each arm of a study: what the comparison says, and what failed runs say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from p2phd_eval.stats.verdicts.equivalence import Verdict
from p2phd_eval.study.outcome import Outcome, failures_p
from p2phd_eval.study.study_plan import StudyPlan

_FAVOURABLE = {verdict.value for verdict in (Verdict.WITHIN, Verdict.NEGLIGIBLE, Verdict.BETTER)}
_WORDS = {"diverged": "diverged", "out_of_memory": "ran out of memory", "killed": "was killed"}


def verdict_documents(
    plan: StudyPlan, outcomes: Mapping[str, Outcome], training: dict[str, Any] | None
) -> list[dict[str, Any]]:
    """Return the verdict on each arm but the baseline, as the report has it.

    A comparison is one of runs that finished. Where more of an arm's runs failed than of the baseline's, it speaks of
    a selection: then nothing favourable is concluded, and "worse" where the failures alone show it (Fisher's exact
    test, one-sided) or no run is left to compare.

    Parameters
    ----------
    plan : StudyPlan
    outcomes : mapping
        Of each run, by name.
    training : dict or None
        The document of the comparison.
    """
    endings = {arm: [outcomes[run.name] for run in plan.runs if run.arm == arm and not run.repeat] for arm in plan.arms}
    compared = {} if training is None else {entry["name"]: entry for entry in training["candidates"]}
    return [
        _verdict(arm, endings[arm], endings[plan.arms[0]], compared.get(arm), training, plan) for arm in plan.arms[1:]
    ]


def _verdict(
    arm: str,
    endings: Sequence[Outcome],
    baseline: Sequence[Outcome],
    compared: dict[str, Any] | None,
    training: dict[str, Any] | None,
    plan: StudyPlan,
) -> dict[str, Any]:
    test = None if compared is None else compared["test"]
    verdict = Verdict.INCONCLUSIVE.value if compared is None else compared["verdict"]
    sentence = f"{arm}: nothing to compare" if compared is None else compared["sentence"]
    before, reason = verdict, ""
    failed, failed_before = (sum(each.failed for each in arm_endings) for arm_endings in (endings, baseline))
    if failed == len(endings) and failed_before < len(baseline):
        verdict, reason = Verdict.WORSE.value, f"none of its {failed} runs finished"
    elif failed * len(baseline) > failed_before * len(endings):
        p = failures_p(baseline, endings)
        reason = (
            f"{failed} of its {len(endings)} runs failed, of {plan.arms[0]} {failed_before} of {len(baseline)} "
            f"(Fisher's exact p = {p:.2g}), so that runs which finished are a selection"
        )
        if p < 1 - plan.confidence:
            verdict = Verdict.WORSE.value
        elif verdict in _FAVOURABLE:
            verdict = Verdict.INCONCLUSIVE.value
    changed = reason if verdict != before else None
    if failed:
        ways = sorted({_WORDS[each.status] for each in endings if each.failed})
        sentence += f" {failed} of {len(endings)} runs failed ({', '.join(ways)})."
    if changed is not None:
        sentence += f" The verdict is {verdict}, since {changed}."
    return {
        "arm": arm,
        "verdict": verdict,
        "sentence": sentence,
        "scope": None if training is None else training["scope"],
        "statistic": None if compared is None else compared["statistic"],
        "estimate": None if test is None else test["estimate"],
        "interval": None if test is None else test["interval"],
        "tost_interval": None if test is None else test["tost_interval"],
        "confidence": plan.confidence,
        "margin": None if compared is None else compared["margin"],
        "runs": len(endings),
        "failed": failed,
        "why_changed": changed,
    }
