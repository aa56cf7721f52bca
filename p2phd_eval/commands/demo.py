"""`p2phd-eval demo`."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from p2phd_eval.commands.options import Device, Json, Seed, Weights
from p2phd_eval.config import DataConfig
from p2phd_eval.presets import PRESETS
from p2phd_eval.report.console import Output, ResultTable

if TYPE_CHECKING:
    from p2phd_eval.study import StudyResult

_WIDTH, _HEIGHT = 128, 64
_N_TRAIN, _N_TEST = 160, 120
_LOSSES = ("G_GAN", "G_GAN_Feat", "D_real", "D_fake")


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder to write; a second call goes on in it.")] = Path("demo"),
    margin: Annotated[str, typer.Option("--margin", help="Difference that still counts as none; see compare.")] = "2%",
    weights: Weights = None,
    seed: Seed = 0,
    device: Device = None,
    json_target: Json = None,
) -> None:
    """The whole story in minutes: draw scenes, train in fp32 and under AMP, generate, compare; tables and a picture.

    A second fp32 run from another seed stands beside them, since a seed moves FID too. Needs no data. The FID Inception
    weights are fetched once.

    Example:

        p2phd-eval demo --out demo
    """
    from p2phd_eval.stats.margins import parse_margin

    margin_rule = parse_margin(margin)

    from p2phd_eval.devices import describe_device, find_device
    from p2phd_eval.generators.precision import amp_name
    from p2phd_eval.generators.scenes import CLASSES, write_dataset
    from p2phd_eval.report.comparison import comparison_document, comparison_table
    from p2phd_eval.study import Arm, StudyInterrupted, run_study

    output = Output(json_target)
    torch_device = find_device(device)
    output.note(f"device: {describe_device(torch_device)}")
    if torch_device.type == "cpu":
        output.note("A CPU emulates reduced precision: this demo shows quality, not speed.")
    scenes = out / "scenes"
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
    base = replace(PRESETS["demo"], data=DataConfig(label_nc=len(CLASSES), load_size=_WIDTH))
    arms = (
        Arm(name="fp32", precision="fp32", seed=seed),
        Arm(name="amp", precision=amp_name(torch_device), seed=seed),
        Arm(name="fp32-other-seed", precision="fp32", seed=seed + 1),
    )
    try:
        result = run_study(
            scenes,
            out,
            base,
            arms,
            device=torch_device,
            margin=margin_rule,
            weights=weights,
            progress=output.progress,
        )
    except StudyInterrupted as stop:
        output.note("Stopped; what is finished is kept. Go on with the same command.")
        raise typer.Exit(128 + stop.signum) from stop
    output.table(_training_table(result))
    output.table(comparison_table(result.comparison, str(result.photos)))
    output.note(
        "fp32-other-seed is the yardstick: fp32 again, from another seed. After minutes of training a seed alone moves "
        "the FID by tens, so one pair of runs tells nothing about a precision; that takes several seeds of each."
    )
    folders = [[arm.samples.folder] for arm in result.arms]
    document = comparison_document(result.comparison, str(result.photos), folders)
    records = {arm.arm.name: arm.training.last_record for arm in result.arms}
    document["training"] = {name: asdict(record) if record else None for name, record in records.items()}
    document["picture"] = str(result.picture)
    output.document(document)
    output.note(f"Picture: {result.picture} (label, photo, fp32, AMP and their difference).")


def _training_table(result: StudyResult) -> ResultTable:
    rows = []
    for arm in result.arms:
        record = arm.training.last_record
        losses = record.losses if record else {}
        values = [losses.get(name) for name in _LOSSES]
        rows.append(
            (
                arm.arm.name,
                arm.arm.precision,
                str(arm.arm.seed),
                str(arm.training.step),
                *("-" if value is None else f"{value:.3f}" for value in values),
                str(sum(arm.training.skipped_steps.values())),
            )
        )
    return ResultTable(
        title="Training",
        columns=("arm", "precision", "seed", "steps", *_LOSSES, "skipped steps"),
        rows=tuple(rows),
    )
