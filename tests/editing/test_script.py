"""A script is what was written, and what is none is refused with the place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from p2phd_eval.editing.edits import (
    KINDS,
    Cut,
    LabelEdit,
    MaskFile,
    MoveEdit,
    ObjectEdit,
    RemoveEdit,
    StrokeEdit,
    StyleEdit,
    kind_of_edit,
    style_of_edit,
    with_style,
)
from p2phd_eval.editing.script import EditScript, read_script, write_script
from p2phd_eval.errors import InputError
from p2phd_eval.generators.sampling.region_styles import ClusterStyle, DrawnStyle, FileStyle, PhotoStyle
from tests.documentation import schema_of

DRAWN = DrawnStyle(image="b", region=4001, label=4)
SCRIPT = EditScript(
    data="scenes",
    data_sha256="0" * 64,
    phase="test",
    label_nc=6,
    instances=True,
    features="instance",
    edits=(
        StyleEdit(image="a", point=(1, 2), style=DRAWN),
        StyleEdit(image="a", point=(1, 2), style=None),
        LabelEdit(image="a", point=(1, 2), label=4, number=4003, style=ClusterStyle(label=4, k=2)),
        ObjectEdit(image="a", source=Cut(image="b", label=4, number=4000), label=4, at=(-3, 5)),
        ObjectEdit(image="a", source=MaskFile(file="car.png", sha256="1" * 64), label=4, at=(0, 0), scale=0.5),
        StrokeEdit(image="b", points=((1, 2), (3, 4)), width=3, label=2, style=PhotoStyle(image="b", region=2)),
        StrokeEdit(image="b", points=((1, 2),), width=3, label=2, style=FileStyle(file="p.jpg", sha256="2" * 64)),
        RemoveEdit(image="a", point=(1, 2)),
        MoveEdit(image="a", point=(1, 2), offset=(-3, 0)),
    ),
)


def test_what_is_written_is_read_and_keeps_to_its_schema(tmp_path: Path) -> None:
    write_script(tmp_path / "edits.json", SCRIPT)
    assert read_script(tmp_path / "edits.json") == SCRIPT
    text = (tmp_path / "edits.json").read_text()
    jsonschema.validate(json.loads(text), schema_of("edits"))
    assert '\n    {"kind": "remove", "image": "a", "point": [1, 2]},\n' in text  # an edit a line, without defaults
    assert {kind_of_edit(edit) for edit in SCRIPT.edits} == set(KINDS)


def test_a_script_without_edits_is_json(tmp_path: Path) -> None:
    empty = EditScript(data_sha256="0" * 64, phase="test", label_nc=0, instances=False, features="label", edits=())
    write_script(tmp_path / "edits.json", empty)
    assert read_script(tmp_path / "edits.json") == empty


def test_an_edits_style_is_exchanged() -> None:
    assert style_of_edit(with_style(SCRIPT.edits[5], DRAWN)) == DRAWN
    assert with_style(SCRIPT.edits[7], DRAWN) is SCRIPT.edits[7]  # nothing takes a style there


def values(**changes: Any) -> dict[str, Any]:
    edit = {"kind": "label", "image": "a", "point": [1, 2], "label": 4}
    whole = {
        "schema": "p2phd-eval/edits",
        "schema_version": 1,
        "data_sha256": "0" * 64,
        "phase": "test",
        "label_nc": 6,
        "instances": True,
        "features": "instance",
        "edits": [edit | changes.pop("edit", {})],
    }
    return whole | changes


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([], r"edits.json, schema: expected 'p2phd-eval/edits', found None"),
        (values(schema="p2phd-eval/gate"), "edits.json, schema: expected 'p2phd-eval/edits', found 'p2phd-eval/gate'"),
        (values(schema_version=2), r"edits.json, \$.schema_version: expected `?int`? <= 1, found 2"),
        (values(edit={"kind": "paint"}), r"edits.json, \$.edits\[0\].kind: expected one of the values that there are"),
        (values(edit={"point": [1]}), r"edits.json, \$.edits\[0\].point: expected `?array`? of length 2, found \[1\]"),
        (values(edit={"label": -1}), r"edits.json, \$.edits\[0\].label: expected `?int`? >= 0, found -1"),
        (values(edit={"labels": 4}), r"edits.json, \$.edits\[0\].*labels"),
        (values(phase="../test"), r"edits.json, \$.phase"),
        (values(data_sha256="abc"), r"edits.json, \$.data_sha256"),
    ],
)
def test_what_is_no_script(found: Any, message: str, tmp_path: Path) -> None:
    assert read_values(values(), tmp_path).edits == (LabelEdit(image="a", point=(1, 2), label=4),)
    with pytest.raises(InputError, match=message):
        read_values(found, tmp_path)


def read_values(found: Any, folder: Path) -> EditScript:
    (folder / "edits.json").write_text(json.dumps(found))
    return read_script(folder / "edits.json")
