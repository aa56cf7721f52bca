"""Is the FID of some generators within the error range of a baseline's?"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from p2phd_eval.errors import InputError
from p2phd_eval.stats.bootstrap import bootstrap_dfid_se, usual_replicates
from p2phd_eval.stats.equivalence import EquivalenceResult, Verdict, equivalence_test
from p2phd_eval.stats.feature_set import FeatureSet, FeatureStamp
from p2phd_eval.stats.influence import mean_standard_error, paired_differences
from p2phd_eval.stats.pairing import (
    NamedSet,
    aligned,
    common_ids,
    examples,
    require_same_stamps,
    require_unique_ids,
)
from p2phd_eval.stats.set_checks import duplicate_warnings, few_images_warnings, format_warnings, size_warnings

SCOPE_CHECKPOINTS = "A: these checkpoints (images random, models fixed)"

# Below this many pairs the standard error is itself too uncertain for its intervals to be taken at their word.
_FEW_PAIRS = 50


@dataclasses.dataclass(frozen=True, kw_only=True)
class CandidateResult:
    """A candidate against the baseline, over the paired images."""

    name: str
    fid: float  # FID@n, squared feature units; so are all differences and errors here
    dfid: float  # FID(real, candidate) - FID(real, baseline); positive: the candidate is worse
    dfid_se: float  # analytic standard error (influence function of the triplets)
    dfid_se_bootstrap: float | None  # the same from the bootstrap; None where no replicates were asked for
    ci90: tuple[float, float]  # of dfid, from dfid_se
    ci95: tuple[float, float]
    n_pairs: int
    verdict: Verdict
    equivalence: EquivalenceResult
    stamp: FeatureStamp


@dataclasses.dataclass(frozen=True, kw_only=True)
class ComparisonResult:
    """Candidates against one baseline, all at the same n and on the same images."""

    scope: str  # which question the intervals answer: a letter and what is random
    margin: float | None  # FID difference that still counts as none
    n_pairs: int  # images that all sets have
    baseline_name: str
    baseline_fid: float  # FID@n, on the paired images
    real_stamp: FeatureStamp
    baseline_stamp: FeatureStamp
    candidates: tuple[CandidateResult, ...]
    warnings: tuple[str, ...]


def compare_fid(
    real: FeatureSet,
    baseline: FeatureSet,
    candidates: Sequence[NamedSet],
    baseline_name: str,
    *,
    margin: float | None,
    replicates: int | None = None,
    seed: int = 0,
    force: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> ComparisonResult:
    """Compare the FID of candidates with that of a baseline, image by image, and judge the differences.

    Images pair up by id: the real image, the baseline's and each candidate's of one label map. Ids that a set
    lacks are left out of all, with a warning, so that every FID here is on the same images. The verdicts are
    about these checkpoints; they say nothing about another training run. The order of the images does not matter.

    Parameters
    ----------
    real, baseline : FeatureSet
        Made with the same network, resize and dtype, with unique ids.
    candidates : sequence of (name, FeatureSet)
        One or more, with different names.
    baseline_name : str
        What the baseline is called in the result and in messages.
    margin : float or None
        FID difference that still counts as none, > 0, set before looking at the data. With None no result
        can be "within" or "negligible".
    replicates : int, optional
        Bootstrap replicates, 0 for none; by default 1000, or 20 above 2 d images, where each costs seconds.
    seed : int
        Of the bootstrap.
    force : bool
        Compare sets that were made differently, with a warning.
    on_progress : callable, optional
        Called with (done, total) after each replicate.

    Returns
    -------
    ComparisonResult

    Raises
    ------
    InputError
        If the sets were made differently (unless forced), an id repeats, fewer than two ids are shared, a name
        repeats, width and height are swapped, or the margin is not above 0.
    """
    arms = [(baseline_name, baseline), *candidates]
    _require_names([name for name, _ in arms])
    sets = [("the real images", real), *arms]
    stamps = [(name, features.stamp) for name, features in sets]
    warnings = require_same_stamps(stamps, force=force)
    named_ids = [(name, features.ids) for name, features in sets]
    require_unique_ids(named_ids)
    ids = common_ids(named_ids)
    warnings += _unmatched_warnings(sets, set(ids))
    for stamp in stamps:
        warnings += duplicate_warnings(stamp)
    for stamp in stamps[1:]:
        warnings += format_warnings(real.stamp, stamp)
    real = aligned(real, ids)
    arms = [(name, aligned(features, ids)) for name, features in arms]
    for arm in arms:
        warnings += size_warnings(real, arm)
    warnings += _bias_warnings(len(ids), real.stamp.dims)

    generated = [features.values for _, features in arms]
    pairs = paired_differences(real.values, generated[0], generated[1:])
    results = []
    for (name, features), pair in zip(arms[1:], pairs, strict=True):
        standard_error = mean_standard_error(pair.delta)
        test = equivalence_test(pair.dfid, standard_error, margin=margin, n=len(ids))
        results.append(
            CandidateResult(
                name=name,
                fid=pair.candidate.value,
                dfid=pair.dfid,
                dfid_se=standard_error,
                dfid_se_bootstrap=None,
                ci90=test.ci90,
                ci95=test.ci95,
                n_pairs=len(ids),
                verdict=test.verdict,
                equivalence=test,
                stamp=features.stamp,
            )
        )
    if replicates is None:
        replicates = usual_replicates(len(ids), real.stamp.dims, 1000)
    if replicates:
        spread = bootstrap_dfid_se(
            real.values,
            generated[0],
            generated[1:],
            replicates=replicates,
            rng=np.random.default_rng(seed),
            on_progress=on_progress,
        )
        results = [
            dataclasses.replace(result, dfid_se_bootstrap=bootstrap.se)
            for result, bootstrap in zip(results, spread, strict=True)
        ]
    return ComparisonResult(
        scope=SCOPE_CHECKPOINTS,
        margin=margin,
        n_pairs=len(ids),
        baseline_name=baseline_name,
        baseline_fid=pairs[0].baseline.value,
        real_stamp=real.stamp,
        baseline_stamp=baseline.stamp,
        candidates=tuple(results),
        warnings=warnings,
    )


def _require_names(names: list[str]) -> None:
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise InputError(
            "names", expected="a different name for the baseline and each candidate", found=f"{count} x {name!r}"
        )
    if len(names) < 2:
        raise InputError("candidates", expected="at least one", found="none")


def _unmatched_warnings(sets: Sequence[NamedSet], shared: set[str]) -> tuple[str, ...]:
    left_out = [(name, set(features.ids) - shared) for name, features in sets]
    return tuple(
        f"{len(ids)} of the images of {name} are left out, because another set lacks them: {examples(ids)}"
        for name, ids in left_out
        if ids
    )


def _bias_warnings(n: int, dims: int) -> tuple[str, ...]:
    warnings = few_images_warnings(n, dims)
    if warnings:
        warnings += (
            f"the difference is at n = {n} too: its baseline and candidate share the bias only as far as their "
            "images are equally diverse",
        )
    if n < _FEW_PAIRS:
        warnings += (f"only {n} pairs: below {_FEW_PAIRS} the standard errors are themselves uncertain",)
    return warnings
