"""What a number estimates. FID has several meanings, and none may pass for another."""

import re
from enum import Enum


class Estimand(str, Enum):
    """What is measured of a generated set against the real one; larger is worse for all of them."""

    FID_AT_N = "fid-at-n"  # expected FID of n images, which papers print: bias and diversity are a part of it
    FID = "fid"  # of the distributions, extrapolated from half samples
    BLOCK_FID = "block-fid"  # of the distributions, block by block along a reference's principal axes; a lower bound
    KID = "kid"  # squared MMD of the distributions with the cubic kernel
    KID_RQ = "kid-rq"  # squared MMD with rational quadratic kernels, which see noise and spread as well
    CMMD = "cmmd"  # 1000 times the squared MMD of CLIP's embeddings with a Gaussian kernel

    @property
    def in_fid(self) -> bool:
        """Whether its unit is that of the FID: squared feature units."""
        return self in (Estimand.FID_AT_N, Estimand.FID, Estimand.BLOCK_FID)

    @property
    def in_kid(self) -> bool:
        """Whether its unit is that of KID."""
        return self in (Estimand.KID, Estimand.KID_RQ)

    def name_at(self, n: int) -> str:
        """Its name in sentences and tables; `n` is the number of images."""
        names = {
            Estimand.FID_AT_N: f"FID@{n}",
            Estimand.FID: "FID of the distributions",
            Estimand.BLOCK_FID: "block FID",
            Estimand.KID: "KID",
            Estimand.KID_RQ: "KID (rational quadratic)",
            Estimand.CMMD: "CMMD",
        }
        return names[self]

    def difference_at(self, n: int) -> str:
        """What its difference between two arms is called, such as dFID@500 or block dFID."""
        return re.sub("FID|KID|CMMD", r"d\g<0>", self.name_at(n))
