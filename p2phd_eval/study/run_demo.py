"""The demo: scenes are drawn, and a study of them is made."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from p2phd_eval.config import DataConfig
from p2phd_eval.presets import PRESETS
from p2phd_eval.progress import Note, ProgressFactory, silent, unheard
from p2phd_eval.scenes.data_set import CLASSES, write_dataset
from p2phd_eval.stats.verdicts.margins import parse_margin
from p2phd_eval.study.plan_study import Forecast
from p2phd_eval.study.run_study import StudyResult, run_study

_WIDTH, _HEIGHT = 128, 64
_N_TRAIN, _N_TEST = 160, 120
_SEEDS = 2


def run_demo(
    out: str | os.PathLike[str] = "demo",
    *,
    margin: str = "2%",
    seed: int = 0,
    device: str | torch.device | None = None,
    feature_weights: Path | None = None,
    in_terminal: bool = False,
    on_forecast: Callable[[Forecast], None] = lambda forecast: None,
    progress: ProgressFactory = silent,
    note: Note = unheard,
) -> StudyResult:
    """Draw street scenes into `<out>/scenes`, and study fp32 and AMP on them, from two seeds each: minutes on a CPU.

    Parameters
    ----------
    out : path-like
        The study folder; a second call goes on in it.
    margin : str
        As for `run_study`.
    seed : int
        The first seed of the trainings, and the one of the scenes.
    device, feature_weights, in_terminal, on_forecast, progress, note
        As for `run_study`, as are the result and the errors.
    """
    parse_margin(margin)
    scenes = (Path(out) / "scenes").resolve()
    if not (scenes / "classes.json").exists():
        with progress("draw scenes", "scenes") as on_progress:
            write_dataset(
                scenes,
                n_train=_N_TRAIN,
                n_test=_N_TEST,
                width=_WIDTH,
                height=_HEIGHT,
                seed=seed,
                on_progress=on_progress,
            )
    return run_study(
        scenes,
        out,
        seeds=range(seed, seed + _SEEDS),
        margin=margin,
        repeat=False,
        preset=replace(PRESETS["demo"], data=DataConfig(label_nc=len(CLASSES), load_size=_WIDTH)),
        device=device,
        feature_weights=feature_weights,
        command=f"p2phd-eval demo --out {out}",
        in_terminal=in_terminal,
        on_forecast=on_forecast,
        progress=progress,
        note=note,
    )
