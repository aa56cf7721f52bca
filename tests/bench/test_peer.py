"""NVIDIA's own step beside ours: it runs, and nothing of what that takes stays behind."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch

from p2phd_eval.bench.peer import original_step, require_checkout
from p2phd_eval.config import TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.generators.data.dataset import Batch
from p2phd_eval.generators.original.options import options_text
from p2phd_eval.presets import PRESETS
from p2phd_eval.torchvision_ops import declare_missing_operators
from tests.bench.checkout import write_checkout

CPU = torch.device("cpu")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return write_checkout(tmp_path / "pix2pixHD")


def snapshot() -> dict[str, Any]:
    declare_missing_operators()
    import torchvision

    names = ("models", "util", "options", "data")
    return {
        "path": list(sys.path),
        "modules": {name: module for name, module in sys.modules.items() if name.partition(".")[0] in names},
        "bytecode": sys.dont_write_bytecode,
        "cuda": ("cuda" in vars(torch.Tensor), torch.Tensor.cuda, torch.nn.Module.cuda),
        "types": (torch.cuda.FloatTensor, torch.cuda.ByteTensor),
        "variable": torch.autograd.Variable,
        "vgg": torchvision.models.vgg19,
    }


def test_the_originals_step_leaves_no_trace(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "util", types.ModuleType("util"))  # someone else's of that name
    before = snapshot()
    with original_step(checkout, TrainConfig(), CPU):
        assert torch.cuda.FloatTensor is torch.FloatTensor
    assert snapshot() == before
    assert not list(checkout.rglob("__pycache__"))

    (checkout / "util" / "helper.py").write_text("raise ImportError('half a checkout')\n")
    with (
        pytest.raises(InputError, match="found ImportError: half a checkout"),
        original_step(checkout, TrainConfig(), CPU),
    ):
        pass
    assert snapshot() == before


def test_the_originals_step_updates_both_networks(checkout: Path) -> None:
    batch = Batch(
        triplets=(),
        label=torch.ones(2, 1, 8, 8, dtype=torch.uint8),
        instance=torch.ones(2, 1, 8, 8, dtype=torch.int32),
        photo=torch.rand(2, 3, 8, 8),
    )
    with original_step(checkout, TrainConfig(lr=0.5), CPU) as step:
        model = step.__self__._model  # type: ignore[attr-defined]
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        step(batch)
        after = model.state_dict()
    changed = {name.partition(".")[0] for name in after if (after[name] != before[name]).any()}
    assert changed == {"netG", "netD"}


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_the_original_is_given_our_configuration(preset: str, checkout: Path, tmp_path: Path) -> None:
    """Its options are those that the `opt.txt` of a converted checkpoint records."""
    config = PRESETS[preset]
    with original_step(checkout, config, CPU):
        given = json.loads((checkout / "models" / "options.json").read_text())
    (tmp_path / "opt.txt").write_text(options_text(config))
    recorded = dict(line.split(": ") for line in (tmp_path / "opt.txt").read_text().splitlines()[1:])
    assert {name: str(given[name]) for name in recorded} == recorded


def test_devices_that_the_original_cannot_use(checkout: Path) -> None:
    require_checkout(checkout, CPU)
    with pytest.raises(InputError, match="expected a CPU or a CUDA device, found mps"):
        require_checkout(checkout, torch.device("mps"))
