"""The page of a blind test, taken in a real browser with keys, and scored by the real command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from p2phd_eval.images.png import write_png
from tests.browser import open_file
from tests.commands.command_line import document_of, invoke

TRIALS = 9
HOSTILE = "<script>document.title='bad'</script>\"&"
# What a person sees of a canvas: the mean of its red values.
_RED = """
const canvas = document.querySelector(arguments[0] + " canvas");
const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
let sum = 0;
for (let i = 0; i < data.length; i += 4) sum += data[i];
return 4 * sum / data.length;
"""


def folder(path: Path, red: int, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    for i in range(TRIALS):
        image = rng.integers(0, 256, (24, 40, 3), dtype=np.uint8)
        image[..., 0] = red + i
        # As a file system allows it.
        write_png(path / f"{HOSTILE.replace('/', ' ')}{i}.png", image)
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page whose baseline has images of little red, and whose candidate has much of it."""
    root = tmp_path_factory.mktemp("blind")
    folders = [folder(root / name, red, red) for name, red in (("dim-run", 20), ("bright-run", 200), ("photo", 100))]
    for name, options in (("plain", []), ("photo", ["--reference", folders[2]])):
        result = invoke("blind-test", *folders[:2], "--out", root / f"{name}.html", *options)
        assert result.exit_code == 0, result.output
    return root


@pytest.fixture
def participant(page: webdriver.Chrome, made: Path) -> webdriver.Chrome:
    """The browser at the start of the page without photos, nothing stored."""
    open_file(page, made / "plain.html")
    page.execute_script("localStorage.clear()")
    page.refresh()
    return page


def wait(browser: webdriver.Chrome) -> WebDriverWait[webdriver.Chrome]:
    return WebDriverWait(browser, 10, poll_frequency=0.02)


def press(browser: webdriver.Chrome, key: str) -> None:
    browser.find_element(By.TAG_NAME, "body").send_keys(key)


def ready(browser: webdriver.Chrome) -> None:
    """Wait until images are shown."""
    shown = "return !document.getElementById('trial').hidden && !document.querySelector('.blank')"
    wait(browser).until(lambda each: each.execute_script(shown))


def start(browser: webdriver.Chrome, name: str) -> None:
    browser.find_element(By.ID, "name").send_keys(name, Keys.ENTER)
    ready(browser)


def position(browser: webdriver.Chrome) -> str:
    text: str = browser.find_element(By.ID, "position").text
    return text


def choose(browser: webdriver.Chrome, candidate: bool) -> None:
    """Answer by what is to be seen, with an arrow key."""
    ready(browser)
    left, right = (browser.execute_script(_RED, side) for side in ("#left", "#right"))
    assert abs(left - right) == pytest.approx(180)
    press(browser, Keys.ARROW_LEFT if (left > right) == candidate else Keys.ARROW_RIGHT)


def save(browser: webdriver.Chrome) -> Path:
    """Save as the focused button does, and wait for the file."""
    wait(browser).until(lambda each: each.find_element(By.ID, "save").is_displayed())
    folder: Path = browser.downloads  # type: ignore[attr-defined]
    before = set(folder.glob("*.json"))
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    # The browser makes an empty file first, and then fills it.
    wait(browser).until(lambda _: any(path.stat().st_size for path in set(folder.glob("*.json")) - before))
    return (set(folder.glob("*.json")) - before).pop()


def severe(browser: webdriver.Chrome) -> list[dict[str, Any]]:
    return [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def scored(key: Path, *paths: Path) -> dict[str, Any]:
    return document_of(invoke("blind-test", "--score", key, *paths, "--json", "-"))


def test_the_test_is_taken_with_keys_and_scored(participant: webdriver.Chrome, made: Path) -> None:
    start(participant, "Ada Lovelace")
    for i in range(TRIALS):
        assert position(participant) == f"{i + 1} of {TRIALS}"
        choose(participant, candidate=True)
    path = save(participant)
    assert path.name.endswith("-Ada-Lovelace.json")
    found = scored(made / "plain.key.json", path)
    assert (found["share"], found["trials"], found["people"][0]["person"]) == (1.0, TRIALS, "Ada Lovelace")
    assert all(each["seconds"] >= 0 for each in found["responses"])
    # The text to copy is the same.
    text = participant.find_element(By.ID, "text").get_property("value")
    assert text == path.read_text(encoding="utf-8")
    assert severe(participant) == []


def test_backspace_takes_back_and_a_reload_goes_on(participant: webdriver.Chrome, made: Path) -> None:
    wishes = [True, False, False, True, False, True, True, False, True]
    start(participant, "B")
    for wish in (not wishes[0], wishes[1]):  # the first is a mistake
        choose(participant, wish)
    for expected in (2, 1):
        press(participant, Keys.BACKSPACE)
        ready(participant)
        assert position(participant) == f"{expected} of {TRIALS}"
    press(participant, Keys.BACKSPACE)  # nothing is left to take back
    for wish in wishes[:4]:
        choose(participant, wish)
    participant.refresh()
    ready(participant)
    assert position(participant) == f"5 of {TRIALS}"
    assert participant.find_element(By.ID, "who").text == "B"
    for wish in wishes[4:]:
        choose(participant, wish)
    # From the end, too.
    wait(participant).until(lambda each: each.find_element(By.ID, "save").is_displayed())
    press(participant, Keys.BACKSPACE)
    choose(participant, wishes[-1])
    path = save(participant)
    order = json.loads(path.read_text())["answers"]
    found = scored(made / "plain.key.json", path)
    by_image = {each["image"]: each["candidate"] for each in found["responses"]}
    trials = json.loads((made / "plain.key.json").read_text())["trials"]
    assert [by_image[trials[each["trial"]]["id"]] for each in order] == wishes
    assert found["chosen"] == sum(wishes)


def test_sides_and_order_are_drawn_for_each_person(participant: webdriver.Chrome, made: Path) -> None:
    """Whoever presses one key throughout sees the candidate about half of the time there, in another order each."""
    answers = []
    for name in ("C", "D", "E", "F"):
        start(participant, name)
        for _ in range(TRIALS):
            ready(participant)
            press(participant, Keys.ARROW_LEFT)
        answers.append(json.loads(save(participant).read_text())["answers"])
        participant.find_element(By.ID, "next").click()
        participant.switch_to.alert.accept()
    orders = [[each["trial"] for each in person] for person in answers]
    assert all(sorted(order) == list(range(TRIALS)) for order in orders)
    assert len({tuple(order) for order in orders}) == 4
    first = sum(each["chosen"] == "first" for person in answers for each in person)
    # Of 36 coin tosses; outside of these about once in 77 000 runs.
    assert 6 <= first <= 30


def test_buttons_do_what_keys_do(participant: webdriver.Chrome) -> None:
    start(participant, "G")
    for i, button in enumerate(("left", "right", "back")):
        assert position(participant) == f"{i + 1} of {TRIALS}"
        participant.find_element(By.ID, button).click()
        ready(participant)
    assert position(participant) == f"2 of {TRIALS}"
    participant.find_element(By.ID, "restart").click()
    participant.switch_to.alert.accept()
    assert participant.find_element(By.ID, "name").is_displayed()
    participant.refresh()
    assert participant.find_element(By.ID, "name").is_displayed()


def test_a_key_that_is_held_answers_once(participant: webdriver.Chrome) -> None:
    start(participant, "H")
    event = {"type": "keyDown", "key": "ArrowLeft", "code": "ArrowLeft", "windowsVirtualKeyCode": 37}
    participant.execute_cdp_cmd("Input.dispatchKeyEvent", event)
    for _ in range(3):
        ready(participant)
        participant.execute_cdp_cmd("Input.dispatchKeyEvent", {**event, "autoRepeat": True})
    participant.execute_cdp_cmd("Input.dispatchKeyEvent", {**event, "type": "keyUp"})
    assert position(participant) == f"2 of {TRIALS}"


def test_a_name_is_text(participant: webdriver.Chrome, made: Path) -> None:
    start(participant, f"{HOSTILE}Zoë")
    assert participant.find_element(By.ID, "who").text == f"{HOSTILE}Zoë"
    for _ in range(TRIALS):
        choose(participant, candidate=False)
    path = save(participant)
    assert participant.find_element(By.CSS_SELECTOR, "#end h1").text == f"Thank you, {HOSTILE}Zoë"
    assert participant.title == "Which one looks more like a photo?"
    found = scored(made / "plain.key.json", path)
    assert (found["people"][0]["person"], found["share"]) == (f"{HOSTILE}Zoë", 0.0)


def test_the_photo_stands_beside_the_pair(participant: webdriver.Chrome, made: Path) -> None:
    open_file(participant, made / "photo.html")
    start(participant, "I")
    assert 100 <= participant.execute_script(_RED, "#photo") < 100 + TRIALS
    for _ in range(TRIALS):
        choose(participant, candidate=True)
    assert scored(made / "photo.key.json", save(participant))["share"] == 1.0
    assert severe(participant) == []


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844), (844, 390)])
@pytest.mark.parametrize("name", ["plain", "photo"])
def test_every_screen_fits(participant: webdriver.Chrome, made: Path, name: str, width: int, height: int) -> None:
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 1000}
    participant.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    open_file(participant, made / f"{name}.html")

    def overflow() -> int:
        reach: int = participant.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
        return reach

    assert overflow() <= 0
    start(participant, "J")
    assert overflow() <= 0
    sizes = "return [...document.querySelectorAll('canvas')].map(each => each.getBoundingClientRect().toJSON())"
    boxes = participant.execute_script(sizes)
    assert len({(box["width"], box["height"]) for box in boxes}) == 1
    assert boxes[0]["width"] / boxes[0]["height"] == pytest.approx(40 / 24, abs=0.02)
    assert all(box["left"] >= 0 and box["right"] <= width for box in boxes)
    assert all(box["top"] >= 0 and box["bottom"] <= height for box in boxes)
    for _ in range(TRIALS):
        choose(participant, candidate=True)
    wait(participant).until(lambda each: each.find_element(By.ID, "save").is_displayed())
    assert overflow() <= 0
    participant.execute_script("localStorage.clear()")
    assert severe(participant) == []


def test_without_a_store_the_page_works_and_says_so(participant: webdriver.Chrome, made: Path) -> None:
    refuse = (
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } })"
    )
    added = participant.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": refuse})
    try:
        open_file(participant, made / "plain.html")
        assert participant.find_element(By.ID, "not-kept").is_displayed()
        assert not participant.find_element(By.ID, "kept").is_displayed()
        start(participant, "K")
        for _ in range(TRIALS):
            choose(participant, candidate=True)
        assert scored(made / "plain.key.json", save(participant))["share"] == 1.0
        assert severe(participant) == []
    finally:
        participant.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)


def test_neither_names_nor_sides_are_in_the_source(made: Path) -> None:
    for name in ("plain", "photo"):
        source = (made / f"{name}.html").read_text().lower()
        for word in ("dim-run", "bright-run", "baseline", "candidate", "document.title", "fp32", "amp-"):
            assert word not in source, word
