"""The page of an image folder, as files and in a browser."""

from __future__ import annotations

import base64
import io
import re
import shutil
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from p2phd_eval.config import TrainConfig
from p2phd_eval.generators.sampling.generation import generate
from p2phd_eval.generators.sampling.sample_page import SAMPLE_PAGE
from p2phd_eval.images.decoding import open_image, read_rgb
from p2phd_eval.images.names import list_images
from p2phd_eval.images.pictures import label_colours
from p2phd_eval.images.png import write_png
from tests.browser import open_file
from tests.generators.sampling.styled_runs import CPU, styled_run

if TYPE_CHECKING:
    from selenium import webdriver


@pytest.fixture(scope="module")
def run(scenes: Path, tiny: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return styled_run(tiny, "none", scenes, tmp_path_factory.mktemp("run") / "plain")


@pytest.fixture(scope="module")
def folder(scenes: Path, run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Samples with a page, one of them of a name that HTML and URLs write otherwise."""
    data = Path(shutil.copytree(scenes, tmp_path_factory.mktemp("page") / "data"))
    for kind in ("label", "inst"):
        first = min((data / f"test_{kind}").iterdir())
        first.rename(first.with_name("a <b> & c%20 #1?.png"))
    generate(run, data, data.parent / "out", device=CPU, page=True)
    return data.parent / "out"


def pictures(page: str) -> list[str]:
    return [unescape(found) for found in re.findall(r'<img src="([^"]+)"', page)]


def embedded(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB"))


def test_inputs_in_colours_beside_their_samples(folder: Path) -> None:
    found = pictures((folder / SAMPLE_PAGE).read_text())
    labels = list_images(folder.parent / "data/test_label")
    assert len(found) == 2 * len(labels.paths) == 8
    by_name = {unquote(sample): embedded(uri) for uri, sample in zip(found[::2], found[1::2], strict=True)}
    for path in labels.paths:
        np.testing.assert_array_equal(by_name[path.name], label_colours(np.asarray(open_image(path)), 12))
        assert (folder / path.name).is_file()
    assert len(list_images(folder).paths) == 4  # the inputs are no images of the folder


def test_the_same_samples_give_the_same_page(scenes: Path, run: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        generate(run, scenes, tmp_path / name, device=CPU, limit=2)
        generate(run, scenes, tmp_path / name, device=CPU, limit=2, page=True)
    pages = [(tmp_path / name / SAMPLE_PAGE).read_bytes() for name in ("a", "b")]
    assert pages[0] == pages[1]
    assert len(pictures(pages[0].decode())) == 4
    generate(run, scenes, tmp_path / "a", device=CPU, page=True)
    assert len(pictures((tmp_path / "a" / SAMPLE_PAGE).read_text())) == 8


def test_colours_as_input_are_shown_as_they_are(scenes: Path, tiny: TrainConfig, tmp_path: Path) -> None:
    config = replace(tiny, data=replace(tiny.data, label_nc=0, instances=False))
    run = styled_run(config, "none", scenes, tmp_path / "run")
    photo = read_rgb(min((scenes / "test_img").iterdir()))
    write_png(tmp_path / "test_A/a.png", photo)
    write_png(tmp_path / "test_A/b.png", photo.repeat(10, axis=0).repeat(10, axis=1))  # made smaller
    generate(run, tmp_path, tmp_path / "out", device=CPU, page=True)
    page = (tmp_path / "out" / SAMPLE_PAGE).read_text()
    first, _, second, _ = (picture for picture in pictures(page))
    assert np.abs(embedded(first).astype(int) - photo).mean() < 8  # compressed with loss
    assert embedded(second).shape == (256, 512, 3)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_in_a_browser(page: webdriver.Chrome, folder: Path, width: int, scheme: str) -> None:
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    )
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    open_file(page, folder / SAMPLE_PAGE)
    loaded = page.execute_async_script(
        """
        const done = arguments[0], images = [...document.images];
        images.forEach(image => { image.loading = "eager"; });
        Promise.all(images.map(image => image.decode())).then(
          () => done(images.map(image => [image.naturalWidth, Math.round(image.getBoundingClientRect().width)])),
          error => done(String(error)));
        """
    )
    assert len(loaded) == 8, loaded
    assert all(natural == 64 and shown > 150 for natural, shown in loaded)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    ground = page.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"[0-9]+", ground)[:3])) > 384) == (scheme == "light")
    assert page.get_log("browser") == []
