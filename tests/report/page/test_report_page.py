"""The page of a report as text: the same bytes, times in one section, small enough to send."""

from __future__ import annotations

import copy
import html
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from p2phd_eval.errors import InputError
from p2phd_eval.report.page.report_page import render_page
from tests.report.page.small_study import typed

Report = dict[str, Any]


def test_times_stand_in_one_section_alone(small_study: tuple[Path, Report]) -> None:
    folder, report = small_study
    later = copy.deepcopy(report)
    later["speed"]["made_at"] = "2027-07-07T07:07:07+00:00"
    for speed in later["speed"]["runs"].values():
        for key in ("images_per_second", "peak_memory_bytes"):
            speed[key] = speed[key] and 3 * speed[key]
        speed["seconds"] = {key: value and 5 * value for key, value in speed["seconds"].items()}
    for ratio in later["speed"]["bench"]["ratios"]:
        ratio["value"] *= 2
    pages = [render_page(typed(each), folder) for each in (report, later)]
    cut = [re.sub(r'<section id="speed">.*?</section>', "", text, flags=re.DOTALL) for text in pages]
    assert pages[0] != pages[1]
    assert cut[0] == cut[1]


def test_a_cpu_is_named_where_speed_is(small_study: tuple[Path, Report]) -> None:
    folder, report = small_study
    on_cpu = copy.deepcopy(report)
    on_cpu["what_was_run"]["device"] = "cpu"
    pages = [render_page(typed(each), folder) for each in (report, on_cpu)]
    assert ["nothing about a GPU" in text for text in pages] == [False, True]
    for ratio in report["speed"]["bench"]["ratios"]:
        row = f"{html.escape(ratio['name'])}</th><td>{ratio['value']:.2f}</td>"
        assert all(row in text for text in pages)
    assert [ratio["talk"] for ratio in report["speed"]["bench"]["ratios"]].count(1.8) == 2


def test_the_same_report_gives_the_same_bytes(small_study: tuple[Path, Report]) -> None:
    folder, report = small_study
    again = dict(reversed(report.items()))  # order of keys is no content
    assert render_page(typed(report), folder) == render_page(typed(again), folder)


def test_a_page_of_large_pictures_stays_small_enough_to_send(small_study: tuple[Path, Report], tmp_path: Path) -> None:
    """256 x 192 pixels and three arms, all of noise, which compresses worst: below 8 MiB for twelve label maps."""
    report = small_study[1]
    rng = np.random.default_rng(0)
    large = copy.deepcopy(report)
    explained = large["comparisons"]["training"]["candidates"][0]["explanation"]
    shown = explained["upward"] = explained["upward"][:3]
    explained["downward"] = []
    targets = [tmp_path / run["samples"]["fp32"] for run in large["runs"] if run["seed"] == 0 and not run["repeat"]]
    assert len(targets) == 3
    for place in ("labels", "photos"):
        large["pictures"][place] = str(tmp_path / place)
        targets.append(tmp_path / place)
    for target in targets:
        target.mkdir(parents=True)
        for each in shown:
            pixels = rng.integers(256, size=(192, 256, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(target / f"{each['id']}.png")
    assert len(render_page(typed(large), tmp_path)) < (8 << 20) * len(shown) / 12


def test_a_missing_sample_is_named(small_study: tuple[Path, Report], tmp_path: Path) -> None:
    folder, report = small_study
    explained = report["comparisons"]["training"]["candidates"][0]["explanation"]
    lacking = copy.deepcopy(report)
    other = tmp_path / "samples"
    other.mkdir()
    for path in (folder / "runs" / "amp-bf16-s0" / "samples" / "fp32").iterdir():
        if path.stem != explained["upward"][0]["id"]:
            (other / path.name).symlink_to(path)
    run = next(run for run in lacking["runs"] if run["name"] == "amp-bf16-s0")
    run["samples"]["fp32"] = str(other)
    with pytest.raises(InputError, match=re.escape(repr(explained["upward"][0]["id"]))):
        render_page(typed(lacking), folder)
