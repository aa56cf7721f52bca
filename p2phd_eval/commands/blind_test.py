"""`p2phd-eval blind-test`."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from p2phd_eval.commands.options.common import Confidence, Json, Seed
from p2phd_eval.commands.options.places import path, text_to_write
from p2phd_eval.errors import InputError
from p2phd_eval.report.console import Output
from p2phd_eval.stores.store_path import as_path

_MARGIN, _CONFIDENCE = 0.1, 0.95


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
        typer.Option(
            "--out",
            parser=path,
            callback=text_to_write,
            metavar="FILE",
            help="The page to write; its key is written beside it.",
        ),
    ] = None,
    reference: Annotated[
        os.PathLike[str] | None,
        typer.Option(
            "--reference", parser=path, metavar="IMAGES", help="The real photos: which image is closer to the photo?"
        ),
    ] = None,
    trials: Annotated[
        int | None, typer.Option("--trials", min=2, help="Pairs to judge. Default: 100, or all images.")
    ] = None,
    exposure: Annotated[
        str | None,
        typer.Option(
            "--exposure",
            metavar="TIMES",
            help="Show each pair for a time alone, then a mask: 125ms..8s for doublings, or a list such as 250ms,1s.",
        ),
    ] = None,
    attention_checks: Annotated[
        int | None,
        typer.Option(
            "--attention-checks",
            metavar="NUMBER",
            help="Pairs with a known answer among those of --exposure: 0, or 5 or more. Default: 12.",
        ),
    ] = None,
    seed: Seed = 0,
    score: Annotated[
        Path | None, typer.Option("--score", metavar="KEY", help="Score people's results with the key of their page.")
    ] = None,
    margin: Annotated[
        float, typer.Option("--margin", help="How far from 0.5 a share still counts as even: with 0.1, 40 to 60 %.")
    ] = _MARGIN,
    half_width: Annotated[
        float,
        typer.Option(
            "--half-width",
            help="How far the interval should reach to either side: the output says how many trials that takes.",
        ),
    ] = 0.05,
    confidence: Confidence = _CONFIDENCE,
    json_target: Json = None,
) -> None:
    """Make a page that asks people to tell a candidate's images from a baseline's, and score their answers.

    The page opens from disk: pairs in random order and on random sides, chosen with the arrow keys or by touch, and a
    file of results at the end. Which image is whose stands in PAGE.key.json alone: do not send that one.

    The score has two verdicts: one on the people and images that were asked, and, from five people on, one on people
    and images like these.

    With --exposure each pair is seen for one of several times alone, as in the paper of pix2pixHD, and the score has a
    share and a verdict for each. Rules, margin and confidence are then settled with the page.

    Examples:

        p2phd-eval blind-test runs/fp32/samples runs/amp/samples --out page.html --reference data/test_img

        p2phd-eval blind-test --score page.key.json results/*.json --json score.json

        p2phd-eval blind-test runs/fp32/samples runs/amp/samples --out timed.html --exposure 125ms..8s
    """
    from p2phd_eval.blind_test.key import key_path, read_key
    from p2phd_eval.blind_test.make_and_score import make_blind_test, score_blind_test
    from p2phd_eval.report.documents.blind_test_documents import page_document, score_document
    from p2phd_eval.report.tables.blind_test_tables import claims_table, page_table, people_table

    output = Output(json_target)
    wishes: dict[str, Any] = {"margin": margin, "half_width": half_width, "confidence": confidence}
    if score is not None:
        making = {"--out": out, "--reference": reference, "--trials": trials}
        for option, value in (making | {"--exposure": exposure, "--attention-checks": attention_checks}).items():
            if value is not None:
                raise InputError(option, expected="nothing: it makes a page", found="it beside --score")
        if read_key(score).exposure is not None:
            _score_exposures(score, paths, margin, confidence, output)
            return
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
    if json_target is not None and os.path.realpath(json_target) == os.path.realpath(key_path(as_path(out))):
        raise InputError("--json", expected="another file than the key of the page", found=str(json_target))
    base, cand = paths
    made = make_blind_test(
        base,
        cand,
        out,
        reference=reference,
        trials=trials,
        exposure=exposure,
        attention_checks=attention_checks,
        seed=seed,
        progress=output.progress,
        **wishes,
    )
    facts: dict[str, Any] = {
        "trials": len(made.test.trials),
        "shared": made.test.shared,
        "needed": made.needed,
        "warnings": made.test.warnings,
        "plan": None if made.exposure is None else made.exposure.plan,
    }
    output.table(page_table(made.page, made.key, **facts))
    output.document(page_document(made.page, made.key, made.identity, **facts))


def _score_exposures(key: Path, results: list[Path], margin: float, confidence: float, output: Output) -> None:
    from p2phd_eval.blind_test.score_exposures import score_exposure_test
    from p2phd_eval.report.documents.exposure_documents import exposure_score_document
    from p2phd_eval.report.tables.exposure_tables import exposure_table, observers_table

    scored = score_exposure_test(key, results)
    for option, given, default, planned in (
        ("--margin", margin, _MARGIN, scored.plan.margin),
        ("--confidence", confidence, _CONFIDENCE, scored.plan.confidence),
    ):
        if given not in (default, planned):
            raise InputError(
                option,
                expected=f"{planned:g}, as it was settled with the page",
                found=f"{given:g}",
                fix=f"Leave {option} out: a rule that is changed after people answered counts for nothing.",
            )
    document = exposure_score_document(
        scored.key,
        scored.plan,
        people=scored.people,
        timing=scored.timing,
        analysis=scored.analysis,
        everyone=scored.everyone,
        responses=scored.responses,
    )
    output.table(observers_table(scored.people))
    if not all(each.passed for each in scored.people):
        title = "Preference by exposure, with those who failed the attention checks"
        output.table(exposure_table(title, scored.everyone, scored.timing, ()))
    notes = (*document.sentences, *document.remarks)
    output.table(exposure_table("Preference by exposure", scored.analysis, scored.timing, notes))
    output.document(document)
