"""The demo: scenes are drawn, and a study of them is made that is small enough to wait for."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote

import numpy as np
import torch

from p2phd_eval.config import DataConfig
from p2phd_eval.cores import usable_cores
from p2phd_eval.images.pictures import evenly_spaced, label_colours, picture_grid
from p2phd_eval.images.png import write_png
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.presets import PRESETS
from p2phd_eval.progress import Note, ProgressFactory, silent, unheard
from p2phd_eval.report.wording import generated_name
from p2phd_eval.scenes.data_set import CLASSES, write_dataset
from p2phd_eval.stats.verdicts.margins import parse_margin
from p2phd_eval.study.plan_study import Forecast
from p2phd_eval.study.run_study import StudyResult, run_study

_WIDTH, _HEIGHT = 64, 32
_N_TRAIN, _N_TEST = 128, 48
#: The preset with less to compute. Batches of 8 and a learning rate to match take seeds to about the same FID within
#: some hundred steps; with batches of 1 they are far apart for much longer.
_CONFIG = replace(
    PRESETS["demo"],
    data=DataConfig(label_nc=len(CLASSES), load_size=_WIDTH),
    generator=replace(PRESETS["demo"].generator, n_blocks=2),
    discriminator=replace(PRESETS["demo"].discriminator, n_layers=2),
    batch_size=8,
    lr=2e-3,
    epochs=8,
    epochs_decay=8,
)
_ARMS = ("fp32", "amp-fp16")
_SEEDS = 3
#: In which the fp32 checkpoints generate again: in AMP's, and in one that is too narrow.
_GENERATION = ("amp-fp16", "fp4-plain")
_ROWS, _ENLARGED = 4, 3  # of the picture


@dataclass(frozen=True, kw_only=True)
class DemoResult(StudyResult):
    """A finished demo: a study, and a picture of some of its scenes."""

    picture: Path  # PNG


def run_demo(
    out: str | os.PathLike[str] = "demo",
    *,
    margin: str = "2%",
    seed: int = 0,
    device: str | torch.device | None = None,
    feature_weights: Path | None = None,
    on_forecast: Callable[[Forecast], None] = lambda forecast: None,
    progress: ProgressFactory = silent,
    note: Note = unheard,
) -> DemoResult:
    """Draw street scenes into `<out>/scenes`, and make a study of them that ends within minutes on two cores.

    Tiny networks are trained in fp32 and in amp-fp16, from three seeds each, as many at a time as there are cores. All
    generate in fp32, and those of fp32 once more in amp-fp16 and in a format that is too narrow, "fp4-plain".

    Parameters
    ----------
    out : path-like
        The study folder; a second call goes on in it.
    margin : str
        As for `run_study`.
    seed : int
        The first seed of the trainings, and the one of the scenes.
    device, feature_weights, on_forecast, progress, note
        As for `run_study`, as are the errors.
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
    result = run_study(
        scenes,
        out,
        arms=_ARMS,
        seeds=range(seed, seed + _SEEDS),
        generation=_GENERATION,
        margin=margin,
        repeat=False,
        preset=_CONFIG,
        device=device,
        feature_weights=feature_weights,
        jobs=min(usable_cores(), len(_ARMS) * _SEEDS),
        command=f"p2phd-eval demo --out {quote(str(out))}",
        on_forecast=on_forecast,
        progress=progress,
        note=note,
    )
    picture = Path(out) / "picture.png"
    _draw(Path(out), scenes, result, picture)
    return DemoResult(report=result.report, page=result.page, outcomes=result.outcomes, picture=picture)


def _draw(study: Path, scenes: Path, result: StudyResult, path: Path) -> None:
    """Draw some test scenes: label map, photo, and what the first run of each arm made of it."""
    columns = [("label map", open_source(scenes / "test_label")), ("photo", open_source(scenes / "test_img"))]
    for arm in result.report.arms:
        for run in result.report.runs_of(arm)[:1]:
            for precision, folder in run.samples.items():
                name = arm if precision == "fp32" else generated_name(arm, precision)
                columns.append((name, open_source(study / folder)))
    rows = []
    for place in evenly_spaced(_N_TEST, _ROWS):
        label, *others = (source for _, source in columns)
        tiles = [label_colours(label.load_stored(place), len(CLASSES)), *(each.load(place).pixels for each in others)]
        rows.append([np.kron(tile, np.ones((_ENLARGED, _ENLARGED, 1), dtype=np.uint8)) for tile in tiles])
    write_png(path, picture_grid(rows, [name for name, _ in columns]))
