"""Run folders with an encoder and clusters, made without training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from p2phd_eval.config import FeatureConfig, TrainConfig
from p2phd_eval.generators.checkpoint import latest_path, save_checkpoint
from p2phd_eval.generators.sampling.styles import cluster_styles
from p2phd_eval.generators.training.step import Pix2PixHD
from p2phd_eval.images.decoding import open_image, read_rgb

CPU = torch.device("cpu")


def styled_run(config: TrainConfig, kind: str, data: Path, out: Path) -> Path:
    """A run with features by instance, by label or none, and clusters of `data`; its weights are the initial ones."""
    features = FeatureConfig() if kind == "none" else FeatureConfig(kind=kind, nef=4, n_downsample=2)
    config = replace(config, features=features)
    save_checkpoint(latest_path(out), config=config, step=0, state=Pix2PixHD(config, CPU).state_dict())
    if kind != "none":
        cluster_styles(out, data, device=CPU, n_clusters=3)
    return out


def maps(data: Path, key: str, phase: str = "test") -> tuple[np.ndarray, np.ndarray]:
    """Label and instance map of a sample."""
    return tuple(np.asarray(open_image(data / f"{phase}_{kind}/{key}.png")) for kind in ("label", "inst"))  # type: ignore[return-value]


def keys_of(data: Path, phase: str = "test") -> list[str]:
    return sorted(path.stem for path in (data / f"{phase}_label").iterdir())


def pixels(folder: Path) -> dict[str, np.ndarray]:
    """The images of a folder by their names without ending."""
    return {path.stem: read_rgb(path) for path in sorted(folder.glob("*.png"))}
