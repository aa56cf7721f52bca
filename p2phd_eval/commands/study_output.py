"""What the commands that make a study print, and the exit codes that they end with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from p2phd_eval.report.console import Output

if TYPE_CHECKING:
    from p2phd_eval.report.documents.forecast_documents import StudyDryRunDocument
    from p2phd_eval.study.plan_study import Forecast
    from p2phd_eval.study.run_study import StudyResult


def print_forecast(output: Output, forecast: Forecast) -> None:
    """Print what a study is going to do and what that takes."""
    from p2phd_eval.report.tables.study_tables import cluster_table, commands_table, plan_table

    plan, effort = forecast.plan, forecast.effort
    if not forecast.left:
        output.note(f"All {len(plan.runs)} runs have ended; nothing is trained again.")
        return
    count = {arm: sum(run.arm == arm for run in plan.runs) for arm in plan.arms}
    sizes: dict[str, Any] = {"devices": len(forecast.devices), "left": len(forecast.left)}
    own = [(arm, count[arm], effort.steps, seconds) for arm, seconds in effort.train.items()]
    cluster = forecast.cluster
    if cluster is not None:
        rows = [(node.host, node.cpus, node.gpus, node.gpu_kind, node.memory) for node in cluster.nodes]
        takes: dict[str, Any] = {"takes": cluster.takes, "gpus": cluster.gpus, "cpus": cluster.cpus}
        takes |= {"at_once": cluster.at_once, "left": len(forecast.left)}
        output.table(cluster_table(rows, seconds=effort.one_by_one, memory=effort.memory, **takes))
        sizes["on"] = "a node of the cluster"
    if own:
        output.table(plan_table(own, seconds=effort.seconds, disk=effort.disk, **sizes))
    commands = [(arm, count[arm], seconds) for arm, seconds in effort.commands.items()]
    if commands:
        output.table(commands_table(commands, devices=sizes["devices"], left=sizes["left"]))


def forecast_document(forecast: Forecast) -> StudyDryRunDocument:
    """Return the document of a study's dry run."""
    from p2phd_eval.report.documents.document import from_result
    from p2phd_eval.report.documents.forecast_documents import (
        PlannedArm,
        PlannedCluster,
        PlannedNode,
        StudyDryRunDocument,
    )

    plan, effort, cluster = forecast.plan, forecast.effort, forecast.cluster
    arms = tuple(
        PlannedArm(name=arm, runs=sum(run.arm == arm for run in plan.runs), command=command, seconds=seconds)
        for command, each in ((False, effort.train), (True, effort.commands))
        for arm, seconds in each.items()
    )
    room = None
    if cluster is not None:
        nodes = tuple(from_result(PlannedNode, node) for node in cluster.nodes)
        room = from_result(PlannedCluster, cluster, nodes=nodes)
    return from_result(
        StudyDryRunDocument,
        effort,
        arms=arms,
        left=len(forecast.left),
        devices=tuple(map(str, forecast.devices)),
        cluster=room,
        stages=effort.seconds,
        seconds=forecast.total_seconds,
    )


def print_result(output: Output, result: StudyResult) -> None:
    """Print the verdicts of a study, and where its report is."""
    from p2phd_eval.report.tables.study_tables import study_table

    output.table(study_table(result.report))
    output.document(result.report)
    output.note(f"Report: {result.page}")


@contextmanager
def exit_codes(output: Output) -> Iterator[None]:
    """End with 128 and the number of the signal that stopped a study, or with the exit code of a run that failed."""
    from p2phd_eval.study.schedule import RunFailed, StudyStopped

    try:
        yield
    except StudyStopped as stop:
        output.note(str(stop))
        raise typer.Exit(128 + stop.signum) from stop
    except RunFailed as failure:
        output.note(*str(failure).split("\n"))
        raise typer.Exit(failure.returncode) from failure
