"""What is said where memory is too little."""

from __future__ import annotations

import errno
from collections.abc import Callable

import numpy as np
import pytest
import torch

from p2phd_eval.errors import InputError, MemoryShortage
from p2phd_eval.memory import is_shortage, memory_for, memory_of, require_memory

CPU = torch.device("cpu")
TOO_MUCH = 1 << 60  # bytes


def _numpy() -> object:
    return np.empty(TOO_MUCH, dtype=np.uint8)


def _torch() -> object:
    return torch.empty(TOO_MUCH, dtype=torch.uint8)


def _cuda() -> object:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has")


def _cublas() -> object:
    raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")


def _fork() -> object:
    raise OSError(errno.ENOMEM, "Cannot allocate memory")


@pytest.mark.parametrize("take", [_numpy, _torch, _cuda, _cublas, _fork])
def test_every_way_in_which_memory_runs_out_says_what_to_reduce(take: Callable[[], object]) -> None:
    with (
        pytest.raises(MemoryShortage, match=r"^training: expected enough memory, found") as caught,
        memory_for("training", "Reduce --batch-size."),
    ):
        take()
    assert caught.value.fix == "Reduce --batch-size."
    assert "\n" not in caught.value.found
    assert is_shortage(caught.value)


@pytest.mark.parametrize("other", [RuntimeError("shape mismatch"), InputError("a", expected="b", found="no memory")])
def test_other_errors_stay_what_they_are(other: Exception) -> None:
    with pytest.raises(type(other)) as caught, memory_for("training", ""):
        raise other
    assert caught.value is other


def test_what_needs_more_than_the_machine_has_is_refused_with_numbers() -> None:
    there = memory_of(CPU)
    assert there is not None
    require_memory(there, CPU, "training", "")
    with pytest.raises(MemoryShortage, match=r"at most the [\d,.]+ GB that cpu has, found at least 1,000\.0 GB"):
        require_memory(10**12, CPU, "training", "")
