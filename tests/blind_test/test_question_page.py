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

from p2phd_eval.blind_test.exposure_scoring import is_off, read_exposed
from p2phd_eval.blind_test.exposure_trials import make_exposure_test
from p2phd_eval.blind_test.key import key_path, read_key, write_key
from p2phd_eval.blind_test.question_page import render_exposures
from p2phd_eval.blind_test.trials import make_trials
from p2phd_eval.images.png import write_png
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.report.documents.document import read_document
from p2phd_eval.report.documents.exposure_documents import ExposureResults
from p2phd_eval.report.documents.exposure_plan import ExposurePlan
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
    wait(browser).until(lambda each: each.find_element(By.ID, "name").is_displayed())
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


# --- Under a time limit

# Go through the page by itself, and take the candidate, whose images are bright.
WALK = """
const stage = document.getElementById("stage");
const red = (side) => {
  const canvas = document.querySelector(side + " .pair");
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  return data.reduce((sum, value, place) => sum + (place % 4 ? 0 : value), 0);
};
setInterval(() => {
  if (stage.dataset.phase === "wait") document.getElementById("go").click();
  if (stage.dataset.phase !== "choice") return;
  document.getElementById(red("#left") > red("#right") ? "left" : "right").click();
}, 10);
"""
PHASE = "return document.getElementById('stage').dataset.phase"
EXPOSED = 6  # trials


def timed_page(root: Path, plan: ExposurePlan) -> tuple[Path, Path]:
    """A page of short times, and its key: attention checks of 50 ms, as the tool's are not."""
    sources = [open_source(root / name) for name in ("dim-run", "bright-run")]
    test = make_trials(*sources, trials=EXPOSED, multiple=len(plan.exposures))
    timed = make_exposure_test(test, *sources, plan)
    page = root / f"timed-{timed.page[:8]}.html"
    page.write_text(render_exposures(timed), encoding="utf-8")
    if not key_path(page).exists():
        folders = {"baseline": root / "dim-run", "candidate": root / "bright-run", "reference": None}
        write_key(key_path(page), test, **folders, seed=0, exposure=timed.key)
    return page, key_path(page)


SHORT = ExposurePlan(
    exposures=(50, 100, 200), fixation=120, mask=50, check_exposure=50, checks=5, margin=0.1, confidence=0.95
)


@pytest.fixture
def observer(page: webdriver.Chrome, made: Path) -> tuple[webdriver.Chrome, Path]:
    """The browser after the practice of a page under a time limit, nothing stored before, and the page's key."""
    path, key = timed_page(made, SHORT)
    open_file(page, path)
    page.execute_script("localStorage.clear()")
    page.refresh()
    wait(page).until(lambda each: each.find_element(By.ID, "name").is_displayed())
    page.find_element(By.ID, "name").send_keys("Ada", Keys.ENTER)
    for k in range(2):
        assert position(page) == f"practice {k + 1} of 2"
        see(page)
        press(page, Keys.ARROW_LEFT)
    return page, key


def phase(browser: webdriver.Chrome, wanted: str) -> None:
    wait(browser).until(lambda each: each.execute_script(PHASE) == wanted)


def see(browser: webdriver.Chrome) -> None:
    """Ask for the next pair by the keyboard, and wait until it is to be judged."""
    wait(browser).until(lambda each: each.switch_to.active_element.get_attribute("id") == "go")
    press(browser, Keys.SPACE)
    phase(browser, "choice")


def test_a_page_under_a_time_limit_is_taken_and_scored(observer: tuple[webdriver.Chrome, Path]) -> None:
    """What was off is recorded as such and left out: on a busy machine frames are dropped, and none is asked for."""
    browser, key = observer
    assert position(browser) == f"1 of {EXPOSED + SHORT.checks}"
    browser.execute_script(WALK)
    path = save(browser)
    saved = read_document(path, ExposureResults)
    trials = [answer for answer in saved.answers if answer.trial < EXPOSED]
    # In each block of three trials each exposure stands once.
    assert all(sorted(each.exposure for each in trials[k : k + 3]) == [50, 100, 200] for k in (0, 3))
    read = read_key(key)
    assert read.exposure is not None
    responses = read_exposed(read, read.exposure, [path])
    assert all(each.agrees for each in responses if not each.check)
    for answer, response in zip(saved.answers, responses, strict=True):
        assert answer.timing is not None
        assert answer.timing.frames >= 1
        assert answer.timing.hidden > answer.timing.shown > 0
        # A pair may stay too long, where frames are dropped, and never shorter than to the nearest frame.
        assert (
            answer.timing.presented >= 1000 * answer.exposure - 0.6 * answer.timing.frame or response.left_out == "off"
        )
        assert response.left_out == ("off" if is_off(answer.exposure, answer.timing, SHORT) else None)
    assert severe(browser) == []


def test_a_pair_that_was_hidden_is_dropped_and_none_comes_twice(observer: tuple[webdriver.Chrome, Path]) -> None:
    browser, _ = observer
    window = browser.current_window_handle
    (store,) = browser.execute_script("return Object.keys(localStorage)")
    change = (
        "const state = JSON.parse(localStorage[arguments[0]]); {} localStorage[arguments[0]] = JSON.stringify(state);"
    )
    # A long pair, so that the tab can be changed meanwhile.
    browser.execute_script(change.format("state.queue.forEach((pair) => { pair.exposure = 20000; });"), store)
    browser.refresh()
    wait(browser).until(lambda each: each.switch_to.active_element.get_attribute("id") == "go")
    press(browser, Keys.SPACE)
    phase(browser, "pair")
    browser.switch_to.new_window("tab")
    browser.close()
    browser.switch_to.window(window)
    phase(browser, "wait")
    assert "this pair is left out" in browser.find_element(By.ID, "message").text
    # The browser ended while a pair was shown.
    browser.execute_script(change.format("state.running = true;"), store)
    browser.refresh()
    wait(browser).until(lambda each: "this pair is left out" in each.find_element(By.ID, "message").text)
    answers = browser.execute_script("return JSON.parse(localStorage[arguments[0]]).answers", store)
    assert [(each["dropped"], each["chosen"], each["timing"]) for each in answers] == [
        ("hidden", None, None),
        ("closed", None, None),
    ]
    assert position(browser) == f"3 of {EXPOSED + SHORT.checks}"
    # While nothing but the cross was shown, the pair comes once more.
    wait(browser).until(lambda each: each.switch_to.active_element.get_attribute("id") == "go")
    press(browser, Keys.SPACE)
    phase(browser, "cross")
    browser.execute_script(
        "Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true });"
        "document.dispatchEvent(new Event('visibilitychange')); delete document.visibilityState;"
    )
    phase(browser, "wait")
    assert position(browser) == f"3 of {EXPOSED + SHORT.checks}"


def test_the_source_of_a_timed_page_holds_no_answer(made: Path) -> None:
    page, _ = timed_page(made, SHORT)
    source = page.read_text().lower()
    for word in ("dim-run", "bright-run", "baseline", "candidate", "intact", "fp32", "amp-", "http", " src="):
        assert word not in source, word
