"""What editing does to a gap, in words and tables."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from p2phd_eval.files import write_json
from p2phd_eval.report.documents.document import read_document
from p2phd_eval.report.documents.edit_documents import (
    EditArmPart,
    EditCompareDocument,
    EditedCandidatePart,
    EditEstimate,
    EditGap,
    EditRatio,
    EditRunPart,
    LocalityPart,
    MarginPart,
    WideningPart,
    WideningRowPart,
)
from p2phd_eval.report.tables.edit_tables import (
    edit_kind_table,
    edit_verdict_table,
    locality_table,
    render_edit_markdown,
    widening_sentence,
)
from p2phd_eval.stats.verdicts.equivalence import Verdict
from p2phd_eval.stats.verdicts.scope import Scope
from p2phd_eval.stats.verdicts.widening import MarginBase

ESTIMATE = EditEstimate(value=12.0, se=3.0, interval=(6.0, 18.0), p_value=0.001)
WIDER = WideningPart(
    edits=200,
    images=100,
    pairs=3,
    scope=Scope.RECIPES,
    original=100.0,
    edited=112.0,
    estimate=ESTIMATE,
    of_original=EditRatio(value=0.12, interval=(0.06, 0.18)),
    seeds_original=96.0,
    seeds_edited=99.0,
    seeds_estimate=EditEstimate(value=3.0, se=2.0, interval=(-1.0, 7.0), p_value=0.2),
    of_seeds=EditRatio(value=0.125, interval=(0.06, None)),
    margin=10.0,
    p_within=0.7,
    verdict=Verdict.WORSE,
)


def document(**changes: object) -> EditCompareDocument:
    judged = structs.replace(WIDER, **changes)
    rows = [
        WideningRowPart(distance="MSE", place="inside", kind=kind, widening=judged, p_holm=p)
        for kind, p in (("all", 0.001), ("move", 0.0001))
    ]
    candidate = EditedCandidatePart(
        name="amp",
        judged=judged,
        rows=tuple(rows),
        locality=(LocalityPart(distance="MSE", baseline=ESTIMATE, candidate=ESTIMATE, difference=ESTIMATE),),
    )
    runs = tuple(EditRunPart(folder=f"run-{seed}", seed=seed, checkpoint_sha256="0" * 64) for seed in (1, 2, 3))
    return EditCompareDocument(
        data="data",
        data_sha256="0" * 64,
        phase="test",
        script="edits.json",
        arms=(EditArmPart(name="fp32", runs=runs), EditArmPart(name="amp", runs=runs)),
        precision="fp32",
        judge="MSE",
        units={"MSE": "squared levels of 8 bits"},
        margin=MarginPart(share=0.1, base=MarginBase.GAP),
        confidence=0.95,
        candidates=(candidate,),
        edits=(EditGap(number=1, kind="move", image="a", inside=0.1, original=(100.0,), edited=(None,)),),
        worst=(1,),
        notes=("LPIPS is left out.",),
    )


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        (Verdict.WORSE, "editing widens the gap to fp32 by 12 % (95 % (+6.0, +18.0) %)"),
        (Verdict.WITHIN, "editing does not widen the gap to fp32, within the margin: it changes by +12 %"),
        (Verdict.NEGLIGIBLE, "editing changes the gap to fp32 by less than the margin: by +12 %"),
        (Verdict.INCONCLUSIVE, "inconclusive whether editing widens the gap to fp32: it changes by +12 %"),
    ],
)
def test_a_verdict_is_told_in_words(verdict: Verdict, said: str) -> None:
    found = document(verdict=verdict)
    assert said in widening_sentence(found, found.candidates[0])


def test_a_gap_that_narrows_is_told_with_its_signs_turned() -> None:
    found = document(verdict=Verdict.BETTER, of_original=EditRatio(value=-0.2, interval=(-0.3, -0.1)))
    assert "editing narrows the gap to fp32 by 20 % (95 % (+10.0, +30.0) %)" in widening_sentence(
        found, found.candidates[0]
    )


def test_seeds_stand_beside_it_and_open_ends_are_infinite() -> None:
    found = document()
    sentence = widening_sentence(found, found.candidates[0])
    assert "Two seeds of fp32 are 96.0 apart there, and 99.0 where edited" in sentence
    assert "+12.5 % of their distance (95 % (+6, +inf) %)" in sentence


def test_identical_arms_have_no_gap() -> None:
    found = document(of_original=None, original=0.0, edited=0.0)
    assert "no gap to fp32" in widening_sentence(found, found.candidates[0])
    assert edit_verdict_table(found).rows


def test_tables_have_a_cell_for_each_column() -> None:
    found = document(seeds_original=None, seeds_edited=None, seeds_estimate=None, of_seeds=None)
    for each in (document(), found):
        candidate = each.candidates[0]
        for table in (edit_verdict_table(each), edit_kind_table(each, candidate), locality_table(each, candidate)):
            assert {len(row) for row in table.rows} == {len(table.columns)}
    psnr = edit_kind_table(document(), document().candidates[0]).rows[0][6]
    assert psnr == "28.13 / 27.64"
    assert any("Margin: 10 % of the gap" in note for note in edit_verdict_table(document()).notes)


def test_markdown_has_verdict_and_tables() -> None:
    text = render_edit_markdown(document())
    assert text.startswith("### Does editing widen the gap between precisions?")
    assert "* ❌ amp: editing widens" in text
    assert text.count("| --- |") >= 2
    assert "< 0.001" in text or "&lt; 0.001" in text


def test_the_document_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_json(tmp_path / "comparison.json", document().to_builtins())
    assert read_document(tmp_path / "comparison.json", EditCompareDocument) == document()
