from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from p2phd_eval.errors import InputError
from p2phd_eval.segmentation.trained_file import Header, HeldOut, Recipe, read_header, read_trained, write_trained
from p2phd_eval.segmentation.u_net import UNet

CPU = torch.device("cpu")
RECIPE = Recipe(width=16, channels=2, depth=2, steps=1, batch_size=1, learning_rate=1e-3, seed=0, ignore=(255,))
HEADER = Header(
    format=1,
    classes=("sky", "road", "tree"),
    recipe=RECIPE,
    photos=9,
    data_sha256="0" * 64,
    held_out=HeldOut(photos=1, pixel_accuracy=50.0, mean_iou=30.0, iou=(60.0, 30.0, None)),
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    write_trained(tmp_path / "s.safetensors", UNet(3, channels=2, depth=2), HEADER)
    return tmp_path / "s.safetensors"


def test_what_is_written_is_read(file: Path) -> None:
    assert read_header(file) == HEADER
    segmenter = read_trained(file, CPU)
    assert (segmenter.name, segmenter.classes) == ("trained", HEADER.classes)
    assert segmenter.identity == hashlib.sha256(file.read_bytes()).hexdigest()
    assert segmenter(torch.zeros(2, 9, 13, 3, dtype=torch.uint8)).shape == (2, 9, 13)


def test_strangers_are_refused(file: Path, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.safetensors"
    state = load_file(file)
    save_file(state, stranger)
    with pytest.raises(InputError, match="found safetensors of another tool"):
        read_trained(stranger, CPU)
    stranger.write_text("no tensors at all, but text")
    with pytest.raises(InputError, match="found another kind of file"):
        read_trained(stranger, CPU)
    stranger.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(InputError, match="found a damaged file"):
        read_trained(stranger, CPU)


@pytest.mark.parametrize(
    ("was", "now", "message"),
    [
        (b'\\"channels\\": 2', b'\\"channels\\": 3', "found 'down.0.0.weight': shape|shape"),
        (b'\\"depth\\": 2', b'\\"depth\\": 1', "found a tensor"),
        (b'\\"format\\": 1', b'\\"format\\": 2', "found format 2, of another version"),
        (b'\\"road\\"', b'\\"tree\\"', "or a name twice"),
        (b'\\"width\\": 16', b'\\"width\\": 00', "not JSON|expected"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(file: Path, was: bytes, now: bytes, message: str) -> None:
    content = file.read_bytes()
    assert content.count(was) == 1
    file.write_bytes(content.replace(was, now))
    with pytest.raises(InputError, match=message):
        read_trained(file, CPU)
