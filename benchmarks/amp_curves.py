"""Does AMP train as fp32 does? Loss curves of several seeds each on the embedded scenes, as a figure and as JSON.

    python benchmarks/amp_curves.py --work DIR --figure docs/images/amp-curves.png

Resumable: runs that are in --work already are not trained again. A CPU emulates reduced precision: this shows quality,
not speed.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from p2phd_eval.config import DataConfig, TrainConfig
from p2phd_eval.files import write_json
from p2phd_eval.generators.training.loop import train_networks
from p2phd_eval.presets import PRESETS
from p2phd_eval.scenes.data_set import CLASSES, write_dataset
from p2phd_eval.versions import versions

LOSSES = ("G_GAN", "G_GAN_Feat", "D_real", "D_fake")
ARMS = ("fp32", "amp-bf16")
LOG_EVERY = 5  # steps
WINDOW = 16  # logged steps in a moving average
WIDTH, HEIGHT, N_TRAIN = 128, 64, 160

Curves = npt.NDArray[np.float64]


def train_all(work: Path, seeds: int) -> dict[str, Path]:
    """Train every arm and seed; returns run folders by name."""
    torch.set_num_threads(1)
    scenes = work / "scenes"
    if not (scenes / "classes.json").exists():
        write_dataset(scenes, n_train=N_TRAIN, n_test=1, width=WIDTH, height=HEIGHT, seed=0)
    base = replace(PRESETS["demo"], data=DataConfig(label_nc=len(CLASSES), load_size=WIDTH), log_every=LOG_EVERY)
    runs = {}
    for seed in range(seeds):
        for arm in ARMS:
            run = work / f"{arm}-{seed}"
            config: TrainConfig = replace(base, precision=arm, seed=seed)
            train_networks(config, scenes, run, device=torch.device("cpu"), resume=True)
            runs[f"{arm}-{seed}"] = run
    return runs


def read_curves(runs: list[Path]) -> tuple[npt.NDArray[np.int64], dict[str, Curves]]:
    """Return logged steps and, for each loss, smoothed curves of shape (seeds, steps)."""
    logs = [[json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()] for run in runs]
    steps = np.array([line["step"] for line in logs[0]])[WINDOW - 1 :]
    kernel = np.full(WINDOW, 1.0 / WINDOW)
    curves = {
        name: np.stack([np.convolve([line["losses"][name] for line in log], kernel, "valid") for log in logs])
        for name in LOSSES
    }
    return steps, curves


def summary(fp32: Curves, amp: Curves) -> dict[str, float]:
    """Compare two arms of shape (seeds, steps).

    `mean_difference` is AMP's mean minus fp32's over the last quarter, `seed_sd` the standard deviation over fp32's
    seeds there, `standard_error` that of the difference of the two means (Welch). `inside` is the share of AMP's points
    that lie within the range of all fp32 seeds but one, averaged over which is left out: if AMP's curves were more
    seeds of fp32, it would be `inside_if_the_same`: of n exchangeable values all but the two at the ends lie inside.
    """
    last = fp32.shape[1] * 3 // 4
    a, b = fp32[:, last:].mean(axis=1), amp[:, last:].mean(axis=1)
    others = [np.delete(fp32, i, axis=0) for i in range(len(fp32))]
    inside = [np.mean((amp >= rest.min(axis=0)) & (amp <= rest.max(axis=0))) for rest in others]
    return {
        "fp32": float(a.mean()),
        "amp": float(b.mean()),
        "mean_difference": float(b.mean() - a.mean()),
        "seed_sd": float(a.std(ddof=1)),
        "standard_error": float(np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))),
        "inside": float(np.mean(inside)),
        "inside_if_the_same": (len(fp32) - 2) / len(fp32),
    }


def draw(path: Path, steps: npt.NDArray[np.int64], curves: dict[str, dict[str, Curves]], seeds: int) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    colours = {"fp32": "#1f6fb4", "amp-bf16": "#d9541e"}
    figure, axes = plt.subplots(2, 2, figsize=(9, 6), sharex=True, layout="constrained")
    for axis, name in zip(axes.flat, LOSSES, strict=True):
        for arm in ARMS:
            values = curves[arm][name]
            axis.fill_between(steps, values.min(axis=0), values.max(axis=0), color=colours[arm], alpha=0.2, lw=0)
            axis.plot(steps, values.T, color=colours[arm], lw=0.5, alpha=0.5)
            axis.plot(steps, values.mean(axis=0), color=colours[arm], lw=1.8, label=arm)
        axis.set_title(name)
        axis.set_ylim(bottom=0)
    for axis in axes[1]:
        axis.set_xlabel("step")
    axes[0, 0].legend()
    span = WINDOW * LOG_EVERY
    figure.suptitle(
        f"Losses of fp32 and amp-bf16, moving averages over {span} steps: {seeds} seeds each, their range and mean"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--figure", type=Path, default=Path("docs/images/amp-curves.png"))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    runs = train_all(arguments.work, arguments.seeds)
    curves: dict[str, dict[str, Curves]] = {}
    for arm in ARMS:
        steps, curves[arm] = read_curves([runs[f"{arm}-{seed}"] for seed in range(arguments.seeds)])
    draw(arguments.figure, steps, curves, arguments.seeds)
    result: dict[str, Any] = {
        "what": "losses of fp32 and amp-bf16 on the embedded scenes, preset demo",
        "device": "cpu",
        "seeds": arguments.seeds,
        "steps": int(steps[-1]),
        "versions": versions(),
        "losses": {name: summary(curves["fp32"][name], curves["amp-bf16"][name]) for name in LOSSES},
    }
    print(json.dumps(result, indent=2))
    if arguments.json:
        write_json(arguments.json, result)


if __name__ == "__main__":
    main()
