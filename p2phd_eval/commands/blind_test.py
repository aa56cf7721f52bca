"""`p2phd-eval blind-test`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from p2phd_eval.commands.options.common import Confidence, Json, Seed
from p2phd_eval.errors import InputError
from p2phd_eval.report.console import Output

if TYPE_CHECKING:
    from p2phd_eval.report.tables.blind_test_tables import TrialsNeeded


def blind_test(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="BASE CAND | RESULTS...", help="Images of baseline and candidate; with --score what people saved."
        ),
    ],
    out: Annotated[Path | None, typer.Option("--out", help="The page to write; its key is written beside it.")] = None,
    reference: Annotated[
        Path | None, typer.Option("--reference", help="The real photos: which image is closer to the photo?")
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option("--trials", min=2, help="Pairs to judge. Default: 100, or all images.", show_default=False),
    ] = None,
    seed: Seed = 0,
    score: Annotated[
        Path | None, typer.Option("--score", metavar="KEY", help="Score people's results with the key of their page.")
    ] = None,
    margin: Annotated[float, typer.Option("--margin", help="How far from 0.5 a share still counts as even.")] = 0.1,
    precision: Annotated[
        float, typer.Option("--precision", help="Wished half width of the interval: how many trials it takes.")
    ] = 0.05,
    confidence: Confidence = 0.95,
    json_target: Json = None,
) -> None:
    """Can people tell the candidate's images from the baseline's? Makes a page to ask them, and scores their answers.

    The page opens from disk: pairs in random order and on random sides, chosen with the arrow keys or by touch, and a
    file of results at the end. Which image is whose stands in PAGE.key.json alone: do not send that one.

    Examples:

        p2phd-eval blind-test runs/fp32/samples runs/amp/samples --out page.html --reference data/test_img

        p2phd-eval blind-test --score page.key.json results/*.json --json score.json
    """
    from p2phd_eval.report.tables.blind_test_tables import trials_needed
    from p2phd_eval.stats.confidence import require_confidence
    from p2phd_eval.stats.proportions.binomial import require_share_margin

    require_share_margin(margin)
    require_confidence(confidence)
    needed = trials_needed(precision, margin, confidence)
    output = Output(json_target)
    if score is not None:
        for option, value in (("--out", out), ("--reference", reference), ("--trials", trials)):
            if value is not None:
                raise InputError(option, expected="nothing: it makes a page", found="it beside --score")
        _score(score, paths, needed, output)
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
    _make(paths[0], paths[1], reference, out, trials, seed, needed, output)


def _make(
    baseline: Path,
    candidate: Path,
    reference: Path | None,
    out: Path,
    trials: int | None,
    seed: int,
    needed: TrialsNeeded,
    output: Output,
) -> None:
    from p2phd_eval.blind_test.key import key_path, write_key
    from p2phd_eval.blind_test.question_page import render_page
    from p2phd_eval.blind_test.trials import make_trials
    from p2phd_eval.files import atomic_write
    from p2phd_eval.images.sources.open import open_source
    from p2phd_eval.report.tables.blind_test_tables import page_document, page_table

    with output.progress("images", "trials") as on_progress:
        test = make_trials(
            open_source(baseline),
            open_source(candidate),
            None if reference is None else open_source(reference),
            trials=trials,
            seed=seed,
            on_progress=on_progress,
        )
    key = key_path(out)
    write_key(key, test, baseline=baseline, candidate=candidate, reference=reference, seed=seed)
    with atomic_write(out) as stream:
        stream.write(render_page(test).encode())
    output.table(
        page_table(out, key, trials=len(test.trials), shared=test.shared, needed=needed, warnings=test.warnings)
    )
    output.document(
        page_document(
            out,
            key,
            test.page,
            trials=len(test.trials),
            shared=test.shared,
            needed=needed,
            warnings=test.warnings,
        )
    )


def _score(key_file: Path, results: list[Path], needed: TrialsNeeded, output: Output) -> None:
    from p2phd_eval.blind_test.key import read_key
    from p2phd_eval.blind_test.scoring import read_responses
    from p2phd_eval.report.tables.blind_test_tables import score_document, score_table
    from p2phd_eval.stats.proportions.forced_choice import score_choices

    key = read_key(key_file)
    responses = read_responses(key, results)
    score = score_choices(responses, margin=needed.margin, confidence=needed.confidence)
    output.table(score_table(score, key.baseline, key.candidate, needed))
    output.document(
        score_document(
            score,
            responses,
            needed,
            page=key.page,
            baseline=key.baseline,
            candidate=key.candidate,
            reference=key.reference,
        )
    )
