"""Bad input: edits."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import socket
from pathlib import Path
from typing import Any

from PIL import Image

from p2phd_eval.editing.data_scenes import DataScenes
from tests.bad_input.case import Case, data_set, photos, text
from tests.bad_input.small_run import small_run


def _script(edit: dict[str, Any], **changes: Any) -> None:
    """A data set and a script of one edit of it."""
    data_set()
    script = {
        "schema": "p2phd-eval/edits",
        "schema_version": 1,
        "data": "data",
        "data_sha256": DataScenes.open("data", "test").sha256,
        "phase": "test",
        "label_nc": 3,
        "instances": True,
        "features": "instance",
        "edits": [{"image": "0"} | edit],
    }
    text("edits.json", json.dumps(script | changes))


def _script_of_a_mask(mode: str) -> None:
    content = io.BytesIO()
    Image.new(mode, (4, 4)).save(content, format="PNG")
    text("car.png", content.getvalue())
    source = {"kind": "file", "file": "car.png", "sha256": hashlib.sha256(content.getvalue()).hexdigest()}
    _script({"kind": "object", "source": source, "label": 1, "at": [2, 2]})


_held: list[socket.socket] = []


def _port_in_use() -> None:
    listener = socket.socket()
    with contextlib.suppress(OSError):  # another process has it
        listener.bind(("127.0.0.1", 8765))
        listener.listen()
    _held.append(listener)  # until the process ends


def _session_of_another() -> None:
    _script({"kind": "remove", "point": [2, 2]}, data_sha256="0" * 64)
    Path("edits").mkdir()
    Path("edits.json").rename("edits/edits.json")
    small_run()


def _edited_folder_in_use() -> None:
    _script({"kind": "stroke", "points": [[2, 2]], "width": 3, "label": 1})
    photos("edited")


EDITS = (
    Case(
        area="Edits",
        kind="A script of another data set",
        make=lambda: _script({"kind": "remove", "point": [2, 2]}, data_sha256="0" * 64),
        typed="edit apply data --script edits.json --out edited",
        words="edits.json: expected a script of the maps in data, test",
    ),
    Case(
        area="Edits",
        kind="A point outside",
        make=lambda: _script({"kind": "remove", "point": [16, 3]}),
        typed="edit apply data --script edits.json --out edited",
        words="edits.json, edit 1, point: expected a point inside 16 x 12 pixels, found x=16, y=3",
    ),
    Case(
        area="Edits",
        kind="A class that there is none of",
        make=lambda: _script({"kind": "stroke", "points": [[2, 2]], "width": 3, "label": 3}),
        typed="edit apply data --script edits.json --out edited",
        words="edits.json, edit 1, label: expected a class from 0 to 2, found 3",
    ),
    Case(
        area="Edits",
        kind="A style of a class that there is none of",
        make=lambda: _script({"kind": "style", "point": [2, 2], "style": {"kind": "cluster", "label": 7, "k": 0}}),
        typed="edit apply data --script edits.json --out edited",
        words="edits.json, edit 1, style: expected one of a class from 0 to 2, found one of class 7",
    ),
    Case(
        area="Edits",
        kind="An empty mask",
        make=lambda: _script_of_a_mask("RGBA"),
        typed="edit apply data --script edits.json --out edited",
        words="car.png: expected pixels of an object, found a transparent image",
    ),
    Case(
        area="Edits",
        kind="A mask without transparency",
        make=lambda: _script_of_a_mask("RGB"),
        typed="edit apply data --script edits.json --out edited",
        words="car.png: expected an object on a transparent ground",
    ),
    Case(
        area="Edits",
        kind="Nothing around what is to be removed",
        make=lambda: _script({"kind": "remove", "point": [2, 2]}),
        typed="edit apply data --script edits.json --out edited",
        words="expected an object with something around it, found one that fills the image",
    ),
    Case(
        area="Edits",
        kind="An edit of an image that is not there",
        make=lambda: _script({"image": "7", "kind": "remove", "point": [2, 2]}),
        typed="edit apply data --script edits.json --out edited",
        words="edits.json, edit 1, image: expected the name of a label map of data",
    ),
    Case(
        area="Edits",
        kind="An edit with a slip",
        make=lambda: _script({"kind": "remove", "points": [[2, 2]]}),
        typed="edit apply data --script edits.json --out edited",
        words="edits.json, $.edits[0]",
    ),
    Case(
        area="Edits",
        kind="A script that is none",
        make=lambda: _script({}, schema="p2phd-eval/gate"),
        typed="edit apply data --script edits.json --out edited",
        words="edits.json, schema: expected 'p2phd-eval/edits', found 'p2phd-eval/gate'",
    ),
    Case(
        area="Edits",
        kind="Edits into a folder of other files",
        make=_edited_folder_in_use,
        typed="edit apply data --script edits.json --out edited",
        words="edited: expected a new or empty folder, or one with the edits of this script",
    ),
    Case(
        area="Edits",
        kind="A second page on a port",
        make=_port_in_use,
        typed="edit serve run --data data",
        words="--port 8765: expected a free port, found one that another program uses",
    ),
    Case(
        area="Edits",
        kind="A script of another data set in the folder of a page",
        make=_session_of_another,
        typed="edit serve run --data data --port 0",
        words="edits/edits.json: expected a script of the maps in data, test",
    ),
)
