"""`p2phd-eval bench`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from p2phd_eval.commands.options.common import Device, Json, Seed
from p2phd_eval.commands.options.settings import Preset, with_settings
from p2phd_eval.errors import InputError
from p2phd_eval.report.console import Output

_VARIANTS = "Variants, each in rows of its own"
_SETTINGS = ("load_size", "ngf", "n_downsample", "n_blocks", "ndf", "num_d", "workers", "decoded_cache", "arithmetic")


@with_settings(lambda setting: setting.option in _SETTINGS)
def bench(
    data: Annotated[
        Path | None,
        typer.Argument(help="Data set to read. Default: a few scenes, which are drawn for it and then removed."),
    ] = None,
    preset: Preset = "512p",
    precisions: Annotated[
        str | None,
        typer.Option(
            "--precisions",
            metavar="NAMES",
            help="Separated by commas. Default: fp32,tf32,amp-fp16,amp-bf16,fp16,bf16 on CUDA, else fp32,amp-bf16.",
        ),
    ] = None,
    batch_sizes: Annotated[str, typer.Option("--batch-sizes", metavar="NUMBERS", help="Separated by commas.")] = "1,2",
    largest: Annotated[
        bool, typer.Option("--largest", help="Also search the largest batch that fits, and time it (CUDA).")
    ] = False,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            metavar="FOLDER",
            help="Also time NVIDIA's code in this checkout of its pix2pixHD; it is executed.",
        ),
    ] = None,
    warm_up: Annotated[int, typer.Option("--warm-up", min=1, help="Steps before those that count.")] = 5,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Steps that count, after each start.")] = 10,
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="Starts of each setting; they take turns.")] = 3,
    channels_last: Annotated[
        bool, typer.Option("--channels-last", rich_help_panel=_VARIANTS, help="NHWC memory layout.")
    ] = False,
    compile_networks: Annotated[
        bool, typer.Option("--compile", rich_help_panel=_VARIANTS, help="torch.compile; each start takes minutes.")
    ] = False,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", rich_help_panel=_VARIANTS, help="Equal bits from one seed.")
    ] = False,
    width: Annotated[
        int | None,
        typer.Option("--width", min=32, help="How wide drawn files are. Default: 2048 as Cityscapes', or --load-size."),
    ] = None,
    height: Annotated[
        int | None, typer.Option("--height", min=32, help="How high drawn files are. Default: half of the width.")
    ] = None,
    vgg: Annotated[
        str | None,
        typer.Option(
            "--vgg", help="none, or untrained: the VGG loss with random weights. Default: as the preset has it."
        ),
    ] = None,
    seed: Seed = 0,
    device: Device = None,
    json_target: Json = None,
    **settings: Any,
) -> None:
    """Measure the time, memory and data loading of a training step in each precision, and what AMP gains.

    Times whole steps: loading a batch from files, both updates, the wait for the device. The presets start from random
    weights and train all of them; for precomputed features, random ones are drawn. Exits with 1 if steps waited for
    data for more than 5 % of the time.

    Examples:

        p2phd-eval bench --preset 512p --largest --json bench.json

        p2phd-eval bench --preset demo --load-size 256 --ngf 32 --against pix2pixHD/
    """
    from p2phd_eval.bench.bench_run import bench as run_bench
    from p2phd_eval.bench.clock import Timing
    from p2phd_eval.bench.speed import SWITCHES
    from p2phd_eval.report.documents.bench_documents import TimedData, TimedSteps, bench_document
    from p2phd_eval.report.documents.document import from_result
    from p2phd_eval.report.tables.bench_tables import bench_tables, waiting_message

    output = Output(json_target)
    timing = Timing(warm_up=warm_up, steps=steps, repeats=repeats)
    wanted = zip(SWITCHES, (channels_last, compile_networks, deterministic), strict=True)
    found = run_bench(
        data,
        preset=preset,
        precisions=precisions.split(",") if precisions else (),
        batch_sizes=[_positive("--batch-sizes", text) for text in batch_sizes.split(",")],
        variants=[name for name, switch in wanted if switch],
        largest=largest,
        against=against,
        timing=timing,
        width=width,
        height=height,
        vgg=vgg,
        seed=seed,
        device=device,
        progress=output.progress,
        note=output.note,
        **settings,
    )
    result, drawn = found.result, found.drawn
    title = f"Training step of {preset}, {result.width} x {result.height} pixels, on {found.machine.device}"
    for table in bench_tables(result, title):
        output.table(table)
    size = {"width": drawn[0], "height": drawn[1]} if drawn else {}
    source = TimedData(folder=None if found.data is None else str(found.data), **size)
    asked = {"preset": preset, "config": found.config.to_dict(), "timing": from_result(TimedSteps, timing)}
    output.document(bench_document(result, found.machine, data=source, **asked))
    if slow := result.waits_for_data:
        output.note(*waiting_message(slow, found.workers).split("\n"))
        raise typer.Exit(1)


def _positive(where: str, text: str) -> int:
    if not text.strip().isdecimal() or int(text) < 1:
        raise InputError(where, expected="whole numbers above 0, separated by commas", found=repr(text))
    return int(text)
