"""The words, marks and colours in which results are told, in tables, on the page and in Markdown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from p2phd_eval.formatting import interval_text, number_text
from p2phd_eval.images.condition_ids import SampleCounts
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.stats.verdicts.equivalence import Verdict
from p2phd_eval.stats.verdicts.scope import Scope

if TYPE_CHECKING:  # commands that judge nothing need these words too, and not what a verdict is computed with
    from p2phd_eval.features.feature_set import FeatureStamp
    from p2phd_eval.stats.distances.real_scale import RealScale
    from p2phd_eval.stats.verdicts.companion import Companion
    from p2phd_eval.stats.verdicts.compared_arms import FIDComparison
    from p2phd_eval.stats.verdicts.sample_size import UndecidedNeeds


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
    Verdict.NOT_JUDGED: VerdictWording(
        words="not judged", of_people="not judged", mark="–", emoji="➖", style="yellow"
    ),
}


_ROUNDING = 1e-9  # of a standard error in FID: that of several runs is a sum whose terms cancel


def verdict_words(verdict: Verdict, dfid: float, dfid_se: float) -> str:
    """A verdict in words, or that the images are the same: dFID@n is 0, and its standard error but for rounding."""
    return "identical" if dfid == 0 and dfid_se < _ROUNDING else VERDICTS[verdict].words


def generated_name(arm: str, precision: str) -> str:
    """What the images of an arm's checkpoints are called that were generated in one precision."""
    return f"{arm}, generated in {precision}"


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
SCOPE_NAMES = {Scope.CHECKPOINTS: "these checkpoints (scope A)", Scope.RECIPES: "the recipe (scope B)"}
#: How the images of one FID, and those of the sets of a comparison, belong together.
PAIRINGS = {
    "paired": "real and generated images of one label map are taken as pairs",
    "conditions": "real and generated images of one condition are taken as drawn together",
    "independent": "real and generated images are taken as independent",
}
SET_PAIRINGS = {
    "triplets": "{n} images paired by label map",
    "conditions": "{n} generated images paired by condition and seed, {real} real ones of the same conditions",
    "generated": "{n} generated images paired by label map, {real} real ones independent",
    "independent": "independent images, {real} real and {n} in each generated set",
}
#: How a run failed.
FAILURES = {
    "diverged": "diverged",
    "out_of_memory": "ran out of memory",
    "killed": "was killed",
    "failed": "ended in an error, or not with the images that it was to make",
    "timed_out": "took too long",
}


def draws_text(samples: SampleCounts | None, clusters: int | None) -> str:
    """Return how many conditions, seeds and clusters there are; empty where each image is a draw of its own."""
    told = [] if samples is None else [str(samples)]
    if clusters is not None:
        by_condition = samples is not None and samples.most > 1 and clusters == samples.conditions
        told.append("conditions are clusters" if by_condition else f"in {clusters} clusters")
    return ", ".join(told)


def protocol_text(stamp: FeatureStamp) -> str:
    """Return the protocol of features of photos, and how these came to its size."""
    how = "photos at its size" if stamp.resized is None else f"photos brought to its size ({stamp.resized})"
    return f"{stamp.protocol}, {how}"


def verdict_sentence(candidate: FIDComparison) -> str:
    """Return the verdict on a candidate: what was judged in which scope, the reason, the companion, what would help."""
    head = f"{candidate.name}, {SCOPE_NAMES[candidate.scope]}"
    name, test, companion = candidate.judged.name_at(candidate.n), candidate.test, candidate.companion
    if test is None:
        return f"{head}: nothing was judged. {name[0].upper()}{name[1:]} was to be, but {candidate.refusal}."
    material = "materially " if test.material else ""
    verdict = test.verdict if companion is None else companion.before
    sentence = f"{head}: {material}{VERDICTS[verdict].words} in {name}, since {test.reason}."
    if candidate.non_inferior and candidate.verdict is Verdict.INCONCLUSIVE:
        sentence += f" It is not inferior by more than the margin (one-sided {100 * test.confidence:.4g} %)."
    if companion is not None and (told := companion_sentence(companion, candidate.judged, candidate.n)):
        sentence += f" {told}"
    if test.estimate == test.standard_error == 0:
        return f"{sentence} Nothing differs at all: both give exactly the same."
    return f"{sentence}{needs_text(candidate.needs)}"


def companion_sentence(companion: Companion, judged: Estimand, n: int) -> str:
    """Return what the companion says of the verdict, for readers without statistics; empty where it just agrees."""
    test, kid = companion.test, judged is Estimand.KID
    interval = f"{100 * test.confidence:.4g} % interval {interval_text(test.interval)}"
    share = "" if test.margin is None else f"±{number_text(test.margin)}"
    found = (
        f"{companion.estimand.name_at(n)}, which "
        f"{'sees noise and spread, too' if kid else 'does not depend on the number of images'},"
    )
    blind = "KID hardly sees noise, nor how widely the images spread"
    if companion.objects and companion.before is Verdict.BETTER:
        why = blind if kid else f"less diverse images have a lower FID@{n} without being any better"
        finding = {
            Verdict.WORSE: "finds the candidate worse",
            Verdict.NEGLIGIBLE: f"finds a difference smaller than its share of the margin, {share}",
        }.get(test.verdict, "does not show the candidate to be better")
        return f"But the verdict is inconclusive: {why}, and {found} {finding} ({interval})."
    if companion.objects:
        why = blind if kid else f"FID@{n} adds up fidelity and diversity, and a loss of one can hide behind the other"
        beyond = f", where the margin corresponds to {share}" if share else ""
        return (
            f"But the verdict is inconclusive: {found} finds the candidate {VERDICTS[test.verdict].words} "
            f"({interval}{beyond}). {why}."
        )
    if companion.before is Verdict.WORSE and test.verdict is not Verdict.WORSE:
        one = f"one of {judged.name_at(n)}{'' if kid else ', in which diversity counts'}"
        finding = {
            Verdict.BETTER: "the opposite",
            Verdict.NEGLIGIBLE: f"a difference smaller than its share of the margin, {share}",
        }.get(test.verdict, "no difference that is sure")
        return f"It is {one}: {found} finds {finding} ({interval})."
    if companion.before is Verdict.INCONCLUSIVE and test.verdict in (Verdict.WORSE, Verdict.BETTER):
        return f"Beside it, {found} finds the candidate {VERDICTS[test.verdict].words} ({interval})."
    return ""


def scale_sentence(name: str, n: int, fid: float, scale: RealScale) -> str:
    """Return how far from the real images a baseline is, for readers to whom a FID is just a number.

    `fid`: its FID@n, the mean over its runs.
    """
    sentence = (
        f"For scale: {name} has FID@{n} {number_text(fid)}; two halves of the real images have FID@{scale.n_half} "
        f"{number_text(scale.halves)} between them, and one average picture in place of all images would have "
        f"{number_text(scale.one_image)}."
    )
    if not scale.far_away(fid):
        return sentence
    return (
        "The images are far from converged: farther from the real ones than one average picture would be. What holds "
        f"of such models need not hold of models that are trained to the end. {sentence}"
    )


def needs_text(needs: UndecidedNeeds | None) -> str:
    """What would decide an inconclusive result, as a sentence that follows another one."""
    if needs is None:
        return ""
    wanted = [f"{count} {what}" for count, what in ((needs.images, "images"), (needs.runs, "seeds an arm")) if count]
    if needs.both is not None:
        wanted = [f"{needs.both[0]} images with {needs.both[1]} seeds an arm"]
    if wanted:
        return f" About {' or '.join(wanted)} would decide it, if estimate and spreads stay as they are."
    return " No number of images or seeds would decide it while the estimate stays as it is."
