"""`p2phd-eval bench`."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from p2phd_eval.commands.options.common import Device, Json, Seed
from p2phd_eval.commands.options.configuration import configuration
from p2phd_eval.errors import InputError
from p2phd_eval.presets import PRESETS
from p2phd_eval.report.console import Output

_SIZE, _VARIANTS = "Networks and data", "Variants, each in rows of its own"
_VGG = ("none", "untrained")
_ON_CUDA = "fp32,tf32,amp-fp16,amp-bf16,fp16,bf16"
_ELSEWHERE = "fp32,amp-bf16"


def _option(panel: str, name: str, text: str, least: int | None = None) -> Any:
    return typer.Option(name, help=text, rich_help_panel=panel, show_default=False, min=least)


def bench(
    data: Annotated[
        Path | None,
        typer.Argument(help="Data set to read. Default: a few embedded scenes, drawn for the time being."),
    ] = None,
    preset: Annotated[str, typer.Option("--preset", help=f"Settings to time: {', '.join(PRESETS)}.")] = "512p",
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
    load_size: Annotated[int | None, _option(_SIZE, "--load-size", "Width in pixels after scaling.")] = None,
    width: Annotated[
        int | None, _option(_SIZE, "--width", "Of the drawn files. Default: 2048 as Cityscapes', or --load-size.", 32)
    ] = None,
    height: Annotated[int | None, _option(_SIZE, "--height", "Of the drawn files. Default: half of that.", 32)] = None,
    ngf: Annotated[int | None, _option(_SIZE, "--ngf", "Filters of the generator's first convolution.")] = None,
    n_downsample: Annotated[int | None, _option(_SIZE, "--n-downsample", "Halvings in the global generator.")] = None,
    n_blocks: Annotated[int | None, _option(_SIZE, "--n-blocks", "Residual blocks in the global generator.")] = None,
    ndf: Annotated[int | None, _option(_SIZE, "--ndf", "Filters of the discriminators' first convolution.")] = None,
    n_scales: Annotated[int | None, _option(_SIZE, "--num-d", "Discriminators.")] = None,
    vgg: Annotated[
        str | None,
        _option(_SIZE, "--vgg", "none, or untrained: the VGG loss with random weights. Default: as the preset has it."),
    ] = None,
    workers: Annotated[
        int | None, _option(_SIZE, "--workers", "Processes that load data. Default: 4 beside a GPU, else 0.", 0)
    ] = None,
    cache: Annotated[
        Path | None, _option(_SIZE, "--cache", "Folder of decoded images, filled before anything is timed.")
    ] = None,
    seed: Seed = 0,
    device: Device = None,
    json_target: Json = None,
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
    from p2phd_eval.bench.speed import SWITCHES, settings
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
    rows = settings(names, sizes, [name for name, switch in wanted if switch], against=against is not None)
    given = {
        **{"load_size": load_size, "ngf": ngf, "n_downsample": n_downsample, "n_blocks": n_blocks, "ndf": ndf},
        **{"n_scales": n_scales, "vgg": vgg, "workers": workers, "seed": seed, "epochs_fix_global": 0},
        "cache": None if cache is None else str(cache),
    }
    if data is None and preset in PRESETS:
        # The preset's networks, although the scenes have fewer classes.
        given |= {name: getattr(PRESETS[preset].data, name) for name in ("label_nc", "instances")}
    config = configuration(preset, data or Path(), given, precision="fp32")

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
        output.note(waiting_message(slow, default_workers(torch_device) if workers is None else workers))
        raise typer.Exit(1)


def _positive(where: str, text: str) -> int:
    if not text.strip().isdecimal() or int(text) < 1:
        raise InputError(where, expected="whole numbers above 0, separated by commas", found=repr(text))
    return int(text)
