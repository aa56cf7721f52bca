from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from p2phd_eval.config import FeatureConfig, GeneratorConfig, TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.generators.checkpoint import latest_path, load_checkpoint
from p2phd_eval.generators.training.loop import Watchers, train_networks

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def global_run(scenes: Path, tiny: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the global generator with an encoder."""
    out = tmp_path_factory.mktemp("pretrained") / "global"
    config = replace(tiny, features=FeatureConfig(kind="instance", nef=2, n_downsample=2))
    train_networks(config, scenes, out, device=CPU)
    return out


@pytest.fixture
def local(tiny: TrainConfig, global_run: Path) -> TrainConfig:
    """Its continuation at a finer scale: the enhancer alone for one epoch of three steps, then everything."""
    return replace(
        tiny,
        generator=GeneratorConfig(kind="local", ngf=2, n_downsample=2, n_blocks=1, n_blocks_local=1),
        features=FeatureConfig(kind="instance", nef=2, n_downsample=2),
        discriminator=replace(tiny.discriminator, n_scales=3),
        epochs=1,
        epochs_decay=1,
        epochs_fix_global=1,
        keep_every=1,
        load_pretrain=str(global_run),
    )


def networks(path: Path) -> dict[str, dict[str, torch.Tensor]]:
    return load_checkpoint(path).networks


def test_coarse_to_fine(scenes: Path, local: TrainConfig, global_run: Path, tmp_path: Path) -> None:
    fresh: list[dict[str, tuple[str, ...]]] = []
    train_networks(local, scenes, tmp_path / "run", device=CPU, watchers=Watchers(on_start=fresh.append))
    scale2 = tuple(f"scale2_layer{j}" for j in range(4))
    assert fresh == [{"G": ("model1_1", "model1_2"), "D": scale2, "E": ()}]
    before = networks(global_run / "checkpoints/latest.pt")
    fixed = networks(tmp_path / "run/checkpoints/epoch_0001.pt")
    after = networks(tmp_path / "run/checkpoints/epoch_0002.pt")
    inner = [key for key in fixed["G"] if key.startswith("model.")]
    outer = [key for key in fixed["G"] if key.startswith("model1_") and key.endswith("weight")]
    for key in inner:
        assert torch.equal(fixed["G"][key], before["G"][key]), key  # G1 does not move while it is fixed
    assert any(not torch.equal(fixed["E"][key], before["E"][key]) for key in fixed["E"])  # the encoder does
    assert all(not torch.equal(after["G"][key], fixed["G"][key]) for key in [*inner, *outer] if key.endswith("weight"))


def test_resuming_in_both_phases_is_bitwise_the_same(scenes: Path, local: TrainConfig, tmp_path: Path) -> None:
    whole = train_networks(local, scenes, tmp_path / "whole", device=CPU)
    for epochs in (1, 2):  # stopped at the end of the fixed phase, and after it
        out = tmp_path / f"parts{epochs}"
        shorter = replace(local, epochs=epochs, epochs_decay=0, epochs_fix_global=1)
        train_networks(shorter, scenes, out, device=CPU)
        longer = train_networks(replace(shorter, epochs=3), scenes, out, device=CPU, resume=True)
        at_once = train_networks(replace(shorter, epochs=3), scenes, tmp_path / f"at_once{epochs}", device=CPU)
        a, b = networks(longer.checkpoint), networks(at_once.checkpoint)
        assert all(torch.equal(a[name][key], b[name][key]) for name in a for key in a[name])
    assert whole.step == 6


def test_precomputed_features_carry_the_encoder_along(
    scenes: Path, local: TrainConfig, global_run: Path, tmp_path: Path
) -> None:
    data = Path(shutil.copytree(scenes, tmp_path / "data"))
    shutil.copytree(data / "train_img", data / "train_feat")
    config = replace(local, features=replace(local.features, precomputed=True))
    result = train_networks(config, data, tmp_path / "run", device=CPU)
    a, b = networks(global_run / "checkpoints/latest.pt"), networks(result.checkpoint)
    assert all(torch.equal(a["E"][key], b["E"][key]) for key in a["E"])
    again = train_networks(replace(config, epochs=2), data, tmp_path / "run", device=CPU, resume=True)
    assert networks(again.checkpoint)["E"].keys() == a["E"].keys()


def test_another_number_of_classes_starts_its_first_convolution_anew(
    scenes: Path, tiny: TrainConfig, tmp_path: Path
) -> None:
    source = train_networks(tiny, scenes, tmp_path / "source", device=CPU).checkpoint
    fresh: list[dict[str, tuple[str, ...]]] = []
    config = replace(tiny, data=replace(tiny.data, label_nc=20), load_pretrain=str(source))
    train_networks(config, scenes, tmp_path / "run", device=CPU, watchers=Watchers(on_start=fresh.append))
    assert fresh == [{"G": ("model.1.weight",), "D": ("scale0_layer0.0.weight", "scale1_layer0.0.weight")}]


def test_mismatching_widths_are_refused(scenes: Path, local: TrainConfig, tmp_path: Path) -> None:
    wrong = replace(local, generator=replace(local.generator, ngf=4))
    shapes = r"expected shape \(8, 16, 7, 7\), found \(4, 16"
    with pytest.raises(InputError, match=rf"G, key 'model\.1\.weight': {shapes}") as e:
        train_networks(wrong, scenes, tmp_path / "run", device=CPU)
    assert "ngf / 2**n" in e.value.fix
    assert not (tmp_path / "run").exists()


def test_a_data_set_of_another_size_is_noticed(scenes: Path, tiny: TrainConfig, tmp_path: Path) -> None:
    """By a checkpoint of an earlier version too, which knows no more of it."""
    data = Path(shutil.copytree(scenes, tmp_path / "data"))
    train_networks(tiny, data, tmp_path / "run", device=CPU)
    for kind in ("label", "inst", "img"):
        sorted((data / f"train_{kind}").iterdir())[0].unlink()
    document = torch.load(latest_path(tmp_path / "run"), weights_only=True)
    torch.save({**document, "data_sha256": None}, latest_path(tmp_path / "run"))
    with pytest.raises(InputError, match="expected 6 training samples as when the run began, found 5"):
        train_networks(tiny, data, tmp_path / "run", device=CPU, resume=True)


def test_the_configuration_says_where_the_weights_came_from(
    scenes: Path, local: TrainConfig, global_run: Path, tmp_path: Path
) -> None:
    train_networks(replace(local, epochs=1, epochs_decay=0), scenes, tmp_path / "run", device=CPU)
    assert json.loads((tmp_path / "run/config.json").read_text())["load_pretrain"] == str(global_run)
