"""Does the page of `blind-test --exposure` show pairs for as long as it was asked to? In headless Chromium.

Run `python benchmarks/exposure.py --json FILE` from the repository's root, on an idle machine: frames are dropped where
others compute. It makes a page of 1024 x 512 images with the paper's seven exposures, goes through it as two people do,
and scores what the page saved. All times are the page's own record: timestamps of the animation frames, and
performance.now() in them. What no page knows is how long the display takes to show a frame; that is the same for the
pair and for the mask.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from measuring import describe_machine, today
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

from p2phd_eval.blind_test.exposure_scoring import read_exposed, timings
from p2phd_eval.blind_test.key import read_key
from p2phd_eval.blind_test.make_and_score import make_blind_test
from p2phd_eval.files import write_json
from p2phd_eval.images.png import write_png
from p2phd_eval.report.documents.document import read_document
from p2phd_eval.report.documents.exposure_documents import ExposureResults

SIZE = (512, 1024)
# Go through the whole page by itself.
WALK = """
const stage = document.getElementById("stage");
const press = (id) => document.getElementById(id).click();
setInterval(() => {
  if (stage.dataset.phase === "wait" && !document.getElementById("go").disabled) press("go");
  if (stage.dataset.phase === "choice") press(Math.random() < 0.5 ? "left" : "right");
}, 50);
"""
DONE = "return document.getElementById('end').hidden ? '' : document.getElementById('text').value"


def photos(folder: Path, number: int, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    for i in range(number):
        coarse = rng.integers(0, 256, (SIZE[0] // 16, SIZE[1] // 16, 3), dtype=np.uint8)
        write_png(folder / f"{i:03}.png", coarse.repeat(16, axis=0).repeat(16, axis=1))
    return folder


def browser() -> webdriver.Chrome:
    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium") or shutil.which("google-chrome"))
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    started = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    started.set_window_size(1280, 900)
    return started


def taken(driver: webdriver.Chrome, page: Path, person: str) -> str:
    driver.get(page.as_uri())
    driver.execute_script("localStorage.clear()")
    driver.refresh()
    driver.execute_script(
        "document.getElementById('name').value = arguments[0];document.getElementById('begin').requestSubmit();", person
    )
    driver.execute_script(WALK)
    # Seldom: what asks the browser disturbs it.
    return str(WebDriverWait(driver, 1800, poll_frequency=5).until(lambda each: each.execute_script(DONE)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True, metavar="FILE")
    parser.add_argument("--exposures", default="125ms..8s")
    parser.add_argument("--trials", type=int, default=42)
    parser.add_argument("--people", type=int, default=2)
    wishes = parser.parse_args()
    machine = describe_machine()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        base, cand = (photos(work / arm, wishes.trials + 8, seed) for seed, arm in enumerate(("base", "cand")))
        made = make_blind_test(
            base, cand, work / "page.html", exposure=wishes.exposures, trials=wishes.trials, attention_checks=0
        )
        driver = browser()
        try:
            version = driver.capabilities["browserVersion"]
            files = []
            for person in range(wishes.people):
                files.append(work / f"{person}.json")
                files[-1].write_text(taken(driver, work / "page.html", f"person {person}"))
        finally:
            driver.quit()
        answers = [answer for file in files for answer in read_document(file, ExposureResults).answers]
        key = read_key(made.key)
        assert key.exposure is not None
        timed = timings(read_exposed(key, key.exposure, files), key.exposure.plan)
    rows: list[dict[str, Any]] = []
    for each in timed:
        here = [answer.timing for answer in answers if answer.exposure == each.exposure and answer.timing is not None]
        by_frames = np.array([timing.presented for timing in here]) / 1000 - each.exposure
        by_clock = np.array([timing.hidden - timing.shown for timing in here]) / 1000 - each.exposure
        rows.append(
            {
                "exposure_ms": each.exposure,
                "trials": len(here),
                "left_out": each.off,
                "within_10_ms_by_frames": float(np.mean(np.abs(by_frames) <= 10)),
                "within_10_ms_by_clock": float(np.mean(np.abs(by_clock) <= 10)),
                "error_by_frames_ms": [float(np.quantile(by_frames, q)) for q in (0, 0.05, 0.5, 0.95, 1)],
                "error_by_clock_ms": [float(np.quantile(by_clock, q)) for q in (0, 0.05, 0.5, 0.95, 1)],
            }
        )
        print(rows[-1])
    frames = [answer.timing.frame / 1000 for answer in answers if answer.timing is not None]
    write_json(
        wishes.json,
        {
            "date": today(),
            "machine": machine,
            "browser": f"Chromium {version}, headless",
            "pixels": f"{SIZE[1]} x {SIZE[0]}",
            "frame_ms": [min(frames), float(np.median(frames)), max(frames)],
            "quantiles": [0, 0.05, 0.5, 0.95, 1],
            "exposures": rows,
        },
    )


if __name__ == "__main__":
    main()
