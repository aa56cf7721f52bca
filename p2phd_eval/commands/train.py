"""`p2phd-eval train`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from p2phd_eval.commands.options.common import Device, Json, Seed, Track
from p2phd_eval.commands.options.places import folder_to_write
from p2phd_eval.commands.options.settings import Preset, with_settings
from p2phd_eval.report.console import Output

_WATCHING = "Watching"


@with_settings()
def train(
    data: Annotated[Path, typer.Argument(help="Data set with train_label, train_inst (optional), train_img.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", callback=folder_to_write, help="Run folder to write.")
    ],
    seed: Seed = 0,
    amp: Annotated[
        bool, typer.Option("--amp", help="Automatic mixed precision: amp-fp16 on CUDA, amp-bf16 elsewhere.")
    ] = False,
    precision: Annotated[
        str | None,
        typer.Option(
            "--precision",
            help="fp32 (default), tf32, amp-fp16, amp-bf16, fp16 (with float32 copies), bf16, amp-fp8, fp8-plain, "
            "fp4-plain, apex-O1, apex-O2, fp64.",
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
        str, typer.Option("--validation-phase", help="The held-out part, with photos.", rich_help_panel=_WATCHING)
    ] = "val",
    feature_weights: Annotated[
        Path | None,
        typer.Option(
            "--feature-weights",
            metavar="FILE",
            help="File of the Inception weights for these FIDs. Default: from the cache, else they are fetched.",
            rich_help_panel=_WATCHING,
        ),
    ] = None,
    **settings: Any,
) -> None:
    """Train a pix2pixHD and write a run folder: config.json, log.jsonl, checkpoints/, grids/.

    Ctrl-C finishes the step and saves; the same command with --resume goes on.

    Examples:

        p2phd-eval train DATA --out runs/fp32 --seed 0

        p2phd-eval train DATA --out runs/amp --seed 0 --amp

        torchrun --nproc-per-node 8 --no-python p2phd-eval train DATA --out runs/8 --batch-size 8 --amp

        p2phd-eval train DATA --out runs/1024p --preset 1024p --load-pretrain runs/512p
    """
    from p2phd_eval.distributed import is_first_process
    from p2phd_eval.features.weights.index import require_there
    from p2phd_eval.report.documents.command_documents import TrainDocument, dry_run_document
    from p2phd_eval.report.documents.document import from_result
    from p2phd_eval.report.tables.dry_run_tables import dry_run_tables
    from p2phd_eval.runs.training_run import dry_run
    from p2phd_eval.runs.training_run import train as run_training
    from p2phd_eval.versions import versions

    output = Output(json_target, silent=not is_first_process())
    settings |= {"preset": preset, "amp": amp, "precision": precision, "seed": seed, "device": device}
    if dry:
        require_there("--feature-weights", feature_weights)
        planned = dry_run(data, out, note=output.note, **settings)
        for table in dry_run_tables(planned.config, planned.estimate, n_samples=planned.n_samples):
            output.table(table)
        output.document(dry_run_document(planned.config, planned.estimate, n_samples=planned.n_samples))
        return
    result = run_training(
        data,
        out,
        resume=resume,
        track=[each.value for each in track or ()],
        validation_phase=validation_phase,
        feature_weights=feature_weights,
        progress=output.progress,
        note=output.note,
        **settings,
    )
    paths = {"run": str(result.run), "checkpoint": str(result.checkpoint)}
    output.document(from_result(TrainDocument, result, **paths, config=result.config.to_dict(), versions=versions()))
    output.note(str(result))
    if result.stopped_by is not None:
        raise typer.Exit(128 + result.stopped_by)
