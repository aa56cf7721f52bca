"""`p2phd-eval study`."""

import shlex
import sys
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from p2phd_eval.commands.options.common import (
    STATISTICS,
    ClusterBy,
    Device,
    DistanceWeights,
    Json,
    LpipsWeights,
    Track,
    Weights,
)
from p2phd_eval.commands.options.places import folder_to_write, name_or_path
from p2phd_eval.commands.options.segmenter_choice import SEGMENTER, ClassMapFile, Ignore, SegmenterWeights
from p2phd_eval.commands.options.settings import Preset, with_settings
from p2phd_eval.errors import InputError
from p2phd_eval.quality.distance_weights import parse_distance_weights
from p2phd_eval.report.console import Output
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.stores.object_store import redacted


class Executor(str, Enum):
    """What makes the runs of a study."""

    LOCAL = "local"
    SLURM = "slurm"
    RAY = "ray"


# A run of a study keeps its newest checkpoint alone.
@with_settings(lambda setting: setting.option not in ("seed", "precision", "keep_every"), hidden=True)
def study(
    data: Annotated[
        Path | None,
        typer.Argument(
            metavar="DATA|REAL",
            help="Data set with training and test photos; for an arms file of commands also real images of any kind. "
            "Left out: the study in --out goes on.",
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="FOLDER", callback=folder_to_write, help="Study folder; a second call goes on in it."
        ),
    ] = Path("study"),
    arms: Annotated[
        str | None,
        typer.Option(
            "--arms",
            callback=name_or_path,
            metavar="NAMES|FILE.toml",
            help="Training precisions separated by commas, the baseline first; amp is what `train --amp` is here. Or "
            "an arms file, whose arms may be commands of any generator. Default: fp32,amp.",
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option("--seeds", min=1, metavar="NUMBER", help="Trainings of each arm; more may follow. Default: 3."),
    ] = None,
    generation: Annotated[
        str | None,
        typer.Option(
            "--generation",
            metavar="NAMES",
            help="Precisions separated by commas, in which the baseline's runs generate beside fp32, to compare with "
            "that; or engines, such as compile, onnx-fp32, onnx-int8. For these alone one arm is enough: --arms fp32. "
            "Default: every arm's runs generate in the arm's own.",
        ),
    ] = None,
    judge: Annotated[
        Estimand | None,
        typer.Option(
            "--judge",
            rich_help_panel=STATISTICS,
            help="What the verdict is about, chosen before looking, as for compare; block-fid takes its axes from the "
            "training photos. Default: fid-at-n.",
        ),
    ] = None,
    margin: Annotated[
        str | None,
        typer.Option(
            "--margin",
            metavar="NUMBER|PERCENT|seeds",
            rich_help_panel=STATISTICS,
            help="Difference that still counts as none, as for compare. Default: from the baseline's seeds.",
        ),
    ] = None,
    cluster_by: ClusterBy = None,
    confidence: Annotated[
        float | None,
        typer.Option(
            "--confidence", rich_help_panel=STATISTICS, help="How often intervals hold the truth. Default: 0.95."
        ),
    ] = None,
    edits: Annotated[
        Path | None,
        typer.Option(
            "--edits",
            metavar="FILE",
            help="Script of edits of the test maps, as `edit random` writes: do they widen the gaps between the arms?",
        ),
    ] = None,
    segmenter: Annotated[
        str | None,
        typer.Option(
            "--segmenter",
            callback=name_or_path,
            metavar="NAME|FILE|MODULE:CALLABLE",
            rich_help_panel=SEGMENTER,
            help="Segment the samples, and score them against the test maps, as `segment score` does.",
        ),
    ] = None,
    segmenter_weights: SegmenterWeights = None,
    class_map: ClassMapFile = None,
    ignore: Ignore = None,
    repeat: Annotated[
        bool | None,
        typer.Option(
            "--repeat/--no-repeat", help="Train the baseline's first seed twice: what chance alone does. Default: yes."
        ),
    ] = None,
    validate_every: Annotated[
        int | None,
        typer.Option(
            "--validate-every",
            min=0,
            metavar="NUMBER",
            help="Measure the FID against the test photos whenever so many epochs are done, for the report's FID over "
            "epochs. Default: never.",
        ),
    ] = None,
    preset: Preset = "512p",
    dry: Annotated[bool, typer.Option("--dry-run", help="Print the plan with its time and disk, and stop.")] = False,
    slurm: Annotated[
        bool,
        typer.Option(
            "--slurm",
            help="Submit all runs to Slurm as an array, and the report after them, and wait for nothing; "
            "--executor slurm waits.",
        ),
    ] = False,
    executor: Annotated[
        Executor,
        typer.Option(
            "--executor",
            help="Where runs are made: by processes of this machine, by jobs of Slurm, or on a Ray cluster. What is "
            "compared is compared here.",
        ),
    ] = Executor.LOCAL,
    executor_option: Annotated[
        list[str] | None,
        typer.Option(
            "--executor-option",
            metavar="KEY=VALUE",
            help="What a run asks the cluster for; may be repeated. Both: gpus, cpus, mem, at_once, tries. Slurm: "
            "partition, account, qos, constraint, nodelist, exclude, time, requeues, save_seconds. Ray: address.",
        ),
    ] = None,
    one: Annotated[
        str | None, typer.Option("--run", metavar="NAME", help="Make this run of the study alone, as a job of it does.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, metavar="NUMBER", help="Runs at a time on each device.")] = 1,
    track: Track = None,
    feature_weights: Weights = None,
    lpips_weights: LpipsWeights = None,
    distance_weights: DistanceWeights = None,
    device: Device = None,
    json_target: Json = None,
    **settings: Any,
) -> None:
    """Train arms x seeds, generate, compare and report, in one command: does reduced precision hurt?

    Prints the plan with time and disk, trains every run (side by side on the GPUs there are), generates in both
    precisions, computes features, compares, and writes OUT/report.html, report.json and report.md. Killed at any
    moment and called again, it redoes nothing that is finished. A run that diverges, runs out of memory or is a
    command that fails is a result of its arm. Takes the options of `train` that shape a training, too: see `p2phd-eval
    train --help`.

    Examples:

        p2phd-eval study DATA --out study --arms fp32,amp-fp16,amp-bf16 --seeds 3

        p2phd-eval study DATA --out study --dry-run

        p2phd-eval study --out study --seeds 5

        p2phd-eval study DATA --out study --slurm --executor-option partition=gpu --executor-option time=12:00:00

        p2phd-eval study DATA --out study --executor ray --executor-option address=head:6379

        p2phd-eval study DATA --out study --executor ray --dry-run

        p2phd-eval study REAL --out study --arms arms.toml --seeds 3

        p2phd-eval study DATA --out study --arms fp32 --generation amp-fp16,onnx-int8

        p2phd-eval study DATA --out study --segmenter segmenter.safetensors
    """
    from p2phd_eval.commands.study_output import exit_codes, forecast_document, print_forecast, print_result

    if json_target is not None and (one is not None or (slurm and not dry)):
        raise InputError(
            "--json",
            expected="a call that ends with a report or a plan",
            found="--slurm, which waits for nothing" if one is None else f"--run {one}",
            fix="Once all runs have ended: p2phd-eval report STUDY --json FILE",
        )
    output = Output(json_target)
    distances = parse_distance_weights(distance_weights or ())
    progress, note, trackers = output.progress, output.note, [each.value for each in track or ()]
    if one is not None:
        from p2phd_eval.study.run_job import make_run

        with exit_codes(output):
            make_run(
                out, one, device=device, feature_weights=feature_weights, track=trackers, progress=progress, note=note
            )
        return
    # Here, since a study starts many runs, and none of them needs what reports are made of.
    from p2phd_eval.executor_options import parse_options
    from p2phd_eval.study.executor_forecast import forecast_executor
    from p2phd_eval.study.metric_weights import MetricWeights
    from p2phd_eval.study.plan_study import plan_study
    from p2phd_eval.study.run_study import make_study
    from p2phd_eval.study.study_request import StudyRequest
    from p2phd_eval.study.submit_study import submit_study

    if slurm and executor is Executor.RAY:
        raise InputError("--slurm", expected="it with --executor slurm, or without", found="--executor ray")
    asked = parse_options(executor_option or ())
    weights = MetricWeights(features=feature_weights, lpips=lpips_weights, distances=distances)
    request = StudyRequest(
        arms=arms,
        seeds=seeds,
        generation=generation,
        judge=judge,
        margin=margin,
        cluster_by=cluster_by,
        confidence=confidence,
        edits=edits,
        segmenter=segmenter,
        segmenter_weights=segmenter_weights,
        class_map=class_map,
        ignore=ignore,
        repeat=repeat,
        preset=preset,
        settings={**settings, "validate_every": validate_every},
        command=shlex.join(["p2phd-eval", *map(redacted, sys.argv[1:])]),
    )
    if dry or slurm:
        plan = plan_study(data, out, request, device=device, progress=progress)
        if dry:
            forecast = forecast_executor(
                plan,
                out,
                executor="slurm" if slurm else executor.value,
                executor_options=asked,
                device=device,
                weights=weights,
                jobs=jobs,
                progress=progress,
                note=note,
            )
            print_forecast(output, forecast)
            output.document(forecast_document(forecast))
        else:
            numbers = submit_study(plan, out, weights=weights, executor_options=asked, track=trackers)
            note(f"{len(plan.runs)} runs and the report after them, by Slurm's jobs {', '.join(numbers)}.")
        return
    with exit_codes(output):
        result = make_study(
            data,
            out,
            request,
            weights,
            device=device,
            track=trackers,
            jobs=jobs,
            executor=executor.value,
            executor_options=asked,
            in_terminal=True,
            on_forecast=lambda forecast: print_forecast(output, forecast),
            progress=progress,
            note=note,
        )
    print_result(output, result)
