"""The page of a report in a real browser."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from p2phd_eval.report.markdown import render_markdown
from p2phd_eval.report.page import render_page
from tests.pages.conftest import open_file

HOSTILE = "<script>document.title='taken'</script>\"'&|`$x^2$"


@pytest.fixture(scope="module")
def report(finished_study: Path) -> dict[str, Any]:
    return json.loads((finished_study / "report.json").read_text())  # type: ignore[no-any-return]


@pytest.fixture
def shown(page: WebDriver, finished_study: Path) -> Iterator[WebDriver]:
    """The page of the finished study; nothing is on the console when a test ends."""
    open_file(page, finished_study / "report.html")
    yield page
    assert page.get_log("browser") == []  # type: ignore[no-untyped-call]


def of_phone_size(browser: WebDriver) -> None:
    size = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


@pytest.fixture(autouse=True)
def _as_it_was(page: WebDriver) -> Iterator[None]:
    yield
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})


@pytest.mark.parametrize("phone", [False, True])
def test_every_plot_and_picture_is_there_and_nothing_sticks_out(shown: WebDriver, phone: bool) -> None:
    if phone:
        of_phone_size(shown)
    broken = "return [...document.images].filter(i => !(i.complete && i.naturalWidth > 0)).length"
    assert shown.execute_script(broken) == 0
    assert shown.execute_script("return document.images.length") > 8 * 5
    sizes = shown.execute_script(
        "return [...document.querySelectorAll('.plot svg')].map(s => [s.getBoundingClientRect().width,"
        " s.getBoundingClientRect().height, s.getAttribute('role'), s.getAttribute('aria-label')])"
    )
    assert len(sizes) >= 3  # differences, runs, curves
    for width, height, role, label in sizes:
        assert width > 300
        assert height > 80
        assert role == "img"
        assert label
    assert shown.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    ids = shown.execute_script("return [...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(set(ids)) == len(ids)


def test_the_slider_moves_by_keys_and_pointer_and_shows_what_is_chosen(shown: WebDriver) -> None:
    def clip() -> str:
        return str(
            shown.execute_script("return getComputedStyle(document.querySelector('[data-role=above]')).clipPath")
        )

    def source(role: str) -> str:
        return str(shown.execute_script(f"return document.querySelector('[data-role={role}]').src"))

    knob = shown.find_element("css selector", "#slider input")
    before = clip()
    knob.send_keys(Keys.ARROW_RIGHT * 10)
    assert clip() != before
    moved = clip()
    shown.execute_script(
        "const s = document.querySelector('.stack'), b = s.getBoundingClientRect();"
        "s.setPointerCapture = () => {};"
        "s.dispatchEvent(new PointerEvent('pointerdown', {clientX: b.left + b.width * .1, clientY: b.top + 5}))"
    )
    assert clip() != moved
    assert knob.get_attribute("value") == "10"
    left, right = source("above"), source("below")
    assert left != right
    Select(shown.find_element("css selector", "[data-role=left]")).select_by_value("photo")
    assert source("above") not in (left, right)
    assert source("below") == right
    Select(shown.find_element("css selector", "[data-role=row]")).select_by_index(1)
    assert source("below") != right


def test_a_picture_opens_large(shown: WebDriver) -> None:
    button = shown.find_element("css selector", ".open")
    shown.execute_script("arguments[0].scrollIntoView()", button)
    button.send_keys(Keys.ENTER)
    assert shown.execute_script("return document.querySelector('dialog').open")
    shown.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not shown.execute_script("return document.querySelector('dialog').open")


def _luminance(colour: str) -> float:
    """Relative luminance of WCAG 2.2."""
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (int(value) / 255 for value in re.findall(r"\d+", colour)[:3])
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_light_and_dark_are_readable(shown: WebDriver) -> None:
    grounds = set()
    for scheme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        shown.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": features})
        ground = shown.execute_script("return getComputedStyle(document.body).backgroundColor")
        grounds.add(ground)
        for selector in ("body", ".small", ".verdict h2", "thead th", "td:last-child", ".plot svg text"):
            style = "getComputedStyle(document.querySelector(arguments[0]))"
            name = "fill" if "svg" in selector else "color"
            colour = shown.execute_script(f"return {style}.{name}", selector)
            lighter, darker = sorted((_luminance(ground), _luminance(colour)), reverse=True)
            assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (scheme, selector, colour, ground)
    assert len(grounds) == 2


def test_paper_shows_all_but_what_needs_hands(shown: WebDriver) -> None:
    shown.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": []})
    assert not shown.find_element("css selector", "#slider").is_displayed()
    assert shown.find_element("css selector", ".tiles img").is_displayed()


def test_the_numbers_of_the_verdict_are_those_of_the_report(shown: WebDriver, report: dict[str, Any]) -> None:
    (entry,) = report["verdicts"]
    assert shown.find_element("css selector", ".sentence").text == entry["sentence"]
    assert float(shown.find_element("css selector", ".estimate").text) == float(f"{entry['estimate']:.3g}")
    low, high = re.findall(r"[-+][\d.e+]+", shown.find_element("css selector", ".interval").text)
    assert [float(low), float(high)] == [float(f"{value:.3g}") for value in entry["interval"]]
    cells = [cell.strip() for cell in render_markdown(report).splitlines()[-3].split("|")]
    assert cells[4:8] == [f"d{entry['statistic']}", *cells[5:7], entry["verdict"]]
    assert float(cells[5]) == float(f"{entry['estimate']:.3g}")


def test_hostile_names_are_text(page: WebDriver, finished_study: Path, report: dict[str, Any], tmp_path: Path) -> None:
    hostile = copy.deepcopy(report)
    hostile["name"] = HOSTILE
    hostile["notes"] = [HOSTILE]
    hostile["verdicts"][0] |= {"arm": HOSTILE, "sentence": HOSTILE}
    hostile["runs"][1]["why"] = HOSTILE
    for run in hostile["runs"]:
        run["arm"] = HOSTILE if run["arm"] != "fp32" else "fp32"
    hostile["what_was_run"]["arms"][1]["name"] = HOSTILE
    hostile["what_was_run"]["command"] = HOSTILE
    candidate = hostile["comparisons"]["training"]["candidates"][0]
    candidate["name"] = HOSTILE
    candidate["explanation"]["classes"][0]["name"] = HOSTILE
    hostile["quality"]["notes"] = [HOSTILE]
    path = tmp_path / "report.html"
    path.write_text(render_page(hostile, finished_study), encoding="utf-8")
    open_file(page, path)
    assert "taken" not in page.title.replace(HOSTILE, "")
    assert page.execute_script("return document.querySelectorAll('script').length") == 1
    assert HOSTILE in page.find_element("css selector", ".verdict h2").text
    assert page.execute_script("return document.body.textContent").count(HOSTILE) >= 10
    assert page.get_log("browser") == []  # type: ignore[no-untyped-call]
    text = render_markdown(hostile)
    assert "<script>" not in text
    widths = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert len(widths) == 1  # no name makes a cell of its own


def test_what_is_missing_is_said(page: WebDriver, finished_study: Path, report: dict[str, Any], tmp_path: Path) -> None:
    """All runs failed, nothing measured: still a page, and no empty heading."""
    empty = copy.deepcopy(report)
    for run in empty["runs"]:
        run |= {"status": "diverged", "why": "loss G_GAN at step 3: nan", "samples": {}, "fid": None}
    empty["comparisons"] = {"training": None, "sampling": [], "repeat": None}
    nothing = dict.fromkeys(("scope", "statistic", "estimate", "interval", "tost_interval", "margin"))
    empty["verdicts"][0] |= {**nothing, "verdict": "inconclusive", "failed": 2, "sentence": "nothing to compare"}
    empty["quality"] = None
    empty["speed"]["bench"] = None
    empty["what_was_run"]["weights"] = None
    path = tmp_path / "report.html"
    path.write_text(render_page(empty, finished_study), encoding="utf-8")
    open_file(page, path)
    sections = page.find_elements("css selector", "main section")
    assert all(len(section.text.splitlines()) > 1 for section in sections)
    assert page.get_log("browser") == []  # type: ignore[no-untyped-call]
    assert "nan" in page.find_element("css selector", "#runs").text
    assert "0 of 2" in render_markdown(empty)


def test_the_same_report_gives_the_same_bytes(finished_study: Path, report: dict[str, Any]) -> None:
    assert render_page(report, finished_study) == (finished_study / "report.html").read_text()


def test_the_file_needs_nothing_else(finished_study: Path) -> None:
    """No address of a style, script, font or image but data in the page itself."""
    text = (finished_study / "report.html").read_text()
    text = re.sub(r"data:image/[a-z]+;base64,[A-Za-z0-9+/=]+", "", text)
    assert re.findall(r"(?:src|href)=\"(?!#|\")([^\"]+)\"", text) == []
    assert re.findall(r"@import|url\((?!#)", text) == []
