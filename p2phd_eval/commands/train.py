"""`p2phd-eval train`."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from p2phd_eval.commands.options import Device, Json, Seed
from p2phd_eval.config import PRESETS, TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.report.console import Output
from p2phd_eval.report.documents import document

if TYPE_CHECKING:
    from p2phd_eval.generators.run_log import LogRecord

_DATA, _G, _D, _OBJECTIVE, _TRAINING = "Data", "Generator", "Discriminator", "Objective", "Training"


def _option(panel: str, name: str, text: str) -> Any:
    return typer.Option(name, help=text, rich_help_panel=panel, show_default=False)


def train(
    ctx: typer.Context,
    data: Annotated[Path, typer.Argument(help="Data set with train_label, train_inst (optional) and train_img.")],
    out: Annotated[Path, typer.Option("--out", help="Run folder to write.")],
    seed: Seed = 0,
    amp: Annotated[
        bool, typer.Option("--amp", help="Automatic mixed precision: amp-fp16 on CUDA, amp-bf16 elsewhere.")
    ] = False,
    precision: Annotated[
        str | None, typer.Option("--precision", help="fp32 (default), tf32, amp-fp16 or amp-bf16.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in --out; with none there, start it.")
    ] = False,
    preset: Annotated[str, typer.Option("--preset", help=f"Settings to start from: {', '.join(PRESETS)}.")] = "512p",
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
    kind: Annotated[str | None, _option(_G, "--generator", "global, or local (with enhancers).")] = None,
    ngf: Annotated[int | None, _option(_G, "--ngf", "Filters of the first convolution.")] = None,
    n_downsample: Annotated[int | None, _option(_G, "--n-downsample", "Halvings in the global generator.")] = None,
    n_blocks: Annotated[int | None, _option(_G, "--n-blocks", "Residual blocks in the global generator.")] = None,
    n_local_enhancers: Annotated[int | None, _option(_G, "--n-local-enhancers", "Local enhancers.")] = None,
    n_blocks_local: Annotated[int | None, _option(_G, "--n-blocks-local", "Residual blocks in each enhancer.")] = None,
    norm: Annotated[str | None, _option(_G, "--norm", "instance or batch, in both networks.")] = None,
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
        str | None, _option(_OBJECTIVE, "--vgg", "VGG loss: none (default), torchvision, or a file of VGG19 weights.")
    ] = None,
    lr: Annotated[float | None, _option(_TRAINING, "--lr", "Adam's learning rate.")] = None,
    beta1: Annotated[float | None, _option(_TRAINING, "--beta1", "Adam's beta1.")] = None,
    epochs: Annotated[int | None, _option(_TRAINING, "--epochs", "Epochs at the constant rate.")] = None,
    epochs_decay: Annotated[int | None, _option(_TRAINING, "--epochs-decay", "Epochs of linear decay.")] = None,
    batch_size: Annotated[int | None, _option(_TRAINING, "--batch-size", "Samples a step.")] = None,
    log_every: Annotated[int | None, _option(_TRAINING, "--log-every", "Steps between log lines.")] = None,
    grid_every: Annotated[int | None, _option(_TRAINING, "--grid-every", "Steps between sample pictures.")] = None,
    checkpoint_every: Annotated[
        int | None, _option(_TRAINING, "--checkpoint-every", "Steps between checkpoints.")
    ] = None,
) -> None:
    """Train a pix2pixHD and write a run folder: config.json, log.jsonl, checkpoints/, grids/.

    Ctrl-C finishes the step and saves; the same command with --resume goes on.

    Examples:

        p2phd-eval train DATA --out runs/fp32 --seed 0

        p2phd-eval train DATA --out runs/amp --seed 0 --amp
    """
    from p2phd_eval.devices import describe_device, find_device
    from p2phd_eval.generators.checkpoint import versions
    from p2phd_eval.generators.precision import amp_name
    from p2phd_eval.generators.training import train as run_training

    output = Output(json_target)
    torch_device = find_device(device)
    if amp and precision is not None:
        raise InputError("--amp", expected="--amp or --precision", found="both", fix="Leave one out.")
    chosen = precision or (amp_name(torch_device) if amp else "fp32")
    config = _configuration(preset, data, ctx.params, precision=chosen)
    output.note(f"device: {describe_device(torch_device)}, precision: {chosen}, run folder: {out}")
    if torch_device.type == "cpu" and chosen.startswith("amp"):
        output.note("A CPU emulates reduced precision: this run shows quality, not speed.")

    def show(record: LogRecord) -> None:
        losses = "  ".join(
            f"{name} {value:.3f}" if value is not None else f"{name} overflow" for name, value in record.losses.items()
        )
        scales = "".join(f"  scale {name} {scale:g}" for name, scale in record.loss_scale.items() if scale is not None)
        output.note(f"epoch {record.epoch}  step {record.step}  {losses}  lr {record.lr:.2e}{scales}")

    with output.progress("train", "steps") as on_progress:
        result = run_training(
            config, data, out, device=torch_device, resume=resume, on_log=show, on_progress=on_progress
        )
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


def _configuration(preset: str, data: Path, given: dict[str, Any], *, precision: str) -> TrainConfig:
    """Apply the options that were given to the preset; what was left out keeps the preset's value."""
    from p2phd_eval.generators.triplets import stored_label_nc

    if preset not in PRESETS:
        raise InputError("--preset", expected=" | ".join(PRESETS), found=repr(preset))
    base = PRESETS[preset]

    def changed(part: Any, *names: str) -> Any:
        return replace(part, **{name: given[name] for name in names if given[name] is not None})

    given = dict(given)
    if given["label_nc"] is None:
        given["label_nc"] = stored_label_nc(data)
    if given["instances"] is None:
        given["instances"] = (data / "train_inst").is_dir()
    config: TrainConfig = replace(
        changed(
            base, "seed", "lr", "beta1", "epochs", "epochs_decay", "batch_size", "log_every", "grid_every",
            "checkpoint_every",
        ),
        precision=precision,
        data=changed(base.data, "label_nc", "instances", "resize", "load_size", "crop_size", "flip"),
        generator=changed(
            base.generator, "kind", "ngf", "n_downsample", "n_blocks", "n_local_enhancers", "n_blocks_local", "norm"
        ),
        discriminator=changed(base.discriminator, "ndf", "n_layers", "n_scales", "norm"),
        objective=changed(base.objective, "gan", "feature_matching", "lambda_feat", "vgg"),
    )  # fmt: skip
    return config
