"""What the real images alone say of how large a FID is: a scale to hold those of generators against."""

import dataclasses

import numpy as np
import numpy.typing as npt

from p2phd_eval.stats.design import SamplingDesign
from p2phd_eval.stats.distances.frechet import frechet_distance


@dataclasses.dataclass(frozen=True, kw_only=True)
class RealScale:
    """Two FIDs that need no generator; in squared feature units."""

    halves: float  # between two halves of the real images
    n_half: int  # images in the smaller of them
    #: Of a generator that makes one average image again and again, the trace of the real covariance: |x - m|^2, x real
    #: and m their mean, in expectation.
    one_image: float

    def far_away(self, fid: float) -> bool:
        """Whether a FID says that images are farther from the real ones than a single average image would be.

        FID@n holds the bias of n images, which that of the halves exceeds. What is above the halves is therefore at
        most the distance of the distributions.
        """
        return fid - self.halves > self.one_image


def real_scale(real: npt.NDArray[np.generic], design: SamplingDesign, *, rng: np.random.Generator) -> RealScale | None:
    """Measure the scale of a set of real images; None where they are too few, or too few clusters, to be halved.

    Parameters
    ----------
    real : ndarray, shape (n, d)
        Features.
    design : SamplingDesign
        How they were drawn, as the first of its sets; a cluster is in one half.
    rng : numpy.random.Generator
        Draws the halves.
    """
    first, second = (real[rows[0]] for rows in design.split(rng, 2))
    if min(len(first), len(second)) < 2:
        return None
    distance = frechet_distance(first, second)
    values = real.astype(np.float64)
    return RealScale(
        halves=distance.value, n_half=min(len(first), len(second)), one_image=float(values.var(axis=0, ddof=1).sum())
    )
