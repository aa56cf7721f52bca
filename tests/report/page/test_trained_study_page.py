"""The page of a study that was really trained, in a real browser; see also tests/pages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.keys import Keys

from p2phd_eval.report.page.report_page import render_page
from tests.browser import open_file
from tests.report.page.small_study import typed


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


def test_the_slider_follows_the_pointer(shown: WebDriver) -> None:
    def clip() -> str:
        return str(
            shown.execute_script("return getComputedStyle(document.querySelector('[data-role=above]')).clipPath")
        )

    before = clip()
    shown.execute_script(
        "const s = document.querySelector('.stack'), b = s.getBoundingClientRect();"
        "s.setPointerCapture = () => {};"
        "s.dispatchEvent(new PointerEvent('pointerdown', {clientX: b.left + b.width * .1, clientY: b.top + 5}))"
    )
    assert clip() != before
    assert shown.find_element("css selector", "#slider input").get_attribute("value") == "10"


def test_a_picture_opens_large(shown: WebDriver) -> None:
    button = shown.find_element("css selector", ".open")
    shown.execute_script("arguments[0].scrollIntoView()", button)
    button.send_keys(Keys.ENTER)
    assert shown.execute_script("return document.querySelector('dialog').open")
    shown.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not shown.execute_script("return document.querySelector('dialog').open")


def test_the_same_report_gives_the_same_bytes(finished_study: Path, report: dict[str, Any]) -> None:
    assert render_page(typed(report), finished_study) == (finished_study / "report.html").read_text()


def test_the_file_needs_nothing_else(finished_study: Path) -> None:
    """No address of a style, script, font or image but data in the page itself."""
    text = (finished_study / "report.html").read_text()
    text = re.sub(r"data:image/[a-z]+;base64,[A-Za-z0-9+/=]+", "", text)
    assert re.findall(r"(?:src|href)=\"(?!#|\")([^\"]+)\"", text) == []
    assert re.findall(r"@import|url\((?!#)", text) == []
