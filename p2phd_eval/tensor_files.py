"""The door for files of `torch.save`, whoever wrote them: data alone, and no more memory than their bytes fill."""

import mmap
import os
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from p2phd_eval.errors import InputError, shown

#: What weights are made of. Everything else that calls itself a tensor has no values that a network can take over.
REAL = (torch.float16, torch.bfloat16, torch.float32, torch.float64)

_ALWAYS = 64 << 20  # bytes that even a small file may take
_ALWAYS_SHARED = 256 << 20  # bytes of tensors that may lie in fewer bytes
_LARGEST_PICKLE = 64 << 20  # bytes of what describes the tensors
_ARCHIVE = b"PK\3\4"
# The one thing that torch's unpickler of data makes in any size that a file asks for.
_SIZED_AT_WILL = b"bytearray"


def read_tensors(
    path: str | os.PathLike[str],
    *,
    expected: str,
    fix: str = "",
    where: str | None = None,
    also: Sequence[Callable[..., Any] | tuple[Callable[..., Any], str]] = (),
) -> Any:
    """Read what `torch.save` wrote onto the CPU, of any version of its format; pickled code is refused, never run.

    Parameters
    ----------
    path : path-like
    expected, fix : str
        What the file should be, and what to do if it is not, for errors.
    where : str, optional
        What errors name instead of the path.
    also : sequence
        Functions that the file may ask for beside those that make tensors, as `torch.serialization.safe_globals` takes
        them.

    Raises
    ------
    InputError
        If the file is missing, damaged, holds anything but data, or asks for more memory than its own bytes fill.
    """
    file = Path(path)
    place = str(file) if where is None else where
    if not file.is_file():
        found = "a folder" if file.is_dir() else "no regular file" if file.exists() else "no such file"
        raise InputError(place, expected=expected, found=found, fix=fix)
    try:
        if refused := _what_would_take_memory(file):
            raise InputError(place, expected=expected, found=refused, fix=fix)
        with warnings.catch_warnings(), torch.serialization.safe_globals(list(also)):
            warnings.simplefilter("ignore")  # about what the error says better
            content = torch.load(file, map_location="cpu", weights_only=True)
        _require_own_memory(content)
    except InputError:
        raise
    except Exception as error:  # torch.load raises a different type for each way in which a file is wrong
        raise InputError(place, expected=expected, found=_reason(file, error), fix=fix) from error
    return content


def read_state(
    path: str | os.PathLike[str], shapes: Mapping[str, Sequence[int]], *, expected: str, fix: str = ""
) -> dict[str, torch.Tensor]:
    """Read the tensors of some names and shapes out of a file of a state dict, in float32; others are left out.

    `expected`, `fix`: as for `read_tensors`. Raises `InputError` as it does, and if the file holds no mapping, or a
    tensor is missing, has another shape or is not finite.
    """

    def unusable(found: str) -> InputError:
        return InputError(str(path), expected=expected, found=found, fix=fix)

    return select_tensors(read_tensors(path, expected=expected, fix=fix), shapes, unusable)


def select_tensors(
    stored: object, shapes: Mapping[str, Sequence[int]], unusable: Callable[[str], InputError]
) -> dict[str, torch.Tensor]:
    """Return the tensors of some names and shapes, in their order and in float32, of what a file holds.

    `unusable`: returns the error that is raised if that is no mapping, or a tensor is missing, has another shape or is
    not finite; it is told what was found.
    """
    if not isinstance(stored, Mapping):
        raise unusable(shown(stored))
    state = {}
    for name, shape in shapes.items():
        tensor: Any = stored.get(name)
        if fault := tensor_fault(tensor, shape):
            raise unusable(f"{name!r}: {fault} instead of {tuple(shape)}" if name in stored else f"no tensor {name!r}")
        state[name] = tensor.detach().float()
        if not is_finite(state[name]):
            raise unusable(f"NaN or infinity in {name!r}")
    return state


def tensor_fault(value: object, shape: Sequence[int] | None = None, *, whole: bool = False) -> str | None:
    """Say what is wrong with a value that should be a tensor of real numbers; None if nothing is.

    `shape`: which it should have; None: any. `whole`: it should be of int64 instead, as counters are.
    """
    if not isinstance(value, torch.Tensor):
        return shown(value)
    if value.device.type != "cpu":
        return f"a tensor on the device {value.device}, without data"
    if value.is_quantized or value.is_nested or value.layout is not torch.strided:
        kind = "quantised" if value.is_quantized else "nested" if value.is_nested else "sparse"
        return f"a {kind} tensor"
    if value.dtype not in ((torch.int64,) if whole else REAL):
        return f"numbers of {str(value.dtype).removeprefix('torch.')}"
    if shape is not None and tuple(value.shape) != tuple(shape):
        return f"shape {tuple(value.shape)}"
    return None


def is_finite(tensor: torch.Tensor) -> bool:
    """Whether all numbers are finite, of a tensor in which `tensor_fault` found nothing."""
    return bool(torch.isfinite(tensor).all())


def _what_would_take_memory(file: Path) -> str | None:
    size = file.stat().st_size
    if not size:
        return "an empty file"
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        # torch takes for an archive what begins like one, zipfile what ends like one: it may be appended to a pickle.
        if content[: len(_ARCHIVE)] != _ARCHIVE:
            return None if content.find(_SIZED_AT_WILL) < 0 else _OTHERS
        if not _ends_with_its_directory(content):
            return f"{_DAMAGED} (an archive that does not end with its directory)"
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        unpacked = sum(member.file_size for member in members)
        # torch does not compress.
        if unpacked > max(_ALWAYS, 2 * size):
            return f"{size} bytes that unpack to {unpacked}, which torch does not write"
        for member in members:
            if member.filename.lower().endswith(".pkl"):  # torch finds DATA.PKL, too
                if member.file_size > _LARGEST_PICKLE:
                    return f"{member.filename} of more than {_LARGEST_PICKLE >> 20} MiB"
                if _SIZED_AT_WILL in archive.read(member):
                    return _OTHERS
    return None


def _ends_with_its_directory(content: mmap.mmap) -> bool:
    """Whether the directory of an archive lies right before the records that tell its place, and these at the end.

    So torch writes it. Of others, torch and zipfile may read two directories: the one believes the place that is told,
    the other what lies before the records.
    """
    end = len(content) - 22
    if end < 0 or content[end : end + 4] != b"PK\5\6":
        return False
    size, start, comment = struct.unpack_from("<IIH", content, end + 12)
    if end >= 76 and content[end - 20 : end - 16] == b"PK\6\7":  # of 64 bits: a second record, and where that is
        (place,) = struct.unpack_from("<Q", content, end - 12)
        if place != end - 76 or content[place : place + 4] != b"PK\6\6":
            return False
        size, start = struct.unpack_from("<QQ", content, place + 40)
        end = place
    return bool(start + size == end and not comment)


def _require_own_memory(content: Any) -> None:
    """Refuse tensors that are far larger than what lies behind them: one number a thousand million times, or one
    weight for a hundred layers. Whoever copies them would fill the memory."""
    wanted, storages = 0, {}
    for tensor in _tensors(content):
        if tensor_fault(tensor) is None:
            wanted += tensor.numel() * tensor.element_size()
            storage = tensor.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
    if wanted > sum(storages.values()) + _ALWAYS_SHARED:
        raise ValueError(f"tensors of {wanted} bytes that share {sum(storages.values())}")


def _tensors(content: Any) -> Iterator[torch.Tensor]:
    waiting, seen = [content], set()
    while waiting:
        value = waiting.pop()
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, Mapping | list | tuple) and id(value) not in seen:
            seen.add(id(value))
            waiting += value.values() if isinstance(value, Mapping) else value


_DAMAGED = "a damaged or foreign file"
_OTHERS = "pickled objects other than tensors, which could run code when loaded (nothing was run)"


def _reason(file: Path, error: Exception) -> str:
    if type(error) is ValueError and str(error).startswith("tensors of"):
        return str(error)
    with file.open("rb") as stream:
        holds_pickle = stream.read(1) in (b"P", b"\x80")  # in a zip archive, or plain
    text = str(error).lower()
    if holds_pickle and ("unsupported" in text or "can only build" in text):
        return _OTHERS
    return f"{_DAMAGED} ({type(error).__name__})"
