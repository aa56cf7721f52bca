"""The smallest run that a command can be given, for what goes wrong after training."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from p2phd_eval import generate, train
from p2phd_eval.generators.sampling.styles import cluster_styles
from tests.bad_input.case import data_set, inside

NETWORKS: dict[str, Any] = {
    "load_size": 64,
    "label_nc": 3,
    "instances": False,
    "vgg": "none",
    **{"ngf": 2, "n_downsample": 2, "n_blocks": 1, "ndf": 2, "num_d": 1, "n_layers_d": 1},
}


AS_OPTIONS = (
    "--load-size 64 --label-nc 3 --no-instances --vgg none --ngf 2 --n-downsample 2 --n-blocks 1 --ndf 2 --num-d 1 "
    "--n-layers-d 1 --epochs 1 --epochs-decay 0 --log-every 1"
)


def small_run(phases: tuple[str, ...] = ("train",)) -> None:
    """A data set with photos for networks, and a run that was trained on it for one step."""
    shutil.copytree(_made_once(_train), ".", dirs_exist_ok=True)
    if "test" in phases:
        generate("run", "data", "samples", device="cpu")


def run_with_features() -> None:
    """A run with features of each label, and clusters of them."""
    shutil.copytree(_made_once(_train_with_features), ".", dirs_exist_ok=True)


@functools.cache
def _made_once(make: Callable[[], None]) -> Path:
    """A folder to copy from."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with inside(folder):
        make()
    return folder


def _train() -> None:
    data_set()
    for path in Path("data").glob("*_*/*.png"):
        with Image.open(path) as image:
            image.resize((64, 64), Image.Resampling.NEAREST).save(path)
    train("data", "run", device="cpu", **NETWORKS, epochs=1, epochs_decay=0, log_every=1)


def _train_with_features() -> None:
    small_run()
    train("data", "feat", device="cpu", **NETWORKS, features="label", n_downsample_e=1, epochs=1, epochs_decay=0)
    cluster_styles("feat", "data", device="cpu", n_clusters=2)
