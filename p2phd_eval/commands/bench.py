"""`p2phd-eval bench`."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from p2phd_eval.commands.options.common import Device, Json, Seed
from p2phd_eval.commands.options.settings import Preset, with_settings
from p2phd_eval.errors import InputError
from p2phd_eval.presets import PRESETS, configure
from p2phd_eval.report.console import Output

_VARIANTS = "Variants, each in rows of its own"
_SETTINGS = ("load_size", "ngf", "n_downsample", "n_blocks", "ndf", "num_d", "workers", "decoded_cache")
_VGG = ("none", "untrained")
_ON_CUDA = "fp32,tf32,amp-fp16,amp-bf16,fp16,bf16"
_ELSEWHERE = "fp32,amp-bf16"


@with_settings(lambda setting: setting.option in _SETTINGS)
def bench(
    data: Annotated[
        Path | None,
        typer.Argument(help="Data set to read. Default: a few embedded scenes, drawn for the time being."),
    ] = None,
    preset: Preset = "512p",
    precisions: Annotated[
        str | None,
        typer.Option("--precisions", help=f"Separated by commas. Default: {_ON_CUDA} on CUDA, else {_ELSEWHERE}."),
    ] = None,
    batch_sizes: Annotated[str, typer.Option("--batch-sizes", help="Separated by commas.")] = "1,2",
    largest: Annotated[
        bool, typer.Option("--largest", help="Also search the largest batch that fits, and time it (CUDA).")
    ] = False,
    against: Annotated[
        Path | None,
        typer.Option("--against", help="Also time NVIDIA's code in this checkout of its pix2pixHD; it is executed."),
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
        typer.Option("--width", min=32, help="Of the drawn files. Default: 2048 as Cityscapes', or --load-size."),
    ] = None,
    height: Annotated[
        int | None, typer.Option("--height", min=32, help="Of the drawn files. Default: half of the width.")
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
    """Seconds, memory and data loading of a training step in each precision, and how much AMP gains.

    Times whole steps: loading a batch from files, both updates, the wait for the device. The presets start from random
    weights and train all of them; for precomputed features, random ones are drawn. Exits with 1 if steps waited for
    data for more than 5 % of the time.

    Examples:

        p2phd-eval bench --preset 512p --largest --json bench.json

        p2phd-eval bench --preset demo --load-size 256 --ngf 32 --against pix2pixHD/
    """
    from p2phd_eval.bench.drawing import draw_data, drawn_size
    from p2phd_eval.bench.machine import describe_machine
    from p2phd_eval.bench.peer import require_checkout
    from p2phd_eval.bench.run import Timing
    from p2phd_eval.bench.run import bench as run_bench
    from p2phd_eval.bench.speed import SWITCHES
    from p2phd_eval.bench.speed import settings as table_rows
    from p2phd_eval.devices import describe_device, find_device
    from p2phd_eval.generators.data.dataset import default_workers
    from p2phd_eval.generators.training.precision import find_precision
    from p2phd_eval.report.tables.bench_tables import bench_document, bench_tables, waiting_message

    # Cheap failures first: before scenes are drawn.
    if vgg not in (None, *_VGG):
        raise InputError("--vgg", expected=" | ".join(_VGG), found=repr(vgg), fix="Weights do not change the time.")
    if data is not None and (width or height):
        raise InputError("--width, --height", expected="no DATA, whose files have their size", found=str(data))
    torch_device = find_device(device)
    on_cuda = torch_device.type == "cuda"
    names = (precisions or (_ON_CUDA if on_cuda else _ELSEWHERE)).split(",")
    for name in names:
        find_precision(name, torch_device)
    if against is not None:
        require_checkout(against, torch_device)
    sizes = [_positive("--batch-sizes", text) for text in batch_sizes.split(",")]
    wanted = zip(SWITCHES, (channels_last, compile_networks, deterministic), strict=True)
    rows = table_rows(names, sizes, [name for name, switch in wanted if switch], against=against is not None)
    settings |= {"vgg": vgg, "seed": seed, "niter_fix_global": 0}
    if data is None and preset in PRESETS:
        # The preset's networks, although the scenes have fewer classes.
        settings |= {name: getattr(PRESETS[preset].data, name) for name in ("label_nc", "instances")}
    config = configure(data or Path(), preset, **settings)

    output = Output(json_target)
    output.note(f"device: {describe_device(torch_device)}")
    if torch_device.type == "cpu":
        output.note(
            "These times say nothing about a GPU: most CPUs emulate reduced precision. "
            "A step at full size takes minutes; --preset demo takes a moment."
        )
    if largest and not on_cuda:
        output.note("--largest is left out: only CUDA says when its memory is full, without ending the process.")
    machine = describe_machine(torch_device)
    with ExitStack() as stack:
        source: dict[str, Any] = {"folder": None if data is None else str(data)}
        if data is None:
            data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="p2phd-bench-")))
            drawn = (width, height or width // 2) if width else drawn_size(config)
            drawn = (drawn[0], height or drawn[1])
            source |= {"width": drawn[0], "height": drawn[1]}
            with output.progress("draw scenes", "scenes") as on_progress:
                draw_data(data, config, drawn, on_progress=on_progress)
        timing = Timing(warm_up=warm_up, steps=steps, repeats=repeats)
        with output.progress("bench", "starts") as on_progress:
            result = run_bench(
                config,
                data,
                rows,
                device=torch_device,
                timing=timing,
                largest_of=names if largest and on_cuda else (),
                against=against,
                on_progress=on_progress,
            )
    title = f"Training step of {preset}, {result.width} x {result.height} pixels, on {machine['device']}"
    for table in bench_tables(result, title):
        output.table(table)
    asked = {"preset": preset, "config": config.to_dict(), "data": source, "timing": asdict(timing)}
    output.document(bench_document(result, machine, **asked))
    if slow := result.waits_for_data:
        output.note(
            waiting_message(slow, default_workers(torch_device) if settings["workers"] is None else settings["workers"])
        )
        raise typer.Exit(1)


def _positive(where: str, text: str) -> int:
    if not text.strip().isdecimal() or int(text) < 1:
        raise InputError(where, expected="whole numbers above 0, separated by commas", found=repr(text))
    return int(text)
