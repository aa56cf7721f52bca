"""The words, marks and colours in which results are told, in tables, on the page and in Markdown."""

from dataclasses import dataclass

from p2phd_eval.stats.verdicts.compared_arms import FIDComparison
from p2phd_eval.stats.verdicts.equivalence import Verdict
from p2phd_eval.stats.verdicts.scope import Scope


@dataclass(frozen=True, kw_only=True)
class VerdictWording:
    """How a verdict is told."""

    words: str
    of_people: str  # the same where people choose images
    mark: str  # on the page
    emoji: str  # in Markdown
    style: str  # rich's, of a table's row


VERDICTS = {
    Verdict.WITHIN: VerdictWording(
        words="within the error range",
        of_people="cannot be told apart, within the margin",
        mark="✓",
        emoji="✅",
        style="green",
    ),
    Verdict.NEGLIGIBLE: VerdictWording(
        words="detectable but negligible",
        of_people="can be told apart, by less than the margin",
        mark="✓",
        emoji="✅",
        style="green",
    ),
    Verdict.WORSE: VerdictWording(
        words="worse", of_people="candidate worse: chosen less often", mark="↓", emoji="❌", style="red"
    ),
    Verdict.BETTER: VerdictWording(
        words="better", of_people="candidate better: chosen more often", mark="↑", emoji="✅", style="green"
    ),
    Verdict.INCONCLUSIVE: VerdictWording(
        words="inconclusive", of_people="inconclusive", mark="?", emoji="❔", style="yellow"
    ),
}
#: What a comparison's table says of its scope, and what the page says below a verdict.
SCOPES = {
    Scope.CHECKPOINTS: "Scope A: these checkpoints. The images are random, the models fixed: another training seed "
    "moves the FID too, often by more, and the verdict says nothing about it",
    Scope.RECIPES: "Scope B: the precision as a recipe. Training seeds and images are random",
}
SHORT_SCOPES = {
    Scope.CHECKPOINTS: "Scope A: these checkpoints, images random",
    Scope.RECIPES: "Scope B: the recipes, images and training seeds random",
}
#: How the images of one FID, and those of the sets of a comparison, belong together.
PAIRINGS = {
    "paired": "real and generated images of one label map are taken as pairs",
    "independent": "real and generated images are taken as independent",
}
SET_PAIRINGS = {
    "triplets": "{n} images paired by label map",
    "generated": "{n} generated images paired by label map, the real ones independent",
    "independent": "independent images, {n} a set",
}
#: How a run failed.
FAILURES = {"diverged": "diverged", "out_of_memory": "ran out of memory", "killed": "was killed"}


def verdict_sentence(candidate: FIDComparison) -> str:
    """Return the verdict on a candidate with its scope, its reason and what would decide an undecided one."""
    test, needs = candidate.test, candidate.needs
    material = "materially " if test.material else ""
    words = VERDICTS[candidate.verdict].words
    sentence = f"{candidate.name}, scope {candidate.scope.value}: {material}{words}, since {test.reason}."
    if test.non_inferior and candidate.verdict is Verdict.INCONCLUSIVE:
        sentence += f" It is not inferior by more than the margin (one-sided {100 * test.confidence:.4g} %)."
    if needs is None:
        return sentence
    wanted = [f"{count} {what}" for count, what in ((needs.images, "images"), (needs.runs, "seeds an arm")) if count]
    if wanted:
        return f"{sentence} About {' or '.join(wanted)} would decide it, if estimate and spreads stay as they are."
    return f"{sentence} No number of images or seeds would decide it while the estimate stays as it is."
