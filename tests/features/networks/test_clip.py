"""CLIP's embeddings against the library's own processor and network, on a tiny tower with random weights."""

from __future__ import annotations

import json
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from p2phd_eval.errors import InputError
from p2phd_eval.features.feature_settings import FeatureSettings
from p2phd_eval.features.identity import is_clip, require_callable_name
from p2phd_eval.features.networks.clip import MEAN, STD, clip
from p2phd_eval.features.networks.plugins import load_plugin
from tests.features.networks.tiny_clip import write_tiny_clip

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_clip(tmp_path_factory.mktemp("clip") / "tiny")


@pytest.fixture(scope="module")
def square() -> list[npt.NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (side, side, 3), dtype=np.uint8) for side in (40, 56, 90)]


def theirs(folder: Path, images: list[npt.NDArray[np.uint8]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Pixels and embeddings of the library, as CMMD's users of it write it."""
    from transformers import CLIPVisionModelWithProjection
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    processor = CLIPImageProcessorPil(size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56})
    pixels = torch.cat([processor(Image.fromarray(each), return_tensors="pt")["pixel_values"] for each in images])
    with torch.no_grad():
        embeddings = CLIPVisionModelWithProjection.from_pretrained(folder).eval()(pixel_values=pixels).image_embeds
    return pixels, embeddings / torch.linalg.norm(embeddings, dim=-1, keepdim=True)


def test_pixels_and_embeddings_are_the_librarys(folder: Path, square: list[npt.NDArray[np.uint8]]) -> None:
    network = load_plugin("p2phd_eval.features.networks.clip:clip", device=CPU, weights=folder)
    pixels = torch.stack([network.prepare(image) for image in square])
    own, embeddings = theirs(folder, square)
    torch.testing.assert_close(pixels, own, rtol=0, atol=1e-6)
    found = network.embed(pixels)
    torch.testing.assert_close(found, embeddings, rtol=0, atol=1e-6)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(3), rtol=0, atol=1e-6)
    assert float((found[0] - found[1]).abs().max()) > 1000 * 1e-6  # the images show, far above the tolerance


def test_of_a_wide_image_the_central_square_counts_as_in_the_authors_code(folder: Path) -> None:
    image = np.random.default_rng(1).integers(0, 256, (60, 101, 3), dtype=np.uint8)
    middle = Image.fromarray(image).crop((20, 0, 80, 60)).resize((56, 56), Image.Resampling.BICUBIC)
    expected = (np.asarray(middle) / 255 - MEAN) / STD
    found = clip(CPU, folder).prepare(image)
    np.testing.assert_allclose(found.permute(1, 2, 0).numpy(), expected, rtol=0, atol=1e-6)


def test_the_space_is_named_by_its_tower_and_weights(folder: Path, tmp_path: Path) -> None:
    identity = clip(CPU, folder).identity
    assert (identity.weights, identity.dims) == ("CLIP ViT-2x32/14@56px", 16)
    assert identity.resize == "pillow-bicubic-56-central-square"
    assert is_clip(identity.weights)
    other = clip(CPU, write_tiny_clip(tmp_path / "other", seed=1)).identity
    assert (other.weights, other.weights_sha256 != identity.weights_sha256) == (identity.weights, True)


def test_the_whole_network_and_torchs_format_give_the_same_features(folder: Path, tmp_path: Path) -> None:
    tower = tmp_path / "tower"
    tower.mkdir()
    config = json.loads((folder / "config.json").read_text())
    (tower / "config.json").write_text(json.dumps(config["vision_config"] | {"model_type": "clip_vision_model"}))
    state = load_file(folder / "model.safetensors")
    torch.save({name: each for name, each in state.items() if "text" not in name}, tower / "pytorch_model.bin")
    assert clip(CPU, tower).identity == clip(CPU, folder).identity


def test_short_names_stand_for_the_networks_that_come_along() -> None:
    settings = FeatureSettings(network="clip")
    assert settings.network == "p2phd_eval.features.networks.clip:clip"
    require_callable_name(settings.network)
    with pytest.raises(InputError, match=r"expected clip, dinov2_vits14, .* or MODULE:CALLABLE .*found another form"):
        require_callable_name("clop")


def no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def other_type(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "siglip"}')


def changed(change: Any) -> Any:
    def write(folder: Path) -> None:
        state = load_file(folder / "model.safetensors")
        change(state)
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})

    return write


def cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def code(folder: Path) -> None:
    no_weights(folder)
    torch.save({"visual_projection.weight": Path("code")}, folder / "pytorch_model.bin")


def other_sizes(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["vision_config"]["hidden_size"] = 64
    (folder / "config.json").write_text(json.dumps(config))


PROJECTION = "visual_projection.weight"


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (no_config, "no config.json in it"),
        (no_weights, "a config.json without weights beside it"),
        (other_type, "a config.json of the model type 'siglip'"),
        (lambda folder: (folder / "config.json").write_text("{"), "no JSON|"),
        (changed(lambda state: state.pop(PROJECTION)), f"no tensor '{PROJECTION}'"),
        (changed(lambda state: state[PROJECTION].fill_(torch.nan)), f"NaN or infinity in '{PROJECTION}'"),
        (other_sizes, "what transformers cannot load|another shape in"),
        (cut, "what transformers cannot load"),
        (code, "what transformers cannot load"),
    ],
)
def test_a_folder_of_something_else_is_refused(folder: Path, tmp_path: Path, change: Any, found: str) -> None:
    wrong = tmp_path / "wrong"
    shutil.copytree(folder, wrong)
    change(wrong)
    with pytest.raises(InputError, match=rf"wrong.*expected a folder of CLIP in (?s:.)*({found})"):
        clip(CPU, wrong)


def test_what_is_no_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected --feature-weights FOLDER, found none"):
        clip(CPU, None)
    with pytest.raises(InputError, match="found a file"):
        clip(CPU, folder / "model.safetensors")
    with pytest.raises(InputError, match="found no such folder"):
        clip(CPU, tmp_path / "gone")


def test_without_transformers_its_installation_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)  # Python's own way to say that a module is not there
    with pytest.raises(InputError, match=r'expected the package transformers(?s:.)*pip install "transformers'):
        clip(CPU, folder)


def test_loading_says_nothing_of_its_own(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clip(CPU, folder)
    assert capfd.readouterr() == ("", "")
