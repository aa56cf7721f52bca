"""The memory that a training step will need, from running the step itself on tensors that have none."""

import dataclasses
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from p2phd_eval.config import TrainConfig
from p2phd_eval.generators.data.batch import Batch
from p2phd_eval.generators.networks.conditioning import conditioning_channels
from p2phd_eval.generators.training.precision import backend_flags, find_precision
from p2phd_eval.generators.training.step import Pix2PixHD

# What a CPU cannot run, and what takes the same memory.
_STANDS_FOR = {"tf32": "fp32", "apex-O1": "amp-fp16", "apex-O2": "fp16"}
_INSTANCES = 64  # in each photo; the encoder keeps a few numbers for each, whatever the size


@dataclasses.dataclass(frozen=True, kw_only=True)
class Estimate:
    """What one rank needs, in bytes at the moment of a step at which they are the most in all."""

    size: tuple[int, int]  # width and height of the networks' input in pixels
    samples: int  # that go through the networks together
    parameters: dict[str, int]  # number in "G", "D", and where they are there "E" and "VGG"
    weights: int  # with the float32 copies of reduced ones, and the VGG's
    gradients: int  # 0 where the peak comes before any is there
    optimizer: int  # state of Adam: two moments a weight
    activations: int  # everything else: activations, the sample and its gradients, the batch, the image pool

    @property
    def total(self) -> int:
        """The sum, in bytes."""
        return self.weights + self.gradients + self.optimizer + self.activations


def estimate(config: TrainConfig, size: tuple[int, int], ranks: int = 1) -> Estimate:
    """Return the number of parameters and the memory of a training step, without taking either.

    The training's own code builds the networks and runs two steps, the first to make the optimizers' state, on
    tensors that have a shape, a dtype and a device but no data (torch's FakeTensorMode, CPU). Every storage that an
    operation returns is followed until it is freed, so the sum is what PyTorch's allocator is asked for at the peak.

    Left out are what the allocator keeps beyond that (rounding and fragmentation), the workspaces of cuDNN and cuBLAS,
    the CUDA context (some hundred MB), and what `torch.compile` saves. Local enhancers are counted with all weights
    trained, as after `epochs_fix_global`; "tf32" as "fp32", "apex-O1" as "amp-fp16", "apex-O2" as "fp16". An
    arithmetic that is left open is that of a GPU.

    Parameters
    ----------
    config : TrainConfig
    size : (int, int)
        Width and height of the networks' input in pixels, after resize and crop; multiples of `config.size_multiple`.
    ranks : int
        Processes that share a batch.

    Raises
    ------
    InputError
        If the batch cannot be shared, or the precision is unknown.
    """
    config.samples_at_once(ranks)
    objective = config.objective
    name = _STANDS_FOR.get(config.precision, config.precision)
    precision = find_precision(name, torch.device("cuda"), config.execution.arithmetic)
    traced = dataclasses.replace(
        config,
        precision=precision.name,
        batch_size=config.batch_size // ranks,
        epochs_fix_global=0,
        execution=dataclasses.replace(config.execution, compile=False, arithmetic=precision.arithmetic),
        # Its weights need not be at hand yet: all take the same memory.
        objective=objective if objective.vgg == "none" else dataclasses.replace(objective, vgg="untrained"),
    )
    with FakeTensorMode():
        return trace_steps(traced, size)


def trace_steps(config: TrainConfig, size: tuple[int, int]) -> Estimate:
    """Run two training steps on zeros on the CPU, and return what the second one needed at its peak.

    Under FakeTensorMode this takes seconds and no memory; without, it is the training itself, but for paddings
    and norms, which are those of a GPU. torch's global generator is left as it was.

    `config`: its batch is that of one rank. `size`, (int, int): width and height in pixels.
    """
    with torch.random.fork_rng(devices=[]), _AsOnCuda(), _LivingStorages() as storages:
        model = Pix2PixHD(config, torch.device("cpu"))
        with backend_flags(model.precision, deterministic=config.execution.deterministic):
            _fill_pool(model, size)
            batch = _zeros(config, size)
            model.train_step(batch)
            storages.forget_peak()
            model.train_step(batch)
        return _account(model, storages, size)


class _AsOnCuda(TorchFunctionMode):
    """Pads and normalises in the dtype at hand, as on CUDA; a CPU does both in float32, which a GPU need not hold."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if resolve_name(func) == "torch.Tensor.is_cuda.__get__":
            return True
        if func is not torch.nn.functional.pad:
            return func(*args, **(kwargs or {}))
        with torch.autocast("cpu", enabled=False):
            return func(*args, **(kwargs or {}))


class _LivingStorages(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows the storages that operations return from their birth until they are freed."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._births: dict[int, int] = {}  # numbers in the order of their birth of living storages, by their id
        self._count = 0
        self._bytes = 0  # what those alive now take
        self.peak_bytes = 0  # at most at once
        self._last_before_peak = 0

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func is torch.ops.aten.detach.default and weakref.getweakrefs(result):
            # FakeTensorMode remembers, by a weak reference, the first tensor of its kind, and `Module.to` refuses
            # parameters that have any. The second one is not remembered.
            result = func(*args)
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self._follow(leaf.untyped_storage())
        return result

    def _follow(self, storage: torch.UntypedStorage) -> None:
        # torch keeps one Python object for a storage as long as the storage lives, whoever refers to it.
        key, n_bytes = id(storage), storage.nbytes()
        if key in self._births:
            return
        self._count += 1
        self._births[key] = self._count
        self._bytes += n_bytes
        weakref.finalize(storage, self._forget, key, n_bytes).atexit = False
        if self._bytes > self.peak_bytes:
            self.peak_bytes, self._last_before_peak = self._bytes, self._count

    def _forget(self, key: int, n_bytes: int) -> None:
        del self._births[key]
        self._bytes -= n_bytes

    def forget_peak(self) -> None:
        """Look for the peak from here on."""
        self.peak_bytes, self._last_before_peak = self._bytes, self._count

    def bytes_at_peak(self, tensors: Iterable[torch.Tensor]) -> int:
        """Return the bytes of the storages of tensors, all alive still, that were there at the peak already."""
        storages = {id(storage): storage for storage in (tensor.untyped_storage() for tensor in tensors)}
        return sum(
            storage.nbytes() for key, storage in storages.items() if self._births.get(key, 0) <= self._last_before_peak
        )


def _zeros(config: TrainConfig, size: tuple[int, int]) -> Batch:
    """Return a batch as the training sees it on its device."""
    (width, height), n = size, config.batch_size
    data, features = config.data, config.features
    photo = torch.zeros(n, 3, height, width)
    return Batch(
        triplets=(),
        label=torch.zeros(n, 1, height, width, dtype=torch.uint8) if data.label_nc else torch.zeros_like(photo),
        instance=torch.zeros(n, 1, height, width, dtype=torch.int32) if data.instances else None,
        photo=photo,
        features=torch.zeros_like(photo) if features.precomputed else None,
        n_instances=_INSTANCES if features.kind == "instance" else None,
    )


def _fill_pool(model: Pix2PixHD, size: tuple[int, int]) -> None:
    if model.pool is not None:
        shape = (conditioning_channels(model.config.data) + 3, size[1], size[0])
        samples = [torch.zeros(shape, dtype=model.precision.weights_dtype) for _ in range(model.pool.size)]
        model.pool.load_state_dict({**model.pool.state_dict(), "samples": samples}, model.device, "pool")


def _account(model: Pix2PixHD, storages: _LivingStorages, size: tuple[int, int]) -> Estimate:
    networks = {"G": model.generator, "D": model.discriminator, "E": model.encoder, "VGG": model.vgg}
    present = {name: network for name, network in networks.items() if network is not None}
    optimizers = [model.generator_optimizer.optimizer, model.discriminator_optimizer.optimizer]
    parameters = [parameter for network in present.values() for parameter in network.parameters()]
    updated = [
        parameter for optimizer in optimizers for group in optimizer.param_groups for parameter in group["params"]
    ]
    buffers = [buffer for network in present.values() for buffer in network.buffers()]
    moments = tree_leaves([list(state.values()) for optimizer in optimizers for state in optimizer.state.values()])

    weights = storages.bytes_at_peak([*parameters, *updated, *buffers])
    gradients = storages.bytes_at_peak(p.grad for p in (*parameters, *updated) if p.grad is not None)
    state = storages.bytes_at_peak(moments)
    return Estimate(
        size=size,
        samples=model.config.samples_at_once(1),
        parameters={name: sum(p.numel() for p in network.parameters()) for name, network in present.items()},
        weights=weights,
        gradients=gradients,
        optimizer=state,
        activations=storages.peak_bytes - weights - gradients - state,
    )
