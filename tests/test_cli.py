"""The commands as a user types them: exit codes, messages, tables and JSON."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from p2phd_eval.images.decoding import open_image
from p2phd_eval.images.png import write_png
from tests.commands.command_line import document_of, error_of, invoke, noise_folder

TRAIN_OPTIONS = (
    *("--load-size", "64", "--ngf", "4", "--n-downsample", "2", "--n-blocks", "1", "--ndf", "4"),
    *("--batch-size", "2", "--epochs", "1", "--epochs-decay", "1", "--vgg", "none"),
)


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cli") / "scenes"
    result = invoke("data", "synthesize", root, "--train", 4, "--test", 4, "--width", 64, "--height", 32)
    assert result.exit_code == 0, result.output
    return root


@pytest.fixture(scope="session")
def runs(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An fp32 and an AMP run with samples, made by the commands of the README."""
    root = tmp_path_factory.mktemp("cli-runs")
    for name, options in (("fp32", ()), ("amp", ("--amp",))):
        result = invoke("train", scenes, "--out", root / name, "--device", "cpu", *TRAIN_OPTIONS, *options)
        assert result.exit_code == 0, result.output
        result = invoke("generate", root / name, scenes, "--out", root / name / "samples", "--device", "cpu")
        assert result.exit_code == 0, result.output
    return root


COMMANDS = [
    *(("train",), ("generate",), ("convert",), ("fid",), ("compare",), ("bench",), ("demo",)),
    *(("metrics",), ("features",), ("plan",)),
    *(("cache", name) for name in ("list", "clear")),
    *(("weights", name) for name in ("list", "fetch", "verify")),
    *(("data", name) for name in ("synthesize", "validate")),
    *(("encode", name) for name in ("cluster", "precompute")),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(command: tuple[str, ...]) -> None:
    result = invoke(*command, "--help")
    assert result.exit_code == 0
    assert "Example" in result.output
    assert f"p2phd-eval {' '.join(command)}" in result.output
    assert "--json" in result.output


def test_training_says_device_and_precision_and_writes_its_result(scenes: Path, tmp_path: Path) -> None:
    target = tmp_path / "train.json"
    result = invoke(
        "train", scenes, "--out", tmp_path / "run", "--amp", "--device", "cpu", "--json", target, *TRAIN_OPTIONS
    )
    assert result.exit_code == 0, result.output
    assert "device: cpu, precision: amp-bf16" in result.stderr
    assert "A CPU emulates reduced precision" in result.stderr
    document = json.loads(target.read_text())
    assert (document["schema"], document["schema_version"]) == ("p2phd-eval/train", 2)
    assert document["step"] == document["total_steps"] == 4
    assert document["config"]["data"]["label_nc"] == 12  # of classes.json
    assert document["config"]["data"]["instances"] is True


def test_generate_reports_what_it_kept(scenes: Path, runs: Path) -> None:
    arguments = ("generate", runs / "amp", scenes, "--out", runs / "amp" / "samples", "--json", "-", "--device", "cpu")
    document = document_of(invoke(*arguments))
    assert (document["written"], document["kept"]) == (0, 4)
    assert document["manifest"]["training_precision"] == "amp-bf16"
    assert document["manifest"]["sampling_precision"] == "fp32"


@pytest.mark.usefixtures("inception_weights")
def test_fid_of_two_folders(scenes: Path, runs: Path) -> None:
    arguments = ("fid", scenes / "test_img", runs / "fp32" / "samples", "--device", "cpu", "--replicates", 20)
    result = invoke(*arguments, "--json", "-")
    document = document_of(result)
    assert document["fid"] > 0
    assert document["fid_se"] > 0
    assert document["fid_se_bootstrap"] > 0
    assert (document["n_real"], document["n_fake"], document["pairing"]) == (4, 4, "paired")
    assert document["stamp"]["real"]["resize"] == "legacy-pytorch"
    assert "FID@4" in result.stderr  # the table makes room for the JSON
    plain = invoke(*arguments)
    assert f"FID@4\t{document['fid']:.4f}" in plain.stdout


@pytest.mark.usefixtures("inception_weights")
def test_runs_are_compared_by_their_folders_or_their_manifests(scenes: Path, runs: Path, tmp_path: Path) -> None:
    photos, folders = scenes / "test_img", (runs / "fp32" / "samples", runs / "amp" / "samples")
    picture = tmp_path / "side-by-side.png"
    options = ("--device", "cpu", "--replicates", 20, "--json", "-")
    document = document_of(invoke("compare", photos, *folders, "--picture", picture, *options))
    assert open_image(picture).width == 4 * 68 + 4  # real, fp32, amp and the difference: 64 pixels each and a gap
    (candidate,) = document["candidates"]
    assert (candidate["name"], document["n"], document["scope"]) == ("amp", 4, "A")
    assert document["baseline"]["runs"][0]["manifest"]["training_precision"] == "fp32"
    assert candidate["runs"][0]["manifest"]["training_precision"] == "amp-bf16"
    by_manifest = document_of(invoke("compare", photos, "--runs", runs, *options))
    assert by_manifest["candidates"][0]["name"] == "amp-bf16"
    assert by_manifest["candidates"][0]["dfid"] == candidate["dfid"]
    explained = invoke("compare", photos, *folders, "--explain", "--labels", scenes / "test_label", *options)
    classes = document_of(explained)["candidates"][0]["explanation"]["classes"]
    assert sum(part["contribution"] for part in classes) == pytest.approx(candidate["dfid"])
    assert "road" in {part["name"] for part in classes}


def test_folders_that_hold_no_set(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    folder = noise_folder(tmp_path / "some", 2)
    assert "expected at least one image" in error_of(invoke("fid", tmp_path / "empty", folder))
    message = error_of(invoke("fid", folder, tmp_path / "none"))
    assert "expected a folder of images" in message
    assert "found nothing there" in message


@pytest.mark.usefixtures("inception_weights")
def test_one_image_has_no_covariance(tmp_path: Path) -> None:
    one, two = noise_folder(tmp_path / "one", 1), noise_folder(tmp_path / "two", 2)
    message = error_of(invoke("fid", one, two, "--device", "cpu"))
    assert "at least 2" in message
    assert "covariance" in message


@pytest.mark.usefixtures("inception_weights")
@pytest.mark.parametrize("damage", ["truncated", "text"])
def test_unreadable_images_are_named(tmp_path: Path, damage: str) -> None:
    folder = noise_folder(tmp_path / "some", 3)
    path = folder / "i1.png"
    path.write_bytes(path.read_bytes()[:200] if damage == "truncated" else b"hello, I am not a picture\n")
    message = error_of(invoke("fid", folder, folder, "--device", "cpu"))
    assert f"{path}: expected a readable image, found" in message


@pytest.mark.usefixtures("inception_weights")
def test_swapped_width_and_height(tmp_path: Path) -> None:
    wide, tall = noise_folder(tmp_path / "wide", 2), noise_folder(tmp_path / "tall", 2, size=(24, 32))
    assert "width and height are swapped" in error_of(invoke("fid", wide, tall, "--device", "cpu"))


def test_label_40_with_35_classes(scenes: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(scenes, tmp_path / "data"))
    for path in (data / "train_label").iterdir():
        write_png(path, np.full((32, 64), 40, dtype=np.uint8))
    arguments = ("train", data, "--label-nc", 35, "--out", tmp_path / "run", "--device", "cpu", *TRAIN_OPTIONS)
    message = error_of(invoke(*arguments))
    assert "expected labels 0 to 34 (35 classes), found label 40" in message
    result = invoke("data", "validate", data, "--label-nc", 35)
    assert result.exit_code == 2
    assert result.stderr.count("found label 40") == 4


def test_unknown_device_and_precision(scenes: Path, tmp_path: Path) -> None:
    message = error_of(invoke("train", scenes, "--out", tmp_path / "run", "--device", "gpu0"))
    assert "--device gpu0: expected a torch device of this machine" in message
    message = error_of(invoke("train", scenes, "--out", tmp_path / "run", "--precision", "fp8", *TRAIN_OPTIONS))
    assert "expected fp64 | fp32 | tf32 | amp-fp16" in message
    assert "found 'fp8'" in message
    message = error_of(invoke("train", scenes, "--out", tmp_path / "run", "--precision", "fp32", "--amp"))
    assert "--amp: expected --amp or --precision, found both" in message


def test_a_malicious_checkpoint_is_refused(scenes: Path, tmp_path: Path) -> None:
    class Malicious:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "witness",))

    torch.save({"networks": Malicious()}, tmp_path / "evil.pt")
    message = error_of(invoke("generate", tmp_path / "evil.pt", scenes, "--out", tmp_path / "out", "--device", "cpu"))
    assert "evil.pt: expected a p2phd-eval checkpoint, found pickled objects" in message
    assert not (tmp_path / "witness").exists()


def test_resuming_another_configuration(scenes: Path, runs: Path) -> None:
    arguments = ("train", scenes, "--out", runs / "fp32", "--resume", "--device", "cpu", *TRAIN_OPTIONS)
    assert "config key 'lr': expected 0.0002 as the run began, found 0.1" in error_of(invoke(*arguments, "--lr", 0.1))


def test_a_file_that_cannot_be_written(scenes: Path) -> None:
    message = error_of(invoke("data", "validate", scenes, "--json", "/dev/null/result.json"))
    assert "/dev/null: expected to read or write it, found: " in message


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    from p2phd_eval.errors import InputError

    result = invoke("--debug", "fid", tmp_path, tmp_path)
    assert isinstance(result.exception, InputError)


def test_weights_commands() -> None:
    sources = document_of(invoke("weights", "list", "--json", "-"))["sources"]
    assert len(sources) >= 4
    fetched = document_of(invoke("weights", "fetch", "--json", "-"))
    verified = document_of(invoke("weights", "verify", "--json", "-"))
    assert verified["ok"] is True
    assert verified["weights_sha256"] == fetched["weights_sha256"]


def test_data_validate_of_good_data(scenes: Path) -> None:
    document = document_of(invoke("data", "validate", scenes, "--json", "-"))
    assert document["n_problems"] == 0
    assert {phase["phase"]: phase["n"] for phase in document["phases"]} == {"train": 4, "test": 4}


def test_converting_to_the_original_and_back(scenes: Path, runs: Path, tmp_path: Path) -> None:
    document = document_of(invoke("convert", runs / "fp32", tmp_path / "theirs", "--json", "-"))
    assert {Path(file).name for file in document["files"]} == {"opt.txt", "latest_net_G.pth", "latest_net_D.pth"}
    result = invoke("convert", tmp_path / "theirs", tmp_path / "ours")
    assert result.exit_code == 0, result.output
    assert "generator.ngf\t4\tkeys" in result.stdout
    assert "data.load_size\t64\topt.txt" in result.stdout
    options = ("--device", "cpu", "--json", "-")
    for source in ("theirs", "ours"):
        out = tmp_path / f"{source}-samples"
        document = document_of(invoke("generate", tmp_path / source, scenes, "--out", out, *options))
        assert document["written"] == 4
        for path in (runs / "fp32" / "samples").glob("*.png"):
            assert (out / path.name).read_bytes() == path.read_bytes()
    assert "found a file. Choose another folder" in error_of(invoke("convert", tmp_path / "theirs", tmp_path / "ours"))


def test_converting_says_what_it_assumes_and_takes_options(runs: Path, tmp_path: Path) -> None:
    assert invoke("convert", runs / "fp32", tmp_path / "theirs").exit_code == 0
    (tmp_path / "theirs" / "opt.txt").unlink()
    result = invoke("convert", tmp_path / "theirs", tmp_path / "a")
    assert "data.label_nc\t12\tassumed" in result.stdout
    assert "label_nc 12 with instances or label_nc 13 without instances; the first is assumed" in result.stdout
    result = invoke("convert", tmp_path / "theirs", tmp_path / "b", "--label-nc", 13)
    assert "data.label_nc\t13\toption\ndata.instances\tFalse\tkeys" in result.stdout


def test_converting_what_is_no_checkpoint(tmp_path: Path) -> None:
    assert "found no checkpoints/latest.pt in it" in error_of(invoke("convert", tmp_path, tmp_path / "out"))
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "latest_net_G.pth")
    assert "found another network" in error_of(invoke("convert", tmp_path, tmp_path / "out"))
    assert "give the folder" in error_of(invoke("convert", tmp_path / "latest_net_G.pth", tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_features_are_clustered_drawn_from_and_precomputed(scenes: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(scenes, tmp_path / "data"))
    run = tmp_path / "run"
    features = ("--features", "instance", "--nef", "4", "--n-downsample-e", "2")
    result = invoke("train", data, "--out", run, "--device", "cpu", *TRAIN_OPTIONS, *features)
    assert result.exit_code == 0, result.output
    arguments = ("generate", run, data, "--out", tmp_path / "samples", "--device", "cpu")
    assert f"Make them: p2phd-eval encode cluster {run} {data}" in error_of(invoke(*arguments))

    command = ("encode", "cluster", run, data, "--clusters", 2, "--device", "cpu")
    document = document_of(invoke(*command, "--json", "-"))
    assert document["file"] == str(run / "clusters.npz")
    assert {row["clusters"] for row in document["classes"]} <= {1, 2}
    plain = invoke(*command)
    for row in document["classes"]:
        assert f"\n{row['class']}\t{row['regions']}\t{row['clusters']}\n" in plain.stdout

    samples = document_of(invoke(*arguments, "--json", "-"))
    assert (samples["written"], samples["manifest"]["style"]) == (4, "clusters")
    assert "found images with another style" in error_of(invoke(*arguments, "--style", "photo"))
    checkpoint = run / "checkpoints" / "latest.pt"
    message = error_of(invoke("encode", "cluster", checkpoint, data, "--device", "cpu"))
    assert f"--out: expected a file, since {checkpoint} is no run folder" in message

    command = ("encode", "precompute", run, data, "--device", "cpu", "--json", "-")
    assert (document_of(invoke(*command))["written"], document_of(invoke(*command))["kept"]) == (4, 4)
    second = ("--out", tmp_path / "second", "--load-pretrain", run, "--load-features")
    result = invoke("train", data, "--device", "cpu", *TRAIN_OPTIONS, *features, *second)
    assert result.exit_code == 0, result.output


def test_a_style_for_a_model_without_features(scenes: Path, runs: Path, tmp_path: Path) -> None:
    arguments = ("generate", runs / "fp32", scenes, "--out", tmp_path / "out", "--device", "cpu")
    assert "--style: expected a model with features" in error_of(invoke(*arguments, "--style", "photo"))
    assert "found a model without features" in error_of(invoke("encode", "cluster", runs / "fp32", scenes))
