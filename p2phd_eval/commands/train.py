"""`p2phd-eval train`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from p2phd_eval.commands.options.common import Device, Json, Seed, Track, Weights
from p2phd_eval.commands.options.settings import Preset, with_settings
from p2phd_eval.errors import InputError
from p2phd_eval.presets import configure
from p2phd_eval.report.console import Output
from p2phd_eval.report.documents import document

_WATCHING = "Watching"


@with_settings()
def train(
    data: Annotated[Path, typer.Argument(help="Data set with train_label, train_inst (optional), train_img.")],
    out: Annotated[Path, typer.Option("--out", help="Run folder to write.")],
    seed: Seed = 0,
    amp: Annotated[
        bool, typer.Option("--amp", help="Automatic mixed precision: amp-fp16 on CUDA, amp-bf16 elsewhere.")
    ] = False,
    precision: Annotated[
        str | None,
        typer.Option(
            "--precision",
            help="fp32 (default), tf32, amp-fp16, amp-bf16, fp16 (with float32 copies), bf16, apex-O1, apex-O2, fp64.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in --out; with none there, start it.")
    ] = False,
    preset: Preset = "512p",
    dry: Annotated[
        bool, typer.Option("--dry-run", help="Print configuration, parameters and expected memory, and stop.")
    ] = False,
    device: Device = None,
    json_target: Json = None,
    track: Track = None,
    validation_phase: Annotated[
        str, typer.Option("--validation-phase", help="The held-out part.", rich_help_panel=_WATCHING)
    ] = "val",
    weights: Weights = None,
    **settings: Any,
) -> None:
    """Train a pix2pixHD and write a run folder: config.json, log.jsonl, checkpoints/, grids/.

    Ctrl-C finishes the step and saves; the same command with --resume goes on.

    Examples:

        p2phd-eval train DATA --out runs/fp32 --seed 0

        p2phd-eval train DATA --out runs/amp --seed 0 --amp

        torchrun --nproc-per-node 8 -m p2phd_eval train DATA --out runs/8 --batch-size 8 --amp

        p2phd-eval train DATA --out runs/1024p --preset 1024p --load-pretrain runs/512p
    """
    from p2phd_eval.commands.dry_run import dry_run
    from p2phd_eval.commands.watching import watch
    from p2phd_eval.devices import describe_device, find_device
    from p2phd_eval.distributed import local_device, ranks_from_environment
    from p2phd_eval.generators.checkpoint import versions
    from p2phd_eval.generators.training.loop import train as run_training
    from p2phd_eval.generators.training.precision import amp_name
    from p2phd_eval.held_out import HeldOut
    from p2phd_eval.tracking.tracker import Ending
    from p2phd_eval.tracking.trackers import open_trackers

    torch_device = local_device(find_device(device))
    if amp and precision is not None:
        raise InputError("--amp", expected="--amp or --precision", found="both", fix="Leave one out.")
    if settings["vgg"] == "untrained":
        raise InputError("--vgg untrained", expected="none, torchvision or a file", found="weights for timing alone")
    chosen = precision or (amp_name(torch_device) if amp else "fp32")
    config = configure(data, preset, precision=chosen, seed=seed, **settings)
    with ranks_from_environment(torch_device) as ranks:
        output = Output(json_target, silent=not ranks.is_first)
        spread = f", {ranks.size} ranks" if ranks.size > 1 else ""
        output.note(f"device: {describe_device(torch_device)}{spread}, precision: {chosen}, run folder: {out}")
        if torch_device.type == "cpu" and chosen not in ("fp32", "fp64"):
            output.note("A CPU emulates reduced precision: this run shows quality, not speed.")
        if dry:
            dry_run(config, data, ranks.size, output)
            return
        held_out = None
        if config.validate_every and ranks.is_first:
            held_out = HeldOut(
                config, data, validation_phase, out, device=torch_device, weights=weights, progress=output.progress
            )
        names = [each.value for each in track or ()] if ranks.is_first else []
        trackers = open_trackers(names, out, config, experiment=data.resolve().name, note=output.note)
        with trackers, output.progress("train", "steps") as on_progress:
            result = run_training(
                config,
                data,
                out,
                device=torch_device,
                ranks=ranks,
                resume=resume,
                watchers=watch(
                    output, trackers, on_progress=on_progress, source=config.load_pretrain, held_out=held_out
                ),
            )
            trackers.end(Ending.FINISHED if result.stopped_by is None else Ending.STOPPED)
    output.document(
        document(
            "train",
            run=str(result.run),
            checkpoint=str(result.checkpoint),
            step=result.step,
            total_steps=result.total_steps,
            stopped_by=result.stopped_by,
            skipped_steps=result.skipped_steps,
            device=describe_device(torch_device),
            config=config.to_dict(),
            versions=versions(),
            last_record=asdict(result.last_record) if result.last_record else None,
        )
    )
    if result.stopped_by is not None:
        output.note(
            f"Stopped at step {result.step} of {result.total_steps}; saved. Go on with the same command and --resume."
        )
        raise typer.Exit(128 + result.stopped_by)
    skipped = ", ".join(f"{name} {count}" for name, count in result.skipped_steps.items())
    output.note(f"Done: {result.step} steps, checkpoint {result.checkpoint}; steps skipped for overflow: {skipped}.")
