"""From an edit to the picture: how long a person waits in the browser, with two models beside each other.

Run `python benchmarks/editor.py [--json FILE]` from the repository's root on an idle machine with chromium and
chromedriver. It takes two minutes. A real browser draws strokes on the page of `edit serve`, 256 x 128 pixels, with
two arms: the demo's networks in fp32 and amp-bf16, the same with 32 channels, and pix2pixHD's own (64 channels, 4
halvings, 9 blocks) twice in fp32, with weights as they begin, which take as long as any. What counts is the time from
the end of the stroke to the moment when both samples and their difference are on the screen. Beside it, in the same
run, stands the time that the networks alone take for the two samples.

`--screenshot FILE RUN [RUN2] --data DATA` makes the picture of the page in docs/editing.md instead.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

# As the command line does, and before torch is imported.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

import torch
from measuring import describe_machine, today
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from p2phd_eval.config import FeatureConfig, TrainConfig
from p2phd_eval.editing.data_scenes import DataScenes
from p2phd_eval.editor.serving import open_editor
from p2phd_eval.files import atomic_write, write_json
from p2phd_eval.generators.checkpoint import latest_path, save_checkpoint
from p2phd_eval.generators.sampling.renderer import open_renderer
from p2phd_eval.generators.sampling.styles import cluster_styles
from p2phd_eval.generators.training.step import Pix2PixHD
from p2phd_eval.presets import PRESETS
from p2phd_eval.scenes.data_set import CLASSES, write_dataset

AMP = ("fp32", "amp-bf16")
#: Preset, channels, precisions and edits.
ARMS = {
    "demo's, ngf 16": ("demo", 16, AMP, 20),
    "demo's, ngf 32": ("demo", 32, AMP, 20),
    "pix2pixHD's, ngf 64": ("512p", 64, ("fp32", "fp32"), 5),
}


def untrained(preset: str, ngf: int, data: Path, run: Path) -> Path:
    """A run of a preset's networks, without training; those of the demo with an encoder and clusters."""
    config: TrainConfig = PRESETS[preset]
    config = replace(
        config,
        data=replace(config.data, label_nc=len(CLASSES), load_size=256),
        generator=replace(config.generator, ngf=ngf),
        features=FeatureConfig(kind="instance" if preset == "demo" else "none"),
        objective=replace(config.objective, vgg="none"),
    )
    save_checkpoint(latest_path(run), config=config, step=0, state=Pix2PixHD(config, torch.device("cpu")).state_dict())
    if preset == "demo":
        cluster_styles(run, data, device="cpu", n_clusters=4)
    return run


@contextmanager
def a_browser() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    browser = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    browser.set_window_size(1280, 940)
    yield browser
    browser.quit()


@contextmanager
def a_page(
    browser: webdriver.Chrome, runs: Sequence[Path], data: Path, out: Path, precisions: Sequence[str]
) -> Iterator[None]:
    """The page, with all its pictures shown."""
    with open_editor(runs, data, port=0, out=out, precisions=precisions, device="cpu") as server:
        thread = Thread(target=server.answer)
        thread.start()
        browser.get(server.address)
        idle(browser)
        yield
        browser.get("about:blank")
        server.stop()
        thread.join()


def idle(browser: webdriver.Chrome) -> float:
    """Wait until all pictures of the last change are shown; return the seconds that it took, as the page measures."""
    body = browser.find_element(By.TAG_NAME, "body")
    WebDriverWait(browser, 120, poll_frequency=0.02).until(lambda _: body.get_attribute("data-busy") == "no")
    return float(body.get_attribute("data-seconds") or "nan")


def press(browser: webdriver.Chrome, keys: str) -> None:
    browser.find_element(By.TAG_NAME, "body").send_keys(keys)


def stroke(browser: webdriver.Chrome, *points: tuple[int, int]) -> None:
    """Draw on the label map, from its middle."""
    overlay = browser.find_element(By.CSS_SELECTOR, "#pane-map .overlay")
    chain = ActionChains(browser, duration=0).move_to_element_with_offset(overlay, *points[0]).click_and_hold()
    for point in points[1:]:
        chain.move_to_element_with_offset(overlay, *point)
    chain.release().perform()


def waits(browser: webdriver.Chrome, edits: int) -> tuple[list[float], list[float]]:
    """Draw strokes; return the seconds from the end of each to its pictures, and the processor's, of the server."""
    press(browser, "b")
    walls, processors = [], []
    body = browser.find_element(By.TAG_NAME, "body")
    for number in range(edits):
        before, start = body.get_attribute("data-revision"), time.process_time()
        stroke(browser, (number * 6 - 80, -10), (number * 6 - 60, 20), (number * 6 - 30, 12))
        while body.get_attribute("data-revision") == before:
            time.sleep(0.02)
        walls.append(idle(browser))
        processors.append(time.process_time() - start)
    return walls, processors


def networks_alone(runs: Sequence[Path], data: Path, precisions: Sequence[str], repeats: int) -> list[float]:
    """Seconds of both samples of one scene, without server and browser."""
    scene = DataScenes.open(data, "test").scene("scene_000000")
    renderers = [open_renderer(run, precision=p, device="cpu") for run, p in zip(runs, precisions, strict=True)]
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        for renderer in renderers:
            renderer.render(scene.label, scene.instance, image=scene.image)
        taken.append(time.perf_counter() - start)
    return taken


def measure(out: Path) -> None:
    machine = describe_machine()
    rows: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, a_browser() as browser:
        root = Path(folder)
        write_dataset(root / "data", n_train=8, n_test=2, width=256, height=128)
        for number, (name, (preset, ngf, precisions, edits)) in enumerate(ARMS.items()):
            run = untrained(preset, ngf, root / "data", root / str(number))
            with a_page(browser, [run, run], root / "data", root / f"{number}-edits", precisions):
                walls, processors = waits(browser, edits)
            alone = networks_alone([run, run], root / "data", precisions, edits)
            rows[name] = row = {
                "precisions": precisions,
                "seconds": walls,
                "median": statistics.median(walls),
                "worst": max(walls),
                "processor_median": statistics.median(processors),
                "networks_alone_median": statistics.median(alone),
                "ratio_to_networks_alone": statistics.median(walls) / statistics.median(alone),
            }
            print(
                f"{name}, {' and '.join(precisions)}: {row['median']:.2f} s from edit to pictures, at worst "
                f"{row['worst']:.2f} s, of the processor {row['processor_median']:.2f} s; the networks alone "
                f"{row['networks_alone_median']:.2f} s"
            )
    write_json(out, {"date": today(), "machine": machine, "size": [256, 128], "arms": rows})
    print(f"written: {out}")


def screenshot(file: Path, runs: Sequence[Path], data: Path, precisions: Sequence[str]) -> None:
    """A car is pasted, selected and restyled; the file is a WebP."""
    file, runs, data = file.resolve(), [run.resolve() for run in runs], data.resolve()
    with tempfile.TemporaryDirectory() as folder, a_browser() as browser:
        os.chdir(folder)  # the page shows where the script is
        make_picture(file, browser, runs, data, precisions)


def make_picture(
    file: Path, browser: webdriver.Chrome, runs: Sequence[Path], data: Path, precisions: Sequence[str]
) -> None:
    with a_page(browser, runs, data, Path("edits"), precisions):
        press(browser, "o")
        found = WebDriverWait(browser, 60).until(lambda _: browser.find_elements(By.CSS_SELECTOR, "#shelf .tile"))
        found[0].click()
        WebDriverWait(browser, 60).until(lambda _: "click where" in browser.find_element(By.ID, "status").text)
        stroke(browser, (30, 38))
        time.sleep(0.2)
        idle(browser)
        press(browser, "v")
        stroke(browser, (30, 38))
        WebDriverWait(browser, 60).until(lambda _: browser.find_elements(By.CSS_SELECTOR, "#styles .tile"))
        browser.find_elements(By.CSS_SELECTOR, "#styles .tile")[-1].click()
        time.sleep(0.2)
        idle(browser)
        press(browser, "d")
        time.sleep(0.5)
        idle(browser)
        picture = browser.get_screenshot_as_png()
    with atomic_write(file) as stream:
        Image.open(io.BytesIO(picture)).convert("RGB").save(stream, format="WEBP", quality=82, method=6)
    print(f"written: {file}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).parent / "results" / f"editor-{today()}.json"
    parser.add_argument("runs", nargs="*", type=Path, help="for --screenshot: one or two runs")
    parser.add_argument("--json", type=Path, default=default, help="where to write the results")
    parser.add_argument("--screenshot", type=Path, help="make a picture of the page instead")
    parser.add_argument("--data", type=Path, help="for --screenshot: the data set")
    parser.add_argument("--precision", action="append", help="for --screenshot: one for all runs, or one for each")
    given = parser.parse_args()
    if given.screenshot:
        screenshot(given.screenshot, given.runs, given.data, given.precision or ["fp32"])
    else:
        measure(given.json)


if __name__ == "__main__":
    main()
