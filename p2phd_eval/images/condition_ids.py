"""Images as samples: of which condition, such as a label map, class or prompt, and with which seed they were made.

The id of a sample is ``cat@0``: its condition, and after the last ``@`` its seed, a whole number. Sets are paired by
ids, and so by condition and seed. An id without a seed is a condition of its own, so that ``photo@2x`` stays one.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: Conditions that there must be for their spread to be known; of fewer nothing can be left out to see what it does.
FEWEST_CONDITIONS = 3

_MARK = "@"


@dataclass(frozen=True, kw_only=True)
class SampleCounts:
    """How many samples of each condition a set holds."""

    conditions: int
    fewest: int  # samples of a condition
    most: int

    def __str__(self) -> str:
        seeds = str(self.most) if self.fewest == self.most else f"{self.fewest} to {self.most}"
        several = "conditions" if self.conditions > 1 else "condition"
        return f"{self.conditions} {several} x {seeds} {'seed' if self.most == 1 else 'seeds'}"


def split_sample(name: str) -> tuple[str, str | None]:
    """Return the condition in an id, or in a file's stem, and its seed without leading zeros; None without one."""
    condition, _, seed = name.rpartition(_MARK)
    if not condition.rpartition("/")[2] or not (seed.isascii() and seed.isdigit()):
        return name, None
    return condition, seed.lstrip("0") or "0"


def condition_of(image: str) -> str:
    """Return the condition of an image from its id."""
    return split_sample(image)[0]


def sample_id(condition: str, seed: int | str | None) -> str:
    """Return the id of a sample; without a seed that is its condition."""
    return condition if seed is None else f"{condition}{_MARK}{seed}"


def sample_counts(ids: Sequence[str]) -> SampleCounts | None:
    """Count the samples of each condition; None where no id has a seed."""
    samples = [split_sample(image) for image in ids]
    if all(seed is None for _, seed in samples):
        return None
    counts = Counter(condition for condition, _ in samples).values()
    return SampleCounts(conditions=len(counts), fewest=min(counts), most=max(counts))


def condition_clusters(ids: Sequence[str]) -> tuple[str, ...] | None:
    """Return the condition of each image where some has several samples, which are then no draws of their own.

    None where each has one, and where there are fewer than three conditions: their samples are all the draws there are.
    """
    counts = sample_counts(ids)
    if counts is None or counts.most == 1 or counts.conditions < FEWEST_CONDITIONS:
        return None
    return tuple(map(condition_of, ids))


def images_of_conditions(
    images: Sequence[str], wanted: Sequence[str], *, one_of_several: bool = False
) -> Mapping[str, str]:
    """Return for each wanted id, such as a sample's, that of its image: the same, or the only one of its condition.

    Ids without an image are left out, and so are those of a condition with several of which none has their seed: with
    `one_of_several` they get the first of these.
    """
    of_condition: dict[str, list[str]] = {}
    for image in images:
        of_condition.setdefault(condition_of(image), []).append(image)
    own = set(images)
    found = {}
    for each in wanted:
        alike = of_condition.get(condition_of(each), [])
        if each in own:
            found[each] = each
        elif len(alike) == 1 or (alike and one_of_several):
            found[each] = min(alike)
    return found
