"""`p2phd-eval gate`."""

import os
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from p2phd_eval.commands.options.common import Json
from p2phd_eval.commands.options.places import path, text_to_write


class RequireOption(str, Enum):
    """What `--require` takes."""

    WITHIN = "within"
    NOT_WORSE = "not-worse"
    WITHIN_FLOOR = "within-floor"


def gate(
    report: Annotated[
        os.PathLike[str],
        typer.Argument(
            parser=path,
            metavar="REPORT",
            help="A study's report.json, or what `compare --json` or `floor --json` wrote.",
        ),
    ],
    require: Annotated[
        RequireOption | None,
        typer.Option(
            "--require",
            help="within: the verdict is within, negligible or better. not-worse: that, or inconclusive and shown not "
            "to be worse by more than the margin. within-floor: images move no more than benign variants move them.",
        ),
    ] = None,
    max_dfid: Annotated[
        float | None,
        typer.Option(
            "--max-dfid",
            metavar="NUMBER",
            help="The upper end of the interval of dFID is at most this: of the one that was judged, else of FID at "
            "this number of images. An estimate below it would show nothing.",
        ),
    ] = None,
    max_dkid: Annotated[float | None, typer.Option("--max-dkid", metavar="NUMBER", help="The same of dKID.")] = None,
    within: Annotated[
        str | None,
        typer.Option(
            "--within",
            metavar="NUMBER|PERCENT",
            help="The candidate's FID as it was found is not above the baseline's by more than this: a number, or 2%. "
            "The rule knows no error; how often chance alone decides stands beside the result.",
        ),
    ] = None,
    two_sided: Annotated[
        bool, typer.Option("--two-sided", help="Of --within: nor below the baseline's by more, as in MLPerf's rules.")
    ] = False,
    junit: Annotated[
        os.PathLike[str] | None,
        typer.Option(
            "--junit",
            parser=path,
            callback=text_to_write,
            metavar="FILE",
            help="JUnit XML to write, for the CI's list of tests.",
        ),
    ] = None,
    summary: Annotated[
        Path | None,
        typer.Option(
            "--summary",
            envvar="GITHUB_STEP_SUMMARY",
            callback=text_to_write,
            metavar="FILE",
            help="File to append a summary in Markdown to.",
        ),
    ] = None,
    json_target: Json = None,
) -> None:
    """Check a report for CI: exit with 0 if all rules hold, with 1 if one is broken, with 2 if REPORT cannot be used.

    Numbers are those of the report, to the last digit. Of a study's report, the verdicts on training precision are
    judged; a training that failed breaks every rule of its arm. Intervals are those of the report: 95 % as a rule.

    Examples:

        p2phd-eval gate study/report.json --max-dfid 1.0 --require within

        p2phd-eval gate verdict.json --require not-worse --junit gate.xml

        p2phd-eval gate verdict.json --within 2% --two-sided

        p2phd-eval gate floor.json --require within-floor
    """
    from p2phd_eval.gate.check_gate import check_gate
    from p2phd_eval.gate.outputs import append_summary, band_table, gate_document, gate_table, write_junit
    from p2phd_eval.report.console import Output

    result = check_gate(
        report,
        require=None if require is None else require.value,
        max_dfid=max_dfid,
        max_dkid=max_dkid,
        within=within,
        two_sided=two_sided,
    )
    output = Output(json_target)
    output.table(gate_table(result))
    if (bands := band_table(result)) is not None:
        output.table(bands)
    output.document(gate_document(result))
    if junit is not None:
        write_junit(junit, result)
    if summary is not None:
        append_summary(summary, result)
    if not result.holds:
        raise typer.Exit(1)
