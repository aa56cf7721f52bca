"""The page in a real browser: click, paint, restyle, undo, redo, save; and the same bits from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from p2phd_eval.editor.serving import EditorServer
from p2phd_eval.generators.sampling.generation import generate
from p2phd_eval.images.decoding import read_rgb
from tests.commands.command_line import invoke
from tests.editor.asking import Caller
from tests.generators.sampling.styled_runs import CPU

WIDTH, HEIGHT = 64, 32
_PIXELS = """
const canvas = document.querySelector(`#pane-${arguments[0]} .picture`);
return [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data];
"""


class Page:
    """What a person does with the page."""

    def __init__(self, browser: webdriver.Chrome) -> None:
        self.browser = browser

    def find(self, selector: str) -> Any:
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def until(self, condition: Callable[[], Any]) -> Any:
        return WebDriverWait(self.browser, 30, poll_frequency=0.02).until(lambda _: condition())

    def idle(self) -> None:
        """Wait until all pictures are shown."""
        self.until(lambda: self.find("body").get_attribute("data-busy") == "no")
        assert not self.find("#error").is_displayed(), self.find("#error").text

    def position(self) -> int:
        shown = (
            "return [...document.querySelectorAll('#history button')].findIndex(each => each.ariaCurrent === 'step')"
        )
        found: int = self.browser.execute_script(shown)
        return found

    def at(self, position: int) -> None:
        """Wait until so many edits are done, and shown."""
        self.until(lambda: self.position() == position)
        self.idle()

    def press(self, *keys: str) -> None:
        self.find("body").send_keys(*keys)

    def undo(self) -> None:
        self.press(Keys.CONTROL, "z")

    def redo(self) -> None:
        self.press(Keys.CONTROL, Keys.SHIFT, "z")

    def pointer(self, pane: str, *points: tuple[float, float]) -> None:
        """Press at the first point of a scene, move over the others and release."""
        overlay = self.find(f"#pane-{pane} .overlay")
        # Offsets are from the middle of what is in view: that is all of it.
        self.browser.execute_script("arguments[0].scrollIntoView({ block: 'center' })", overlay)
        size = overlay.size
        places = [
            (
                round((x + 0.5) / WIDTH * size["width"] - size["width"] / 2),
                round((y + 0.5) / HEIGHT * size["height"] - size["height"] / 2),
            )
            for x, y in points
        ]
        chain = ActionChains(self.browser, duration=0).move_to_element_with_offset(overlay, *places[0]).click_and_hold()
        for place in places[1:]:
            chain.move_to_element_with_offset(overlay, *place)
        chain.release().perform()

    def pixels(self, pane: str) -> npt.NDArray[np.uint8]:
        """What is on a pane's canvas."""
        values = np.array(self.browser.execute_script(_PIXELS, pane), np.uint8)
        return values.reshape(HEIGHT, WIDTH, 4)[..., :3]

    def script(self) -> list[dict[str, Any]]:
        fetched = "return fetch('api/script').then(each => each.json())"
        edits: list[dict[str, Any]] = self.browser.execute_script(fetched)["edits"]
        return edits


@pytest.fixture
def editor(page: webdriver.Chrome, served: EditorServer, caller: Caller) -> Page:
    page.get(served.address)
    page.refresh()
    opened = Page(page)
    opened.idle()
    return opened


def severe(editor: Page) -> list[Any]:
    return [entry for entry in editor.browser.get_log("browser") if entry["level"] == "SEVERE"]


def test_a_session_by_hand_gives_the_bits_of_the_command_line(
    editor: Page, served: EditorServer, editor_runs: list[Path], scenes: Path, tmp_path: Path
) -> None:
    label = np.asarray(Image.open(scenes / "test_label/scene_000000.png"))
    y, x = np.argwhere(label == 2)[len(np.argwhere(label == 2)) // 2].tolist()
    before = editor.pixels("arm-0")

    # Click: the road is selected, in a picture as in the map.
    editor.pointer("arm-1", (x, y))
    editor.until(lambda: editor.find("#selected").text.startswith("road"))
    # Restyle: by one of the thumbnails.
    if editor.find("#load-styles").is_displayed():
        editor.press("s")
    editor.until(lambda: len(editor.browser.find_elements(By.CSS_SELECTOR, "#styles .tile")) == 4)
    editor.find("#styles .tile:nth-child(3)").click()
    editor.at(1)
    assert editor.find("#style-now").text == "Now: cluster 1 of road."
    # Paint: a stroke of cars.
    editor.press("b")
    editor.find('#palette input[value="10"]').find_element(By.XPATH, "..").click()
    editor.pointer("map", (10, 12), (20, 14), (30, 12))
    editor.at(2)
    painted = editor.pixels("arm-0")
    assert not np.array_equal(painted, before)
    assert not np.array_equal(painted, editor.pixels("arm-1"))
    difference = np.abs(painted.astype(int) - editor.pixels("arm-1")) * 4
    np.testing.assert_array_equal(editor.pixels("difference"), difference.clip(0, 255))

    # Undo and redo, by keys and by the list.
    editor.undo()
    editor.at(1)
    editor.undo()
    editor.at(0)
    np.testing.assert_array_equal(editor.pixels("arm-0"), before)
    editor.redo()
    editor.at(1)
    editor.find("#history li:last-child button").click()
    editor.at(2)
    np.testing.assert_array_equal(editor.pixels("arm-0"), painted)

    # Move what was painted, then paste an object and change its class.
    editor.press("m")
    editor.pointer("map", (20, 14), (24, 20))
    editor.at(3)
    editor.press("o")
    editor.until(lambda: editor.browser.find_elements(By.CSS_SELECTOR, "#shelf .tile"))
    editor.find("#shelf .tile").click()
    editor.until(lambda: "click where" in editor.find("#status").text)
    editor.pointer("photo", (45, 16))
    editor.at(4)
    editor.press("v")
    editor.pointer("map", (45, 16))
    editor.until(lambda: editor.find("#selected-actions").is_displayed())
    editor.find('#relabel option[value="11"]').click()
    editor.find("#apply-label").click()
    editor.at(5)
    kinds = [each["kind"] for each in editor.script()]
    assert kinds == ["style", "stroke", "move", "object", "label"]

    # Save, and make the same by the command line.
    shown = [editor.pixels(f"arm-{arm}") for arm in (0, 1)]
    editor.find("#save").click()
    editor.until(lambda: "written to" in editor.find("#status").text)
    script = served.script
    assert json.loads(script.read_text())["edits"] == editor.script()
    result = invoke("edit", "apply", scenes, "--script", script, "--out", tmp_path / "edited")
    assert result.exit_code == 0, result.output
    for arm, run in enumerate(editor_runs):
        generate(run, tmp_path / "edited", tmp_path / run.name, device=CPU, batch_size=1)
        np.testing.assert_array_equal(shown[arm], read_rgb(tmp_path / run.name / "scene_000000.png"))
    assert severe(editor) == []


def test_it_works_by_the_keyboard_alone(editor: Page) -> None:
    overlay = editor.find("#pane-map .overlay")
    overlay.send_keys(Keys.ARROW_RIGHT)  # the cross, in the middle
    assert editor.find("#status").text.startswith("x 32, y 16:")
    overlay.send_keys("b", Keys.ENTER, *[Keys.ARROW_RIGHT] * 6, Keys.SHIFT, Keys.ARROW_DOWN, Keys.NULL, Keys.ENTER)
    editor.at(1)
    (edit,) = editor.script()
    assert edit["points"] == [[32, 16], *([32 + i, 16] for i in range(1, 7)), [38, 24]]
    overlay.send_keys("v", Keys.ARROW_LEFT, Keys.ENTER)
    assert editor.find("#selected-actions").is_displayed()
    overlay.send_keys(Keys.DELETE)
    editor.at(2)
    editor.press("?")
    assert editor.find("#help").is_displayed()
    editor.press(Keys.ESCAPE)
    editor.press(".")
    editor.until(lambda: editor.find("#image").get_attribute("value") == "scene_000001")
    editor.at(0)
    assert severe(editor) == []


def test_zoomed_in_a_click_means_what_is_there(editor: Page) -> None:
    editor.press("+", "+", "+")
    middle = editor.find("#pane-map .frame")
    assert editor.find("#zoom-reset").text == "338 %"
    # A drag moves the view in all pictures, by a quarter of the frame and of the scene's part that it shows.
    width = middle.size["width"]
    chain = ActionChains(editor.browser, duration=0).move_to_element(middle).click_and_hold()
    chain.move_by_offset(-width // 8, 0).move_by_offset(-width // 8, 0).release().perform()
    assert editor.find("#selected").text.startswith("Nothing")
    editor.press("b")
    ActionChains(editor.browser, duration=0).move_to_element(editor.find("#pane-arm-1 .frame")).click().perform()
    editor.at(1)
    ((x, y),) = editor.script()[0]["points"]
    assert abs(x - (WIDTH / 2 + WIDTH / 4 / 1.5**3)) <= 1
    assert abs(y - HEIGHT / 2) <= 1
    editor.press("0")
    assert editor.find("#zoom-reset").text == "100 %"


def test_a_refusal_is_said_and_the_page_goes_on(editor: Page) -> None:
    editor.press("b")
    editor.find('#palette input[value="10"]').find_element(By.XPATH, "..").click()
    editor.pointer("map", (10, 12))
    editor.at(1)
    editor.press("v")
    editor.pointer("map", (10, 12))
    editor.find("#photo-style").click()  # of a car that the photo does not have
    editor.until(lambda: editor.find("#error").is_displayed())
    assert "expected a region of 'scene_000000'" in editor.find("#error-text").text
    editor.find("#dismiss").click()
    editor.press(Keys.DELETE)
    editor.at(2)
    editor.browser.get_log("browser")  # a 422 stands in it, as it should


def test_what_is_brought_along_is_pasted_and_gives_styles(editor: Page, scenes: Path, tmp_path: Path) -> None:
    mask = np.zeros((6, 8, 4), np.uint8)
    mask[1:, 2:, 3] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    editor.press("o")
    editor.find("#mask").send_keys(str(tmp_path / "mask.png"))
    editor.until(lambda: "click where" in editor.find("#status").text)
    editor.find('#palette input[value="11"]').find_element(By.XPATH, "..").click()
    editor.pointer("map", (30, 20))
    editor.at(1)
    editor.press("v")
    editor.pointer("map", (30, 20))
    editor.until(lambda: editor.find("#selected").text.startswith("bus"))
    assert "30 pixels" in editor.find("#selected").text
    editor.find("#style-file").send_keys(str(scenes / "test_img/scene_000002.png"))
    editor.until(lambda: editor.find("#box-dialog").is_displayed())
    canvas = editor.find("#box-canvas")
    width = canvas.size["width"]
    chain = ActionChains(editor.browser, duration=0).move_to_element_with_offset(canvas, -width // 4, -width // 8)
    chain.click_and_hold().move_to_element_with_offset(canvas, width // 4, width // 8).release().perform()
    editor.find("#box-use").click()
    editor.at(2)
    # Copied, and given to the sky of another image.
    editor.press("c")
    editor.until(lambda: editor.find("#status").text.startswith("Copied"))
    editor.press(".")
    editor.until(lambda: editor.find("#image").get_attribute("value") == "scene_000001")
    editor.at(0)
    editor.pointer("map", (30, 1))
    editor.until(lambda: editor.find("#selected-actions").is_displayed())
    editor.press("p")
    editor.at(1)
    pasted, styled, copied = editor.script()
    assert (pasted["at"], pasted["label"]) == ([27, 18], 11)
    assert styled["style"]["box"] == [16, 8, 32, 16]
    assert copied["style"] == styled["style"]
    assert severe(editor) == []


@pytest.mark.parametrize(("width", "height", "scheme"), [(1280, 900, "light"), (390, 844, "dark")])
def test_every_screen_fits(editor: Page, width: int, height: int, scheme: str) -> None:
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 1000}
    editor.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    scheme_of = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    editor.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme_of)
    editor.browser.refresh()
    editor.idle()
    for tool in "vbom":
        editor.press(tool)
        reach = "return document.documentElement.scrollWidth - window.innerWidth"
        assert editor.browser.execute_script(reach) <= 0
    # Every control has a name.
    unnamed = """
      return [...document.querySelectorAll("button, input, select, a, canvas.overlay")].filter(each =>
        !(each.textContent.trim() || each.ariaLabel || each.labels?.length || each.title)).map(each => each.outerHTML)
    """
    assert editor.browser.execute_script(unnamed) == []
    assert severe(editor) == []
