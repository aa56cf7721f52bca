"""`p2phd-eval study`."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from p2phd_eval.commands.options.common import ClusterBy, Device, Json, Track, Weights
from p2phd_eval.commands.options.settings import Preset, with_settings
from p2phd_eval.errors import InputError
from p2phd_eval.presets import configure
from p2phd_eval.report.console import Output

if TYPE_CHECKING:
    import torch

    from p2phd_eval.study.study_plan import StudyPlan

_SEEDS = 3
_CONFIDENCE = 0.95


# A run of a study validates nothing on the way, and keeps its newest checkpoint alone.
@with_settings(lambda setting: setting.option not in ("seed", "precision", "keep_every", "validate_every"), hidden=True)
def study(
    data: Annotated[
        Path | None,
        typer.Argument(help="Data set with training and test photos. Left out: the study in --out goes on."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Study folder; a second call goes on in it.")] = Path("study"),
    arms: Annotated[
        str | None,
        typer.Option(
            "--arms",
            help="Training precisions separated by commas, the baseline first. Default: fp32 and what --amp is here.",
            show_default=False,
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option("--seeds", min=1, help=f"Trainings of each arm; more may follow. Default: {_SEEDS}."),
    ] = None,
    margin: Annotated[
        str | None,
        typer.Option(
            "--margin",
            metavar="NUMBER|PERCENT|seeds",
            help="Difference that still counts as none, as for compare. Default: from the baseline's seeds.",
            show_default=False,
        ),
    ] = None,
    cluster_by: ClusterBy = None,
    confidence: Annotated[
        float | None, typer.Option("--confidence", help=f"Of the intervals. Default: {_CONFIDENCE}.")
    ] = None,
    repeat: Annotated[
        bool | None,
        typer.Option(
            "--repeat/--no-repeat", help="Train the baseline's first seed twice: what chance alone does. Default: yes."
        ),
    ] = None,
    preset: Preset = "512p",
    dry: Annotated[bool, typer.Option("--dry-run", help="Print the plan with its time and disk, and stop.")] = False,
    slurm: Annotated[
        bool, typer.Option("--slurm", help="Write a job array for sbatch into OUT/slurm instead of training here.")
    ] = False,
    one: Annotated[
        str | None, typer.Option("--run", metavar="NAME", help="Make this run of the study alone, as a job of it does.")
    ] = None,
    track: Track = None,
    weights: Weights = None,
    lpips_weights: Annotated[
        Path | None,
        typer.Option(
            "--lpips-weights",
            help="File of torchvision's AlexNet weights, for LPIPS. Default: from the cache, else they are fetched; "
            "without them LPIPS is left out.",
        ),
    ] = None,
    device: Device = None,
    json_target: Json = None,
    **settings: Any,
) -> None:
    """Does reduced precision hurt? From a data set to a report that settles it: arms x seeds, one command.

    Prints the plan with time and disk, trains every run (side by side on the GPUs there are), generates in both
    precisions, computes features, compares, and writes OUT/report.html, report.json and report.md. Killed at any
    moment and called again, it redoes nothing that is finished. A run that diverges or runs out of memory is a result
    of its arm. Takes the options of `train` that shape a training, too: see `p2phd-eval train --help`.

    Examples:

        p2phd-eval study DATA --out study --arms fp32,amp-fp16,amp-bf16 --seeds 3

        p2phd-eval study DATA --out study --dry-run

        p2phd-eval study --out study --seeds 5

        p2phd-eval study DATA --out study --slurm
    """
    from p2phd_eval.commands.study_stages import make_run, make_study, write_jobs
    from p2phd_eval.devices import find_device

    torch_device = find_device(device)
    output = Output(json_target)
    if one is not None:
        make_run(out, one, torch_device, weights, track or (), output)
        return
    options = {"arms": arms, "seeds": seeds, "margin": margin, "cluster_by": cluster_by, "confidence": confidence}
    plan = _plan(data, out, preset, settings, {**options, "repeat": repeat}, torch_device, output)
    files = {"--feature-weights": weights, "--lpips-weights": lpips_weights}
    shared = [text for name, path in files.items() if path is not None for text in (name, str(path.resolve()))]
    shared += [text for name in track or () for text in ("--track", name.value)]
    command = (sys.executable, "-m", "p2phd_eval", "study", "--out", str(out.resolve()), *shared)
    if slurm and not dry:
        write_jobs(out, plan, command, output)
        return
    make_study(
        out,
        plan,
        command,
        device=torch_device,
        every_gpu=device is None,
        weights=weights,
        lpips_weights=lpips_weights,
        dry=dry,
        output=output,
    )


def _plan(
    data: Path | None,
    out: Path,
    preset: str,
    settings: dict[str, Any],
    options: dict[str, Any],
    device: torch.device,
    output: Output,
) -> StudyPlan:
    """Return the plan of a new study, or of the one in `out` with what the options change."""
    from p2phd_eval.evaluation.cluster_rules import parse_rule
    from p2phd_eval.generators.data.triplets import find_triplets
    from p2phd_eval.generators.training.precision import PRECISIONS, amp_name
    from p2phd_eval.stats.confidence import require_confidence
    from p2phd_eval.stats.verdicts.margins import parse_margin
    from p2phd_eval.study.artefacts import data_sha256
    from p2phd_eval.study.study_plan import PLAN_FILE, StudyPlan, continue_plan, load_plan, parse_arms

    before = load_plan(out) if data is None or (out / PLAN_FILE).exists() else None
    given = {name: value for name, value in options.items() if value is not None}
    if "arms" in given:
        given["arms"] = parse_arms(given["arms"], tuple(PRECISIONS), amp_name(device))
    if "seeds" in given:
        given["seeds"] = tuple(range(given["seeds"]))
    if "cluster_by" in given:
        parse_rule(given["cluster_by"])
    parse_margin(given.get("margin"))
    require_confidence(given.get("confidence", _CONFIDENCE))
    if data is None:
        assert before is not None  # or else loading it failed
        unused = [name for name, value in settings.items() if value is not None]
        if unused:
            raise InputError(
                f"--{unused[0].replace('_', '-')}",
                expected="DATA before it: a study that goes on keeps its configuration",
                found="none",
            )
        data, base = Path(before.data), before.base
    else:
        base = configure(data, preset, **settings)
    data = data.resolve()
    phases = (base.data.phase, "test")
    with output.progress("look through the data", "phases") as on_progress:
        for done, phase in enumerate(phases, start=1):
            find_triplets(data, phase, base.data, photos=True)
            on_progress(done, len(phases))
    given |= {"data": str(data), "data_sha256": data_sha256(data, base.data, phases)}
    if before is not None:
        continue_plan(before, dataclasses.replace(before, **given, base=base), str(out))
        # The switches of the beginning too: how steps are computed stays as it was.
        return dataclasses.replace(before, **given)
    defaults = {"arms": ("fp32", amp_name(device)), "seeds": tuple(range(_SEEDS))}
    return StudyPlan(**{**defaults, **given}, base=base, command=shlex.join(["p2phd-eval", *sys.argv[1:]]))
