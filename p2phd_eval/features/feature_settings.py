"""Which features are computed, and how: what the commands that compare images share. Known without torch."""

from dataclasses import dataclass
from pathlib import Path

from p2phd_eval.errors import InputError, as_choice, require_at_least
from p2phd_eval.features.identity import INCEPTION_DIMS, NAMED_NETWORKS, FeaturePrecision, Resize


@dataclass(frozen=True, kw_only=True)
class FeatureSettings:
    """Which features are computed, and how; by default pytorch-fid's. Texts are taken for paths and choices."""

    network: str | None = (
        None  # in place of FID's Inception: one of `NAMED_NETWORKS`, or "module:callable" of one's own
    )
    weights: Path | None = None  # the network's; by default Inception's from the cache, fetched if need be
    resize: Resize = Resize.LEGACY_PYTORCH  # Inception's alone, like `dims` and `precision`
    dims: int = 2048
    precision: FeaturePrecision = FeaturePrecision.FP32
    device: str | None = None  # any torch device; by default cuda, mps or cpu
    workers: int | None = None  # decoding processes; by default as many as the device can use
    cache: bool = True  # whether features are kept, and those kept before are used

    def __post_init__(self) -> None:
        object.__setattr__(self, "resize", as_choice(Resize, self.resize, "--resize"))
        object.__setattr__(self, "precision", as_choice(FeaturePrecision, self.precision, "--feature-precision"))
        if self.network is not None:
            object.__setattr__(self, "network", NAMED_NETWORKS.get(self.network, self.network))
        object.__setattr__(self, "weights", None if self.weights is None else Path(self.weights))
        require_at_least(0, {"--workers": self.workers})
        if self.dims not in INCEPTION_DIMS:
            raise InputError("--dims", expected=" or ".join(map(str, INCEPTION_DIMS)), found=str(self.dims))
        inceptions = (self.resize, self.dims, self.precision)
        if self.network is not None and inceptions != (Resize.LEGACY_PYTORCH, 2048, FeaturePrecision.FP32):
            raise InputError(
                f"--feature-network {self.network}",
                expected="no --resize, --dims or --feature-precision beside it: they are the Inception network's",
                found=f"{self.resize.value}, {self.dims}, {self.precision.value}",
            )
