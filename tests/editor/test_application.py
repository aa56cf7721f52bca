"""What the server answers, and that it is what the command line makes of the same edits."""

from __future__ import annotations

import base64
import io
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from p2phd_eval.editing.apply_edits import apply_edits
from p2phd_eval.editing.script import read_script
from p2phd_eval.editor.serving import EditorServer
from p2phd_eval.editor.uploads import MOST_BYTES
from p2phd_eval.generators.sampling.generation import generate
from p2phd_eval.images.decoding import read_rgb
from tests.editor.asking import Caller, Reply
from tests.generators.sampling.styled_runs import CPU

FIRST, SECOND = "scene_000000", "scene_000001"
CAR = 10


def pixels(reply: Reply) -> npt.NDArray[np.uint8]:
    assert reply.status == 200, reply.content
    assert reply.headers["content-type"] == "image/png"
    return np.asarray(Image.open(io.BytesIO(reply.content)))


def maps(caller: Caller, image: str) -> npt.NDArray[np.int32]:
    """Label and instance map, (2, H, W)."""
    revision = caller.ask("api/image", image=image).json["revision"]
    return np.frombuffer(caller.ask("api/maps", image=image, revision=revision).content, "<i4").reshape(2, 32, 64)


def a_point(caller: Caller, image: str, label: int) -> tuple[int, int]:
    y, x = np.argwhere(maps(caller, image)[0] == label)[0].tolist()
    return x, y


def png(rgba: npt.NDArray[np.uint8]) -> bytes:
    content = io.BytesIO()
    Image.fromarray(rgba).save(content, format="PNG")
    return content.getvalue()


def test_the_session_says_what_there_is(caller: Caller, scenes: Path) -> None:
    facts = caller.ask("api/session").json
    assert [each["key"] for each in facts["images"]] == [f"scene_{i:06d}" for i in range(4)]
    assert [each["name"] for each in facts["arms"]] == ["first", "second"]
    assert (facts["classes"][CAR]["name"], len(facts["classes"])) == ("car", 12)
    assert (facts["features"], facts["styled"], facts["photos"]) == ("instance", True, True)
    photo = pixels(caller.ask("api/photo", image=FIRST))
    np.testing.assert_array_equal(photo, read_rgb(scenes / f"test_img/{FIRST}.png"))


def test_objects_are_cut_out_of_the_photo(caller: Caller, scenes: Path) -> None:
    objects = caller.ask("api/objects", image=FIRST).json
    assert objects[0]["counted"]
    assert [each["counted"] for each in objects] == sorted((each["counted"] for each in objects), reverse=True)
    label, instance = maps(caller, FIRST)
    photo = read_rgb(scenes / f"test_img/{FIRST}.png")
    for each in objects[:3]:
        cut = pixels(caller.ask("api/object", image=FIRST, label=each["label"], number=each["number"]))
        x, y, width, height = each["box"]
        own = (label == each["label"]) & (instance == each["number"])
        np.testing.assert_array_equal(cut[..., 3] == 255, own[y : y + height, x : x + width])
        np.testing.assert_array_equal(cut[..., :3], photo[y : y + height, x : x + width])


def every_kind_of_edit(caller: Caller) -> None:
    """Do edits of all kinds, with all kinds of styles, to two images."""
    mask = np.zeros((9, 12, 4), np.uint8)
    mask[2:, 3:, 3] = 255
    kept = caller.ask("api/upload", png(mask), kind="mask").json
    photo = caller.ask("api/upload", png(np.full((20, 30, 3), (200, 30, 30), np.uint8)), kind="photo").json
    shelf = caller.ask("api/objects", image=SECOND).json[0]
    cut = {"kind": "cut", "image": SECOND, "label": shelf["label"], "number": shelf["number"]}
    road = a_point(caller, FIRST, 2)
    style = {"kind": "file", "file": photo["file"], "sha256": photo["sha256"], "box": [2, 3, 20, 15]}
    caller.edit(image=FIRST, kind="stroke", points=[[5, 20], [30, 26]], width=5, label=CAR)
    caller.edit(image=FIRST, kind="style", point=[5, 20], style={"kind": "cluster", "label": 2, "k": 1})
    caller.edit(image=FIRST, kind="style", point=road, style=style)
    caller.edit(image=FIRST, kind="object", source=cut, label=shelf["label"], at=[40, 10], scale=1.5)
    source = {"kind": "file", "file": kept["file"], "sha256": kept["sha256"]}
    caller.edit(image=FIRST, kind="object", source=source, label=9, at=[-2, 15])
    caller.edit(image=FIRST, kind="move", point=[8, 22], offset=[3, 2])
    sky = a_point(caller, SECOND, 0)
    region = int(maps(caller, SECOND)[1][sky[1], sky[0]])
    caller.edit(image=SECOND, kind="style", point=sky, style={"kind": "photo", "image": SECOND, "region": region})
    copied = caller.ask("api/style", {"image": FIRST, "point": [5, 20]}).json
    caller.edit(image=SECOND, kind="label", point=a_point(caller, SECOND, 2), label=5, style=copied)
    caller.edit(image=SECOND, kind="stroke", points=[[60, 2]], width=9, label=1)
    caller.edit(image=SECOND, kind="remove", point=[60, 2])


def test_what_is_saved_gives_the_bits_that_were_shown(
    caller: Caller, served: EditorServer, editor_runs: list[Path], scenes: Path, tmp_path: Path
) -> None:
    every_kind_of_edit(caller)
    shown: dict[tuple[str, int], npt.NDArray[np.uint8]] = {}
    for image in (FIRST, SECOND):
        revision = caller.ask("api/image", image=image).json["revision"]
        for arm in (0, 1):
            shown[image, arm] = pixels(caller.ask("api/picture", image=image, arm=arm, revision=revision))
    saved = caller.ask("api/save", {}).json
    folder = Path(saved["folder"])
    assert folder.parent == served.script.parent
    assert caller.ask("api/save", {}).json["folder"] == str(folder)  # there already
    apply_edits(scenes, served.script, tmp_path / "applied")  # as `edit apply` does
    for name in ("test_label", "test_inst"):
        for path in (folder / name).iterdir():
            assert path.read_bytes() == (tmp_path / "applied" / name / path.name).read_bytes()
    for arm, run in enumerate(editor_runs):
        generate(run, tmp_path / "applied", tmp_path / run.name, device=CPU, batch_size=1)
        for image in (FIRST, SECOND):
            np.testing.assert_array_equal(read_rgb(tmp_path / run.name / f"{image}.png"), shown[image, arm])
    # The script that the browser downloads is the one that was written.
    assert json.loads(served.script.read_text()) == caller.ask("api/script").json
    assert len(read_script(served.script).edits) == 10
    # Maps shown are maps saved.
    label, instance = maps(caller, FIRST)
    np.testing.assert_array_equal(np.asarray(Image.open(folder / f"test_label/{FIRST}.png")), label)
    np.testing.assert_array_equal(np.asarray(Image.open(folder / f"test_inst/{FIRST}.png")), instance)
    caller.edit(image=FIRST, kind="stroke", points=[[1, 1]], width=1, label=2)
    assert caller.ask("api/save", {}).json["folder"] != str(folder)  # of other edits, beside it


def test_undo_and_redo_show_what_was_there(caller: Caller) -> None:
    before = maps(caller, FIRST)
    original = caller.ask("api/picture", image=FIRST, arm=0, original=1).content
    state = caller.edit(image=FIRST, kind="stroke", points=[[5, 20], [30, 26]], width=5, label=CAR)
    after = caller.ask("api/picture", image=FIRST, arm=0, revision=state["revision"]).content
    assert after != original
    for position, expected in ((0, original), (1, after), (0, original)):
        state = caller.ask("api/go-to", {"image": FIRST, "position": position}).json
        assert state["position"] == position
        assert caller.ask("api/picture", image=FIRST, arm=0, revision=state["revision"]).content == expected
    np.testing.assert_array_equal(maps(caller, FIRST), before)


def test_a_picture_of_what_is_no_more_is_not_made(caller: Caller) -> None:
    old = caller.ask("api/image", image=FIRST).json["revision"]
    caller.edit(image=FIRST, kind="stroke", points=[[5, 20]], width=5, label=CAR)
    assert caller.ask("api/picture", image=FIRST, arm=0, revision=old).status == 409
    assert caller.ask("api/maps", image=FIRST, revision=old).status == 409


def test_a_script_that_cannot_be_written_is_told(caller: Caller, served: EditorServer) -> None:
    """With one of the next answers: it is written when an answer is out."""

    def trouble() -> str:
        caller.edit(image=FIRST, kind="stroke", points=[[5, 20]], width=5, label=CAR)
        found: str = caller.ask("api/image", image=FIRST).json["trouble"]
        return found

    while not served.script.is_dir():  # an earlier answer's script may be written just now
        served.script.unlink(missing_ok=True)
        with suppress(FileExistsError):
            served.script.mkdir()
    try:
        while not (said := trouble()):
            pass
        assert "a folder" in said
    finally:
        served.script.rmdir()
    while trouble():
        pass
    assert read_script(served.script).edits


def test_styles_of_a_region_are_shown_as_they_would_be(caller: Caller) -> None:
    """Each thumbnail is cut out of the picture that the style gives."""
    point = a_point(caller, FIRST, 2)
    choices = caller.ask("api/styles", {"image": FIRST, "point": point}).json
    assert [each["style"] and each["style"]["k"] for each in choices] == [None, 0, 1, 2]
    assert {each["style"]["label"] for each in choices[1:]} == {2}
    for choice in choices:
        state = caller.edit(image=FIRST, kind="style", point=point, style=choice["style"])
        picture = pixels(caller.ask("api/picture", image=FIRST, arm=0, revision=state["revision"]))
        thumbnail = np.asarray(Image.open(io.BytesIO(base64.b64decode(choice["png"]))))
        height, width = thumbnail.shape[:2]
        windows = np.lib.stride_tricks.sliding_window_view(picture, (height, width, 3))[:, :, 0]
        # A batch may round otherwise than an image alone.
        assert np.abs(windows.astype(int) - thumbnail).max(axis=(2, 3, 4)).min() <= 1


def test_a_copied_style_is_the_one_that_was_drawn(caller: Caller) -> None:
    """Given to its own region, nothing changes."""
    point = a_point(caller, FIRST, 0)
    copied = caller.ask("api/style", {"image": FIRST, "point": point}).json
    assert copied["kind"] == "drawn"
    original = caller.ask("api/picture", image=FIRST, arm=1, original=1).content
    state = caller.edit(image=FIRST, kind="style", point=point, style=copied)
    assert caller.ask("api/picture", image=FIRST, arm=1, revision=state["revision"]).content == original


STROKE = {"image": FIRST, "kind": "stroke", "points": [[1, 1]], "width": 3, "label": 2}
STYLE = {"image": FIRST, "kind": "style", "point": [1, 1]}


@pytest.mark.parametrize(
    ("name", "body", "found"),
    [
        ("edit", b"{", "not JSON"),
        ("edit", b"\xff\xfe\x00", "not JSON"),
        ("edit", b"[" * 100_000, "deep"),
        ("edit", b'{"image": NaN}', "not JSON"),
        ("edit", [], "object"),
        ("edit", {"kind": "explode"}, "explode"),
        ("edit", STROKE | {"more": 1}, "more"),
        ("edit", STROKE | {"image": "none"}, "none"),
        ("edit", STROKE | {"width": 0}, "width"),
        ("edit", STROKE | {"label": 12}, "12"),
        ("edit", STROKE | {"points": [[10**9, 1]]}, "points"),
        ("edit", {"image": FIRST, "kind": "remove", "point": [64, 0]}, "64"),
        ("edit", STYLE | {"style": {"kind": "cluster", "label": 2, "k": 99}}, "99"),
        ("edit", STYLE | {"style": {"kind": "file", "file": "../../x", "sha256": "0" * 64}}, "x"),
        (
            "edit",
            STYLE | {"style": {"kind": "file", "file": "/etc/hostname", "sha256": "0" * 64}},
            "one that was uploaded",
        ),
        ("edit", STYLE | {"style": {"kind": "photo", "image": FIRST, "region": 0, "phase": "../x"}}, "phase"),
        (
            "edit",
            {
                "image": FIRST,
                "kind": "object",
                "source": {"kind": "file", "file": "/etc/hostname", "sha256": "0" * 64},
                "label": 1,
                "at": [0, 0],
            },
            "/etc/hostname",
        ),
        ("go-to", {"image": FIRST, "position": -1}, "position"),
        ("styles", {"image": FIRST, "point": [64, 0]}, "64"),
        ("style", {"image": FIRST, "point": [0]}, "point"),
        ("save", {}, "at least one"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(caller: Caller, name: str, body: Any, found: str) -> None:
    caller.ask("api/go-to", {"image": FIRST, "position": 0})
    before = caller.ask("api/image", image=FIRST).json
    reply = caller.ask(f"api/{name}", body)
    assert reply.status == 422
    assert "expected" in reply.message
    assert found in reply.message
    assert caller.ask("api/image", image=FIRST).json == before


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("image", {}),
        ("image", {"image": "none"}),
        ("picture", {"image": FIRST, "arm": 2, "revision": 0}),
        ("picture", {"image": FIRST, "arm": -1, "revision": 0}),
        ("picture", {"image": FIRST, "arm": "1e400", "revision": 0}),
        ("object", {"image": FIRST, "label": 99, "number": 1}),
        ("photo", {"image": "../../etc/passwd"}),
    ],
)
def test_what_is_not_there_is_said(caller: Caller, name: str, query: dict[str, object]) -> None:
    reply = caller.ask(f"api/{name}", **query)
    assert reply.status == 422
    assert "expected" in reply.message


def test_bodies_are_bounded(caller: Caller) -> None:
    assert caller.ask("api/edit", b" " * (1 << 20) + b"{}").status == 413
    too_long = {"Content-Length": str(MOST_BYTES + 1)}
    assert caller.ask("api/upload", b"", method="POST", headers=too_long, kind="photo").status == 413
    # Without a length, too: block by block.
    block = b"10000\r\n" + b" " * (1 << 16) + b"\r\n"
    chunked = {"Content-Length": None, "Transfer-Encoding": "chunked"}
    assert caller.ask("api/edit", block * 17 + b"0\r\n\r\n", headers=chunked).status == 413


def test_forms_of_other_kinds_are_refused(caller: Caller) -> None:
    assert caller.ask("api/go-to", b"{}", headers={"Content-Type": "text/plain"}).status == 415
    assert caller.ask("api/edit", method="GET").status == 405
    for name in ("api/none", "api/session/", "api", "editor.html", "../guard.py", "%2e%2e/guard.py"):
        assert caller.ask(name).status == 404
    assert caller.ask("api/upload", b"x", kind="other").status == 422
    assert caller.ask("api/upload", b"<svg/>", kind="photo").status == 422
