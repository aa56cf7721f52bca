"""The FID Inception network: images to features, as each of the FID tools computes them."""

from collections.abc import Mapping

import torch
from torch import Tensor

from p2phd_eval.errors import InputError
from p2phd_eval.features.identity import INCEPTION_DIMS, FeaturePrecision, NetworkIdentity, Resize
from p2phd_eval.features.inception_network import build_features
from p2phd_eval.features.networks.float32_products import float32_products
from p2phd_eval.features.networks.protocol import embed_all, usual_batch_size
from p2phd_eval.features.networks.resizes import RESIZES
from p2phd_eval.features.weights.file import load_state
from p2phd_eval.features.weights.index import WeightsFile

_DTYPES = {
    FeaturePrecision.FP32: torch.float32,
    FeaturePrecision.TF32: torch.float32,
    FeaturePrecision.BF16: torch.bfloat16,
    FeaturePrecision.FP16: torch.float16,
}


class FidInception:
    """Inception v3 of 2015-12-05 as ported by pytorch-fid.

    With the resize "legacy-pytorch", 2048 features and float32 the result is that of
    ``pytorch_fid.inception.InceptionV3`` with its defaults; with "legacy-tensorflow" torch-fidelity's, with "clean"
    clean-fid's, with "torchmetrics" that of torchmetrics' FrechetInceptionDistance.

    Raises `InputError` if dims is not one of those, or TF32 is asked for without CUDA.

    Parameters
    ----------
    state : mapping of str to Tensor
        The weights, as `load_state` returns them.
    device : str or torch.device
        Where to compute.
    weights_name : str
        Name of the weights, for people.
    weights_sha256 : str
        SHA-256 of the weights' tensors, hexadecimal.
    dims : int
        64, 192, 768 or 2048 features an image.
    """

    def __init__(
        self,
        state: Mapping[str, Tensor],
        *,
        device: str | torch.device,
        weights_name: str,
        weights_sha256: str,
        resize: Resize = Resize.LEGACY_PYTORCH,
        dims: int = 2048,
        precision: FeaturePrecision = FeaturePrecision.FP32,
    ) -> None:
        self.device = torch.device(device)
        self.prepare = RESIZES[resize]
        self.batch_size = usual_batch_size(self.device)
        if dims not in INCEPTION_DIMS:
            raise InputError("--dims", expected=" or ".join(map(str, INCEPTION_DIMS)), found=str(dims))
        self._tf32 = precision is FeaturePrecision.TF32
        if self._tf32 and self.device.type != "cuda":
            raise InputError(
                "--feature-precision tf32", expected="an NVIDIA GPU", found=f"the device {self.device}", fix="Use fp32."
            )
        self.identity = NetworkIdentity(
            weights=weights_name, weights_sha256=weights_sha256, resize=resize.value, dims=dims, dtype=precision.dtype
        )
        self._dtype = _DTYPES[precision]
        self._layers = build_features(state, dims).to(self.device, self._dtype)

    def features(self, images: Tensor) -> Tensor:
        """Compute the features of images of one size.

        `images`, Tensor of uint8, shape (n, 3, h, w): RGB in [0, 255], on any device. The result is float32 (n, dims),
        on the network's device.
        """
        pixels = images.permute(0, 2, 3, 1).cpu().numpy()
        return embed_all(self, torch.stack([self.prepare(image) for image in pixels]))

    @torch.no_grad()
    def embed(self, batch: Tensor) -> Tensor:
        """Compute the features of resized images.

        Parameters
        ----------
        batch : Tensor of float32, shape (n, 3, 299, 299)
            In [-1, 1], as `prepare` returns, on any device.

        Returns
        -------
        Tensor of float32, shape (n, dims)
            On the network's device; averaged over the image in float32 whatever the precision.
        """
        with torch.autocast(self.device.type, enabled=False), float32_products(tf32=self._tf32):
            moved = batch.to(self.device, self._dtype, non_blocking=True)
            maps = self._layers(moved.contiguous(memory_format=torch.channels_last))
            features: Tensor = maps.to(torch.float32).mean(dim=(2, 3))
        return features


def load_inception(
    weights: WeightsFile,
    device: str | torch.device,
    *,
    resize: Resize = Resize.LEGACY_PYTORCH,
    dims: int = 2048,
    precision: FeaturePrecision = FeaturePrecision.FP32,
) -> FidInception:
    """Build the network from a weights file.

    Parameters
    ----------
    weights : WeightsFile
        From `p2phd_eval.features.weights.find.find_weights`.
    device : str or torch.device
        Where to compute, such as ``"cpu"`` or ``"cuda:0"``.
    resize, dims, precision
        See `FidInception`.

    Raises
    ------
    InputError
        If the file changed since it was found, the device is not there, or an argument is none of those offered.
    """
    if torch.device(device).type == "cuda" and not torch.cuda.is_available():
        raise InputError(
            f"device {device}", expected="a GPU", found="a torch that sees none", fix="Use the device cpu."
        )
    return FidInception(
        load_state(weights),
        device=device,
        weights_name=weights.name,
        weights_sha256=weights.sha256,
        resize=resize,
        dims=dims,
        precision=precision,
    )
