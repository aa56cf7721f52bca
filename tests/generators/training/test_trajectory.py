"""Whole trainings in float64 against the original's own on the same data (float32, CPU), for what its options allow.

`trajectories.json` has the options by the original's names and the losses of each step before its update;
`trajectories.npz`, by name of trajectory, `out_after` (every second row and column of what the generator makes of
the first batch afterwards) and with batch norm the running statistics. Weights by `golden.fill`, data by
`trajectory_data.drawn_batch`, `n` batches an epoch.

Adam turns the rounding noise of a gradient near zero into a full step, so in float32 some data give another trajectory
on another processor; in float64 the noise is far below Adam's eps. `data_seed` is the first for which the original
itself stays within 2e-5 (losses) and 3e-5 (output) of its float64 run when its initial weights are changed by 1e-6 of
themselves at random, several times over.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from p2phd_eval.generators.data.batch import Batch
from p2phd_eval.generators.training.step import Pix2PixHD
from tests.generators.golden import DATA, fill, load_golden
from tests.generators.trajectory_data import Arrays, batch_of, config_of, drawn_batch, networks_of, output_of

RELATIVE = 2e-5  # of losses; absolute of outputs in [-1, 1]
TRAJECTORIES = {t["name"]: t for t in json.loads((DATA / "trajectories.json").read_text())}


@pytest.fixture(scope="module")
def arrays() -> Arrays:
    with np.load(DATA / "trajectories.npz", allow_pickle=False) as archive:
        return {key: archive[key] for key in archive}


def follow(
    trajectory: dict[str, Any], batches: list[Batch], vgg: str = "none", *, precision: str = "fp64", steps: int = 10**9
) -> Pix2PixHD:
    """Train as the original did, the loss of each step (or of the first `steps`) compared."""
    original = trajectory["config"]
    model = Pix2PixHD(replace(config_of(original, vgg), precision=precision), torch.device("cpu"))
    for network in networks_of(model).values():
        fill(network, original["scale"])
    for step, expected in enumerate(trajectory["losses"][:steps]):
        model.set_epoch(1 + step // len(batches))
        losses, _ = model.train_step(batches[step % len(batches)])
        found = {key: loss.item() for key, loss in losses.items()}
        assert found == pytest.approx(expected, rel=RELATIVE), f"step {step}"
    return model


@pytest.mark.parametrize("name", ["trajectory_global", "trajectory_vanilla_label0", "trajectory_encoder"])
def test_stored_data(name: str) -> None:
    golden = load_golden(name)
    original = golden.document["config"]
    drawn = [{key: golden.arrays[f"{key}_{i}"] for key in ("label", "inst", "real")} for i in range(original["n"])]
    batches = [batch_of(original, one) for one in drawn]
    model = follow(golden.document, batches)
    torch.testing.assert_close(output_of(model, batches[0]), golden.tensor("out_after").double(), rtol=0, atol=RELATIVE)
    follow(golden.document, batches, precision="fp32", steps=2)  # before rounding has grown


@pytest.mark.parametrize("name", TRAJECTORIES)
def test_drawn_data(name: str, arrays: Arrays, request: pytest.FixtureRequest) -> None:
    trajectory = TRAJECTORIES[name]
    original = trajectory["config"]
    batches = [batch_of(original, drawn_batch(original, i)) for i in range(original["n"])]
    vgg = "none" if original["no_vgg_loss"] else str(request.getfixturevalue("vgg_file"))
    model = follow(trajectory, batches, vgg)

    prefix = f"{name}/"
    expected = {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}
    out_after = expected.pop("out_after")
    state = {
        f"{net}.{key}": value
        for net, module in networks_of(model).items()
        for key, value in module.state_dict().items()
    }
    assert set(expected) == {key for key in state if "running_" in key}
    # A bias before a norm has no gradient but rounding noise, of which Adam makes steps of `lr`: it may end anywhere
    # within lr * steps on either side, and the running mean moves with it.
    free = 2 * original["lr"] * trajectory["steps"]
    for key, statistics in expected.items():
        absolute = free if key.endswith("running_mean") else 1e-6
        np.testing.assert_allclose(state[key].numpy(), statistics, rtol=RELATIVE, atol=absolute, err_msg=key)
    output = output_of(model, batches[0])[..., ::2, ::2]
    torch.testing.assert_close(output, torch.from_numpy(out_after).double(), rtol=0, atol=RELATIVE)
