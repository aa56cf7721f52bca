"""`p2phd-eval edit compare`."""

from pathlib import Path
from typing import Annotated

import typer

from p2phd_eval.commands.options.common import Confidence, Device, Json, LpipsWeights, Seed
from p2phd_eval.commands.options.folders import parse_run_folders
from p2phd_eval.commands.options.places import folder_to_write
from p2phd_eval.editing.edit_judge import EditJudge
from p2phd_eval.evaluation.arms import GivenFolders
from p2phd_eval.report.console import Output


def compare(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="The data set that the script is for.")],
    script: Annotated[Path, typer.Option("--script", metavar="FILE", help="Script of edits, JSON.")],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            metavar="FOLDER",
            callback=folder_to_write,
            help="Folder for the edited maps, all samples and the results.",
        ),
    ],
    baselines: Annotated[
        list[GivenFolders],
        typer.Option(
            "--baseline",
            parser=parse_run_folders,
            metavar="RUN...",
            help="The baseline's run folders, one for each training seed. NAME= before the first names the arm.",
        ),
    ],
    candidates: Annotated[
        list[GivenFolders],
        typer.Option(
            "--candidate",
            parser=parse_run_folders,
            metavar="RUN...",
            help="A candidate's, of the same seeds; once for each candidate.",
        ),
    ],
    margin: Annotated[
        str,
        typer.Option(
            "--margin",
            metavar="PERCENT",
            help='A change of the gap that still counts as none, set in advance: a share of the gap, such as "10%", or '
            'of the distance of two baseline seeds, "10% of seeds".',
        ),
    ] = "10%",
    judge: Annotated[
        EditJudge, typer.Option("--judge", help="The distance that the verdict is about, inside of what was edited.")
    ] = EditJudge.MSE,
    confidence: Confidence = 0.95,
    precision: Annotated[str, typer.Option("--precision", help="Precision of generation, for all runs.")] = "fp32",
    seed: Seed = 0,
    lpips_weights: LpipsWeights = None,
    device: Device = None,
    json_target: Json = None,
) -> None:
    """Say whether editing widens the gap between precisions: samples of edited maps, by runs of several arms.

    Each run generates the data set and each edit of the script alone. Runs pair by their training seeds. Per edit the
    distance of the arms is taken inside and outside of what was edited, on the edited map and on the map as it was, and
    between the baseline's seeds. Samples that are there are kept.

    Examples:

        p2phd-eval edit compare DATA --baseline a0 a1 a2 --candidate b0 b1 b2 --script edits.json --out edits

        p2phd-eval edit compare DATA --baseline a0 --candidate b0 --script edits.json --out edits --judge ssim
    """
    from p2phd_eval.editing.compare_edits import STRIP, compare_edits
    from p2phd_eval.evaluation.arms import read_arms
    from p2phd_eval.report.edit_report import write_edit_report
    from p2phd_eval.report.tables.edit_tables import edit_kind_table, edit_verdict_table, locality_table

    output = Output(json_target)
    arms, _ = read_arms((), baselines, candidates, ())
    result = compare_edits(
        data,
        arms,
        script,
        out,
        margin=margin,
        judge=judge,
        confidence=confidence,
        precision=precision,
        seed=seed,
        lpips_weights=lpips_weights,
        device=device,
        progress=output.progress,
        note=output.note,
    )
    document = write_edit_report(result, str(data), str(script), out)
    output.table(edit_verdict_table(document))
    for candidate in document.candidates:
        output.table(edit_kind_table(document, candidate))
        output.table(locality_table(document, candidate))
    output.document(document)
    output.note(f"Results: {out / 'comparison.md'}, picture: {out / STRIP}")
