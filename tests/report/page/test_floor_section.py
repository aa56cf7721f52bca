"""What a study's page and its Markdown say of the noise floor."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import UNSET, structs

from p2phd_eval.quality.floor_of_arms import floor_of_arms
from p2phd_eval.quality.image_distance import SSIM
from p2phd_eval.report.documents.document import read_document
from p2phd_eval.report.documents.floor_documents import FloorDocument, floor_document
from p2phd_eval.report.documents.study_documents import ReportDocument
from p2phd_eval.report.page.floor_section import floor_section
from p2phd_eval.report.page.markdown import render_markdown
from p2phd_eval.report.page.report_page import render_page
from tests.documentation import DOCS
from tests.quality.floor_arms import arm
from tests.quality.pictures import scenes


@pytest.fixture(scope="module")
def floor() -> FloorDocument:
    found = floor_of_arms(
        arm("fp32", scenes(20)),
        [arm("<amp>", scenes(20, amount=20, seed=2))],
        [arm("compiled", scenes(20, amount=2, seed=1))],
        distances=(SSIM,),
    )
    return floor_document(found, {name: [f"runs/{name}"] for name in ("fp32", "<amp>", "compiled")})


def test_the_section_has_all_tables_and_sentences(floor: FloorDocument) -> None:
    section = floor_section(floor)
    assert section.sentences == (floor.candidates[0].sentence,)
    assert section.verdicts.rows[0][1].verdict == "not-judged"
    assert [caption for caption, _ in section.tables] == ["Every distance to fp32, mean over images"]
    assert floor.candidates[0].folders == ("runs/<amp>",)


def test_a_report_with_a_noise_floor_and_without(floor: FloorDocument, tmp_path: Path) -> None:
    report = structs.replace(
        read_document(DOCS / "studies" / "camvid" / "report.json", ReportDocument), floor=floor, runs=()
    )
    page = render_page(report, tmp_path)
    assert '<section id="floor">' in page
    assert '<a href="#floor">Trajectory or quality?</a>' in page
    assert "&lt;amp&gt;: above the noise floor, quality unknown." in page
    assert "<amp>" not in page
    markdown = render_markdown(report)
    assert "Trajectory or quality:\n\n* ❔ &lt;amp&gt;: above the noise floor, quality unknown." in markdown
    without = structs.replace(report, floor=UNSET)
    assert '<section id="floor">' not in render_page(without, tmp_path)
    assert "Trajectory" not in render_markdown(without)
