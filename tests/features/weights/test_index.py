from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from p2phd_eval.errors import InputError
from p2phd_eval.features.weights.find import fetch_weights, find_weights
from p2phd_eval.features.weights.index import (
    RELEASE_FILE,
    WEIGHTS_VARIABLE,
    WHEEL_FILE,
    WeightsFile,
    known_weights,
    local_files,
    remember_weights,
)
from p2phd_eval.files import file_sha256
from p2phd_eval.user_folders import CACHE_VARIABLE


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache; torch's hub folder is empty too."""
    folder = tmp_path / "the cache"
    monkeypatch.setenv(CACHE_VARIABLE, str(folder))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    monkeypatch.delenv(WEIGHTS_VARIABLE, raising=False)
    return folder


def small_file(path: Path, content: bytes = b"weights") -> WeightsFile:
    """A file as if `find_weights` had checked it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return WeightsFile(path=path, source="given file", file_sha256=file_sha256(path), sha256="5" * 64)


def test_weights_are_known_once_they_were_found(inception_weights: WeightsFile, cache: Path) -> None:
    given = shutil.copy(inception_weights.path, cache.parent / "given.pt")
    assert known_weights(given) is None
    found = find_weights(given)
    assert known_weights(given) == found
    assert found.file_sha256 == file_sha256(given)
    # The same content in the cache: it was checked, wherever it lay.
    cached = shutil.copy(given, cache / WHEEL_FILE)
    known = known_weights()
    assert known is not None
    assert (known.path, known.sha256, known.name, known.standard) == (cached, found.sha256, found.name, True)
    assert known == fetch_weights()


def test_known_weights_are_found_without_torch(inception_weights: WeightsFile) -> None:
    script = (
        "import sys; from p2phd_eval.features.weights.index import known_weights\n"
        "known = known_weights(); print(known.sha256, 'torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.split() == [inception_weights.sha256, "False"]


def test_a_changed_file_is_not_known(cache: Path) -> None:
    weights = small_file(cache.parent / "given.pt")
    remember_weights(weights)
    assert known_weights(weights.path) == weights
    # Of the same length, and as old as before.
    before = weights.path.stat()
    weights.path.write_bytes(b"Weights")
    os.utime(weights.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert known_weights(weights.path) is None
    with pytest.raises(InputError):
        find_weights(weights.path)


def test_the_option_comes_before_the_variable_and_the_variable_before_the_cache(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    option, variable = small_file(cache.parent / "a.pt", b"a"), small_file(cache.parent / "b.pt", b"b")
    for weights in (option, variable):
        remember_weights(weights)
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(variable.path))
    assert known_weights(option.path) == option
    assert known_weights() == variable
    variable.path.unlink()
    small_file(cache / WHEEL_FILE, b"a")
    assert known_weights() is None  # find_weights says that the file is missing


def test_other_weights_than_fids_are_used_only_when_given(cache: Path) -> None:
    weights = small_file(cache / RELEASE_FILE)
    remember_weights(weights)
    assert known_weights() is None
    known = known_weights(weights.path)
    assert known is not None
    assert known.name == f"custom ({RELEASE_FILE})"


def test_a_damaged_record_counts_as_none(cache: Path) -> None:
    weights = small_file(cache.parent / "given.pt")
    remember_weights(weights)
    (record,) = (cache / "weights").iterdir()
    for content in (b"", b'{"tensors_sha', b"[]", b'{"tensors_sha256": 3}', b"\xff"):
        record.write_bytes(content)
        assert known_weights(weights.path) is None
    remember_weights(weights)
    assert known_weights(weights.path) == weights


def test_a_file_whose_tensors_hash_otherwise_is_recorded_anew(cache: Path) -> None:
    weights = small_file(cache.parent / "given.pt")
    remember_weights(dataclasses.replace(weights, sha256="6" * 64))
    remember_weights(weights)
    assert known_weights(weights.path) == weights


def test_where_nothing_can_be_written_nothing_is_known(cache: Path) -> None:
    cache.write_text("a file in place of the folder")
    weights = small_file(cache.parent / "given.pt")
    remember_weights(weights)
    assert known_weights(weights.path) is None


@pytest.mark.parametrize("variable", ["TORCH_HOME", "XDG_CACHE_HOME", "HOME"])
def test_the_hub_is_where_torch_has_it(variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    hub = Path(torch.hub.get_dir()) / "checkpoints"
    assert hub.is_relative_to(tmp_path)
    assert hub / RELEASE_FILE in [path for path, _ in local_files()]
