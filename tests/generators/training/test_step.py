"""What a training step must not do: wait for the device, depend on how it is executed, or leave gradients behind."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from p2phd_eval.config import ExecutionConfig, FeatureConfig, GeneratorConfig, TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.generators.training.step import Pix2PixHD
from tests.generators.training.random_batch import random_batch

CPU = torch.device("cpu")


@pytest.fixture
def config(tiny: TrainConfig) -> TrainConfig:
    """A local enhancer with an encoder."""
    return replace(
        tiny,
        generator=GeneratorConfig(kind="local", ngf=2, n_downsample=1, n_blocks=1, n_blocks_local=1),
        features=FeatureConfig(kind="instance", nef=2, n_downsample=2),
    )


class RefuseReading(TorchDispatchMode):
    """Raises where the program would have to wait for a value on the device, as CUDA's sync debug mode does."""

    READS = ("_local_scalar_dense", "nonzero", "unique", "is_nonzero", "equal", "masked_select", "bincount")

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        assert not any(name.startswith(read) or name == f"_{read}" for read in self.READS), name
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("precision", ["fp32", "amp-fp16", "amp-bf16", "fp16", "bf16", "amp-fp8"])
def test_no_value_is_read_back_from_the_device(config: TrainConfig, precision: str) -> None:
    model = Pix2PixHD(replace(config, precision=precision), CPU)
    model.train_step(random_batch(CPU))  # the first step makes the optimizers' states
    with RefuseReading():
        losses, _ = model.train_step(random_batch(CPU))
        with pytest.raises(AssertionError, match="_local_scalar_dense"):
            losses["G_GAN"].item()


@pytest.mark.parametrize(
    "execution",
    [ExecutionConfig(channels_last=True), ExecutionConfig(grad_accum=2), ExecutionConfig(deterministic=True)],
)
def test_execution_does_not_change_the_result(config: TrainConfig, execution: ExecutionConfig) -> None:
    config = replace(config, precision="fp64")
    plain, other = Pix2PixHD(config, CPU), Pix2PixHD(replace(config, execution=execution), CPU)
    for _ in range(3):
        expected, fake = plain.train_step(random_batch(CPU))
        torch.use_deterministic_algorithms(execution.deterministic)
        try:
            found, other_fake = other.train_step(random_batch(CPU))
        finally:
            torch.use_deterministic_algorithms(False)
        for name, loss in expected.items():
            assert found[name].item() == pytest.approx(loss.item(), rel=1e-9)
        torch.testing.assert_close(other_fake, fake, rtol=0, atol=1e-9)


@pytest.mark.skipif(not any(map(shutil.which, ("c++", "g++", "clang++"))), reason="needs a C++ compiler")
@pytest.mark.filterwarnings("ignore")  # of the compiler itself
@pytest.mark.timeout(1200)  # a busy machine compiles for minutes where nothing is kept from an earlier run
def test_compiled_networks_train_the_same(tiny: TrainConfig) -> None:
    """In float32: the compiler fuses and reorders sums, so equal up to rounding."""
    small = replace(
        tiny,
        generator=GeneratorConfig(ngf=2, n_downsample=1, n_blocks=0),
        discriminator=replace(tiny.discriminator, n_layers=1, n_scales=1),
    )
    plain = Pix2PixHD(small, CPU)
    compiled = Pix2PixHD(replace(small, execution=ExecutionConfig(compile=True)), CPU)
    assert compiled.generator.state_dict().keys() == plain.generator.state_dict().keys()
    for _ in range(2):
        expected, _ = plain.train_step(random_batch(CPU))
        found, _ = compiled.train_step(random_batch(CPU))
        for name, loss in expected.items():
            assert found[name].item() == pytest.approx(loss.item(), rel=1e-4)


def test_frozen_global_generator_gets_no_gradient(config: TrainConfig) -> None:
    model = Pix2PixHD(replace(config, epochs_fix_global=1), CPU)
    model.train_step(random_batch(CPU))
    with_gradient = {name.partition(".")[0] for name, p in model.generator.named_parameters() if p.grad is not None}
    assert with_gradient == {"model1_1", "model1_2"}
    model.set_epoch(2)
    model.train_step(random_batch(CPU))
    with_gradient = {name.partition(".")[0] for name, p in model.generator.named_parameters() if p.grad is not None}
    assert with_gradient == {"model", "model1_1", "model1_2"}


def test_compiling_needs_a_compiler(config: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="--compile: expected a C"):
        Pix2PixHD(replace(config, execution=ExecutionConfig(compile=True)), CPU)
