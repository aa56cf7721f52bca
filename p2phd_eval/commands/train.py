"""`p2phd-eval train`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from p2phd_eval.commands.options.common import Device, Json, Seed, Track, Weights
from p2phd_eval.commands.options.configuration import configuration
from p2phd_eval.errors import InputError
from p2phd_eval.presets import PRESETS
from p2phd_eval.report.console import Output
from p2phd_eval.report.documents import document

_DATA, _G, _E, _D = "Data", "Generator", "Features", "Discriminator"
_OBJECTIVE, _TRAINING, _EXECUTION, _WATCHING = "Objective", "Training", "Execution", "Watching"
#: Panels of the options that shape a training.
TRAINING_PANELS = (_DATA, _G, _E, _D, _OBJECTIVE, _TRAINING, _EXECUTION)


def _option(panel: str, name: str, text: str) -> Any:
    return typer.Option(name, help=text, rich_help_panel=panel, show_default=False)


def train(
    ctx: typer.Context,
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
    preset: Annotated[str, typer.Option("--preset", help=f"Settings to start from: {', '.join(PRESETS)}.")] = "512p",
    dry: Annotated[
        bool, typer.Option("--dry-run", help="Print configuration, parameters and expected memory, and stop.")
    ] = False,
    device: Device = None,
    json_target: Json = None,
    label_nc: Annotated[
        int | None,
        _option(
            _DATA, "--label-nc", "Classes; 0: photos to photos (train_A, train_B). Default: classes.json, else 35."
        ),
    ] = None,
    instances: Annotated[
        bool | None,
        _option(_DATA, "--instances/--no-instances", "Use instance edges. Default: if there is a train_inst."),
    ] = None,
    resize: Annotated[
        str | None,
        _option(_DATA, "--resize", "scale_width, scale_width_and_crop, resize_and_crop, crop or none."),
    ] = None,
    load_size: Annotated[int | None, _option(_DATA, "--load-size", "Width in pixels after scaling.")] = None,
    crop_size: Annotated[int | None, _option(_DATA, "--crop-size", "Side of the crop in pixels.")] = None,
    flip: Annotated[bool | None, _option(_DATA, "--flip/--no-flip", "Mirror half of the samples.")] = None,
    phase: Annotated[str | None, _option(_DATA, "--phase", "Folders PHASE_label and so on. Default: train.")] = None,
    kind: Annotated[str | None, _option(_G, "--generator", "global, or local (with enhancers).")] = None,
    ngf: Annotated[int | None, _option(_G, "--ngf", "Filters of the first convolution.")] = None,
    n_downsample: Annotated[int | None, _option(_G, "--n-downsample", "Halvings in the global generator.")] = None,
    n_blocks: Annotated[int | None, _option(_G, "--n-blocks", "Residual blocks in the global generator.")] = None,
    n_local_enhancers: Annotated[int | None, _option(_G, "--n-local-enhancers", "Local enhancers.")] = None,
    n_blocks_local: Annotated[int | None, _option(_G, "--n-blocks-local", "Residual blocks in each enhancer.")] = None,
    norm: Annotated[str | None, _option(_G, "--norm", "instance or batch, in both networks.")] = None,
    dropout: Annotated[bool | None, _option(_G, "--dropout/--no-dropout", "Dropout in the residual blocks.")] = None,
    features: Annotated[
        str | None, _option(_E, "--features", "none, instance or label: encoded features, averaged over these.")
    ] = None,
    n_features: Annotated[int | None, _option(_E, "--n-features", "Channels of the feature map.")] = None,
    nef: Annotated[int | None, _option(_E, "--nef", "Filters of the encoder's first convolution.")] = None,
    n_downsample_e: Annotated[int | None, _option(_E, "--n-downsample-e", "Halvings in the encoder.")] = None,
    load_features: Annotated[
        bool | None,
        _option(
            _E, "--load-features/--no-load-features", "Read train_feat (see `encode precompute`) instead of encoding."
        ),
    ] = None,
    ndf: Annotated[int | None, _option(_D, "--ndf", "Filters of the first convolution.")] = None,
    n_layers: Annotated[int | None, _option(_D, "--n-layers-d", "Strided convolutions in each.")] = None,
    n_scales: Annotated[int | None, _option(_D, "--num-d", "Discriminators, each at half the resolution.")] = None,
    gan: Annotated[str | None, _option(_OBJECTIVE, "--gan", "lsgan or vanilla.")] = None,
    feature_matching: Annotated[
        bool | None, _option(_OBJECTIVE, "--feature-matching/--no-feature-matching", "Feature matching loss.")
    ] = None,
    lambda_feat: Annotated[
        float | None, _option(_OBJECTIVE, "--lambda-feat", "Weight of feature matching and VGG loss.")
    ] = None,
    vgg: Annotated[
        str | None, _option(_OBJECTIVE, "--vgg", "VGG loss: none, torchvision (fetches its weights), or a file.")
    ] = None,
    pool_size: Annotated[
        int | None, _option(_OBJECTIVE, "--pool-size", "Earlier samples kept for the discriminators; 0: none.")
    ] = None,
    lr: Annotated[float | None, _option(_TRAINING, "--lr", "Adam's learning rate.")] = None,
    beta1: Annotated[float | None, _option(_TRAINING, "--beta1", "Adam's beta1.")] = None,
    epochs: Annotated[int | None, _option(_TRAINING, "--epochs", "Epochs at the constant rate.")] = None,
    epochs_decay: Annotated[int | None, _option(_TRAINING, "--epochs-decay", "Epochs of linear decay.")] = None,
    load_pretrain: Annotated[
        Path | None,
        _option(_TRAINING, "--load-pretrain", "Start from the weights of a run, checkpoint or original's folder."),
    ] = None,
    epochs_fix_global: Annotated[
        int | None,
        _option(_TRAINING, "--niter-fix-global", "First epochs that train only the outermost local enhancer."),
    ] = None,
    batch_size: Annotated[
        int | None, _option(_TRAINING, "--batch-size", "Samples a step, over all ranks and accumulated parts.")
    ] = None,
    grad_accum: Annotated[
        int | None, _option(_EXECUTION, "--grad-accum", "Parts in which each rank computes its share of a batch.")
    ] = None,
    deterministic: Annotated[
        bool | None,
        _option(_EXECUTION, "--deterministic/--no-deterministic", "Equal bits from one seed on a GPU too; slower."),
    ] = None,
    channels_last: Annotated[
        bool | None, _option(_EXECUTION, "--channels-last/--no-channels-last", "NHWC memory layout.")
    ] = None,
    compile_networks: Annotated[
        bool | None, _option(_EXECUTION, "--compile/--no-compile", "torch.compile; the first steps take minutes.")
    ] = None,
    workers: Annotated[
        int | None, _option(_EXECUTION, "--workers", "Processes that load data. Default: 4 beside a GPU, else 0.")
    ] = None,
    cache: Annotated[
        Path | None, _option(_EXECUTION, "--cache", "Folder that keeps images decoded and resized between epochs.")
    ] = None,
    log_every: Annotated[int | None, _option(_WATCHING, "--log-every", "Steps between log lines.")] = None,
    grid_every: Annotated[int | None, _option(_WATCHING, "--grid-every", "Steps between sample pictures.")] = None,
    checkpoint_every: Annotated[
        int | None, _option(_WATCHING, "--checkpoint-every", "Steps between checkpoints.")
    ] = None,
    keep_every: Annotated[
        int | None, _option(_WATCHING, "--keep-every", "Epochs between checkpoints that stay; 0: the newest only.")
    ] = None,
    track: Track = None,
    validate_every: Annotated[
        int | None, _option(_WATCHING, "--validate-every", "Epochs between FIDs on held-out photos; 0: none.")
    ] = None,
    validation_phase: Annotated[
        str, typer.Option("--validation-phase", help="The held-out part.", rich_help_panel=_WATCHING)
    ] = "val",
    weights: Weights = None,
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
    if vgg == "untrained":
        raise InputError("--vgg untrained", expected="none, torchvision or a file", found="weights for timing alone")
    chosen = precision or (amp_name(torch_device) if amp else "fp32")
    given = {name: str(value) if isinstance(value, Path) else value for name, value in ctx.params.items()}
    given["compile"] = compile_networks
    config = configuration(preset, data, given, precision=chosen)
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
                watchers=watch(output, trackers, on_progress=on_progress, source=load_pretrain, held_out=held_out),
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
