"""Sets of features with a reference, for the tests of the block FID."""

import numpy as np

from p2phd_eval.stats.distances.block_frechet import reference_axes


def features(n, d, seed, shift=0.0, scale=1.0):
    """Features with falling variances along rotated axes."""
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(np.random.default_rng(99).normal(size=(d, d)))[0]
    return shift + (scale * rng.normal(size=(n, d)) * np.arange(1, d + 1) ** -0.6) @ rotation.T


# n of the reference, n_r, n_g, d, block: the reference spans all axes or few; sets of fewer images than a block has
# axes; a last block that is smaller; blocks of one axis.
CASES = [(200, 90, 70, 24, 8), (200, 90, 70, 21, 8), (200, 6, 7, 24, 8), (14, 90, 70, 24, 8), (200, 90, 70, 10, 1)]


def sets_of(case):
    n, n_real, n_fake, d, block = case
    axes = reference_axes(features(n, d, 0), block=block)
    return features(n_real, d, 1), features(n_fake, d, 2, 0.2, 1.3), axes
