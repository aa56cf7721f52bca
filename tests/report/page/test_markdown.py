"""The table for a pull request, read by a parser of Markdown."""

from __future__ import annotations

import copy
import statistics
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from p2phd_eval.formatting import estimate_texts, number_text
from p2phd_eval.report.page.markdown import render_markdown
from tests.report.page.small_study import HOSTILE, renamed, typed


def tokens(text: str) -> list[Token]:
    """All of a text, tables as GitHub has them, with the pieces of its lines."""
    found = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        found += [token, *(token.children or ())]
    return found


def table(text: str) -> list[list[str]]:
    """The cells of the first table that a reader sees, the head first."""
    rows: list[list[str]] = []
    opened = ""
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        opened = token.type if token.type.endswith("_open") else opened
        if token.type == "tr_open":
            rows.append([])
        if token.type == "inline" and opened in ("th_open", "td_open"):
            rows[-1].append("".join(child.content for child in token.children or ()))
        if token.type == "table_close":
            break
    return rows


def test_the_cells_hold_the_numbers_of_the_report(small_report: dict[str, Any]) -> None:
    head, baseline, *candidates = table(render_markdown(typed(small_report)))
    over = "95 % interval over images and training seeds"
    assert head[:7] == ["arm", "verdict", "runs", "FID@30", "dFID@30", over, "margin"]
    assert {len(row) for row in (baseline, *candidates)} == {len(head)}
    assert baseline[:2] == ["fp32", "baseline"]
    assert len(candidates) == len(small_report["verdicts"]) == 2
    for row, entry in zip(candidates, small_report["verdicts"], strict=True):
        runs = [run for run in small_report["runs"] if run["arm"] == entry["arm"]]
        fid = statistics.mean(run["fid"] for run in runs if run["status"] == "finished")
        cells = dict(zip(head, row, strict=True))
        assert (cells["arm"], cells["verdict"]) == (entry["arm"], entry["verdict"])
        assert cells["FID@30"] == number_text(fid)
        assert (cells["dFID@30"], cells[over]) == estimate_texts(entry["estimate"], entry["interval"])
        assert cells["margin"] == f"±{number_text(entry['margin']['value'])}"


def test_ways_of_generation_have_their_cost_beside_the_verdict(small_report: dict[str, Any]) -> None:
    text = render_markdown(typed(small_report))
    head, *rows = table(text[text.index("| images | verdict |") :])
    assert head[-3:] == ["images/s", "peak memory", "size"]
    names = [f"{arm}, generated in {way}" for arm in ("fp32", "amp-bf16") for way in ("fp32", "amp-bf16")]
    assert [row[0] for row in rows] == names
    assert [row[1] == "baseline" for row in rows] == [True, False, True, False]
    # Medians of three seeds.
    assert [row[-3:] for row in rows] == [["21.0", "1.00 GiB", "40.0 MB"], ["51.0", "0.50 GiB", "40.0 MB"]] * 2
    before = copy.deepcopy(small_report)
    for each in before["speed"]["runs"].values():
        del each["generation"]
    assert "| images | verdict |" not in render_markdown(typed(before))


def test_images_that_are_far_from_the_photos_are_said_to_be(small_report: dict[str, Any]) -> None:
    far = copy.deepcopy(small_report)
    far["comparisons"]["training"]["real_scale"] = {"halves": 1e-4, "n_half": 15, "one_image": 1e-3}
    found = ["far from converged" in render_markdown(typed(each)) for each in (small_report, far)]
    assert found == [False, True]


def test_sentences_and_failures_are_text(small_report: dict[str, Any]) -> None:
    """Names with marks of Markdown, such as G_GAN, appear as they are."""
    shown = [token.content for token in tokens(render_markdown(typed(small_report))) if token.type == "inline"]
    seen = [
        "".join(child.content for child in token.children or ())
        for token in tokens(render_markdown(typed(small_report)))
        if token.type == "inline"
    ]
    assert len(shown) == len(seen)
    for entry in small_report["verdicts"]:
        assert any(line.endswith(entry["sentence"]) for line in seen)
    assert "amp-fp16-s2 failed: loss G_GAN at step 7: nan" in seen


def test_a_hostile_name_is_text_in_its_cell(small_report: dict[str, Any]) -> None:
    text = render_markdown(typed(renamed({**small_report, "name": HOSTILE}, "amp-bf16", HOSTILE)))
    kinds = {token.type for token in tokens(text)}
    blocks = {token.content.strip() for token in tokens(text) if token.type == "html_block"}
    assert blocks == {"<details>\n<summary>FID@30 over epochs</summary>", "</details>"}
    assert not kinds & {"html_inline", "link_open", "image", "em_open", "strong_open", "code_inline"}
    rows = table(text)
    assert {len(row) for row in rows} == {len(rows[0])}
    assert rows[-1][0] == HOSTILE
    assert HOSTILE in next(token.content for token in tokens(text) if token.type == "text" and "hurt" in token.content)


def test_nothing_finished_and_nothing_measured(small_report: dict[str, Any]) -> None:
    empty = copy.deepcopy(small_report)
    for run in empty["runs"]:
        run |= {"status": "killed", "why": None, "fid": None}
    for each in empty["speed"]["runs"].values():
        each |= {"images_per_second": None, "peak_memory_bytes": None}
    for entry in empty["verdicts"]:
        entry |= {"verdict": "inconclusive", "estimate": None, "interval": None, "judged": None}
    head, *rows = table(render_markdown(typed(empty)))
    assert [row[head.index("runs")] for row in rows] == ["0 of 3"] * 3
    assert {row[head.index("FID@30")] for row in rows} == {row[head.index("dFID@30")] for row in rows} == {"-"}
    assert render_markdown(typed(empty)).count("failed: killed") == len(empty["runs"])
