"""The words in which a verdict against the noise floor is told."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from p2phd_eval.formatting import number_text, signed_text
from p2phd_eval.report.wording import VERDICTS
from p2phd_eval.stats.verdicts.equivalence import Verdict
from p2phd_eval.stats.verdicts.floor_ratio import FloorRatio, FloorVerdict, Position

if TYPE_CHECKING:
    from p2phd_eval.quality.floor_of_arms import FloorCandidate, NoiseFloor
    from p2phd_eval.stats.verdicts.widening import Widening


@dataclass(frozen=True, kw_only=True)
class FloorWording:
    """How a verdict is told."""

    words: str
    emoji: str  # in Markdown
    style: str  # rich's, of a table's row
    as_verdict: Verdict  # the nearest of those on quality: its colour, and what a gate's document calls it


FLOOR_VERDICTS = {
    FloorVerdict.INSIDE: FloorWording(
        words="inside the noise floor", emoji="✅", style="green", as_verdict=Verdict.WITHIN
    ),
    FloorVerdict.QUALITY_WITHIN: FloorWording(
        words="other images, quality kept", emoji="✅", style="green", as_verdict=Verdict.NEGLIGIBLE
    ),
    FloorVerdict.QUALITY_WORSE: FloorWording(
        words="quality is worse", emoji="❌", style="red", as_verdict=Verdict.WORSE
    ),
    FloorVerdict.QUALITY_UNKNOWN: FloorWording(
        words="above the noise floor, quality unknown", emoji="❔", style="yellow", as_verdict=Verdict.NOT_JUDGED
    ),
    FloorVerdict.UNDECIDED: FloorWording(
        words="undecided", emoji="❔", style="yellow", as_verdict=Verdict.INCONCLUSIVE
    ),
}


def floor_sentence(candidate: FloorCandidate, result: NoiseFloor) -> str:
    """Return what moved, with the numbers that say so."""
    words = FLOOR_VERDICTS[candidate.verdict].words
    parts = [f"{candidate.name}: {words}.", _position_sentence(candidate.judged.ratio, result)]
    parts.append(quality_sentence(candidate, result))
    return " ".join(filter(None, parts))


def quality_sentence(candidate: FloorCandidate, result: NoiseFloor) -> str:
    """Return what is known of its quality."""
    if candidate.quality is None:
        if candidate.verdict is FloorVerdict.INSIDE:
            return ""
        return "Without real photos nothing says whether its images are worse."
    parts = []
    if candidate.fid is not None:
        dfid = candidate.fid.at_n
        words = VERDICTS[candidate.fid.verdict].words
        parts.append(f"FID@{candidate.fid.n} {number_text(dfid.baseline)} to {number_text(dfid.candidate)}: {words}")
    if candidate.judged.to_photo is not None:
        parts.append(_photo_text(candidate.judged.metric.name, candidate.judged.to_photo, result))
    return f"Quality: {'; '.join(parts)}."


def _position_sentence(ratio: FloorRatio, result: NoiseFloor) -> str:
    judge, baseline = result.judge.name, result.baseline
    variant = result.benign[ratio.farthest].name
    several = len(ratio.floors) > 1
    if ratio.distance == 0:
        return f"Its images are those of {baseline}, bit for bit."
    if ratio.ratio is None:
        return (
            f"The noise floor is exactly 0: {'all benign variants give' if several else f'{variant} gives'} the images "
            f"of {baseline} bit for bit, so that any change is above it; {judge} to {baseline} is "
            f"{number_text(ratio.distance)}. A variant that changes the order of sums, such as another batch size or a "
            "compiled one, would say how much a harmless change moves."
        )
    which = f"{variant}, the farthest of {len(ratio.floors)} benign variants" if several else variant
    low, high = ratio.ratio.interval
    level = 100 * result.confidence
    found = (
        f"{judge} to {baseline} is {number_text(ratio.distance)}, {number_text(ratio.ratio.value)} times the noise "
        f"floor ({number_text(ratio.floor)}, of {which})"
    )
    limit = f"the tolerance of {ratio.tolerance:g}"
    assert ratio.at_most is not None
    if ratio.position is Position.INSIDE:
        return f"{found}: at most {number_text(ratio.at_most)} times (one-sided {level:.4g} %), below {limit}."
    interval = f"{level:.4g} % interval {number_text(low)} to {_end_text(high)}"
    if ratio.position is Position.ABOVE:
        return f"{found}, above {limit} ({interval})."
    return f"{found}; whether that is below {limit} is not sure ({interval})."


def _photo_text(name: str, found: Widening, result: NoiseFloor) -> str:
    if found.of_original is None:
        return f"{name} to the photo is 0 for {result.baseline}"
    low, high = (_share(end) for end in found.of_original.interval)
    return (
        f"{name} to the photo changes by {_share(found.of_original.value)} % ({100 * result.confidence:.4g} % interval "
        f"{low} to {high} %; margin {100 * result.photo_margin:g} %): {VERDICTS[found.verdict].words}"
    )


def _share(value: float) -> str:
    return signed_text(100 * value) if math.isfinite(value) else ("no bound" if value > 0 else "-no bound")


def _end_text(value: float) -> str:
    return number_text(value) if math.isfinite(value) else "no bound"
