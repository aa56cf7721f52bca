"""Where the weights of LPIPS' AlexNet come from: a given file, the cache, torch's hub cache, or a download."""

import dataclasses
from pathlib import Path

import torch
from torch import Tensor

from p2phd_eval.downloads import DownloadError, download
from p2phd_eval.errors import InputError
from p2phd_eval.files import file_sha256
from p2phd_eval.tensor_files import read_state
from p2phd_eval.user_folders import cache_folder

# torchvision's AlexNet_Weights.IMAGENET1K_V1; its file names end in the first digits of the content's SHA-256.
SHA256 = "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02"
FILE_NAME = f"alexnet-owt-{SHA256[:8]}.pth"
URL = f"https://download.pytorch.org/models/{FILE_NAME}"

# torchvision's names and shapes of AlexNet's convolutions, all that LPIPS needs of it.
_CONVOLUTIONS = {
    "features.0": (64, 3, 11, 11),
    "features.3": (192, 64, 5, 5),
    "features.6": (384, 192, 3, 3),
    "features.8": (256, 384, 3, 3),
    "features.10": (256, 256, 3, 3),
}
TENSOR_SHAPES = {
    name: shape
    for convolution, weight in _CONVOLUTIONS.items()
    for name, shape in ((f"{convolution}.weight", weight), (f"{convolution}.bias", weight[:1]))
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class LpipsWeights:
    """A file of AlexNet's weights."""

    path: Path
    sha256: str  # the file's hash, hexadecimal

    @property
    def standard(self) -> bool:
        """Whether it is torchvision's ImageNet file, so that distances compare with published ones."""
        return self.sha256 == SHA256

    @property
    def network(self) -> str:
        """What a result calls the network."""
        return "alex" if self.standard else f"alex, custom weights ({self.path.name}, SHA-256 {self.sha256[:8]})"


def find_lpips_weights(explicit: Path | None = None) -> LpipsWeights:
    """Find the weights: the given file if there is one, else the cached ones, torch's, or a download into the cache.

    `explicit`: a state dict with torchvision's names. Others than torchvision's own are named as custom. Without it
    only the file with torchvision's SHA-256 is taken. Raises `InputError` if the given file is missing; or if the
    weights are neither here nor can be fetched: the message says how to bring them.
    """
    if explicit is not None:
        if not explicit.is_file():
            raise InputError(
                str(explicit),
                expected=f"a file with AlexNet's weights, such as torchvision's {FILE_NAME}",
                found="no such file",
                fix=f"Get it from {URL}.",
            )
        return LpipsWeights(path=explicit, sha256=file_sha256(explicit))
    failures = []
    cached = cache_folder() / FILE_NAME
    for path in (cached, Path(torch.hub.get_dir()) / "checkpoints" / FILE_NAME):
        if path.is_file():
            weights = LpipsWeights(path=path, sha256=file_sha256(path))
            if weights.standard:
                return weights
            failures.append(f"{path}: a file with the wrong SHA-256 {weights.sha256}")
    try:
        download(URL, cached, SHA256)
        return LpipsWeights(path=cached, sha256=SHA256)
    except DownloadError as error:
        failures.append(f"{URL}: {error}")
    raise InputError(
        "LPIPS' AlexNet weights",
        expected=f"{FILE_NAME} in {cache_folder()}, or a way to download it",
        found="none (" + "; ".join(failures) + ")",
        fix=f"On a machine with network get {URL}; put it into {cache_folder()} or pass --lpips-weights FILE.",
    )


def load_lpips_state(weights: LpipsWeights) -> dict[str, Tensor]:
    """Read the convolutions of AlexNet.

    The tensors are float32, under torchvision's names, such as "features.0.weight". Raises `InputError` if the file
    holds other things than tensors, or one is missing, has another shape or is not finite.
    """
    return read_state(weights.path, TENSOR_SHAPES, expected=_WANTED, fix=f"Give torchvision's file, {URL}.")


_WANTED = "a state dict of AlexNet with torchvision's names, tensors alone"
