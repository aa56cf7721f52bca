"""Standard errors as a textbook writes them, to hold `SamplingDesign` against."""

import numpy as np

from p2phd_eval.stats.errors.influence import fid_influence


def mean_standard_error(delta):
    return delta.std(ddof=1) / np.sqrt(len(delta))


def independent_standard_error(influence):
    parts = [each.var(ddof=1) / len(each) for each in (influence.real, influence.fake)]
    return np.sqrt(sum(parts))


def paired_standard_error(influence):
    return mean_standard_error(influence.real + influence.fake)


def paired_difference(real, baseline, candidate):
    """dFID, and the influence of each triplet on it."""
    base, cand = fid_influence(real, baseline), fid_influence(real, candidate)
    return cand.distance.value - base.distance.value, (cand.real + cand.fake) - (base.real + base.fake)
