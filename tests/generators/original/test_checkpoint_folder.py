from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from p2phd_eval.config import DataConfig, DiscriminatorConfig, FeatureConfig, ObjectiveConfig, TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.files import file_sha256
from p2phd_eval.generators.checkpoint import find_checkpoint, load_checkpoint
from p2phd_eval.generators.original.checkpoint_folder import (
    is_original_folder,
    open_source,
    read_original,
    write_original,
    write_run,
)
from p2phd_eval.generators.sampling.generation import generate
from p2phd_eval.images.decoding import read_rgb
from tests.generators.original.made import ARCHITECTURES, BATCH, ENCODED, LOCAL, TINY, build, save_original

CPU = torch.device("cpu")


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
    lines = (tmp_path / "back" / "opt.txt").read_text().splitlines()
    # Names and values of the original's options/base_options.py and train_options.py.
    assert set(lines[1:]) == {
        *("label_nc: 7", "no_instance: True", "resize_or_crop: resize_and_crop", "loadSize: 64", "fineSize: 32"),
        *("no_flip: True", "netG: local", "ngf: 2", "n_downsample_global: 2", "n_blocks_global: 2"),
        *("n_local_enhancers: 2", "n_blocks_local: 1", "norm: batch", "label_feat: True", "instance_feat: False"),
        *("feat_num: 2", "nef: 4", "n_downsample_E: 1", "load_features: False", "ndf: 4", "n_layers_D: 2", "num_D: 3"),
        *("no_lsgan: True", "no_ganFeat_loss: True", "lambda_feat: 3.5", "no_vgg_loss: True", "pool_size: 2"),
        *("fp16: True", "lr: 0.001", "beta1: 0.9", "niter: 3", "niter_decay: 0", "niter_fix_global: 2"),
        "batchSize: 4",
    }
    back = read_original(tmp_path / "back")
    assert back.config == config
    assert set(back.sources.values()) == {"keys", "opt.txt"}
    assert back.notes == ()


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
    ("name", "wanted"), [("G", "a generator"), ("D", "discriminators"), ("E", "a feature encoder")]
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
        InputError, match=r"_G\.pth: expected a state dict .* found (a damaged or foreign|an empty) file"
    ) as caught:
        read_original(tmp_path)
    assert "Copy it again" in caught.value.fix


@pytest.mark.parametrize(
    ("key", "tensor", "found"),
    [
        ("model.4.weight", torch.zeros(16, 4, 3, 3), "(16, 4, 3, 3)"),  # twice the width of the rest
        ("model.4.bias", None, "nothing"),
        ("model.4.weight", torch.zeros(8, 4, 3, 3, dtype=torch.complex64), "numbers of complex64"),
        ("model.4.weight", torch.zeros(8, 4, 3, 3, device="meta"), "a tensor on the device meta"),
        ("model.4.weight", torch.zeros(8, 4, 3, 3, dtype=torch.int64), "numbers of int64"),
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


@pytest.mark.parametrize("extra", [torch.zeros(1), torch.zeros(8, 4, 3, 3), 5, "a note"])
def test_what_the_network_has_no_layer_for_is_left_out_with_a_note(tmp_path: Path, extra: object) -> None:
    """As the original's own `load_network` does."""
    folder = save_original(tmp_path, TINY)
    change(folder / "latest_net_G.pth", **{"model.99.weight": extra})
    original = read_original(folder)
    assert torch.equal(original.networks["G"]["model.1.weight"], build(TINY)["G"].state_dict()["model.1.weight"])
    assert "model.99.weight" not in original.networks["G"]
    assert any("latest_net_G.pth: 1 keys ('model.99.weight')" in note for note in original.notes)


def test_a_folder_in_the_place_of_a_network(tmp_path: Path) -> None:
    (save_original(tmp_path, TINY, only="D") / "latest_net_G.pth").mkdir()
    with pytest.raises(InputError, match=r"the generator, found latest_net_D\.pth, latest_net_G\.pth/"):
        read_original(tmp_path)


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\0garbage: \x80", bytes(3 << 20), b"ngf: " + b"9" * 5000, b"lr: nan", b"lr: 1e999"]
)
def test_an_opt_txt_of_anything(tmp_path: Path, content: bytes) -> None:
    (save_original(tmp_path, TINY) / "opt.txt").write_bytes(content)
    if content.startswith(b"\xff"):
        assert read_original(tmp_path).config.generator == TINY.generator  # no option that is known
        return
    with pytest.raises(InputError, match=r"opt\.txt|--lr"):
        read_original(tmp_path)


def test_a_page_that_was_downloaded_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "latest_net_G.pth").write_text("<!DOCTYPE html><html><head><title>Sign in</title></head></html>")
    with pytest.raises(InputError, match="found a damaged or foreign file"):
        read_original(tmp_path)


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


def test_nothing_else_is_overwritten_and_what_is_there_already_stays(tmp_path: Path) -> None:
    original = read_original(save_original(tmp_path / "theirs", TINY))
    path = write_run(original, tmp_path / "run")
    back = write_original(load_checkpoint(path), tmp_path / "back")
    times = [each.stat().st_mtime_ns for each in (path, *back)]
    back[0].unlink()  # as if the call had been cut short
    (tmp_path / "run/config.json").unlink()
    assert write_run(original, tmp_path / "run") == path
    assert write_original(load_checkpoint(path), tmp_path / "back") == back
    assert [each.stat().st_mtime_ns for each in (path, *back[1:])] == [times[0], *times[2:]]
    before = {each: each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()}
    other = replace(original, networks={**original.networks, "G": {**original.networks["G"]}})
    key = next(iter(other.networks["G"]))
    other.networks["G"][key] = other.networks["G"][key] + 1
    expected = "expected nothing there, or what would be written, found another file"
    with pytest.raises(InputError, match=rf"latest\.pt: {expected}"):
        write_run(other, tmp_path / "run")
    with pytest.raises(InputError, match=rf"latest_net_G\.pth: {expected}"):
        write_original(replace(load_checkpoint(path), networks=other.networks), tmp_path / "back")
    with pytest.raises(InputError, match=rf"latest_net_.\.pth: {expected}"):
        write_run(original, tmp_path / "theirs")
    with pytest.raises(InputError, match=rf"latest\.pt: {expected}"):
        write_original(load_checkpoint(path), tmp_path / "run")
    assert {each: each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()} == before


def test_samples_of_the_folder_are_those_of_the_converted_run(scenes: Path, tiny: TrainConfig, tmp_path: Path) -> None:
    folder = save_original(tmp_path / "theirs", tiny, options="loadSize: 64\nlabel_nc: 12")
    write_run(read_original(folder), tmp_path / "ours")
    theirs = generate(folder, scenes, tmp_path / "a", device=CPU)
    ours = generate(tmp_path / "ours", scenes, tmp_path / "b", device=CPU)
    assert theirs.written == ours.written == 4
    for path in (tmp_path / "a").glob("*.png"):
        assert (read_rgb(path) == read_rgb(tmp_path / "b" / path.name)).all()
    assert theirs.manifest.checkpoint_sha256 == file_sha256(folder / "latest_net_G.pth")
    assert (theirs.manifest.training_step, theirs.manifest.training_precision) == (0, "fp32")
    assert theirs.manifest.config == ours.manifest.config
    with pytest.raises(InputError, match="expected a folder of the original, for which --which-epoch"):
        generate(tmp_path / "ours", scenes, tmp_path / "c", device=CPU, label_nc=12)


def test_what_is_assumed_is_said_before_samples_are_made(scenes: Path, tiny: TrainConfig, tmp_path: Path) -> None:
    """What shapes samples; not how it was trained."""
    notes: list[str] = []
    folder = save_original(tmp_path / "theirs", tiny)
    options = folder / "opt.txt"
    options.unlink(missing_ok=True)

    def opened(**given: object) -> str:
        notes.clear()
        open_source(folder, note=notes.append, **given)
        return " ".join(notes)

    assert opened(label_nc=12) == (
        f"{folder}: assumed, without opt.txt: --resize-or-crop scale_width, --load-size 1024."
    )
    assert opened() == (
        f"{folder}: assumed, without opt.txt: 12 classes (--label-nc), edges of instances (--instances), "
        "--resize-or-crop scale_width, --load-size 1024."
    )
    options.write_text("loadSize: 64\nlabel_nc: 12\n")
    assert opened() == f"{folder}: assumed, which opt.txt does not say: --resize-or-crop scale_width."
    options.write_text("loadSize: 64\nlabel_nc: 12\nresize_or_crop: none\n")
    assert opened() == ""
    options.unlink()
    generate(folder, scenes, tmp_path / "out", device=CPU, load_size=64, limit=1, note=notes.append)
    assert any("assumed, without opt.txt" in note for note in notes)
