"""DreamSim by its package, on a random checkpoint in its layout, against timm's network with the adapter merged."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from p2phd_eval.errors import InputError
from p2phd_eval.quality.distance_weights import weights_sha256
from p2phd_eval.quality.dreamsim import DreamSim
from p2phd_eval.quality.find_distances import find_distances
from p2phd_eval.torchvision_ops import declare_missing_operators

declare_missing_operators()

KIND = "open_clip_vitb32"
TOWER, ADAPTER = f"{KIND}_pretrain.pth.tar", f"{KIND}_single_lora"
RANK, ALPHA = 16, 0.5


def timms_network() -> nn.Module:
    """Without weights: the way in which timm draws 87 million takes longer than all else here."""
    import timm

    with torch.device("meta"):
        network: nn.Module = timm.create_model("vit_base_patch32_clip_224", num_classes=0)
    return network.eval()


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """Random weights under timm's names, which are DINO's but for the normalisation before the blocks."""
    torch.manual_seed(0)
    found = {
        # Of those with one axis, scales of normalisations are 1, and biases 0.
        name: 0.02 * torch.randn(each.shape) if each.ndim > 1 else torch.full(each.shape, float("weight" in name))
        for name, each in timms_network().state_dict().items()
    }
    return {**found, "proj": torch.randn(768, 512) / 768**0.5}


@pytest.fixture(scope="module")
def adapter() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    base = "base_model.model.extractor_list.0.model.blocks"
    shapes = {"lora_A": (RANK, 768), "lora_B": (3 * 768, RANK)}
    return {
        f"{base}.{block}.attn.qkv.{part}.weight": 0.3 * torch.randn(shape, generator=generator)
        for block in range(12)
        for part, shape in shapes.items()
    }


@pytest.fixture(scope="module")
def folder(state: dict[str, Tensor], adapter: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the authors' zip file unpacks."""
    path = tmp_path_factory.mktemp("dreamsim")
    named = {name.replace("norm_pre", "pos_drop"): each for name, each in state.items()}
    named["patch_embed.proj.bias"] = torch.zeros(768)  # CLIP has none
    torch.save({"state_dict": named}, path / TOWER)
    (path / ADAPTER).mkdir()
    config = {"r": RANK, "lora_alpha": ALPHA, "lora_dropout": 0.3, "bias": "none", "target_modules": ["qkv"]}
    (path / ADAPTER / "adapter_config.json").write_text(json.dumps(config | {"peft_type": "LORA"}))
    save_file(adapter, path / ADAPTER / "adapter_model.safetensors")
    return path


@pytest.fixture(scope="module")
def dreamsim(folder: Path) -> DreamSim:
    return DreamSim(folder, "cpu")


def pictures(seed: int) -> npt.NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (2, 6, 9, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(each).resize((90, 60), Image.Resampling.BICUBIC)) for each in coarse])


def tensors(images: npt.NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(images.transpose(0, 3, 1, 2).copy()).float() / 255


def test_distances_are_those_of_timms_network_with_the_adapter_merged(
    dreamsim: DreamSim, state: dict[str, Tensor], adapter: dict[str, Tensor]
) -> None:
    from torchvision.transforms.functional import InterpolationMode, normalize, resize, to_tensor

    network = timms_network()
    merged = {name: each for name, each in state.items() if name != "proj"}
    for block in range(12):
        b, a = (
            adapter[f"base_model.model.extractor_list.0.model.blocks.{block}.attn.qkv.lora_{x}.weight"] for x in "BA"
        )
        merged[f"blocks.{block}.attn.qkv.weight"] = state[f"blocks.{block}.attn.qkv.weight"] + ALPHA / RANK * b @ a
    network.load_state_dict(merged, assign=True)

    def embedded(images: npt.NDArray[np.uint8]) -> Tensor:
        small = [to_tensor(resize(Image.fromarray(each), [224, 224], InterpolationMode.BICUBIC)) for each in images]
        mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
        with torch.no_grad():
            found = network(normalize(torch.stack(small), mean, std)) @ state["proj"]
        return found - found.mean(dim=1, keepdim=True)

    first, second = pictures(0), pictures(1)
    expected = 1 - functional.cosine_similarity(embedded(first), embedded(second))
    found = dreamsim(tensors(first), tensors(second))
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-6)
    assert float(found.min()) > 1e-3  # far above the tolerance
    with torch.no_grad():  # the adapter shows, too
        network.load_state_dict({name: each for name, each in state.items() if name != "proj"}, assign=True)
    without = 1 - functional.cosine_similarity(embedded(first), embedded(second))
    assert float((without - expected).abs().max()) > 1e-4


def test_it_is_zero_at_identity_and_other_images_do_not_matter(dreamsim: DreamSim) -> None:
    first, second = tensors(pictures(2)), tensors(pictures(3))
    assert dreamsim(first, first).tolist() == pytest.approx([0, 0], abs=1e-6)
    torch.testing.assert_close(dreamsim(first, second)[1:], dreamsim(first[1:], second[1:]), rtol=0, atol=2e-6)


def test_it_is_found_where_it_is_asked_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("P2PHD_EVAL_CACHE", str(tmp_path))
    monkeypatch.setattr("p2phd_eval.quality.lpips_weights.URL", (tmp_path / "missing.pth").as_uri())
    found, notes = find_distances("cpu", weights={"dreamsim": folder})
    assert notes[-1].startswith(f"DreamSim is that of the single model {KIND}")
    assert capfd.readouterr() == ("", "")
    metric = found[-1].metric
    assert (metric.name, metric.better, metric.network) == ("DreamSim", "lower", f"dreamsim {KIND}")
    assert metric.weights_sha256 == weights_sha256(folder)


def no_tower(folder: Path) -> None:
    (folder / TOWER).unlink()


def no_adapter(folder: Path) -> None:
    shutil.rmtree(folder / ADAPTER)


def ensemble(folder: Path) -> None:
    no_tower(folder)
    (folder / ADAPTER).rename(folder / "ensemble_lora")


def no_config(folder: Path) -> None:
    (folder / ADAPTER / "adapter_config.json").unlink()


def code(folder: Path) -> None:
    no_tower(folder)
    torch.save({"state_dict": Path("code")}, folder / TOWER)


def damaged(folder: Path) -> None:
    no_tower(folder)
    torch.save({"state_dict": {"proj": torch.full((768, 512), torch.nan)}}, folder / TOWER)


def other_network(folder: Path) -> None:
    no_tower(folder)
    torch.save({"state_dict": {"proj": torch.zeros(768, 512)}}, folder / TOWER)


def other_adapter(folder: Path) -> None:
    path = folder / ADAPTER / "adapter_model.safetensors"
    state = {name.replace("blocks.0.", "blocks.99."): each for name, each in load_file(path).items()}
    path.unlink()
    save_file(state, path)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (no_tower, rf"no {KIND}_pretrain\.pth\.tar"),
        (no_adapter, f"no {KIND}_single_lora/"),
        (ensemble, "ensemble_lora, whose model takes code from the network"),
        (no_config, "nothing there"),
        (code, "pickled objects other than tensors"),
        (damaged, "NaN or infinity in 'proj'"),
        (other_network, "what the package cannot load"),
        (other_adapter, "an adapter that is not of this model"),
    ],
)
def test_folders_of_something_else_are_refused(
    folder: Path, tmp_path: Path, change: Callable[[Path], None], found: str
) -> None:
    wrong = tmp_path / "wrong"
    # Links: the tower has a third of a gigabyte.
    shutil.copytree(folder, wrong, copy_function=lambda source, target: Path(target).hardlink_to(source))
    change(wrong)
    with pytest.raises(InputError, match=rf"wrong.*expected a folder with DreamSim's single model: .*found {found}"):
        DreamSim(wrong, "cpu")


def test_what_is_no_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found a file"):
        DreamSim(folder / TOWER, "cpu")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="found neither"):
        DreamSim(tmp_path / "empty", "cpu")


def test_without_the_package_its_installation_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dreamsim", None)  # Python's own way to say that a module is not there
    with pytest.raises(InputError, match=r'expected the package dreamsim(?s:.)*pip install "dreamsim'):
        DreamSim(folder, "cpu")
