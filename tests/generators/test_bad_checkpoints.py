"""Checkpoints with missing and wrong parts: the key at fault is named, and nothing else happens."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from p2phd_eval.config import ObjectiveConfig, TrainConfig
from p2phd_eval.errors import DivergenceError, InputError
from p2phd_eval.generators.checkpoint import latest_path, load_checkpoint, save_checkpoint
from p2phd_eval.generators.networks.generator import build_generator
from p2phd_eval.generators.sampling.inference import for_inference
from p2phd_eval.generators.training.loop import train_networks
from p2phd_eval.generators.training.precision import PRECISIONS
from p2phd_eval.generators.training.step import Pix2PixHD
from tests.generators.training.random_batch import random_batch

CPU = torch.device("cpu")
KEY = "model.1.weight"
Document = dict[str, Any]
Change = Callable[[Document], object]


@pytest.fixture(scope="module")
def pooled(tiny: TrainConfig) -> TrainConfig:
    return replace(tiny, objective=ObjectiveConfig(pool_size=2), precision="amp-fp16")


@pytest.fixture(scope="module")
def written(pooled: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A checkpoint after one step, with everything that one can have."""
    model = Pix2PixHD(pooled, CPU)
    model.train_step(random_batch(CPU))
    path = tmp_path_factory.mktemp("checkpoint") / "whole.pt"
    save_checkpoint(path, config=pooled, step=1, state=model.state_dict(), n_samples=6)
    return path.read_bytes()


@pytest.fixture(scope="module")
def plain(written: bytes) -> bytes:
    """The same with one weight and no optimizers: quick to write and to read."""
    document = torch.load(io.BytesIO(written), weights_only=True)
    document |= {"networks": {"G": {KEY: torch.zeros(3)}}, "optimizers": {}, "pool": None}
    stream = io.BytesIO()
    torch.save(document, stream)
    return stream.getvalue()


def put(*keys: Any, value: Any) -> Change:
    """Replace a value deep in the document; a callable is given what was there."""

    def change(document: Document) -> None:
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] = value(document[keys[-1]]) if callable(value) else value

    return change


def drop(*keys: Any) -> Change:
    def change(document: Document) -> None:
        for key in keys[:-1]:
            document = document[key]
        del document[keys[-1]]

    return change


def changed(written: bytes, change: Change, path: Path) -> Path:
    document = torch.load(io.BytesIO(written), weights_only=True)
    change(document)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(document, path)
    return path


PARTS = ("format_version", "config", "step", "networks", "optimizers", "rng", "versions")
WRONG = (None, 3, -1, 10**600, True, 1.5, "x", [], [1], {1: 2}, {"x": None}, torch.zeros(2), torch.zeros(()))


def test_every_part_that_is_missing_is_named(plain: bytes, tmp_path: Path) -> None:
    for part in PARTS:
        with pytest.raises(InputError, match=f"key '{part}': expected a value, found nothing"):
            load_checkpoint(changed(plain, drop(part), tmp_path / "x.pt"))


@pytest.mark.parametrize("part", (*PARTS, "format", "n_samples", "pool"))
def test_every_part_of_another_type_is_named(plain: bytes, tmp_path: Path, part: str) -> None:
    fine = {"step": (3,), "n_samples": (None, 3), "pool": (None, {"x": None}), "optimizers": ({"x": None},)}
    for wrong in WRONG:
        if any(type(wrong) is type(value) and wrong == value for value in fine.get(part, ())):
            continue
        with pytest.raises(InputError, match=part if part not in ("format", "format_version") else "expected"):
            load_checkpoint(changed(plain, put(part, value=wrong), tmp_path / "x.pt"))


TENSORS: dict[str, Any] = {
    "none": None,
    "number": 3,
    "list": [1.0],
    "meta": lambda t: t.to("meta"),
    "complex": lambda t: t.to(torch.complex64),
    "quantised": lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8),
    "sparse": lambda t: t.to_sparse(),
    "float8": lambda t: t.to(torch.float8_e4m3fn),
    "bool": lambda t: t.bool(),
    "int": lambda t: t.long(),
    "no-dimension": torch.zeros(()),
    "empty": torch.zeros(0),
    "one-number-for-all": torch.zeros(1).expand(1_000_000_000),
    "nan": lambda t: t * float("nan"),
    "inf": lambda t: t / 0,
}


@pytest.mark.parametrize("kind", TENSORS)
@pytest.mark.filterwarnings("ignore")  # torch's, about quantised and sparse tensors
def test_no_odd_tensor_becomes_a_weight(written: bytes, pooled: TrainConfig, tmp_path: Path, kind: str) -> None:
    path = changed(written, put("networks", "G", KEY, value=TENSORS[kind]), tmp_path / "x.pt")
    refusal = DivergenceError if kind in ("nan", "inf") else InputError
    with pytest.raises(refusal, match="tensors of 4000" if kind == "one-number-for-all" else f"'?G'?, key '{KEY}'"):
        _generator(path)


def _generator(path: Path) -> torch.nn.Module:
    """As `generate` has it."""
    checkpoint = load_checkpoint(path)
    with torch.device("meta"):
        network = build_generator(checkpoint.config.generator, 13)
    return for_inference(network, checkpoint.networks["G"], f"{path}, G", device=CPU, precision=PRECISIONS["fp32"])


def test_weights_that_lie_otherwise_in_memory_are_the_same(written: bytes, tmp_path: Path) -> None:
    path = changed(written, put("networks", "G", KEY, value=lambda t: t.mT.contiguous().mT), tmp_path / "x.pt")
    expected = torch.load(io.BytesIO(written), weights_only=True)["networks"]["G"][KEY]
    assert torch.equal(_generator(path).state_dict()[KEY], expected)


CONFIGS: dict[str, tuple[Change, str]] = {
    "data": (put("config", "data", value=None), "config, data: expected names with their values"),
    "recursive": (lambda d: d["config"].__setitem__("data", d["config"]), "config, data, key 'data'"),
    "lr": (put("config", "lr", value=float("inf")), "config, --lr: expected a number of at most"),
    "digits": (put("config", "lr", value=10**400), "config, key 'lr': expected float"),
    "ngf": (put("config", "generator", "ngf", value=10**6), "config, --ngf: expected a number of at most 65536"),
    "halvings": (put("config", "generator", "n_downsample", value=10**5), "config, --n-downsample: expected"),
    "seed": (put("config", "seed", value=2**64), "config, --seed: expected a number of at most"),
    "wide": (put("config", "generator", "ngf", value=2**14), r"G, key 'model\.1\.weight': expected shape \(16384"),
    "no-G": (drop("networks", "G"), "networks, key 'G': expected a network, found nothing"),
    "another": (lambda d: d["networks"].__setitem__("X", {}), "networks, key 'X': expected one of G, D, E"),
}


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_configuration_that_no_training_had_is_refused(written: bytes, tmp_path: Path, kind: str) -> None:
    change, message = CONFIGS[kind]
    with pytest.raises(InputError, match=message):
        _generator(changed(written, change, tmp_path / "x.pt"))


ADAM = ("optimizers", "G", "optimizer")
STORED: dict[str, tuple[Change, str]] = {
    "no-D": (drop("networks", "D"), "networks, key 'D'"),
    "no-optimizer": (drop("optimizers", "D"), "optimizers, key 'D'"),
    "no-Adam": (drop(*ADAM), "optimizers, G, key 'optimizer'"),
    "Adam": (put(*ADAM, value=3), "optimizers, G, optimizer: expected values by name, found 3"),
    "no-groups": (put(*ADAM, "param_groups", value=[]), "key 'param_groups': expected a list of 1"),
    "groups": (put(*ADAM, "param_groups", value=[3]), "param_groups: expected values by name"),
    "weights": (put(*ADAM, "param_groups", 0, "params", value=[0, 1]), "key 'params'"),
    "betas": (put(*ADAM, "param_groups", 0, "betas", value=(2.0, "x")), "key 'betas': expected"),
    "state": (put(*ADAM, "state", value=[]), "key 'state'"),
    "number": (lambda d: d["optimizers"]["G"]["optimizer"]["state"].__setitem__(99, {}), "key 99"),
    "moments": (drop(*ADAM, "state", 0, "exp_avg"), "weight 0: expected step, exp_avg"),
    "shape": (put(*ADAM, "state", 0, "exp_avg", value=torch.zeros(3)), r"'exp_avg': .* found shape \(3,\)"),
    "complex": (put(*ADAM, "state", 0, "exp_avg", value=lambda t: t * 1j), "'exp_avg': .* found numbers of complex64"),
    "steps": (put(*ADAM, "state", 0, "step", value=torch.tensor(float("nan"))), "'step': expected a number"),
    "scale": (put("optimizers", "G", "scaler", "scale", value="x"), "scaler, key 'scale': expected a number"),
    "no-scale": (put("optimizers", "G", "scaler", value={}), "scaler, key 'scale': expected a value, found nothing"),
    "attempts": (put("optimizers", "G", "attempts", value=-1), "key 'attempts': expected a whole number"),
    "rng": (put("rng", "torch", value=torch.zeros(3, dtype=torch.uint8)), "rng, key 'torch': expected the state"),
    "rng-type": (put("rng", "torch", value=torch.zeros(3)), "rng, key 'torch': expected a tensor of uint8"),
    "no-rng": (drop("rng", "torch"), "rng, key 'torch'"),
    "no-pool": (drop("pool"), "pool: expected values by name, found None"),
    "pool": (put("pool", "samples", value=[3]), r"pool, sample 0: expected a tensor \(C, H, W\), found 3"),
    "large-pool": (put("pool", "samples", value=[0] * 9), "pool, samples: expected a list of at most 2, found 9"),
    "draws": (put("pool", "random", value=[3, [1, 2], None]), "pool, random: expected the state of Python's"),
}


@pytest.mark.parametrize("kind", STORED)
def test_what_a_resumed_run_cannot_go_on_with_is_named(
    written: bytes, pooled: TrainConfig, scenes: Path, tmp_path: Path, kind: str
) -> None:
    change, message = STORED[kind]
    path = changed(written, change, latest_path(tmp_path))
    before = path.read_bytes()
    with pytest.raises(InputError, match=message):
        train_networks(pooled, scenes, tmp_path, device=CPU, resume=True)
    assert path.read_bytes() == before


def test_a_file_that_asks_for_more_memory_than_it_fills_is_refused(written: bytes, tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.pt"
    with zipfile.ZipFile(io.BytesIO(written)) as source, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
        target.writestr("whole/data/999", bytes(70 << 20))
    with pytest.raises(InputError, match=r"\d+ bytes that unpack to \d+, which torch does not write"):
        load_checkpoint(bomb)
    torch.save({"format": "p2phd-eval checkpoint", "x": bytearray(3)}, bomb)
    with pytest.raises(InputError, match="pickled objects other than tensors"):
        load_checkpoint(bomb)


def test_no_file_at_all(tmp_path: Path) -> None:
    (tmp_path / "empty.pt").touch()
    with pytest.raises(InputError, match=r"empty\.pt: expected a p2phd-eval checkpoint, found an empty file"):
        load_checkpoint(tmp_path / "empty.pt")
    with pytest.raises(InputError, match="found a folder"):
        load_checkpoint(tmp_path)
    np.savez(tmp_path / "arrays.npz", x=np.zeros(3))
    with pytest.raises(InputError, match="found a damaged or foreign file"):
        load_checkpoint(tmp_path / "arrays.npz")
