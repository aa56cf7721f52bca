"""Fixtures: two arms of three seeds, trained for a moment on embedded scenes, with encoders and clusters."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from p2phd_eval.config import DataConfig, DiscriminatorConfig, FeatureConfig, GeneratorConfig, TrainConfig
from p2phd_eval.editing.random_edits import random_edits
from p2phd_eval.evaluation.arms import ArmFolders
from p2phd_eval.generators.sampling.styles import cluster_styles
from p2phd_eval.generators.training.loop import train_networks
from p2phd_eval.scenes.data_set import CLASSES, write_dataset

SEEDS = (1, 2, 3)

TINY = TrainConfig(
    data=DataConfig(label_nc=len(CLASSES), load_size=80),
    generator=GeneratorConfig(ngf=4, n_downsample=1, n_blocks=1),
    discriminator=DiscriminatorConfig(ndf=4, n_layers=1, n_scales=1),
    features=FeatureConfig(kind="instance", nef=4, n_downsample=1),
    epochs=1,
    epochs_decay=0,
    batch_size=2,
    checkpoint_every=100,
    grid_every=100,
)


def train_run(config: TrainConfig, data: Path, run: Path) -> Path:
    """Train a run on the CPU, and cluster its features if it has an encoder."""
    train_networks(config, data, run, device=torch.device("cpu"))
    if config.features.kind != "none":
        cluster_styles(run, data, n_clusters=3, device="cpu")
    return run


@pytest.fixture(scope="session")
def edited_scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4 training and 4 test scenes of 80 x 40 in `data`, a script of 8 edits beside it. Not to be changed."""
    root = tmp_path_factory.mktemp("edited")
    write_dataset(root / "data", n_train=4, n_test=4, width=80, height=40, seed=0)
    random_edits(root / "data", root / "edits.json", per_image=2, seed=1)
    return root


@pytest.fixture(scope="session")
def trained_arms(edited_scenes: Path) -> tuple[ArmFolders, ArmFolders]:
    """The runs of fp32 and of amp-bf16, which is emulated or not."""
    arms = []
    for precision in ("fp32", "amp-bf16"):
        runs = [
            train_run(
                replace(TINY, precision=precision, seed=seed),
                edited_scenes / "data",
                edited_scenes / "runs" / f"{precision}-{seed}",
            )
            for seed in SEEDS
        ]
        arms.append(ArmFolders(name=precision, folders=tuple(runs)))
    return arms[0], arms[1]
