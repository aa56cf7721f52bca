"""Fixtures: a data set and networks so small that a training takes a second."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from p2phd_eval.config import DataConfig, DiscriminatorConfig, GeneratorConfig, TrainConfig
from p2phd_eval.scenes.data_set import CLASSES, write_dataset


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Networks this small are faster without threads, many times so on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny data set of embedded scenes: 6 training and 4 test samples of 64 x 32. Not to be changed."""
    root = tmp_path_factory.mktemp("scenes") / "data"
    write_dataset(root, n_train=6, n_test=4, width=64, height=32, seed=0)
    return root


@pytest.fixture(scope="session")
def tiny() -> TrainConfig:
    """Networks that train in milliseconds a step: 3 epochs of 3 steps."""
    return TrainConfig(
        data=DataConfig(label_nc=len(CLASSES), load_size=64),
        generator=GeneratorConfig(ngf=4, n_downsample=2, n_blocks=1),
        discriminator=DiscriminatorConfig(ndf=4, n_layers=2),
        epochs=2,
        epochs_decay=1,
        batch_size=2,
        log_every=1,
        grid_every=4,
        checkpoint_every=100,
    )
