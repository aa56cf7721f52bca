"""Files of feature statistics, `mu` and `sigma`, as all FID tools exchange them; torch is loaded for its own alone."""

import dataclasses
import json
import os
from collections.abc import Callable, Mapping
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError, shown
from p2phd_eval.features.feature_set import FeatureStamp, read_stamp
from p2phd_eval.files import atomic_write
from p2phd_eval.npz_files import largest_content, read_npz, text_of
from p2phd_eval.stats.distances.covariance import cholesky_or_none, require_covariance, require_semidefinite
from p2phd_eval.stats.distances.moments import Moments
from p2phd_eval.stores.store_path import AnyPath, StorePath, as_path, pinned

_WANTED = "feature statistics: mu of shape (d,) and sigma of shape (d, d)"
_COMPUTE_AGAIN = "Compute the statistics again from the images, or give the images themselves."


@dataclasses.dataclass(frozen=True, kw_only=True)
class Statistics:
    """Moments of the features of a set of images, and where they come from."""

    moments: Moments
    stamp: FeatureStamp | None  # None in the files of other tools, which do not say how they were made
    path: AnyPath  # the file, or what was summed up
    notes: tuple[str, ...] = ()  # what about the file limits its precision

    def __repr__(self) -> str:
        images = "unknown" if self.moments.n is None else self.moments.n
        return f"Statistics: mean and covariance of {len(self.moments.mean)} features, {images} images, of {self.path}"


def save_statistics(path: str | os.PathLike[str], moments: Moments, stamp: FeatureStamp | None) -> None:
    """Write statistics atomically as `.npz`: `mu` and `sigma` (ddof = 1) as pytorch-fid reads them, `n` and `stamp`.

    Parameters
    ----------
    path : path-like
        Ending in `.npz`, by which pytorch-fid knows such files.
    moments : Moments
        With ddof = 1, as all tools have it. An unknown n is left out.
    stamp : FeatureStamp or None
        How the features were made, kept as JSON; left out where it is None.

    Raises
    ------
    InputError
        If the path ends otherwise or ddof is not 1.
    """
    file = as_path(path)
    if file.suffix != ".npz":
        raise InputError(str(file), expected="a file name ending in .npz", found=file.name)
    if moments.ddof != 1:
        raise InputError(
            str(file), expected="a covariance divided by n - 1, as all tools have it", found=f"ddof = {moments.ddof}"
        )
    with atomic_write(path) as stream:
        np.savez(stream, **statistics_arrays(moments, stamp))


def statistics_arrays(moments: Moments, stamp: FeatureStamp | None) -> dict[str, Any]:
    """Return what a file of statistics holds, by name."""
    arrays: dict[str, Any] = {"mu": moments.mean, "sigma": moments.covariance}
    if moments.n is not None:
        arrays["n"] = np.array(moments.n)
    if stamp is not None:
        arrays["stamp"] = np.array(json.dumps(dataclasses.asdict(stamp)))
    return arrays


def load_statistics(path: str | os.PathLike[str], *, semidefinite: bool = True) -> Statistics:
    """Read statistics of this tool, of pytorch-fid, clean-fid (`.npz`) or torch-fidelity (`.pt`).

    Nothing in a file is unpickled but arrays of numbers.

    Parameters
    ----------
    path : path-like
        `.npz` with `mu` and `sigma`, and perhaps `n` and `stamp`; or, ending in `.pt` or `.pth`, what `torch.save`
        wrote of a dict with `mu` and `sigma`, arrays or tensors.
    semidefinite : bool
        Whether it is checked that sigma is positive semi-definite, which takes seconds where it is singular.

    Returns
    -------
    Statistics
        In float64, whatever the file has. A sigma that was stored with less is noted.

    Raises
    ------
    InputError
        If the file is missing, damaged or no such file, holds objects, or its `mu` and `sigma` are not a mean and a
        covariance: of other shapes, not finite, not symmetric or not positive semi-definite.
    """
    file = pinned(as_path(path))
    if not file.is_file():
        raise InputError(
            str(file), expected="a file of feature statistics", found="no such file", fix="Check the path."
        )
    fields = (_read_torch if file.suffix.lower() in (".pt", ".pth") else _read_npz)(file)
    return statistics_of_arrays(fields, file, semidefinite=semidefinite)


def statistics_of_arrays(fields: Mapping[str, Any], file: AnyPath, *, semidefinite: bool) -> Statistics:
    """Return the statistics that a file's arrays hold; raises `InputError` as `load_statistics`."""
    with np.errstate(over="ignore"):  # what float64 cannot hold becomes infinite, and is refused as such
        mean, covariance = (_numbers(file, fields, name).astype(np.float64) for name in ("mu", "sigma"))
    require_covariance(mean, covariance, str(file))
    if semidefinite and cholesky_or_none(covariance) is None:
        require_semidefinite(np.linalg.eigvalsh(covariance), str(file))
    stored = fields["sigma"].dtype
    return Statistics(
        moments=Moments(n=_count(file, fields), mean=mean, covariance=covariance),
        stamp=_stamp(file, fields),
        path=file,
        notes=() if stored.itemsize >= 8 else (f"{file} holds sigma in {stored}: its rounding is part of the FID",),
    )


def _read_npz(file: AnyPath) -> dict[str, Any]:
    return dict(read_npz(file, ("mu", "sigma"), optional=("n", "stamp"), expected=_WANTED, fix=_COMPUTE_AGAIN))


def _read_torch(file: AnyPath) -> dict[str, Any]:
    """Read a dict that `torch.save` wrote; its tensors become NumPy arrays.

    Besides tensors and plain containers the unpickler makes arrays of real numbers alone; whatever else a file asks
    for is refused, not run.
    """
    import torch

    from p2phd_eval.tensor_files import read_tensors, tensor_fault

    wanted = "a dict of arrays or tensors mu and sigma, as torch-fidelity caches it"
    with NamedTemporaryFile() as copy:  # torch reads files alone
        if isinstance(file, StorePath):
            copy.write(file.read_bytes())
            copy.flush()
        source = copy.name if isinstance(file, StorePath) else file
        content = read_tensors(source, expected=wanted, fix=_COMPUTE_AGAIN, where=str(file), also=_array_globals())
    if not isinstance(content, dict):
        raise InputError(str(file), expected=wanted, found=shown(content), fix=_COMPUTE_AGAIN)
    fields: dict[str, Any] = {}
    for name, value in content.items():
        if isinstance(value, torch.Tensor) and (fault := tensor_fault(value)) and tensor_fault(value, whole=True):
            raise InputError(f"{file}, key {shown(name)}", expected="real numbers", found=fault, fix=_COMPUTE_AGAIN)
        if isinstance(value, torch.Tensor):
            value = (value.float() if value.dtype is torch.bfloat16 else value).detach().numpy()
        fields[name] = value
    return fields


def _array_globals() -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    # NumPy rebuilds an array by this function, which has had another module in NumPy 1 and in 2; either reads both.
    rebuild: Any = np.zeros(0).__reduce__()[0]
    return [
        (rebuild, "numpy.core.multiarray._reconstruct"),
        (rebuild, "numpy._core.multiarray._reconstruct"),
        np.ndarray,
        np.dtype,
        *(type(np.dtype(name)) for name in ("float16", "float32", "float64", "int32", "int64")),
    ]


def _numbers(file: AnyPath, fields: Mapping[str, Any], name: str) -> npt.NDArray[Any]:
    if name not in fields:
        raise _unusable(file, f"no {name!r}")
    values = fields[name]
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiu":
        kind = values.dtype if isinstance(values, np.ndarray) else type(values).__name__
        raise _unusable(file, f"{name!r} of {kind}, not of real numbers")
    if values.nbytes > largest_content(_size(file)):
        raise _unusable(file, f"{name!r} of shape {values.shape}, more than the file holds")
    return values


def _size(file: AnyPath) -> int:
    with file.open("rb") as stream:
        return stream.seek(0, os.SEEK_END)


def _count(file: AnyPath, fields: Mapping[str, Any]) -> int | None:
    if "n" not in fields:
        return None
    n = fields["n"]
    if isinstance(n, np.ndarray) and n.shape == () and n.dtype.kind in "iu":
        n = int(n)
    if type(n) is not int or not 2 <= n < 1 << 63:
        raise _unusable(file, f"n = {n!r:.60}, which is no number of images")
    return n


def _stamp(file: AnyPath, fields: Mapping[str, Any]) -> FeatureStamp | None:
    if "stamp" not in fields:
        return None
    stamp = fields["stamp"]
    try:
        text = text_of(stamp) if isinstance(stamp, np.ndarray) else stamp
        if not isinstance(text, str):
            raise ValueError(f"a {type(text).__name__}")
    except ValueError as error:
        raise _unusable(file, f"a stamp that cannot be read ({error})") from error
    return read_stamp(text, str(file))


def _unusable(file: AnyPath, found: str) -> InputError:
    return InputError(str(file), expected=_WANTED, found=found, fix=_COMPUTE_AGAIN)
