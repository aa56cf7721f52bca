from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from p2phd_eval.config import (
    DataConfig,
    DiscriminatorConfig,
    FeatureConfig,
    GeneratorConfig,
    ObjectiveConfig,
    TrainConfig,
)
from p2phd_eval.errors import InputError
from p2phd_eval.files import file_sha256
from p2phd_eval.generators.checkpoint import find_checkpoint, load_checkpoint
from p2phd_eval.generators.conditioning import conditioning_channels
from p2phd_eval.generators.discriminator import build_discriminator
from p2phd_eval.generators.encoder import build_encoder
from p2phd_eval.generators.networks import build_generator
from p2phd_eval.generators.original import (
    is_original_folder,
    open_source,
    read_original,
    write_original,
    write_run,
)
from p2phd_eval.generators.sampling import generate
from p2phd_eval.images import read_rgb

CPU = torch.device("cpu")
TINY = TrainConfig(
    data=DataConfig(label_nc=12),
    generator=GeneratorConfig(ngf=4, n_downsample=2, n_blocks=1),
    discriminator=DiscriminatorConfig(ndf=4, n_layers=2),
)
LOCAL = GeneratorConfig(kind="local", ngf=2, n_downsample=2, n_blocks=2, n_local_enhancers=2, n_blocks_local=1)
BATCH = replace(
    TINY,
    generator=replace(TINY.generator, norm="batch"),
    discriminator=replace(TINY.discriminator, norm="batch"),
)
ENCODED = replace(TINY, features=FeatureConfig(kind="instance", n_features=5, nef=4, n_downsample=3))
ARCHITECTURES = {
    "global": TINY,
    "no-blocks": replace(TINY, generator=replace(TINY.generator, n_blocks=0)),
    "dropout": replace(TINY, generator=replace(TINY.generator, dropout=True)),
    "local-1": replace(TINY, generator=replace(LOCAL, n_local_enhancers=1, n_blocks_local=2)),
    "local-2": replace(TINY, generator=LOCAL),
    "batch-norm": BATCH,
    "scales-3-layers-4": replace(TINY, discriminator=replace(TINY.discriminator, n_scales=3, n_layers=4)),
    "scale-1-no-matching": replace(
        TINY,
        discriminator=replace(TINY.discriminator, n_scales=1),
        objective=ObjectiveConfig(feature_matching=False),
    ),
    "batch-norm-no-matching": replace(BATCH, objective=ObjectiveConfig(feature_matching=False)),
    "encoder": ENCODED,
}


def build(config: TrainConfig) -> dict[str, nn.Module]:
    channels = conditioning_channels(config.data)
    torch.manual_seed(0)
    networks: dict[str, nn.Module] = {
        "G": build_generator(config.generator, channels + config.features.channels),
        "D": build_discriminator(config.discriminator, channels, expose_features=config.objective.feature_matching),
    }
    if config.features.encodes:
        networks["E"] = build_encoder(config.features, config.generator.norm)
    return networks


def save_original(folder: Path, config: TrainConfig, *, only: str = "GDE", options: str = "") -> Path:
    """A folder as the original saves it: state dicts, whose keys are ours."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, network in build(config).items():
        if name in only:
            torch.save(network.state_dict(), folder / f"latest_net_{name}.pth")
    if options:
        (folder / "opt.txt").write_text(f"------------ Options -------------\n{options}\n-------------- End ----\n")
    return folder


def change(path: Path, **tensors: torch.Tensor | None) -> None:
    """Replace entries of a saved state dict, or take them out."""
    state = torch.load(path, weights_only=True)
    for key, tensor in tensors.items():
        if tensor is None:
            del state[key]
        else:
            state[key] = tensor
    torch.save(state, path)


def assert_bitwise_equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert list(a) == list(b)
    for key, tensor in a.items():
        assert tensor.dtype == b[key].dtype
        assert tensor.numpy().tobytes() == b[key].numpy().tobytes(), key


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_keys_and_shapes_give_the_architecture(tmp_path: Path, name: str) -> None:
    config = ARCHITECTURES[name]
    original = read_original(save_original(tmp_path, config))
    found = original.config
    assert found.data.label_nc == 12
    assert found.data.instances
    assert found.generator == config.generator
    assert found.discriminator == config.discriminator
    assert found.features == config.features
    assert found.objective.feature_matching == config.objective.feature_matching
    assert set(original.networks) == set(original.files) == set(build(config))
    assert original.sources["generator.ngf"] == original.sources["discriminator.n_layers"] == "keys"
    assert original.sources["data.label_nc"] == original.sources["lr"] == "assumed"


@pytest.mark.parametrize("name", ["batch-norm", "encoder", "local-2"])
def test_there_and_back_again(tmp_path: Path, name: str) -> None:
    """Original, ours, original: every bit and the order of the keys; not a number and minus zero stay, too."""
    folder = save_original(tmp_path / "theirs", ARCHITECTURES[name])
    bias = torch.load(folder / "latest_net_G.pth", weights_only=True)["model.1.bias"]
    bias[:2] = torch.tensor([float("nan"), -0.0])
    change(folder / "latest_net_G.pth", **{"model.1.bias": bias})
    write_run(read_original(folder), tmp_path / "ours")
    checkpoint = load_checkpoint(find_checkpoint(tmp_path / "ours"))
    assert (checkpoint.step, checkpoint.optimizers) == (0, {})
    write_original(checkpoint, tmp_path / "back")
    assert sorted(p.name for p in (tmp_path / "back").iterdir()) == [
        *sorted(p.name for p in folder.iterdir()),
        "opt.txt",
    ]
    for path in folder.iterdir():
        before, after = (torch.load(f / path.name, weights_only=True) for f in (folder, tmp_path / "back"))
        assert_bitwise_equal(before, after)


def test_ours_there_and_back_again_keeps_the_configuration(tmp_path: Path) -> None:
    """With `opt.txt` nothing has to be assumed, though no value here is what would be."""
    config = TrainConfig(
        data=DataConfig(label_nc=7, instances=False, resize="resize_and_crop", load_size=64, crop_size=32, flip=False),
        generator=replace(LOCAL, norm="batch"),
        features=FeatureConfig(kind="label", n_features=2, nef=4, n_downsample=1),
        discriminator=DiscriminatorConfig(ndf=4, n_layers=2, n_scales=3, norm="batch"),
        objective=ObjectiveConfig(gan="vanilla", feature_matching=False, lambda_feat=3.5, pool_size=2),
        precision="apex-O1",
        lr=1e-3,
        beta1=0.9,
        epochs=3,
        epochs_decay=0,
        epochs_fix_global=2,
        batch_size=4,
    )
    theirs = save_original(tmp_path / "theirs", config)
    _, checkpoint = open_source(theirs, label_nc=7, instances=False)
    write_original(replace(checkpoint, config=config), tmp_path / "back")
    back = read_original(tmp_path / "back")
    assert back.config == config
    assert set(back.sources.values()) == {"keys", "opt.txt"}
    assert back.notes == ()


# Channels of G's input, and how they are read where nothing else is known. 36 and 35: the original's default.
@pytest.mark.parametrize(
    ("label_nc", "instances", "reading"),
    [
        (35, True, (35, True)),
        (36, False, (35, True)),
        (0, False, (0, False)),
        (0, True, (0, True)),
        (3, True, (0, True)),
    ],
)
def test_an_input_that_can_be_read_in_several_ways(
    tmp_path: Path, label_nc: int, instances: bool, reading: tuple[int, bool]
) -> None:
    folder = save_original(tmp_path, replace(TINY, data=DataConfig(label_nc=label_nc, instances=instances)))
    original = read_original(folder)
    assert (original.config.data.label_nc, original.config.data.instances) == reading
    assert any("the first is assumed" in note for note in original.notes)
    for options in ({"label_nc": label_nc}, {"instances": instances}, {"label_nc": label_nc, "instances": instances}):
        told = read_original(folder, **options)
        if options != {"instances": True}:  # which leaves label_nc 0 and 3 open
            assert (told.config.data.label_nc, told.config.data.instances) == (label_nc, instances)
        assert all(told.sources[f"data.{name}"] == "option" for name in options)
    with pytest.raises(InputError, match=r"expected label_nc .* instances, found label_nc 99"):
        read_original(folder, label_nc=99)


def test_the_generator_alone(tmp_path: Path) -> None:
    original = read_original(save_original(tmp_path, TINY, only="G"))
    assert list(original.networks) == ["G"]
    assert original.config.generator == TINY.generator
    assert original.config.discriminator == DiscriminatorConfig()
    assert original.sources["discriminator.ndf"] == "assumed"


def test_features_without_an_encoder_are_precomputed(tmp_path: Path) -> None:
    """What D does not see, or what the classes leave over, is read from files."""
    config = replace(TINY, features=FeatureConfig(kind="instance", precomputed=True))
    folder = save_original(tmp_path, config)
    by_d = read_original(folder)
    (folder / "latest_net_D.pth").unlink()
    by_option = read_original(folder, label_nc=12)
    (folder / "opt.txt").write_text("instance_feat: True\nload_features: True\n")
    by_options_file = read_original(folder)
    for original in (by_d, by_option, by_options_file):
        assert original.config.features == config.features
        assert (original.config.data.label_nc, original.config.data.instances) == (12, True)
    (folder / "opt.txt").write_text("instance_feat: True\nload_features: False\n")
    with pytest.raises(InputError, match=r"expected latest_net_E\.pth, since opt\.txt says .* found none"):
        read_original(folder)


def test_an_encoder_beside_networks_trained_on_its_features(tmp_path: Path) -> None:
    config = replace(TINY, features=FeatureConfig(kind="instance", nef=4))
    folder = save_original(tmp_path, config, options="instance_feat: True\nload_features: True")
    original = read_original(folder)
    assert original.config.features == replace(config.features, precomputed=True)
    assert "E" in original.networks


def test_options_of_the_training_are_read(tmp_path: Path) -> None:
    options = (
        "batchSize: 2\nfineSize: 30\nlabel_feat: False\nlabel_nc: 13\nloadSize: 101\nlr: 0.001\nno_flip: True\n"
        "no_instance: True\nno_lsgan: True\nno_vgg_loss: True\nniter: 7\nresize_or_crop: scale_width_and_crop\n"
        "which_epoch: latest\ndataroot: ./datasets/cityscapes/: odd\nfp16: True"
    )
    original = read_original(save_original(tmp_path, TINY, options=options))
    config = original.config
    # Sizes are made multiples of 4, since the generator halves twice.
    size = {"load_size": 100, "crop_size": 28}
    assert config.data == DataConfig(label_nc=13, instances=False, resize="scale_width_and_crop", flip=False, **size)
    assert [note.partition(" is rounded")[0] for note in original.notes] == ["load_size 101", "crop_size 30"]
    assert (config.batch_size, config.lr, config.epochs, config.precision) == (2, 0.001, 7, "apex-O1")
    assert (config.objective.gan, config.objective.vgg) == ("vanilla", "none")
    assert original.sources["data.label_nc"] == original.sources["batch_size"] == "opt.txt"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("ngf: 64", r"opt\.txt, ngf: expected generator\.ngf 4, by .*latest_net_G\.pth, found 64"),
        ("netG: local", r"opt\.txt, netG: expected generator\.kind 'global', by .*_G\.pth, found 'local'"),
        ("norm: batch", r"opt\.txt, norm: expected generator\.norm 'instance', by .*_G\.pth, found 'batch'"),
        ("num_D: 3", r"opt\.txt, num_D: expected discriminator\.n_scales 2, by .*_D\.pth, found 3"),
        ("label_nc: 35", r"13 input channels: expected label_nc 12 with instances or .*, found label_nc 35"),
        ("label_feat: True", r"opt\.txt, instance_feat: expected features\.kind 'none', by .*, found 'label'"),
        ("ngf: many", r"opt\.txt, ngf: expected a value of type int, found 'many'"),
        ("no_flip: maybe", r"opt\.txt, no_flip: expected True or False, found 'maybe'"),
        ("lr: 0", r"lr: expected a number above 0, found 0\.0"),
    ],
)
def test_options_that_contradict_the_networks(tmp_path: Path, options: str, message: str) -> None:
    folder = save_original(tmp_path, TINY, options=options)
    with pytest.raises(InputError, match=message) as caught:
        read_original(folder)
    assert "opt.txt" in str(caught.value)
    assert caught.value.fix


def test_an_option_that_contradicts_opt_txt(tmp_path: Path) -> None:
    folder = save_original(tmp_path, TINY, options="label_nc: 12")
    assert read_original(folder, label_nc=12).sources["data.label_nc"] == "opt.txt"
    with pytest.raises(
        InputError, match=r"opt\.txt, label_nc: expected data\.label_nc 13, as the option says, found 12"
    ):
        read_original(folder, label_nc=13)


def test_files_of_two_trainings(tmp_path: Path) -> None:
    folder = save_original(tmp_path, ENCODED)
    save_original(tmp_path, TINY, only="G")
    with pytest.raises(InputError, match=r"latest_net_E\.pth, output channels: expected 0, .*, found 5"):
        read_original(folder)
    (folder / "latest_net_E.pth").unlink()
    save_original(tmp_path, replace(TINY, data=DataConfig(label_nc=3)), only="G")
    with pytest.raises(InputError, match=r"latest_net_G\.pth: .* found -9 channels left for features"):
        read_original(folder)


def test_the_prefix_of_data_parallel_is_taken_off(tmp_path: Path) -> None:
    network = build(TINY)["G"]
    torch.save(nn.DataParallel(network).state_dict(), tmp_path / "latest_net_G.pth")
    original = read_original(tmp_path)
    assert_bitwise_equal(original.networks["G"], network.state_dict())
    assert any("DataParallel" in note for note in original.notes)


def test_files_of_early_torch(tmp_path: Path) -> None:
    """Before 1.6 no zip; before 0.4 statistics in every instance norm and no counts in batch norms."""
    state = build(TINY)["G"].state_dict()
    early = {**state, "model.2.running_mean": torch.zeros(4), "model.2.running_var": torch.ones(4)}
    torch.save(early, tmp_path / "latest_net_G.pth", _use_new_zipfile_serialization=False)
    original = read_original(tmp_path)
    assert_bitwise_equal(original.networks["G"], state)
    assert any("running statistics" in note for note in original.notes)

    state = build(BATCH)["G"].state_dict()
    early = {key: tensor for key, tensor in state.items() if not key.endswith("num_batches_tracked")}
    torch.save(early, tmp_path / "latest_net_G.pth", _use_new_zipfile_serialization=False)
    original = read_original(tmp_path)
    assert_bitwise_equal(original.networks["G"], state)
    assert any("counts of batches" in note for note in original.notes)


def test_another_epoch(tmp_path: Path) -> None:
    save_original(tmp_path, TINY)
    for name in "GD":
        (tmp_path / f"latest_net_{name}.pth").rename(tmp_path / f"20_net_{name}.pth")
    assert is_original_folder(tmp_path)
    assert read_original(tmp_path, which_epoch="20").files["D"].name == "20_net_D.pth"
    with pytest.raises(InputError, match=r"expected latest_net_G\.pth, .* found 20_net_D\.pth, 20_net_G\.pth"):
        read_original(tmp_path)


def test_a_folder_without_a_generator(tmp_path: Path) -> None:
    assert not is_original_folder(tmp_path)
    save_original(tmp_path, TINY, only="D")
    assert is_original_folder(tmp_path)
    with pytest.raises(InputError, match=r"expected latest_net_G\.pth, the generator, found latest_net_D\.pth"):
        read_original(tmp_path)


def resnet_like() -> dict[str, torch.Tensor]:
    return {"conv1.weight": torch.zeros(64, 3, 7, 7), "bn1.weight": torch.zeros(64), "fc.bias": torch.zeros(10)}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("G", "a generator"), ("D", "discriminators"), ("E", "a feature encoder")],
)
def test_a_file_of_another_network(tmp_path: Path, name: str, wanted: str) -> None:
    save_original(tmp_path, TINY)
    torch.save(resnet_like(), tmp_path / f"latest_net_{name}.pth")
    message = rf"latest_net_{name}\.pth: expected {wanted} of pix2pixHD, found another network .*conv1\.weight"
    with pytest.raises(InputError, match=message):
        read_original(tmp_path)


@pytest.mark.parametrize(
    "content",
    [[1, 2], {"state_dict": {"model.1.weight": torch.zeros(1)}}, {"epoch": 3}, {}],
    ids=["list", "nested", "numbers", "empty"],
)
def test_a_file_without_a_state_dict(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "latest_net_G.pth")
    with pytest.raises(InputError, match=r"latest_net_G\.pth: expected a .*, found (an object|no tensors)") as caught:
        read_original(tmp_path)
    assert caught.value.fix


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_a_half_written_file(tmp_path: Path, zipped: bool, kept: float) -> None:
    path = tmp_path / "latest_net_G.pth"
    torch.save(build(TINY)["G"].state_dict(), path, _use_new_zipfile_serialization=zipped)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(
        InputError, match=r"_G\.pth: expected a state dict .* found a damaged or foreign file"
    ) as caught:
        read_original(tmp_path)
    assert "Copy it again" in caught.value.fix


@pytest.mark.parametrize(
    ("key", "tensor", "found"),
    [
        ("model.4.weight", torch.zeros(16, 4, 3, 3), "(16, 4, 3, 3)"),  # twice the width of the rest
        ("model.4.bias", None, "nothing"),
        ("model.99.weight", torch.zeros(1), "(1,)"),
    ],
)
def test_shapes_that_contradict_one_another(tmp_path: Path, key: str, tensor: torch.Tensor | None, found: str) -> None:
    folder = save_original(tmp_path, TINY)
    change(folder / "latest_net_G.pth", **{key: tensor})
    with pytest.raises(InputError) as caught:
        read_original(folder)
    assert key in caught.value.where
    assert "latest_net_G.pth" in caught.value.where
    assert found in caught.value.found


def test_a_malicious_file_is_refused(tmp_path: Path) -> None:
    class Malicious:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "witness",))

    torch.save({"model.1.weight": Malicious()}, tmp_path / "latest_net_G.pth")
    with pytest.raises(InputError, match=r"found pickled objects .* \(nothing was run\)"):
        read_original(tmp_path)
    assert not (tmp_path / "witness").exists()


def test_reading_draws_no_random_numbers(tmp_path: Path) -> None:
    folder = save_original(tmp_path, ENCODED)
    before = torch.get_rng_state()
    read_original(folder)
    assert torch.equal(torch.get_rng_state(), before)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    original = read_original(save_original(tmp_path / "theirs", TINY))
    path = write_run(original, tmp_path / "run")
    content = path.read_bytes()
    with pytest.raises(InputError, match=r"latest\.pt: expected nothing there, found a file"):
        write_run(original, tmp_path / "run")
    assert path.read_bytes() == content
    before = {path.name: path.read_bytes() for path in (tmp_path / "theirs").iterdir()}
    with pytest.raises(InputError, match=r"latest_net_D\.pth: expected nothing there, found a file"):
        write_original(load_checkpoint(path), tmp_path / "theirs")
    assert {path.name: path.read_bytes() for path in (tmp_path / "theirs").iterdir()} == before


def test_samples_of_the_folder_are_those_of_the_converted_run(scenes: Path, tiny: TrainConfig, tmp_path: Path) -> None:
    folder = save_original(tmp_path / "theirs", tiny, options="loadSize: 64\nlabel_nc: 12")
    write_run(read_original(folder), tmp_path / "ours")
    theirs = generate(folder, scenes, tmp_path / "a", device=CPU)
    ours = generate(tmp_path / "ours", scenes, tmp_path / "b", device=CPU)
    assert theirs.written == ours.written == 4
    for path in (tmp_path / "a").glob("*.png"):
        assert (read_rgb(path) == read_rgb(tmp_path / "b" / path.name)).all()
    assert theirs.manifest["checkpoint_sha256"] == file_sha256(folder / "latest_net_G.pth")
    assert (theirs.manifest["training_step"], theirs.manifest["training_precision"]) == (0, "fp32")
    assert theirs.manifest["config"] == ours.manifest["config"]
    with pytest.raises(InputError, match="expected a folder of the original, for which --which-epoch"):
        generate(tmp_path / "ours", scenes, tmp_path / "c", device=CPU, label_nc=12)
