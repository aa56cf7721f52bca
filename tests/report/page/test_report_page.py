"""The page of a report, as text and in a real browser: of an invented report, and of a study that was trained."""

from __future__ import annotations

import copy
import html
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from p2phd_eval.errors import InputError
from p2phd_eval.formatting import estimate_texts, interval_text, number_text, signed_text
from p2phd_eval.report.page.glossary import GLOSSARY
from p2phd_eval.report.page.report_page import render_page
from tests.browser import open_file
from tests.report.page.small_study import ARMS, HOSTILE, HOSTILE_ID, renamed, typed

Report = dict[str, Any]
# Colours of text and of what lies behind it, for every element with text of its own.
_COLOURS = """
const behind = (e) => { for (; e; e = e.parentElement) {
  const found = getComputedStyle(e).backgroundColor; if (!/, 0\\)$/.test(found)) return found; } };
return [...document.querySelectorAll("body *")].filter(e =>
    [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) && e.getClientRects().length
    && !["SCRIPT", "STYLE", "TITLE", "OPTION"].includes(e.tagName.toUpperCase()))
  .map(e => [e.closest("svg") ? getComputedStyle(e).fill : getComputedStyle(e).color, behind(e), e.textContent.trim()]);
"""


# --- As text


def test_times_stand_in_one_section_alone(small_study: tuple[Path, Report]) -> None:
    folder, report = small_study
    later = copy.deepcopy(report)
    later["speed"]["made_at"] = "2027-07-07T07:07:07+00:00"
    for speed in later["speed"]["runs"].values():
        for key in ("images_per_second", "peak_memory_bytes"):
            speed[key] = speed[key] and 3 * speed[key]
        speed["seconds"] = {key: value and 5 * value for key, value in speed["seconds"].items()}
        for cost in speed["generation"].values():
            cost["images_per_second"] *= 3
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
        row = f"{re.escape(html.escape(ratio['name']))}</th>.*?<td [^>]*>{ratio['value']:.2f}</td>"
        assert all(re.search(row, text, re.DOTALL) for text in pages)
    assert [ratio["talk"] for ratio in report["speed"]["bench"]["ratios"]].count(1.8) == 2


def test_ways_of_generation_have_their_cost_on_the_page(small_study: tuple[Path, Report]) -> None:
    folder, report = small_study
    text = render_page(typed(report), folder).partition('<section id="speed">')[2]
    row = text[text.index('rowheader">fp32, generated in amp-bf16') :].partition("</tr>")[0]
    cells = re.findall(r"<td [^>]*>([^<]*)</td>", row)
    assert cells[1:] == ["51.0", f"{51 / 21:.2f}×", "0.50 GiB", "40.0 MB"]


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


def test_an_arm_alone_is_shown_without_photos(small_study: tuple[Path, Report]) -> None:
    """A single picture of each label map once ended the report."""
    folder, report = small_study
    alone = copy.deepcopy(report)
    for run in alone["runs"]:
        if run["arm"] != ARMS[0]:
            run |= {"status": "failed", "why": "no images"}
    alone["pictures"] |= {"labels": None, "photos": None}
    alone["comparisons"] = {"training": None, "sampling": [], "repeat": None}
    alone["what_was_run"]["generation"] = []
    page = render_page(typed(alone), folder)
    assert re.findall(r'data-name="([^"]*)"', page) == [ARMS[0]] * page.count('class="tiles"')
    assert page.count('class="tiles"') > 1


def test_the_report_of_a_trained_study_gives_its_page(finished_study: Path) -> None:
    report = json.loads((finished_study / "report.json").read_text())
    assert render_page(typed(report), finished_study) == (finished_study / "report.html").read_text()


def test_the_page_needs_no_other_file(finished_study: Path) -> None:
    """No address of a style, script, font or image but data in the page itself."""
    text = (finished_study / "report.html").read_text()
    text = re.sub(r"data:image/[a-z]+;base64,[A-Za-z0-9+/=]+", "", text)
    assert re.findall(r"(?:src|href)=\"(?!#|\")([^\"]+)\"", text) == []
    assert re.findall(r"@import|url\((?!#)", text) == []


# --- In a browser


@pytest.fixture(scope="module")
def written(small_study: tuple[Path, Report], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the small study as a file."""
    folder, report = small_study
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render_page(typed(report), folder), encoding="utf-8")
    return path


@pytest.fixture
def shown(page: WebDriver, written: Path) -> Iterator[WebDriver]:
    """The page, of 1280 pixels, light; the console is empty when a test ends."""
    open_file(page, written)
    yield page
    assert page.get_log("browser") == []  # type: ignore[no-untyped-call]


@pytest.fixture
def show(page: WebDriver, small_study: tuple[Path, Report], tmp_path: Path) -> Callable[[Report], WebDriver]:
    """Render a report of the small study's images and open it."""

    def show(report: Report) -> WebDriver:
        path = tmp_path / "report.html"
        path.write_text(render_page(typed(report), small_study[0]), encoding="utf-8")
        open_file(page, path)
        assert page.get_log("browser") == []  # type: ignore[no-untyped-call]
        return page

    return show


def emulate(browser: WebDriver, media: str = "", scheme: str = "light", width: int = 1280) -> None:
    size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width == 390}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})


@pytest.mark.parametrize("width", [1280, 390])
def test_every_plot_and_picture_is_drawn_and_nothing_sticks_out(shown: WebDriver, width: int) -> None:
    emulate(shown, width=width)
    widths = shown.execute_script("return [...document.images].map(i => i.complete ? i.naturalWidth : 0)")
    # Label map, photo, three arms and two differences, of twelve label maps at most; the slider's two.
    assert len(widths) == 7 * len(shown.find_elements(By.CSS_SELECTOR, ".pictures")) + 2
    assert min(widths) > 0
    assert all(shown.execute_script("return [...document.images].map(i => i.hasAttribute('alt'))"))
    boxes = shown.execute_script(
        "return [...document.querySelectorAll('.plot svg')].map(s => s.getBoundingClientRect())"
        ".map(b => [b.width, b.height])"
    )
    assert len(boxes) == 10  # three times what is judged and its companion, runs, epochs, losses, loss scales
    assert np.min(boxes) > 0
    assert shown.execute_script("return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [1280, 390])
def test_no_label_of_a_plot_is_cut(show: Callable[[Report], WebDriver], small_report: Report, width: int) -> None:
    """With steps and losses that have long names and numbers, in the browser's own font."""
    long = copy.deepcopy(small_report)
    for curve in long["curves"].values():
        curve["step"] = [100_000 * step for step in curve["step"]]
        curve["losses"] = {f"{name}_of_all_scales_and_layers": values for name, values in curve["losses"].items()}
    browser = show(long)
    emulate(browser, width=width)
    cut = browser.execute_script(
        "return [...document.querySelectorAll('.plot svg')].flatMap(svg => { const all = svg.getBoundingClientRect();"
        "return [...svg.querySelectorAll('text')].filter(t => { const b = t.getBoundingClientRect();"
        "return b.left < all.left - 1 || b.right > all.right + 1 || b.top < all.top - 1 || b.bottom > all.bottom + 1;"
        "}).map(t => t.textContent) })"
    )
    assert cut == []


def test_the_verdicts_come_first_and_say_what_the_report_says(shown: WebDriver, small_report: Report) -> None:
    sections = shown.find_elements(By.CSS_SELECTOR, "main > section")
    assert sections[0].get_attribute("id") == "verdict"
    blocks = sections[0].find_elements(By.TAG_NAME, "article")
    assert len(blocks) == len(small_report["verdicts"]) == 2
    compared = {each["name"]: each for each in small_report["comparisons"]["training"]["candidates"]}
    words = set()
    for block, entry in zip(blocks, small_report["verdicts"], strict=True):
        title = block.find_element(By.TAG_NAME, "h2")
        assert entry["arm"] in title.text
        assert entry["verdict"] in title.text
        words.add((title.text.split()[0], title.value_of_css_property("color")))
        assert block.find_element(By.CSS_SELECTOR, ".sentence").text == entry["sentence"]
        names, values = (
            [each.text for each in block.find_elements(By.CSS_SELECTOR, f".facts {tag}")] for tag in ("dt", "dd")
        )
        margin = entry["margin"]["value"]
        estimate, interval = estimate_texts(entry["estimate"], entry["interval"], (0.0, -margin, margin))
        assert dict(zip(names, values, strict=True)) == {
            "dFID@30 against fp32": estimate,
            "95 % interval over images and training seeds": interval,
            "margin": f"±{number_text(margin)}",
            "runs": f"{entry['runs'] - entry['failed']} of {entry['runs']} finished",
        }
        assert entry["margin"]["text"] in block.text
        assert "The companion, free of the bias of 30 images: dFID of the distributions" in block.text
        assert compared[entry["arm"]]["companion"]["objects"] == ("does not let the verdict stand" in block.text)
        reason = "amp-fp16-s2 failed: loss G_GAN at step 7: nan."
        assert (reason in block.text) == (entry["arm"] == "amp-fp16")
        details = block.find_element(By.TAG_NAME, "details")
        details.find_element(By.TAG_NAME, "summary").send_keys(Keys.ENTER)
        assert "Training seeds and images are random" in details.text
    assert len(words) == 2  # worse and inconclusive differ in mark and colour


@pytest.mark.parametrize(
    ("scale", "far"),
    [
        ({"halves": 10.5, "n_half": 15, "one_image": 37.8}, False),
        ({"halves": 0.01, "n_half": 15, "one_image": 0.02}, True),
    ],
)
def test_the_first_screen_says_how_far_from_the_photos_all_images_are(
    show: Callable[[Report], WebDriver], small_report: Report, scale: Report, far: bool
) -> None:
    changed = copy.deepcopy(small_report)
    changed["comparisons"]["training"]["real_scale"] = scale
    said = show(changed).find_element(By.ID, "scale")
    fid = np.mean([run["fid"] for run in changed["comparisons"]["training"]["baseline"]["runs"]])
    for number in (fid, scale["halves"], scale["one_image"]):
        assert number_text(number) in said.text
    assert ("far from converged" in said.text) == far
    assert (said.get_attribute("class") == "warning") == far


def test_the_tables_of_differences_are_those_of_the_comparisons(shown: WebDriver, small_report: Report) -> None:
    found = small_report["comparisons"]
    documents = [found["training"], *(each["document"] for each in found["sampling"]), found["repeat"]]
    candidates = [candidate for document in documents for candidate in document["candidates"]]
    assert [each.text for each in shown.find_elements(By.CSS_SELECTOR, "#differences h3")] == [
        "Training",
        "Generation",
        "The same seed again",
    ]
    rows = shown.find_elements(By.CSS_SELECTOR, "#differences tbody tr")
    assert len(rows) == len(candidates)
    for row, candidate in zip(rows, candidates, strict=True):
        cells = [cell.text for cell in row.find_elements(By.CSS_SELECTOR, "th, td")]
        test, margin = candidate["test"], candidate["margin"]["value"]
        assert cells[:5] == [
            candidate["name"],
            candidate["verdict"],
            *estimate_texts(test["estimate"], test["interval"], (0.0, -margin, margin)),
            f"±{number_text(margin)}",
        ]
        assert cells[6] == interval_text(candidate["companion"]["interval"])


def test_a_refused_measure_is_told_in_words_and_its_reason_is_folded_away(
    show: Callable[[Report], WebDriver], small_report: Report
) -> None:
    refused = copy.deepcopy(small_report)
    candidate = refused["comparisons"]["training"]["candidates"][0]
    measured = next(each for each in candidate["measured"] if each["estimand"] == "fid")
    measured |= {"interval": None, "refusal": "too few images for it (120)"}
    browser = show(refused)
    section = browser.find_element(By.ID, "bias")
    row = next(each.text for each in section.find_elements(By.TAG_NAME, "tr") if "FID of the dist" in each.text)
    assert row.endswith("refused")
    reason = "amp-fp16, FID of the distributions: too few images for it (120)."
    assert reason not in section.text
    section.find_element(By.CSS_SELECTOR, "summary").send_keys(Keys.ENTER)
    assert reason in section.text


def test_every_interval_says_what_it_is_over(shown: WebDriver) -> None:
    heads = [each.text for each in shown.find_elements(By.CSS_SELECTOR, "thead th, .facts dt")]
    intervals = [each for each in heads if "interval" in each and not each.startswith("its ")]  # as the one before it
    assert len(intervals) > 8
    assert all(each.endswith((" over images alone", " over images and training seeds")) for each in intervals)
    assert all(" over images" in each for each in heads if "±" in each)


def test_every_abbreviation_is_explained_where_it_stands(shown: WebDriver) -> None:
    """In its section, in words that are seen; a heading that is one tells it when pointed at, too."""
    explained = set()
    for section in shown.find_elements(By.CSS_SELECTOR, "main > section"):
        said = [each.text for each in section.find_elements(By.CSS_SELECTOR, ".terms b")]
        shown_text = str(section.get_attribute("textContent"))
        for term in GLOSSARY:
            used = re.search(rf"(?<![\w@]){re.escape(term)}(?![\w@])", shown_text)
            assert not used or term in said, (section.get_attribute("id"), term)
        explained.update(said)
    # What this study has not: weights of further distances, benign arms, checkpoints alone, a segmenter.
    assert set(GLOSSARY) - explained <= {"DISTS", "DreamSim", "LPIPS", "noise floor", "scope A", "IoU"}
    for each in shown.find_elements(By.TAG_NAME, "abbr"):
        assert len(str(each.get_attribute("title"))) > 20


def test_the_contents_lead_to_all_sections(shown: WebDriver) -> None:
    links = shown.find_elements(By.CSS_SELECTOR, "nav a")
    sections = [each.get_attribute("id") for each in shown.find_elements(By.CSS_SELECTOR, "main > section")]
    assert [each.get_attribute("hash") for each in links] == [f"#{id_}" for id_ in sections]
    links[5].send_keys(Keys.ENTER)
    place = shown.execute_script("return document.getElementById('pictures').getBoundingClientRect().top")
    assert abs(place) < 100


# --- Tables


def column(browser: WebDriver, section: str, heading: str) -> list[str]:
    """The cells below a heading of the last table of a section, from top to bottom."""
    return list(
        browser.execute_script(
            "const t = [...document.querySelectorAll(`#${arguments[0]} table`)].at(-1);"
            "const k = [...t.tHead.rows[0].cells].findIndex(h => h.textContent === arguments[1]);"
            "return [...t.tBodies[0].rows].map(r => r.cells[k].textContent)",
            section,
            heading,
        )
    )


def press(browser: WebDriver, section: str, heading: str) -> str | None:
    """Sort by a heading with the keyboard; return what it then says of the order."""
    for head in browser.find_elements(By.CSS_SELECTOR, f"#{section} table")[-1].find_elements(
        By.CSS_SELECTOR, "thead th"
    ):
        if head.text == heading:
            head.find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
            return head.get_attribute("aria-sort")
    raise AssertionError(heading)


def test_a_table_is_sorted_by_its_headings_with_the_keyboard(
    show: Callable[[Report], WebDriver], small_report: Report
) -> None:
    """Numbers by value and not by their digits, what is missing last, text as people count."""
    changed = copy.deepcopy(small_report)
    fids = [9.5, 10.25, 0.125, 100.0, 2e-4, 33.0, 8.0, None, 7.0, 6.0]
    for index, (run, fid) in enumerate(zip(changed["runs"], fids, strict=True)):
        run |= {"fid": fid, "name": f"run-{11 - index}", "samples": run["samples"]}
    changed["curves"], changed["speed"]["runs"] = (
        dict(zip((run["name"] for run in changed["runs"]), part.values(), strict=True))
        for part in (small_report["curves"], small_report["speed"]["runs"])
    )
    browser = show(changed)
    ordered = [f"{fid:.3f}" for fid in sorted(fid for fid in fids if fid is not None)]
    assert press(browser, "runs", "FID@n") == "ascending"
    assert column(browser, "runs", "FID@n") == [*ordered, "–"]
    assert press(browser, "runs", "FID@n") == "descending"
    assert column(browser, "runs", "FID@n") == [*reversed(ordered), "–"]
    assert press(browser, "runs", "run") == "ascending"
    assert column(browser, "runs", "run") == [f"run-{k}" for k in range(2, 12)]
    assert len(browser.find_elements(By.CSS_SELECTOR, "#runs [aria-sort]")) == 1


def test_on_a_phone_a_row_is_a_block_and_the_verdict_is_whole(shown: WebDriver) -> None:
    emulate(shown, width=390)
    cells = shown.find_elements(By.CSS_SELECTOR, "#differences td:nth-child(2)")
    assert {each.text for each in cells} == {"worse", "inconclusive"}
    for each in cells:
        assert each.get_attribute("data-label") == "verdict"
        assert 0 <= each.rect["x"] <= each.rect["x"] + each.rect["width"] <= 390
    wider = "return [...document.querySelectorAll('td, th')].filter(e => e.scrollWidth > e.clientWidth + 1).length"
    assert shown.execute_script(wider) == 0
    roles = "return [...document.querySelectorAll('table, tr, td')].every(e => e.getAttribute('role'))"
    assert shown.execute_script(roles)  # which display: block would take from them


# --- Pictures


def test_the_slider_moves_by_keys_and_shows_what_is_chosen(shown: WebDriver, small_report: Report) -> None:
    def clip() -> str:
        return str(
            shown.execute_script("return getComputedStyle(document.querySelector('[data-role=above]')).clipPath")
        )

    def shows(role: str) -> str:
        return str(shown.execute_script(f"return document.querySelector('[data-role={role}]').alt"))

    def choose(role: str) -> Select:
        return Select(shown.find_element(By.CSS_SELECTOR, f"select[data-role={role}]"))

    knob = shown.find_element(By.CSS_SELECTOR, "#slider input[type=range]")
    clips = [clip()]
    for key, value in ((Keys.ARROW_LEFT, 49), (Keys.HOME, 0), (Keys.END, 100)):
        knob.send_keys(key)
        clips.append(clip())
        assert int(str(knob.get_attribute("value"))) == value
    assert len(set(clips)) == 4
    ids = [option.text for option in choose("row").options]
    explained = small_report["comparisons"]["training"]["candidates"][0]["explanation"]
    assert ids[0] == explained["upward"][0]["id"]
    assert [shows("above"), shows("below")] == [f"fp32 of {ids[0]}", f"amp-fp16 of {ids[0]}"]
    choose("left").select_by_value("photo")
    choose("right").select_by_value("amp-bf16")
    choose("row").select_by_index(2)
    assert [shows("above"), shows("below")] == [f"photo of {ids[2]}", f"amp-bf16 of {ids[2]}"]
    pictures = shown.execute_script("return [...document.querySelectorAll('.stack img')].map(i => i.src)")
    assert len(set(pictures)) == 2


def test_previous_and_next_turn_the_label_maps(shown: WebDriver) -> None:
    row = Select(shown.find_element(By.CSS_SELECTOR, "#slider select[data-role=row]"))
    ids = [option.text for option in row.options]
    seen = []
    for role in ("next", "next", "previous", "previous", "previous"):
        shown.find_element(By.CSS_SELECTOR, f"#slider [data-role={role}]").send_keys(Keys.ENTER)
        alt = shown.execute_script("return document.querySelector('[data-role=above]').alt")
        seen.append(ids.index(alt.removeprefix("fp32 of ")))
    assert seen == [1, 2, 1, 0, len(ids) - 1]


def test_a_tile_keeps_its_column(shown: WebDriver) -> None:
    for width in (1280, 390):
        emulate(shown, width=width)
        places: dict[str, set[float]] = {}
        for name, x in shown.execute_script(
            "return [...document.querySelectorAll('.tiles img')]"
            ".map(i => [i.dataset.name, i.getBoundingClientRect().x])"
        ):
            places.setdefault(name, set()).add(round(x))
        assert {len(each) for each in places.values()} == {1}
        assert places["|amp-bf16 - fp32| x 4"] == places["amp-bf16"] != places["amp-fp16"]


def test_enlarged_pictures_zoom_and_move_together_with_the_keyboard(shown: WebDriver) -> None:
    def views() -> set[str]:
        """How the pictures of all panes are enlarged and moved, in shares of their size."""
        return set(
            shown.execute_script(
                "return [...document.querySelectorAll('.panes img')].map(i => {"
                "const m = new DOMMatrix(getComputedStyle(i).transform);"
                "return [m.a, m.e / i.clientWidth, m.f / i.clientHeight].map(v => v.toFixed(2)).join(' ') })"
            )
        )

    def alts() -> list[str]:
        return list(shown.execute_script("return [...document.querySelectorAll('.panes img')].map(i => i.alt)"))

    def press(*keys: str) -> None:
        for key in keys:
            shown.switch_to.active_element.send_keys(key)

    ids = shown.execute_script("return [...document.querySelector('#large select').options].map(o => o.text)")
    shown.find_element(By.CSS_SELECTOR, "#slider [data-role=together]").send_keys(Keys.ENTER)
    assert len(alts()) == 7
    assert all(alt.endswith(f" of {ids[0]}") for alt in alts())
    (whole,) = views()
    press("+", "+", Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
    (near,) = views()
    assert (whole, near) == ("1.00 0.00 0.00", "2.25 -0.10 -0.10")
    press(Keys.PAGE_DOWN)  # zoom and place stay
    assert all(alt.endswith(f" of {ids[1]}") for alt in alts())
    assert views() == {near}
    Select(shown.find_element(By.CSS_SELECTOR, "#large [data-role=only]")).select_by_visible_text("amp-bf16")
    assert alts() == [f"amp-bf16 of {ids[1]}"]
    shown.find_element(By.CSS_SELECTOR, ".panes").send_keys("0", Keys.ARROW_LEFT)
    assert alts() == [f"amp-bf16 of {ids[0]}"]
    assert shown.find_element(By.CSS_SELECTOR, "#large output").text == "100 %"
    press(Keys.ESCAPE)
    assert not shown.execute_script("return document.getElementById('large').open")


@pytest.mark.parametrize("width", [1280, 390])
def test_enlarged_pictures_fill_the_window_and_stay_in_it(shown: WebDriver, width: int) -> None:
    emulate(shown, width=width)
    shown.execute_script("document.querySelectorAll('.open')[3].click()")
    frame = shown.execute_script(
        "const b = document.querySelector('.frame').getBoundingClientRect(); return [b.left, b.right]"
    )
    assert frame[0] >= 0
    assert frame[1] <= width
    assert frame[1] - frame[0] > 0.9 * width - 20
    assert shown.execute_script("const d = document.getElementById('large'); return d.scrollWidth <= d.clientWidth")


def test_pictures_go_from_the_worst_influence_to_the_best(shown: WebDriver, small_report: Report) -> None:
    titles = [each.text for each in shown.find_elements(By.CSS_SELECTOR, ".pictures h3")]
    influences = [float(title.rsplit(" ", 1)[1]) for title in titles]
    assert influences == sorted(influences, reverse=True)
    assert influences[0] > 0 > influences[-1]
    explained = small_report["comparisons"]["training"]["candidates"][0]["explanation"]
    of_report = {each["id"]: each["influence"] for each in (*explained["upward"], *explained["downward"])}
    for title, influence in zip(titles, influences, strict=True):
        assert influence == float(signed_text(of_report[title.rsplit(" influence ", 1)[0]]))


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2.2."""
    values = np.array([float(value) for value in re.findall(r"[\d.]+", colour)[:3]]) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def contrast(one: str, other: str) -> float:
    """Contrast ratio of WCAG 2.2."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize(("media", "scheme"), [("", "light"), ("", "dark"), ("print", "dark")])
def test_all_text_is_readable(shown: WebDriver, media: str, scheme: str) -> None:
    emulate(shown, media, scheme)
    ground = shown.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (luminance(ground) < 0.1) == (media == "" and scheme == "dark")  # paper is white
    texts = shown.execute_script(_COLOURS)
    assert len(texts) > 200
    for colour, behind, text in texts:
        # Marks need less than letters do.
        assert contrast(colour, behind) >= (3 if text == "■" else 4.5), (text, colour, behind)
    for index in range(len(ARMS)):
        arm = shown.execute_script(
            "const e = document.body.appendChild(document.createElement('i'));"
            "e.style.color = `var(--arm-${arguments[0]})`; const c = getComputedStyle(e).color; e.remove(); return c",
            index,
        )
        assert contrast(arm, ground) >= 3


def test_paper_has_the_pictures_and_no_controls(shown: WebDriver) -> None:
    emulate(shown, "print", width=718)  # A4 with margins of 1 cm, at 96 pixels an inch
    assert shown.execute_script("return document.documentElement.scrollWidth") <= 718
    assert not shown.find_element(By.ID, "slider").is_displayed()
    assert shown.find_element(By.CSS_SELECTOR, ".tiles img").is_displayed()


def test_without_script_only_the_slider_is_missing(show: Callable[[Report], WebDriver], small_report: Report) -> None:
    browser = show(small_report)
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.refresh()
        assert not browser.find_element(By.ID, "slider").is_displayed()
        assert browser.find_element(By.CSS_SELECTOR, ".tiles img").is_displayed()
        assert browser.find_element(By.CSS_SELECTOR, "#verdict .sentence").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_hostile_names_are_text(show: Callable[[Report], WebDriver], small_report: Report) -> None:
    hostile = copy.deepcopy(small_report)
    candidate = hostile["comparisons"]["training"]["candidates"][0]
    class_name = candidate["explanation"]["classes"][0]["name"]
    candidate["explanation"]["upward"].insert(0, {"id": HOSTILE_ID, "influence": 9.0, "contribution": 1.0})
    candidate["explanation"]["clusters"] = [
        {"name": HOSTILE, "images": 40, "share": 1.0, "contribution": 1.0, "change_without": 1.0}
    ]
    failed = next(run for run in hostile["runs"] if run["status"] != "finished")
    failed["why"] = hostile["name"] = hostile["what_was_run"]["command"] = HOSTILE
    hostile["notes"] = hostile["quality"]["notes"] = [HOSTILE]
    hostile["verdicts"][0]["sentence"] = HOSTILE
    hostile = renamed(renamed(hostile, "amp-fp16", HOSTILE), class_name, HOSTILE)
    browser = show(hostile)
    assert browser.execute_script("return document.querySelectorAll('script').length") == 1
    assert browser.execute_script("return document.querySelectorAll('[onerror]').length") == 0
    assert browser.title.startswith(HOSTILE)
    for section in (
        "verdict",
        "differences",
        "speed",
        "runs",
        "curves",
        "pictures",
        "quality",
        "bias",
        "origin",
        "what",
    ):
        text = browser.execute_script("return document.getElementById(arguments[0]).textContent", section)
        assert HOSTILE in re.sub(r"\s", "", text), section
    assert HOSTILE_ID in browser.find_element(By.CSS_SELECTOR, ".pictures h3").text
    Select(browser.find_element(By.CSS_SELECTOR, "select[data-role=right]")).select_by_visible_text(HOSTILE)
    alt = browser.execute_script("return document.querySelector('[data-role=below]').alt")
    assert alt == f"{HOSTILE} of {HOSTILE_ID}"


def test_what_is_missing_is_said(show: Callable[[Report], WebDriver], small_report: Report) -> None:
    """Every run failed and nothing was measured: no heading stands over nothing."""
    empty = copy.deepcopy(small_report)
    for run in empty["runs"]:
        run |= {
            "status": "out_of_memory",
            "why": "CUDA out of memory",
            "samples": {},
            "fid": None,
            "checkpoint_sha256": None,
        }
        empty["speed"]["runs"][run["name"]] |= {"images_per_second": None, "peak_memory_bytes": None, "generation": {}}
        empty["speed"]["runs"][run["name"]]["seconds"] = {"train": None, "generate": 0.0, "features": 0.0}
        empty["curves"][run["name"]] = {"step": [], "losses": {}, "loss_scale": {}, "skipped_steps": {}}
    empty["comparisons"] = {"training": None, "sampling": [], "repeat": None}
    nothing = dict.fromkeys(("scope", "judged", "estimate", "interval", "tost_interval", "margin"))
    for entry in empty["verdicts"]:
        entry |= {**nothing, "verdict": "inconclusive", "failed": entry["runs"], "sentence": "nothing to compare"}
    empty["quality"] = empty["what_was_run"]["weights"] = empty["speed"]["bench"] = None
    empty["notes"] = []
    browser = show(empty)
    for section in browser.find_elements(By.CSS_SELECTOR, "main > section"):
        said = section.text.splitlines()
        assert len(said) > 1, said
        assert "None" not in section.text
        assert "nan" not in section.text.lower().split()
    assert "0 of 3 finished" in browser.find_element(By.ID, "verdict").text
    assert browser.find_element(By.ID, "runs").text.count("CUDA out of memory") == len(empty["runs"])


def test_without_an_explanation_pictures_are_spread_over_the_set(
    small_report: Report, show: Callable[[Report], WebDriver]
) -> None:
    plain = copy.deepcopy(small_report)
    for candidate in plain["comparisons"]["training"]["candidates"]:
        candidate["explanation"] |= {"upward": [], "downward": []}
    browser = show(plain)
    titles = [each.text for each in browser.find_elements(By.CSS_SELECTOR, ".pictures h3")]
    assert len(set(titles)) == len(titles) == 12
    assert "evenly spaced" in browser.find_element(By.ID, "pictures").text


# --- A study that was trained, in a browser


@pytest.fixture
def trained(page: WebDriver, finished_study: Path) -> Iterator[WebDriver]:
    """The page of a study that was trained; the console is empty when a test ends."""
    open_file(page, finished_study / "report.html")
    yield page
    assert page.get_log("browser") == []  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("width", [1280, 390])
def test_every_plot_and_picture_of_a_trained_study_is_there(trained: WebDriver, width: int) -> None:
    emulate(trained, width=width)
    broken = "return [...document.images].filter(i => !(i.complete && i.naturalWidth > 0)).length"
    assert trained.execute_script(broken) == 0
    assert trained.execute_script("return document.images.length") > 8 * 5
    sizes = trained.execute_script(
        "return [...document.querySelectorAll('.plot svg')].map(s => [s.getBoundingClientRect().width,"
        " s.getBoundingClientRect().height, s.getAttribute('role'), s.getAttribute('aria-label')])"
    )
    assert len(sizes) >= 3  # differences, runs, curves
    for width, height, role, label in sizes:
        assert width > 300
        assert height > 70
        assert role == "img"
        assert label
    assert trained.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    ids = trained.execute_script("return [...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(set(ids)) == len(ids)


def test_the_slider_follows_the_pointer(trained: WebDriver) -> None:
    def clip() -> str:
        return str(
            trained.execute_script("return getComputedStyle(document.querySelector('[data-role=above]')).clipPath")
        )

    before = clip()
    trained.execute_script(
        "const s = document.querySelector('.stack'), b = s.getBoundingClientRect();"
        "s.setPointerCapture = () => {};"
        "s.dispatchEvent(new PointerEvent('pointerdown', {clientX: b.left + b.width * .1, clientY: b.top + 5}))"
    )
    assert clip() != before
    assert trained.find_element("css selector", "#slider input").get_attribute("value") == "10"


def test_a_picture_opens_large(trained: WebDriver) -> None:
    button = trained.find_element("css selector", ".open")
    trained.execute_script("arguments[0].scrollIntoView()", button)
    button.send_keys(Keys.ENTER)
    assert trained.execute_script("return document.querySelector('dialog').open")
    trained.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not trained.execute_script("return document.querySelector('dialog').open")
