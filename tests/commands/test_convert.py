"""`convert` as a user types it: to the original's files and back."""

from __future__ import annotations

from pathlib import Path

import torch

from tests.commands.command_line import document_of, error_of, invoke


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
    assert invoke("convert", tmp_path / "theirs", tmp_path / "ours").exit_code == 0  # it is there already
    found = "found another file. Choose another folder"
    assert found in error_of(invoke("convert", tmp_path / "theirs", runs / "amp"))


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
