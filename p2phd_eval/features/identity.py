"""What names a feature space: the network, its weights, and how images come to it. Known without torch."""

import sys
from dataclasses import dataclass
from enum import Enum
from importlib.machinery import PathFinder
from pathlib import Path

from p2phd_eval.errors import InputError


class Resize(str, Enum):
    """How an image comes to the network's size; each is that of the tools named."""

    LEGACY_PYTORCH = "legacy-pytorch"  # pytorch-fid
    LEGACY_TENSORFLOW = "legacy-tensorflow"  # torch-fidelity, StyleGAN
    CLEAN = "clean"  # clean-fid
    TORCHMETRICS = "torchmetrics"


class FeaturePrecision(str, Enum):
    """In which precision the feature network computes."""

    FP32 = "fp32"
    TF32 = "tf32"
    BF16 = "bf16"
    FP16 = "fp16"

    @property
    def dtype(self) -> str:
        """The name that a stamp carries: torch's name of the dtype, or "tf32"."""
        return {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}.get(self.value, self.value)


#: Numbers of features that the FID Inception network offers: after its first and second pooling, before its last
#: blocks, and at its end, which is FID's.
INCEPTION_DIMS = (64, 192, 768, 2048)


#: Networks that come with the package, by the name that may stand for their MODULE:CALLABLE.
NAMED_NETWORKS = {
    "clip": "p2phd_eval.features.networks.clip:clip",
    **{
        name: f"p2phd_eval.features.networks.dinov2:{name}"
        for name in ("dinov2_vits14", "dinov2_vitb14", "dinov2_vitl14")
    },
}

#: How the names of CLIP's feature spaces begin.
CLIP = "CLIP "


def is_clip(weights: str) -> bool:
    """Whether a feature space is CLIP's, in which CMMD is defined; `weights`: what its stamp calls them."""
    return weights.startswith(CLIP)


@dataclass(frozen=True, kw_only=True)
class NetworkIdentity:
    """What of a stamp names the feature space; the fields are those of `FeatureStamp`."""

    weights: str
    weights_sha256: str
    resize: str
    dims: int
    dtype: str


def require_callable_name(spec: str) -> None:
    """Raise InputError unless a text is MODULE:CALLABLE, and its module can be found from the current folder."""
    module, _, name = spec.partition(":")
    expected, found = f"{', '.join(NAMED_NETWORKS)}, or MODULE:CALLABLE such as my_features:build", "another form"
    if name.isidentifier() and all(part.isidentifier() for part in module.split(".")):
        top = module.partition(".")[0]
        # The current folder is searched as well, as when the network is loaded; nothing is imported yet.
        if top in sys.modules or PathFinder.find_spec(top, [str(Path.cwd()), *sys.path]) is not None:
            return
        expected, found = f"a module {module} that can be imported", f"no {top} in this folder or environment"
    raise InputError(f"--feature-network {spec}", expected=expected, found=found, fix="See docs/feature-spaces.md.")
