from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from p2phd_eval.errors import InputError
from p2phd_eval.features.networks.dinov2 import dinov2_vits14, positions_at
from p2phd_eval.features.networks.plugins import load_plugin
from p2phd_eval.torchvision_ops import declare_missing_operators

CPU = torch.device("cpu")
ARCHITECTURE = "vit_small_patch14_dinov2.lvd142m"


@pytest.fixture(scope="module")
def timm() -> ModuleType:
    declare_missing_operators()
    import timm

    return timm


@pytest.fixture(scope="module")
def state(timm: ModuleType) -> dict[str, torch.Tensor]:
    """Random weights under timm's names, with all branches and positions as large as in a trained network."""
    torch.manual_seed(0)
    state = timm.create_model(ARCHITECTURE, num_classes=0).state_dict()
    for name, tensor in state.items():
        if name.endswith("gamma"):
            tensor.fill_(1)
        elif name in ("pos_embed", "cls_token"):
            tensor.normal_()
    return state


@pytest.fixture(scope="module")
def metas_file(state: dict[str, torch.Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As Meta publishes it: with the token by which patches were masked in training."""
    path = tmp_path_factory.mktemp("meta") / "dinov2_vits14_pretrain.pth"
    torch.save({"mask_token": torch.zeros(1, 384), **state}, path)
    return path


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (90, 120, 3), dtype=np.uint8) for _ in range(2)]


def features(network, images: list[np.ndarray]) -> torch.Tensor:
    return network.embed(torch.stack([network.prepare(image) for image in images]))


def test_both_publishers_files_give_the_same_features(state, metas_file, images, tmp_path: Path) -> None:
    save_file(state, tmp_path / "model.safetensors")
    spec = "p2phd_eval.features.networks.dinov2:dinov2_vits14"
    metas = load_plugin(spec, device=CPU, weights=metas_file)
    timms = load_plugin(spec, device=CPU, weights=tmp_path / "model.safetensors")
    assert metas.identity == timms.identity
    assert (metas.identity.weights, metas.identity.dims) == ("dinov2_vits14", 384)
    torch.testing.assert_close(features(metas, images), features(timms, images), rtol=0, atol=0)


def test_features_are_the_class_token_of_the_network_that_timm_loads(timm, state, metas_file, images) -> None:
    network = dinov2_vits14(CPU, metas_file)
    got = features(network, images)
    peer = timm.create_model(ARCHITECTURE, img_size=224, num_classes=0).eval()
    as_timm_names_it = timm.models.vision_transformer.checkpoint_filter_fn
    peer.load_state_dict(as_timm_names_it(torch.load(metas_file, weights_only=True), peer))
    batch = torch.stack([network.prepare(image) for image in images])
    with torch.no_grad():
        peer.pos_embed.copy_(positions_at(state["pos_embed"], 16))
        tokens = peer.forward_features(batch)
    torch.testing.assert_close(got, tokens[:, 0], rtol=0, atol=1e-5)
    # The last normalisation has no scale or shift in the random network, so each vector is standardised.
    torch.testing.assert_close(got.mean(dim=1), torch.zeros(2), rtol=0, atol=1e-5)
    torch.testing.assert_close(got.var(dim=1, unbiased=False), torch.ones(2), rtol=0, atol=1e-4)
    assert float((got[0] - got[1]).abs().max()) > 1000 * 1e-5  # the images show, far above the tolerance


def test_positions_are_the_bicubic_ones_of_metas_step() -> None:
    """The cubic convolution of Keys (1981) with a = -0.75, at half-pixel centres of a step of 37 / 16.1."""
    a, grid, trained = -0.75, 16, 37
    centres = (np.arange(grid) + 0.5) * trained / (grid + 0.1) - 0.5
    weights = np.zeros((grid, trained))
    for row, centre in enumerate(centres):
        for tap in range(int(np.floor(centre)) - 1, int(np.floor(centre)) + 3):
            x = abs(centre - tap)
            near = (a + 2) * x**3 - (a + 3) * x**2 + 1
            far = a * (x**3 - 5 * x**2 + 8 * x - 4)
            weights[row, np.clip(tap, 0, trained - 1)] += near if x <= 1 else far
    embedding = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 1 + trained**2, 3))).to(torch.float32)
    patches = embedding[0, 1:].numpy().astype(np.float64).reshape(trained, trained, 3)
    expected = np.einsum("ik,jl,klc->ijc", weights, weights, patches).reshape(-1, 3)
    got = positions_at(embedding, grid)[0].numpy()
    np.testing.assert_array_equal(got[0], embedding[0, 0].numpy())
    np.testing.assert_allclose(got[1:], expected, rtol=0, atol=1e-5)


def without(name: str):
    return lambda state: {key: tensor for key, tensor in state.items() if key != name}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (without("blocks.3.mlp.fc1.bias"), r"no tensor 'blocks\.3\.mlp\.fc1\.bias'"),
        (lambda state: {"teacher": state}, "no tensor 'cls_token'"),
        (lambda state: {**state, "cls_token": torch.zeros(1, 1, 768)}, r"'cls_token': .* instead of \(1, 1, 384\)"),
        # A model that timm saved at 224 pixels: its positions were interpolated otherwise.
        (lambda state: {**state, "pos_embed": torch.zeros(1, 257, 384)}, r"'pos_embed': .* of \(1, 1370, 384\)"),
        (lambda state: {**state, "norm.bias": torch.full((384,), torch.nan)}, "NaN or infinity in 'norm.bias'"),
        (lambda state: {**state, "norm.bias": torch.zeros(384, dtype=torch.int64)}, "'norm.bias': numbers of int64"),
        (lambda state: {**state, "register_tokens": torch.zeros(1, 4, 384)}, "a tensor 'register_tokens' as well"),
        (lambda state: list(state), "a list"),
        (lambda state: Path("code"), "pickled objects other than tensors"),
    ],
)
def test_a_file_of_another_network_is_refused(state, tmp_path: Path, change, found: str) -> None:
    path = tmp_path / "other.pth"
    torch.save(change(state), path)
    with pytest.raises(InputError, match=rf"other\.pth: expected a state dict of dinov2_vits14 .*found {found}"):
        dinov2_vits14(CPU, path)


@pytest.mark.parametrize("name", ["cut.pth", "cut.safetensors"])
def test_a_damaged_file_is_refused(metas_file: Path, state, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith("safetensors"):
        save_file(state, path)
    else:
        path.write_bytes(metas_file.read_bytes())
    with path.open("r+b") as stream:
        stream.truncate(path.stat().st_size // 2)
    with pytest.raises(InputError, match=rf"{name}: .*found a (damaged or foreign file|file that cannot be read)"):
        dinov2_vits14(CPU, path)


def test_without_timm_its_installation_is_named(monkeypatch: pytest.MonkeyPatch, metas_file: Path) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)  # Python's own way to say that a module is not there
    with pytest.raises(InputError, match=r'expected the package timm.*(?s:.)*pip install "timm>=1\.0"'):
        dinov2_vits14(CPU, metas_file)


def test_without_a_hub_the_file_to_bring_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    constants = pytest.importorskip("huggingface_hub").constants
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match=r"(?s)a hub from which .*vits14_pretrain\.pth .*--feature-weights FILE"):
        dinov2_vits14(CPU, None)
