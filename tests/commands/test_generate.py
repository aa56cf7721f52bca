"""`generate` as a user types it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from p2phd_eval.commands.generate import parse_styles
from p2phd_eval.config import TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.locks import hold_file, hold_folder
from tests.commands.command_line import document_of, error_of, invoke
from tests.generators.sampling.styled_runs import styled_run


def test_generate_reports_what_it_kept(scenes: Path, runs: Path) -> None:
    arguments = ("generate", runs / "amp", scenes, "--out", runs / "amp" / "samples", "--json", "-", "--device", "cpu")
    document = document_of(invoke(*arguments))
    assert (document["written"], document["kept"]) == (0, 4)
    assert document["manifest"]["training_precision"] == "amp-bf16"
    assert document["manifest"]["sampling_precision"] == "fp32"


def test_a_malicious_checkpoint_is_refused(scenes: Path, tmp_path: Path) -> None:
    class Malicious:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "witness",))

    torch.save({"networks": Malicious()}, tmp_path / "evil.pt")
    message = error_of(invoke("generate", tmp_path / "evil.pt", scenes, "--out", tmp_path / "out", "--device", "cpu"))
    assert "evil.pt: expected a p2phd-eval checkpoint, found pickled objects" in message
    assert not (tmp_path / "witness").exists()


def test_a_style_for_a_model_without_features(scenes: Path, runs: Path, tmp_path: Path) -> None:
    arguments = ("generate", runs / "fp32", scenes, "--out", tmp_path / "out", "--device", "cpu")
    assert "--style: expected a model with features" in error_of(invoke(*arguments, "--style", "photo"))
    assert "found a model without features" in error_of(invoke("encode", "cluster", runs / "fp32", scenes))


def test_a_target_that_another_process_writes_to_is_refused_by_every_command(
    scenes: Path, runs: Path, tmp_path: Path
) -> None:
    out, file = tmp_path / "out", tmp_path / "photos.npz"
    commands: tuple[tuple[object, ...], ...] = (
        ("generate", runs / "fp32", scenes, "--out", out, "--device", "cpu"),
        ("train", scenes, "--out", out, "--device", "cpu"),
        ("convert", runs / "fp32", out),
        ("study", scenes, "--out", out),
        ("data", "synthesize", out),
        ("features", scenes / "test_img", "--out", file, "--device", "cpu"),
    )
    with hold_folder(out), hold_file(file):
        for command in commands:
            assert "expected one process at a time, found this one at work" in error_of(invoke(*command)), command
    assert not list(tmp_path.iterdir())


def test_a_folder_of_photos_or_a_run_is_never_to_be_deleted(scenes: Path, runs: Path, tmp_path: Path) -> None:
    run, data = runs / "fp32", Path(shutil.copytree(scenes, tmp_path / "data"))
    for out in (data / "test_img", data, run):
        message = error_of(invoke("generate", run, data, "--out", out, "--device", "cpu"))
        assert message.endswith("found other files. Choose another --out."), message


def test_the_first_samples_at_another_size_with_a_page(scenes: Path, runs: Path, tmp_path: Path) -> None:
    arguments = ("generate", runs / "fp32", scenes, "--out", tmp_path / "out", "--device", "cpu", "--json", "-")
    result = invoke(*arguments, "--limit", 2, "--load-size", 96, "--page")
    document = document_of(result)
    assert (document["written"], document["size"]) == (2, [96, 48])
    assert f"page: {tmp_path / 'out/index.html'}" in result.stderr
    assert (tmp_path / "out/index.html").is_file()
    document = document_of(invoke(*arguments, "--resize", "scale_width", "--load-size", 96))  # its name in 0.1.0
    assert (document["written"], document["kept"]) == (2, 2)


def test_styles_as_words_and_as_pins() -> None:
    assert parse_styles([]) == (None, {})
    assert parse_styles(["7=0", "photo", "26001=3", "7=0", "-3=1"]) == ("photo", {7: 0, 26001: 3, -3: 1})
    for wrong, message in (
        (["clusters", "photo"], "found 'clusters' 'photo'"),
        (["7=a"], "expected clusters or photo, once, and REGION=K, two whole numbers, found '7=a'"),
        (["7=-1"], "found '7=-1'"),
        (["7=0", "7=1"], "expected one cluster of region 7, found two, the other 7=1"),
    ):
        with pytest.raises(InputError, match=message):
            parse_styles(wrong)


def test_pins_reach_the_samples(scenes: Path, runs: Path, tiny: TrainConfig, tmp_path: Path) -> None:
    run = styled_run(tiny, "label", scenes, tmp_path / "run")
    arguments = ("generate", run, scenes, "--device", "cpu", "--json", "-", "--limit", 1)
    document = document_of(invoke(*arguments, "--out", tmp_path / "out", "--style", "clusters", "--style", "1=0"))
    assert document["manifest"]["pins"] == {"1": 0}
    assert document["manifest"]["style"] == "clusters"
    assert "--style: expected clusters | photo, found 'cubist'" in error_of(
        invoke(*arguments, "--out", tmp_path / "other", "--style", "cubist")
    )
