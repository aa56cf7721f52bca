"""The FID of images with weights, whose derivatives influence functions are."""

import numpy as np


def weighted_fid(real, fake, real_weights, fake_weights):
    """FID of weighted images; equal weights give the FID with ddof = 1."""

    def mean_and_rows(values, weights):
        mean = weights @ values
        return mean, np.sqrt(weights * len(values) / (len(values) - 1))[:, None] * (values - mean)

    (m_r, a), (m_g, b) = mean_and_rows(real, real_weights), mean_and_rows(fake, fake_weights)
    nuclear = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return np.square(m_r - m_g).sum() + np.square(a).sum() + np.square(b).sum() - 2 * nuclear


def moved(n, image, step):
    """Equal weights, of which the share `step` is moved onto one image."""
    weights = np.full(n, (1 - step) / n)
    weights[image] += step
    return weights
