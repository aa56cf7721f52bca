"""A script of edits: JSON that says what is done to which image of which data set, and can be done again anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from p2phd_eval.editing.data_scenes import DataScenes
from p2phd_eval.editing.edits import Edit
from p2phd_eval.errors import InputError
from p2phd_eval.files import atomic_write, json_text
from p2phd_eval.generators.sampling.region_styles import PHASE
from p2phd_eval.json_files import convert_json, read_json
from p2phd_eval.progress import ProgressFactory, silent

_VERSION = 1
_EXPECTED = "a script of edits"
_FIX = "Make one: p2phd-eval edit random DATA --out edits.json"


class EditScript(
    Struct, frozen=True, kw_only=True, tag_field="schema", tag="p2phd-eval/edits", forbid_unknown_fields=True
):
    """Edits of one part of a data set; those of an image are in their order."""

    schema_version: Annotated[int, Meta(ge=_VERSION, le=_VERSION)] = _VERSION
    data: str = ""  # where the data set was, for people
    data_sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]  # of names and contents of its label and instance maps
    phase: Annotated[str, Meta(pattern=PHASE)]  # part of the data set
    label_nc: Annotated[int, Meta(ge=0)]  # classes; 0: a label is the colour R * 65536 + G * 256 + B
    instances: bool  # whether its instance maps are used
    features: Literal["instance", "label"]  # of the models that the styles are for: what has one style
    edits: tuple[Edit, ...]


def script_for(scenes: DataScenes, edits: tuple[Edit, ...], features: Literal["instance", "label"]) -> EditScript:
    """Return the script of edits of a data set."""
    return EditScript(
        data=str(scenes.root),
        data_sha256=scenes.sha256,
        phase=scenes.phase,
        label_nc=scenes.config.label_nc,
        instances=scenes.config.instances,
        features=features,
        edits=edits,
    )


def read_script(path: Path) -> EditScript:
    """Read a script; raises `InputError` with the place if it is none, or one of its edits cannot be."""
    values = read_json(path, expected=_EXPECTED, fix=_FIX)
    schema = values.get("schema") if isinstance(values, dict) else None
    if schema != EditScript.__struct_config__.tag:
        raise InputError(
            f"{path}, schema", expected=repr(EditScript.__struct_config__.tag), found=f"{schema!r:.100}", fix=_FIX
        )
    return convert_json(values, EditScript, str(path), fix="Mend it; docs/artefacts.md says what its keys are.")


def write_script(path: Path, script: EditScript) -> None:
    """Write a script as JSON, atomically; people read it, so that an edit takes a line."""
    with atomic_write(path) as stream:
        stream.write(script_text(script).encode())


def script_text(script: EditScript) -> str:
    """Return a script as JSON text, an edit a line."""
    values = script_values(script)
    edits = [json.dumps(edit) for edit in values.pop("edits")]
    head = json_text(values).removesuffix("\n}\n")
    return f'{head},\n  "edits": [\n    ' + ",\n    ".join(edits) + "\n  ]\n}\n"


def script_values(script: EditScript) -> dict[str, Any]:
    """Return a script as JSON values, without what is left out by default."""
    values: dict[str, Any] = msgspec.to_builtins(script)
    values["edits"] = [_shortened(edit) for edit in values["edits"]]
    return values


def _shortened(edit: dict[str, Any]) -> dict[str, Any]:
    optional = {"number": None, "scale": 1.0} | ({} if edit["kind"] == "style" else {"style": None})
    return {key: value for key, value in edit.items() if key not in optional or value != optional[key]}


def scenes_for(
    script: EditScript, data: str | Path | DataScenes, where: str, progress: ProgressFactory = silent
) -> DataScenes:
    """Return the data set that a script is for, opened unless it is already; raises as these, naming the script."""
    scenes = data
    if not isinstance(scenes, DataScenes):
        scenes = DataScenes.open(
            scenes, script.phase, label_nc=script.label_nc, instances=script.instances, progress=progress
        )
    require_same_data(script, scenes, where)
    return scenes


def require_same_data(script: EditScript, scenes: DataScenes, where: str) -> None:
    """Raise `InputError` if a script, from the file `where`, is of another data set."""
    if script.data_sha256 != scenes.sha256:
        raise InputError(
            where,
            expected=f"a script of the maps in {scenes.root}, {scenes.phase}: SHA-256 {scenes.sha256[:12]}",
            found=f"one of {script.data or 'others'}: {script.data_sha256[:12]}",
            fix="Give the data set that it was made for; or make one for this: p2phd-eval edit random.",
        )


@contextmanager
def in_edit(where: str, number: int) -> Iterator[None]:
    """Let errors say in which edit of a script, counted from 1, they are."""
    try:
        yield
    except InputError as error:
        raise InputError(
            f"{where}, edit {number}, {error.where}", expected=error.expected, found=error.found, fix=error.fix
        ) from error
