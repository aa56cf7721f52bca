"""`p2phd-eval demo`."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from p2phd_eval.commands.options.common import Device, Json, Seed, Weights
from p2phd_eval.config import DataConfig
from p2phd_eval.presets import PRESETS
from p2phd_eval.report.console import Output

_WIDTH, _HEIGHT = 128, 64
_N_TRAIN, _N_TEST = 160, 120
_SEEDS = 2


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder to write; a second call goes on in it.")] = Path("demo"),
    margin: Annotated[str, typer.Option("--margin", help="Difference that still counts as none; see compare.")] = "2%",
    weights: Weights = None,
    seed: Seed = 0,
    device: Device = None,
    json_target: Json = None,
) -> None:
    """The whole story in minutes: draw scenes, then a study of them: fp32 and AMP, two seeds each, and the report.

    Needs no data. The FID Inception weights are fetched once.

    Example:

        p2phd-eval demo --out demo
    """
    from p2phd_eval.commands.study_stages import make_study
    from p2phd_eval.devices import find_device
    from p2phd_eval.generators.training.precision import amp_name
    from p2phd_eval.scenes.data_set import CLASSES, write_dataset
    from p2phd_eval.stats.verdicts.margins import parse_margin
    from p2phd_eval.study.artefacts import data_sha256
    from p2phd_eval.study.study_plan import PLAN_FILE, StudyPlan, continue_plan, load_plan

    parse_margin(margin)
    output = Output(json_target)
    torch_device = find_device(device)
    scenes = (out / "scenes").resolve()
    if not (scenes / "classes.json").exists():
        with output.progress("draw scenes", "scenes") as on_progress:
            write_dataset(
                scenes,
                n_train=_N_TRAIN,
                n_test=_N_TEST,
                width=_WIDTH,
                height=_HEIGHT,
                seed=seed,
                on_progress=on_progress,
            )
    data = DataConfig(label_nc=len(CLASSES), load_size=_WIDTH)
    plan = StudyPlan(
        data=str(scenes),
        data_sha256=data_sha256(scenes, data, ("train", "test")),
        base=replace(PRESETS["demo"], data=data),
        arms=("fp32", amp_name(torch_device)),
        seeds=tuple(range(seed, seed + _SEEDS)),
        repeat=False,
        margin=margin,
        command=f"p2phd-eval demo --out {out}",
    )
    if (out / PLAN_FILE).exists():
        before = load_plan(out)
        continue_plan(before, plan, str(out))
        plan = dataclasses.replace(before, margin=margin)
    command = [sys.executable, "-m", "p2phd_eval", "study", "--out", str(out.resolve())]
    command += [] if weights is None else ["--feature-weights", str(weights.resolve())]
    make_study(
        out,
        plan,
        command,
        device=torch_device,
        every_gpu=device is None,
        weights=weights,
        lpips_weights=None,
        dry=False,
        output=output,
    )
    output.note(
        "After minutes of training a seed alone moves the FID by tens, and two seeds an arm say little about it: the "
        "report shows how a study reads, not what AMP does."
    )
