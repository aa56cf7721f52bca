"""The processes that a training or sampling is spread over, as torchrun starts them; usually there is just one."""

import datetime
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from p2phd_eval.errors import InputError

_T = TypeVar("_T")

# Longer than a validation of the first rank, for which the others wait.
_PATIENCE = datetime.timedelta(hours=2)


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """Where this process stands among all."""

    rank: int = 0
    size: int = 1
    control: Any = None  # process group on the CPU for what must not wait for a GPU

    @property
    def is_first(self) -> bool:
        """Whether this is the rank that writes."""
        return self.rank == 0

    def any(self, flag: bool) -> bool:
        """Return whether any rank says so; a meeting point of all ranks."""
        if self.size == 1:
            return flag
        votes = torch.tensor(int(flag))
        dist.all_reduce(votes, op=dist.ReduceOp.MAX, group=self.control)
        return bool(votes)

    def wait(self) -> None:
        """Wait until all ranks are here."""
        self.any(False)

    def mean(self, values: dict[str, float]) -> dict[str, float]:
        """Return the mean over the ranks of each value; a meeting point of all ranks."""
        if self.size == 1:
            return values
        total = torch.tensor(list(values.values()), dtype=torch.float64)
        dist.all_reduce(total, group=self.control)
        return dict(zip(values, (total / self.size).tolist(), strict=True))

    def largest(self, values: torch.Tensor) -> torch.Tensor:
        """Return the largest of all ranks of each value, on the device where they are; a meeting point of all ranks."""
        if self.size > 1:
            dist.all_reduce(values, op=dist.ReduceOp.MAX)
        return values

    def gather(self, value: _T) -> list[_T]:
        """Return every rank's value on the first, in the order of ranks, and nothing on the others; a meeting point."""
        if self.size == 1:
            return [value]
        values: list[Any] | None = [None] * self.size if self.is_first else None
        dist.gather_object(value, values, group=self.control)
        return values or []

    def from_first(self, value: _T) -> _T:
        """Return the first rank's value on all; a meeting point."""
        if self.size == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, src=0, group=self.control)
        return values[0]

    def indices(self, n: int) -> range:
        """Return this rank's share of 0 to n - 1: consecutive, in the order of ranks, as equal as can be."""
        return range(n * self.rank // self.size, n * (self.rank + 1) // self.size)

    def share(self, network: nn.Module) -> nn.Module:
        """Wrap a network so that its gradients are averaged over the ranks while backward runs."""
        if self.size == 1:
            return network
        # Buffers are not broadcast: only batch norm has any, each rank's own, and those of the first are saved.
        return DistributedDataParallel(network, broadcast_buffers=False, gradient_as_bucket_view=True)


SINGLE = Ranks()


def without_averaging(network: nn.Module, *, when: bool) -> Any:
    """Return a context in which backward only adds to this rank's own gradients, for all parts but the last."""
    return network.no_sync() if when and isinstance(network, DistributedDataParallel) else nullcontext()


@contextmanager
def ranks_from_environment(device: torch.device) -> Iterator[Ranks]:
    """Join the processes that torchrun started, NCCL between GPUs and gloo between CPUs; alone without torchrun.

    Raises `InputError` if torchrun's variables are there in part only, or the ranks cannot find each other.
    """
    if "WORLD_SIZE" not in os.environ:
        yield SINGLE
        return
    missing = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if missing:
        raise InputError(
            f"environment variable {missing[0]}",
            expected="all of torchrun's variables, since WORLD_SIZE is set",
            found="nothing",
            fix="Start with: torchrun --nproc-per-node N --no-python p2phd-eval train ...; or unset WORLD_SIZE.",
        )
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if on_gpu else "gloo", timeout=_PATIENCE)
    control = dist.new_group(backend="gloo", timeout=_PATIENCE) if on_gpu else None
    rank = dist.get_rank()
    try:
        yield Ranks(rank=rank, size=dist.get_world_size(), control=control)
    except RuntimeError as error:
        if not any(library in str(error).lower() for library in ("gloo", "nccl", "connection closed")):
            raise
        raise InputError(
            f"rank {rank}",
            expected="all ranks to the end",
            found="that another one ended",
            fix="The message of that rank says why; what it saved is kept.",
        ) from error
    # Left alone after an error: taking leave of a rank that is gone would wait for it. What is left of networks in
    # reference cycles holds the group; destroyed with the interpreter, its threads would end the process with SIGABRT.
    gc.collect()
    dist.barrier(group=control)
    dist.destroy_process_group()


def is_first_process() -> bool:
    """Whether this is the process that writes and tells, of those that torchrun started; alone it is."""
    return "WORLD_SIZE" not in os.environ or os.environ.get("RANK", "0") == "0"


def local_device(device: torch.device) -> torch.device:
    """Return this process's own GPU where torchrun runs several beside each other, otherwise `device`.

    Raises `InputError` if the machine has fewer GPUs than processes.
    """
    if "LOCAL_RANK" not in os.environ or device.type != "cuda":
        return device
    index, present = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if index >= present:
        raise InputError(
            "--nproc-per-node", expected=f"at most {present}, the GPUs of this machine", found=f"rank {index}"
        )
    return torch.device("cuda", index)
