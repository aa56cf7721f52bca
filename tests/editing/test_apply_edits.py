"""A script and a data set to an edited data set."""

from __future__ import annotations

import copy
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import numpy as np
import pytest
from PIL import Image

import p2phd_eval.editing.apply_edits as module
from p2phd_eval.editing.apply_edits import apply_edits
from p2phd_eval.editing.data_scenes import DataScenes
from p2phd_eval.editing.edits import (
    Cut,
    Edit,
    LabelEdit,
    MaskFile,
    MoveEdit,
    ObjectEdit,
    RemoveEdit,
    StrokeEdit,
    StyleEdit,
)
from p2phd_eval.editing.operations import add_stroke, change_label, change_style
from p2phd_eval.editing.random_edits import random_edits
from p2phd_eval.editing.scene_objects import list_objects
from p2phd_eval.editing.script import EditScript, script_for, script_values, write_script
from p2phd_eval.errors import InputError
from p2phd_eval.files import file_sha256
from p2phd_eval.generators.data.validation import validate_data
from p2phd_eval.generators.sampling.region_styles import (
    ClusterStyle,
    DrawnStyle,
    FileStyle,
    ImageStyles,
    PhotoStyle,
    read_styles,
)
from p2phd_eval.images.png import write_png
from p2phd_eval.scenes.data_set import write_dataset
from tests.documentation import documented_keys, schema_of
from tests.editing.small_scenes import CAR, PERSON, SKY

KEY = "scene_000000"


def script_of(data: Path, *edits: Edit) -> EditScript:
    scenes = DataScenes.open(data, "test")
    return script_for(scenes, edits, scenes.features)


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def files(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in folder.rglob("*") if path.is_file()}


def test_an_edited_data_set_is_what_the_operations_give(scenes: Path, tmp_path: Path) -> None:
    blue = ClusterStyle(label=CAR, k=1)
    edits = (
        LabelEdit(image=KEY, point=(1, 1), label=CAR, style=blue),
        StrokeEdit(image=KEY, points=((5, 20), (40, 25)), width=4, label=PERSON),
        StyleEdit(image="scene_000002", point=(3, 3), style=DrawnStyle(image=KEY, region=SKY, label=SKY)),
    )
    result = apply_edits(scenes, script_of(scenes, *edits), tmp_path / "edited")
    assert (result.images, result.edits, result.written) == (2, 3, True)

    scene = DataScenes.open(scenes, "test").scene(KEY)
    first = change_label(scene, (1, 1), CAR, style=blue)
    second = add_stroke(first.scene, [(5, 20), (40, 25)], 4, PERSON)
    out = tmp_path / "edited"
    assert second.scene.instance is not None
    assert np.array_equal(pixels(out / "test_label" / f"{KEY}.png"), second.scene.label)
    assert np.array_equal(pixels(out / "test_inst" / f"{KEY}.png"), second.scene.instance)
    assert np.array_equal(pixels(out / "test_area" / f"{KEY}_0001.png"), first.area * 255)
    assert np.array_equal(pixels(out / "test_area" / f"{KEY}_0002.png"), second.area * 255)
    assert file_sha256(out / "test_img" / f"{KEY}.png") == file_sha256(scenes / "test_img" / f"{KEY}.png")
    restyled = DataScenes.open(scenes, "test").scene("scene_000002").region_at((3, 3))
    styles = read_styles(out, "test")
    assert styles is not None
    assert styles.features == "instance"
    assert {key: dict(each.regions) for key, each in styles.images.items()} == {
        KEY: dict(second.scene.styles),
        "scene_000002": {restyled: DrawnStyle(image=KEY, region=SKY, label=SKY)},
    }
    report = validate_data(out)
    assert report.problems == ()
    assert [(phase.phase, phase.n) for phase in report.phases] == [("test", 2)]
    record = json.loads((out / "edits.json").read_text())
    jsonschema.validate(record, schema_of("applied-edits"))
    assert set(record) == documented_keys("Record of edits")
    assert record["edits"][1]["edit"] == json.loads(msgspec.json.encode(edits[1]))
    assert record["edits"][1]["pixels"] == second.area.sum()
    x, y, width, height = record["edits"][1]["box"]
    assert second.area[y : y + height, x : x + width].sum() == second.area.sum()


def test_a_script_can_be_replayed_to_the_bit(scenes: Path, tmp_path: Path) -> None:
    random_edits(scenes, tmp_path / "edits.json")
    apply_edits(scenes, tmp_path / "edits.json", tmp_path / "once")
    copy = shutil.copytree(scenes, tmp_path / "elsewhere")
    apply_edits(copy, tmp_path / "edits.json", tmp_path / "again")
    once, again = files(tmp_path / "once"), files(tmp_path / "again")
    assert once.pop("edits.json") != again.pop("edits.json")  # which name the folder that was given
    assert once == again


def test_a_second_call_finds_it_done_and_another_script_is_refused(scenes: Path, tmp_path: Path) -> None:
    first = script_of(scenes, RemoveEdit(image=KEY, point=(1, 1)))
    assert apply_edits(scenes, first, tmp_path / "edited").written
    before = files(tmp_path / "edited")
    assert not apply_edits(scenes, first, tmp_path / "edited").written
    assert files(tmp_path / "edited") == before
    second = script_of(scenes, MoveEdit(image=KEY, point=(1, 1), offset=(1, 1)))
    with pytest.raises(
        InputError, match=r"edited: expected a new or empty folder, .*found a folder that holds those of"
    ):
        apply_edits(scenes, second, tmp_path / "edited")


def test_what_an_interrupted_call_left_is_no_data_set_and_is_made_again(
    scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = random_edits(scenes).script
    apply_edits(scenes, script, tmp_path / "whole")

    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "versions", stop)
    with pytest.raises(KeyboardInterrupt):
        apply_edits(scenes, script, tmp_path / "edited")
    assert not list((tmp_path / "edited").glob("[!.]*"))
    monkeypatch.undo()
    assert apply_edits(scenes, script, tmp_path / "edited").written
    assert files(tmp_path / "edited") == files(tmp_path / "whole")


def test_an_object_is_pasted_from_a_file_and_from_another_image(scenes: Path, tmp_path: Path) -> None:
    mask = np.zeros((4, 6, 4), np.uint8)
    mask[1:3, 1:5, 3] = 255
    Image.fromarray(mask).save(tmp_path / "car.png")
    opened = DataScenes.open(scenes, "test")
    other = next(each for each in list_objects(opened.scene("scene_000001")) if each.counted)
    edits = (
        ObjectEdit(
            image=KEY, source=MaskFile(file="car.png", sha256=file_sha256(tmp_path / "car.png")), label=CAR, at=(2, 3)
        ),
        ObjectEdit(
            image=KEY, source=Cut(image="scene_000001", label=other.label, number=other.number), label=CAR, at=(30, 9)
        ),
    )
    write_script(tmp_path / "edits.json", script_of(scenes, *edits))
    apply_edits(scenes, tmp_path / "edits.json", tmp_path / "edited")
    area = pixels(tmp_path / "edited" / "test_area" / f"{KEY}_0001.png")
    assert np.argwhere(area).min(axis=0).tolist() == [4, 3]
    assert np.count_nonzero(area) == 8
    assert np.count_nonzero(pixels(tmp_path / "edited" / "test_area" / f"{KEY}_0002.png")) == other.pixels


def test_photos_that_give_styles_come_along(scenes: Path, tmp_path: Path) -> None:
    photo = tmp_path / "photo.PNG"
    write_png(photo, np.zeros((8, 8, 3), np.uint8))
    edits = (
        StyleEdit(image=KEY, point=(1, 1), style=PhotoStyle(image="scene_000001", region=SKY)),
        LabelEdit(
            image=KEY, point=(1, 1), label=CAR, style=PhotoStyle(image="scene_000005", region=SKY, phase="train")
        ),
        StyleEdit(image=KEY, point=(60, 30), style=FileStyle(file="photo.PNG", sha256=file_sha256(photo))),
    )
    write_script(tmp_path / "edits.json", script_of(scenes, *edits[1:], edits[0]))
    out = tmp_path / "edited"
    apply_edits(scenes, tmp_path / "edits.json", out)
    styles = read_styles(out, "test")
    assert styles is not None
    given = list(styles.images[KEY].regions.values())
    name = f"style_files/{file_sha256(photo)[:16]}.png"
    assert FileStyle(file=name, sha256=file_sha256(photo)) in given
    assert PhotoStyle(image="scene_000001", region=SKY, phase="test_original") in given
    for phase, key in (("test", "scene_000001"), ("train", "scene_000005")):
        for kind in ("label", "inst", "img"):
            copied = out / f"{phase}_original_{kind}" / f"{key}.png"
            assert file_sha256(copied) == file_sha256(scenes / f"{phase}_{kind}" / f"{key}.png")
    assert validate_data(out).problems == ()


def test_an_image_whose_folder_is_in_its_key_keeps_its_styles(tmp_path: Path) -> None:
    """Where one image of several folders is edited, its key loses the folder; it is still drawn as before."""
    flat, nested = tmp_path / "flat", tmp_path / "nested"
    write_dataset(flat, n_train=1, n_test=2, width=64, height=32)
    for path in flat.glob("test_*/*.png"):
        target = nested / path.parent.name / path.stem / "00.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    shutil.copyfile(flat / "classes.json", nested / "classes.json")
    blue = ClusterStyle(label=SKY, k=0)
    edit = StyleEdit(image="scene_000001/00", point=(1, 1), style=blue)
    apply_edits(nested, script_of(nested, edit), tmp_path / "edited")
    assert (tmp_path / "edited" / "test_label" / "scene_000001" / "00.png").is_file()
    styles = read_styles(tmp_path / "edited", "test")
    assert styles is not None
    assert styles.images == {"00": ImageStyles(drawn_as="scene_000001/00", regions={SKY: blue})}


def test_colour_maps_are_edited(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        colours = np.zeros((8, 8, 3), np.uint8)
        colours[2:5, 2:5] = (255, 0, 7)
        write_png(tmp_path / "data" / "test_A" / f"{name}.png", colours)
        write_png(tmp_path / "data" / "test_B" / f"{name}.png", rng.integers(0, 256, (8, 8, 3), np.uint8))
    (tmp_path / "data" / "classes.json").write_text('{"label_nc": 0}')
    script = script_of(tmp_path / "data", LabelEdit(image="a", point=(3, 3), label=0x00FF01))
    apply_edits(tmp_path / "data", script, tmp_path / "edited")
    edited = pixels(tmp_path / "edited" / "test_A" / "a.png")
    assert edited[3, 3].tolist() == [0, 255, 1]
    assert edited[0, 0].tolist() == [0, 0, 0]
    assert validate_data(tmp_path / "edited").problems == ()


def test_without_instance_maps(scenes: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(scenes, tmp_path / "data"))
    shutil.rmtree(data / "test_inst")
    shutil.rmtree(data / "train_inst")
    script = random_edits(data).script
    assert not script.instances
    apply_edits(data, script, tmp_path / "edited")
    assert not (tmp_path / "edited" / "test_inst").exists()
    assert validate_data(tmp_path / "edited").problems == ()


def test_an_edit_changes_a_style_of_before(scenes: Path) -> None:
    scene = DataScenes.open(scenes, "test").scene(KEY)
    blue, red = ClusterStyle(label=SKY, k=0), ClusterStyle(label=SKY, k=1)
    twice = change_style(change_style(scene, (1, 1), blue).scene, (1, 1), red)
    assert dict(twice.scene.styles) == {SKY: red}


STRANGE = (
    None,
    True,
    -1,
    0,
    1,
    2**31,
    2**63,
    1e300,
    1e-300,
    "",
    "x",
    "../x",
    "a\0b",
    "\udce9",
    [],
    [1, 1],
    {},
    {"kind": "x"},
)


def damaged(values: Any, chance: random.Random) -> Any:
    """JSON values of which one is another, or is missing."""
    if not isinstance(values, dict | list) or not values or chance.random() < 0.15:
        return chance.choice(STRANGE)
    keys = list(values) if isinstance(values, dict) else list(range(len(values)))
    key = chance.choice(keys)
    changed = copy.copy(values)
    if chance.random() < 0.1:
        del changed[key]
    else:
        changed[key] = damaged(values[key], chance)
    return changed


def test_a_damaged_script_is_applied_or_refused(scenes: Path, tmp_path: Path, chance: random.Random) -> None:
    """Nothing else happens, and nothing is written outside of the folder."""
    photo = tmp_path / "photo.png"
    Image.new("RGBA", (4, 4), (0, 0, 0, 255)).save(photo)
    style = FileStyle(file="photo.png", sha256=file_sha256(photo))
    source = MaskFile(file="photo.png", sha256=file_sha256(photo))
    edits = (
        *random_edits(scenes, per_image=4).script.edits,
        StyleEdit(image=KEY, point=(1, 1), style=style),
        StyleEdit(image=KEY, point=(1, 1), style=PhotoStyle(image=KEY, region=SKY, phase="train")),
        ObjectEdit(image=KEY, source=source, label=CAR, at=(3, 3), scale=2.0, number=10077),
    )
    whole = script_values(script_of(scenes, *edits))
    refused = 0
    for i in range(40):
        changed = damaged(whole | {"edits": chance.sample(whole["edits"], 3)}, chance)
        (tmp_path / "edits.json").write_text(json.dumps(changed))
        try:
            apply_edits(scenes, tmp_path / "edits.json", tmp_path / "out" / str(i))
        except InputError:
            refused += 1
    assert refused
    assert {path.name for path in tmp_path.iterdir()} <= {"photo.png", "edits.json", "out"}


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "of another data set": (
        lambda data: msgspec.structs.replace(
            script_of(data, RemoveEdit(image=KEY, point=(1, 1))), data_sha256="0" * 64
        ),
        r"script: expected a script of the maps in .*, test: SHA-256 .*, found one of .*: 000000000000",
    ),
    "an image that is not there": (
        lambda data: script_of(data, RemoveEdit(image="x", point=(1, 1))),
        "script, edit 1, image: expected the name of a label map of .* such as 'scene_000000', found 'x'",
    ),
    "a point outside": (
        lambda data: script_of(data, RemoveEdit(image=KEY, point=(1, 1)), RemoveEdit(image=KEY, point=(64, 1))),
        "script, edit 2, point: expected a point inside 64 x 32 pixels, found x=64, y=1",
    ),
    "an unknown class": (
        lambda data: script_of(data, LabelEdit(image=KEY, point=(1, 1), label=12)),
        "script, edit 1, label: expected a class from 0 to 11, found 12",
    ),
    "an object that is not there": (
        lambda data: script_of(
            data, ObjectEdit(image=KEY, source=Cut(image=KEY, label=CAR, number=10999), label=CAR, at=(0, 0))
        ),
        "script, edit 1, object 10999 of class 10: expected an object of scene_000000",
    ),
    "a style of an unknown photo": (
        lambda data: script_of(data, StyleEdit(image=KEY, point=(1, 1), style=PhotoStyle(image="x", region=1))),
        "script, edit 1, style: expected an image of .*, test, found 'x'",
    ),
    "a style of a photo in another folder": (
        lambda data: script_of(
            data, StyleEdit(image=KEY, point=(1, 1), style=PhotoStyle(image=KEY, region=1, phase="../data/test"))
        ),
        "script, edit 1, style, phase: expected the name of a part of the data set, found '../data/test'",
    ),
    "a style of a file that is not there": (
        lambda data: script_of(
            data, StyleEdit(image=KEY, point=(1, 1), style=FileStyle(file="none.jpg", sha256="0" * 64))
        ),
        "script, edit 1, none.jpg: expected the photo of a style, found no such file",
    ),
    "styles by instances that are not used": (
        lambda data: msgspec.structs.replace(script_of(data, RemoveEdit(image=KEY, point=(1, 1))), instances=False),
        'script, features: expected "label", since it uses no instance maps, found "instance"',
    ),
    "no edits": (script_of, "script: expected at least one edit, found none"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_script_that_cannot_be_applied_leaves_nothing(case: str, scenes: Path, tmp_path: Path) -> None:
    make, message = BROKEN[case]
    script = make(scenes)
    assert isinstance(script, EditScript)
    with pytest.raises(InputError, match=message):
        apply_edits(scenes, script, tmp_path / "edited")
    assert not list(tmp_path.glob("edited/[!.]*"))


def test_photos_that_are_not_there_give_no_style(scenes: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(scenes, tmp_path / "data"))
    shutil.rmtree(data / "test_img")
    script = script_of(data, StyleEdit(image=KEY, point=(1, 1), style=PhotoStyle(image=KEY, region=SKY)))
    with pytest.raises(
        InputError, match=r"edit 1, style: expected a photo of scene_000000 in .*test_img, found no photos"
    ):
        apply_edits(data, script, tmp_path / "edited")


def test_parts_of_a_face_are_edited_by_class(tmp_path: Path) -> None:
    """Grey maps in three channels, no instances, a style for each class: what a model with `--features label` takes."""
    hair, eye, skin = 13, 4, 1
    face = np.full((32, 32), hair, np.uint8)
    face[6:28, 6:26] = skin
    face[12:15, 8:13] = face[12:15, 19:24] = eye
    for name in ("a", "b"):
        write_png(tmp_path / "data" / "test_label" / f"{name}.png", np.stack([face] * 3, axis=-1))
    (tmp_path / "data" / "classes.json").write_text('{"label_nc": 19}')
    blond = ClusterStyle(label=hair, k=2)
    script = script_of(
        tmp_path / "data",
        StyleEdit(image="a", point=(0, 0), style=blond),
        RemoveEdit(image="a", point=(10, 12)),  # one eye: the other is another object of the same region
        StrokeEdit(image="a", points=((12, 25), (20, 25)), width=3, label=11),
    )
    assert script.features == "label"
    apply_edits(tmp_path / "data", script, tmp_path / "edited")
    edited = pixels(tmp_path / "edited" / "test_label" / "a.png")
    assert (edited[12:15, 8:13] == skin).all()
    assert (edited[12:15, 19:24] == eye).all()
    assert (edited[25, 11:22] == 11).all()
    styles = read_styles(tmp_path / "edited", "test")
    assert styles is not None
    assert styles.features == "label"
    assert styles.images == {"a": ImageStyles(regions={hair: blond})}
    assert random_edits(tmp_path / "data", kinds=["label", "move", "remove"]).script.edits
