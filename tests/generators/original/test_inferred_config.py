from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from p2phd_eval.config import DataConfig, DiscriminatorConfig, FeatureConfig
from p2phd_eval.errors import InputError
from p2phd_eval.generators.original.checkpoint_folder import read_original
from tests.generators.original.made import ARCHITECTURES, ENCODED, TINY, build, save_original


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
    expected = DataConfig(label_nc=13, instances=False, resize="scale_width_and_crop", flip=False)
    assert config.data == replace(expected, load_size=100, crop_size=28)
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
    (folder / "opt.txt").write_text("instance_feat: True\n")
    with pytest.raises(InputError, match="found -9 channels left for features"):
        read_original(folder)


def test_features_that_opt_txt_does_not_know(tmp_path: Path) -> None:
    folder = save_original(tmp_path, ENCODED, options="instance_feat: False\nlabel_feat: False")
    with pytest.raises(
        InputError, match=r"opt\.txt, instance_feat: expected features\.kind 'instance', .* found 'none'"
    ):
        read_original(folder)
