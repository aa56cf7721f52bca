"""`p2phd-eval blind-test`."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from p2phd_eval.commands.options.common import Confidence, Json, Seed
from p2phd_eval.commands.options.places import path
from p2phd_eval.errors import InputError
from p2phd_eval.report.console import Output


def blind_test(
    paths: Annotated[
        list[Path],  # or of addresses: typer knows no list of what has parameters itself
        typer.Argument(
            parser=path,
            metavar="BASE CAND | RESULTS...",
            help="Images of baseline and candidate; with --score what people saved.",
        ),
    ],
    out: Annotated[
        os.PathLike[str] | None,
        typer.Option("--out", parser=path, help="The page to write; its key is written beside it."),
    ] = None,
    reference: Annotated[
        os.PathLike[str] | None,
        typer.Option("--reference", parser=path, help="The real photos: which image is closer to the photo?"),
    ] = None,
    trials: Annotated[
        int | None, typer.Option("--trials", min=2, help="Pairs to judge. Default: 100, or all images.")
    ] = None,
    seed: Seed = 0,
    score: Annotated[
        Path | None, typer.Option("--score", metavar="KEY", help="Score people's results with the key of their page.")
    ] = None,
    margin: Annotated[
        float, typer.Option("--margin", help="How far from 0.5 a share still counts as even: with 0.1, 40 to 60 %.")
    ] = 0.1,
    half_width: Annotated[
        float,
        typer.Option(
            "--half-width",
            help="How far the interval should reach to either side: the output says how many trials that takes.",
        ),
    ] = 0.05,
    confidence: Confidence = 0.95,
    json_target: Json = None,
) -> None:
    """Make a page that asks people to tell a candidate's images from a baseline's, and score their answers.

    The page opens from disk: pairs in random order and on random sides, chosen with the arrow keys or by touch, and a
    file of results at the end. Which image is whose stands in PAGE.key.json alone: do not send that one.

    The score has two verdicts: one on the people and images that were asked, and, from five people on, one on people
    and images like these.

    Examples:

        p2phd-eval blind-test runs/fp32/samples runs/amp/samples --out page.html --reference data/test_img

        p2phd-eval blind-test --score page.key.json results/*.json --json score.json
    """
    from p2phd_eval.blind_test.make_and_score import make_blind_test, score_blind_test
    from p2phd_eval.report.documents.blind_test_documents import page_document, score_document
    from p2phd_eval.report.tables.blind_test_tables import claims_table, page_table, people_table

    output = Output(json_target)
    wishes: dict[str, Any] = {"margin": margin, "half_width": half_width, "confidence": confidence}
    if score is not None:
        for option, value in (("--out", out), ("--reference", reference), ("--trials", trials)):
            if value is not None:
                raise InputError(option, expected="nothing: it makes a page", found="it beside --score")
        scored = score_blind_test(score, paths, **wishes)
        output.table(people_table(scored.score))
        output.table(claims_table(scored.score, scored.key, scored.needed))
        output.document(score_document(scored.score, scored.responses, scored.needed, scored.key))
        return
    if len(paths) != 2:
        raise InputError(
            "blind-test",
            expected="two folders of images, the baseline's and the candidate's",
            found=str(len(paths)),
            fix="To score results, give the key: blind-test --score page.key.json RESULTS...",
        )
    if out is None:
        raise InputError("--out", expected="the page to write, such as page.html", found="none")
    base, cand = paths
    made = make_blind_test(
        base, cand, out, reference=reference, trials=trials, seed=seed, progress=output.progress, **wishes
    )
    test = made.test
    facts: dict[str, Any] = {"trials": len(test.trials), "shared": test.shared, "needed": made.needed}
    output.table(page_table(made.page, made.key, warnings=test.warnings, **facts))
    output.document(page_document(made.page, made.key, test.page, warnings=test.warnings, **facts))
