"""Whole training steps against the original's own training on fixed data (float32, CPU)."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from p2phd_eval.config import DataConfig, DiscriminatorConfig, GeneratorConfig, ObjectiveConfig, TrainConfig
from p2phd_eval.generators.conditioning import encode
from p2phd_eval.generators.dataset import Batch
from p2phd_eval.generators.pix2pixhd import Pix2PixHD
from tests.generators.golden import Golden, fill, load_golden

RELATIVE = 1e-4


def config_of(original: dict[str, Any]) -> TrainConfig:
    return TrainConfig(
        data=DataConfig(label_nc=original["label_nc"], instances=not original["no_instance"], load_size=original["w"]),
        generator=GeneratorConfig(
            kind=original["netG"],
            ngf=original["ngf"],
            n_downsample=original["n_downsample_global"],
            n_blocks=original["n_blocks_global"],
            norm=original["norm"],
        ),
        discriminator=DiscriminatorConfig(
            ndf=original["ndf"], n_layers=original["n_layers_D"], n_scales=original["num_D"], norm=original["norm"]
        ),
        objective=ObjectiveConfig(
            gan="vanilla" if original["no_lsgan"] else "lsgan",
            feature_matching=not original["no_ganFeat_loss"],
            lambda_feat=original["lambda_feat"],
        ),
        lr=original["lr"],
        beta1=original["beta1"],
        batch_size=original["batch"],
    )


def batch_of(golden: Golden, i: int) -> Batch:
    instances = golden.tensor(f"inst_{i}") if f"inst_{i}" in golden.arrays else None
    return Batch(triplets=(), label=golden.tensor(f"label_{i}"), instance=instances, photo=golden.tensor(f"real_{i}"))


@pytest.mark.parametrize("name", ["trajectory_global", "trajectory_vanilla_label0"])
def test_losses_of_every_step_and_the_output_afterwards(name: str) -> None:
    golden = load_golden(name)
    original = golden.document["config"]
    config = config_of(original)
    model = Pix2PixHD(config, torch.device("cpu"))
    fill(model.generator, original["scale"])
    fill(model.discriminator, original["scale"])
    batches = [batch_of(golden, i) for i in range(original["n"])]
    if original["no_instance"]:
        batches = [Batch(triplets=(), label=b.label, instance=None, photo=b.photo) for b in batches]

    for step, expected in enumerate(golden.document["losses"]):
        losses, _ = model.train_step(batches[step % len(batches)])
        found = {key: loss.item() for key, loss in losses.items()}
        assert found == pytest.approx(expected, rel=RELATIVE), f"step {step}"

    with torch.no_grad():
        output = model.generator(encode(batches[0].label, batches[0].instance, config.data.label_nc))
    torch.testing.assert_close(output, golden.tensor("out_after"), rtol=0, atol=RELATIVE)
