"""Which apex is there: none, PyPI's unrelated project, one without amp, or the right one (which needs a GPU)."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from p2phd_eval.errors import InputError
from p2phd_eval.generators.training.precision import find_precision

CPU = torch.device("cpu")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Put an importable package `apex` with the given files first on the path."""

    def make(*files: str, text: str = "") -> None:
        for name in files:
            path = tmp_path / "apex" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        importlib.invalidate_caches()

    def forget() -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] == "apex"]:
            del sys.modules[name]

    forget()
    yield make
    forget()


def test_no_apex() -> None:
    if importlib.util.find_spec("apex") is not None:
        pytest.skip("an apex is installed")
    with pytest.raises(InputError, match="found no package called apex") as caught:
        find_precision("apex-O1", CPU)
    assert "--precision amp-fp16" in caught.value.fix


def test_the_unrelated_project(package: Callable[..., None]) -> None:
    """PyPI's apex 0.9.10.dev0 is a toolkit for the Pyramid web framework: apex/lib, apex/models, apex/views."""
    package("__init__.py", "lib/__init__.py", "models/__init__.py", "views.py")
    with pytest.raises(InputError, match="found PyPI's unrelated project called apex"):
        find_precision("apex-O1", CPU)


def test_a_release_without_amp(package: Callable[..., None]) -> None:
    package("__init__.py", "normalization/__init__.py", "optimizers/__init__.py")
    with pytest.raises(InputError, match="a release of NVIDIA's apex from which amp has been removed") as caught:
        find_precision("apex-O2", CPU)
    assert "--precision fp16:" in caught.value.fix


def test_an_amp_that_does_not_import(package: Callable[..., None]) -> None:
    package("__init__.py", "normalization/__init__.py")
    package("amp/__init__.py", text="from torch._six import string_classes\n")
    with pytest.raises(InputError, match=r"an apex\.amp that does not import \(No module named 'torch\._six'\)"):
        find_precision("apex-O1", CPU)


def test_the_right_one_needs_cuda(package: Callable[..., None]) -> None:
    package("__init__.py", "normalization/__init__.py", "amp/__init__.py")
    with pytest.raises(InputError, match=r"expected a CUDA device \(apex works on no other\), found cpu"):
        find_precision("apex-O1", CPU)


def test_apex_has_nothing_for_sampling() -> None:
    with pytest.raises(InputError, match=r"expected .* \| bf16, found 'apex-O1'"):
        find_precision("apex-O1", CPU, for_training=False)
