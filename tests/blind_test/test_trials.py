"""The trials of a blind test, its page and its key."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from p2phd_eval.blind_test.key import key_path, read_key, write_key
from p2phd_eval.blind_test.question_page import render_questions
from p2phd_eval.blind_test.trials import BlindTest, Pixels, make_trials
from p2phd_eval.errors import InputError
from p2phd_eval.images.png import write_png
from p2phd_eval.images.sources.arrays import ArraySource
from p2phd_eval.images.sources.open import open_source
from tests.commands.command_line import noise_folder


def arrays(n: int, seed: int, size: tuple[int, int] = (12, 16)) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (n, *size, 3), dtype=np.uint8)


def drawn(n: int = 40, **options: int) -> BlindTest:
    return make_trials(ArraySource(arrays(n, 0)), ArraySource(arrays(n, 1)), **options)


def embedded(page: str) -> list[Image.Image]:
    rows = re.findall(r'class="images">([^<]*)<', page)
    return [Image.open(io.BytesIO(base64.b64decode(row, validate=True))) for row in rows]


def test_each_row_shows_the_two_images_as_the_key_says() -> None:
    base, cand, photos = arrays(40, 0), arrays(40, 1), arrays(40, 2)
    test = make_trials(ArraySource(base), ArraySource(cand), ArraySource(photos), trials=25)
    assert len({trial.id for trial in test.trials}) == len(test.trials) == 25
    assert (test.shared, test.with_photo, test.warnings) == (40, True, ())
    for trial in test.trials:
        pair = [base[int(trial.id)], cand[int(trial.id)]]
        order = pair[::-1] if trial.candidate_first else pair
        assert np.array_equal(trial.row, np.concatenate([*order, photos[int(trial.id)]], axis=1))


def test_the_page_shows_exactly_these_pixels_without_metadata(tmp_path: Path) -> None:
    sources = []
    for name, pixels in (("plain", arrays(6, 0)), ("marked", arrays(6, 1))):
        (tmp_path / name).mkdir()
        for i, each in enumerate(pixels):
            info = PngInfo()
            info.add_text("Software", f"the-{name}-generator")
            Image.fromarray(each).save(tmp_path / name / f"{i}.png", pnginfo=info, dpi=(300, 300))
        sources.append(open_source(tmp_path / name))
    test = make_trials(*sources)
    pictures = embedded(render_questions(test))
    assert len(pictures) == 6
    for picture, trial in zip(pictures, test.trials, strict=True):
        assert (picture.format, picture.mode, picture.info) == ("PNG", "RGB", {})
        assert np.array_equal(np.asarray(picture), trial.row)


def test_the_same_input_and_seed_give_the_same_page() -> None:
    test = drawn(seed=3)
    assert render_questions(test) == render_questions(drawn(seed=3))
    assert test.page in render_questions(test)
    other = drawn(seed=4)
    assert other.page != test.page
    assert [trial.id for trial in other.trials] != [trial.id for trial in test.trials]


def test_the_seed_alone_does_not_tell_the_sides() -> None:
    """Another image that is not even on the page, and all is drawn otherwise."""
    base, cand = arrays(60, 0), arrays(60, 1)
    test = make_trials(ArraySource(base), ArraySource(cand), trials=40)
    absent = next(i for i in range(60) if f"{i:06}" not in {trial.id for trial in test.trials})
    cand[absent, 0, 0, 0] ^= 1
    other = make_trials(ArraySource(base), ArraySource(cand), trials=40)
    assert [trial.id for trial in other.trials] != [trial.id for trial in test.trials]
    assert [trial.candidate_first for trial in other.trials] != [trial.candidate_first for trial in test.trials]


def test_the_candidate_stands_first_in_about_half_of_the_trials() -> None:
    first = sum(trial.candidate_first for seed in range(20) for trial in drawn(50, seed=seed).trials)
    assert abs(first - 500) < 4 * np.sqrt(1000 / 4)


def test_an_image_that_lies_by_its_orientation_is_told(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for name, size, stored in (("upright", (12, 16), {}), ("lying", (16, 12), {"exif": exif})):
        (tmp_path / name).mkdir()
        for i, pixels in enumerate(arrays(2, 0, size=size)):
            Image.fromarray(pixels).save(tmp_path / name / f"{i}.png", **stored)
    sources = open_source(tmp_path / "upright"), open_source(tmp_path / "lying")
    for pair in (sources, sources[::-1]):
        with pytest.raises(InputError, match=r"lying/\d.png carries an EXIF orientation .*exiftran -ai"):
            make_trials(*pair)


def test_a_photo_of_another_size_is_shown_as_large_as_the_images() -> None:
    test = make_trials(ArraySource(arrays(3, 0)), ArraySource(arrays(3, 1)), ArraySource(arrays(3, 2, size=(24, 32))))
    assert {trial.row.shape for trial in test.trials} == {(12, 48, 3)}


def test_without_a_wish_a_hundred_pairs_are_drawn_or_all() -> None:
    assert len(drawn(130).trials) == 100
    assert len(drawn(30).trials) == 30


def test_what_could_tell_or_cannot_be_told_apart_is_said(tmp_path: Path) -> None:
    noise_folder(tmp_path / "base", 5)
    noise_folder(tmp_path / "cand", 4)
    for name in ("i0", "i1", "i2"):
        png = tmp_path / "cand" / f"{name}.png"
        Image.open(png).save(png.with_suffix(".jpg"))
        png.unlink()
    test = make_trials(open_source(tmp_path / "base"), open_source(tmp_path / "cand"))
    assert len(test.warnings) == 3
    assert "1 of the 5 images" in test.warnings[0]
    assert "are PNG" in test.warnings[1]
    assert "JPEG" in test.warnings[1]
    assert "in 1 of 4 trials both images are equal" in test.warnings[2]


def test_pairs_that_cannot_be_judged_are_refused(tmp_path: Path) -> None:
    base = ArraySource(arrays(5, 0))
    with pytest.raises(InputError, match="16 x 12, found 32 x 24"):
        make_trials(base, ArraySource(arrays(5, 1, size=(24, 32))))
    with pytest.raises(InputError, match="share, found 6"):
        make_trials(base, ArraySource(arrays(5, 1)), trials=6)
    with pytest.raises(InputError, match="at least 2 ids"):
        make_trials(base, ArraySource(arrays(5, 1), ids=list("abcde")))
    with pytest.raises(InputError, match="one image for each id"):
        make_trials(base, ArraySource(arrays(5, 1), ids=["000000"] * 5))
    write_png(tmp_path / "cand" / "000000.png", arrays(1, 1)[0])
    (tmp_path / "cand" / "000001.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=re.escape("000001.png")):
        make_trials(base, open_source(tmp_path / "cand"))


def test_the_key_says_what_was_drawn_and_from_what(tmp_path: Path) -> None:
    folders = [noise_folder(tmp_path / name, 6, seed=i) for i, name in enumerate(("fp32", "amp"))]
    (folders[0] / "manifest.json").write_text('{"checkpoint_sha256": "abc"}')
    test = make_trials(*(open_source(folder) for folder in folders), seed=9)
    path = key_path(tmp_path / "page.html")
    assert path == tmp_path / "page.key.json"
    write_key(path, test, baseline=folders[0], candidate=folders[1], reference=None, seed=9)
    document = json.loads(path.read_text())
    assert document["page"] == test.page
    assert document["seed"] == 9
    assert document["baseline"] == {"images": str(folders[0]), "manifest": {"checkpoint_sha256": "abc"}}
    assert document["candidate"] == {"images": str(folders[1]), "manifest": None}
    assert document["reference"] is None
    assert set(document["versions"]) == {"p2phd-eval", "python", "numpy", "pillow"}
    key = read_key(path)
    assert [trial.id for trial in key.trials] == [trial.id for trial in test.trials]
    assert [trial.candidate == "first" for trial in key.trials] == [trial.candidate_first for trial in test.trials]


def test_the_key_of_another_page_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "page.key.json"
    sides = {"baseline": tmp_path, "candidate": tmp_path, "reference": None}
    write_key(path, drawn(seed=0), **sides, seed=0)
    before = path.read_bytes()
    write_key(path, drawn(seed=0), **sides, seed=0)
    with pytest.raises(InputError, match="the key of another page"):
        write_key(path, drawn(seed=1), **sides, seed=1)
    assert path.read_bytes() == before
    path.write_text("notes")
    with pytest.raises(InputError, match="another file"):
        write_key(path, drawn(seed=0), **sides, seed=0)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"schema": "p2phd-eval/blind-test-results"}, "schema"),
        ({"schema_version": 99}, "found 99"),
        ({"trials": [{"id": "a"}]}, "$.trials[0]: expected the key 'candidate'"),
        (
            {"trials": [{"id": "a", "candidate": "third"}]},
            "$.trials[0].candidate: expected one of the values that there are, found 'third'",
        ),
        ({"trials": [{"id": "a", "candidate": "first"}] * 3}, "each of another image"),
        ({"trials": []}, "0 trials"),
        ({"baseline": None}, "$.baseline: expected object, found None"),
    ],
)
def test_a_broken_key_is_refused(tmp_path: Path, change: dict[str, object], found: str) -> None:
    path = tmp_path / "page.key.json"
    write_key(path, drawn(4), baseline=tmp_path, candidate=tmp_path, reference=None, seed=0)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=re.escape(found)):
        read_key(path)


def test_what_is_no_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing there"):
        read_key(tmp_path / "absent.json")
    for text in ("", "[]", "[" * 100_000, "\ud800"):
        (tmp_path / "no.json").write_bytes(text.encode("utf-8", "surrogatepass"))
        with pytest.raises(InputError, match=r"expected (JSON|a blind-test-key document)"):
            read_key(tmp_path / "no.json")


def test_one_sample_of_each_condition_is_drawn_beside_its_photo() -> None:
    ids = [f"c{k}@{seed}" for k in range(8) for seed in range(3)]
    base, cand, photos = arrays(24, 0), arrays(24, 1), arrays(8, 2)
    reference = ArraySource(photos, ids=[f"c{k}" for k in range(8)])
    sources = ArraySource(base, ids=ids), ArraySource(cand, ids=ids), reference
    test = make_trials(*sources)
    assert sorted(trial.id[:2] for trial in test.trials) == [f"c{k}" for k in range(8)]
    assert len({trial.id[2:] for trial in test.trials}) > 1
    assert test.warnings == ()
    for trial in test.trials:
        assert np.array_equal(trial.row[:, 32:], photos[int(trial.id[1])])
    with pytest.raises(InputError, match="2 to 8, the number of conditions of images that all share"):
        make_trials(*sources, trials=9)
