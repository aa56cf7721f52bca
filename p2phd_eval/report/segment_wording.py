"""The words in which a verdict on segmentation scores is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from p2phd_eval.formatting import number_text
from p2phd_eval.report.wording import SCOPE_NAMES, VERDICTS, needs_text
from p2phd_eval.stats.segmentation.score_names import SCORE_NAMES
from p2phd_eval.stats.verdicts.equivalence import Verdict

if TYPE_CHECKING:
    from p2phd_eval.stats.segmentation.compared_scores import JudgedScore, ScoreComparison


def segment_sentence(judged: JudgedScore, comparison: ScoreComparison) -> str:
    """Return the verdict on a candidate: in which score, in which scope, by which numbers, beside the real photos."""
    by_name = {arm.name: arm.scores[comparison.judge].value for arm in comparison.arms}
    baseline = comparison.arms[0].name
    name, test = SCORE_NAMES[comparison.judge], judged.test
    values = f"{name} {number_text(by_name[judged.name])} % against {number_text(by_name[baseline])} % of {baseline}"
    if comparison.real is not None:
        values += f" and {number_text(comparison.real.scores[comparison.judge].value)} % of {comparison.real.name}"
    head = f"{judged.name}, {SCOPE_NAMES[comparison.scope]}"
    if test.estimate == test.standard_error == 0:
        return f"{head}: {values}: exactly the same."
    material = "materially " if test.material else ""
    sentence = (
        f"{head}: {material}{VERDICTS[judged.verdict].words} in {name}, since, in percentage points, {test.reason}."
    )
    if test.non_inferior and judged.verdict is Verdict.INCONCLUSIVE:
        sentence += f" It is not inferior by more than the margin (one-sided {100 * test.confidence:.4g} %)."
    return f"{sentence} {values[0].upper()}{values[1:]}.{needs_text(judged.needs)}"
