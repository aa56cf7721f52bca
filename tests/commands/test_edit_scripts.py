"""`edit` as a user types it."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from p2phd_eval import apply_edits, generate, random_edits
from p2phd_eval.commands import edit_scripts
from p2phd_eval.editing.apply_edits import masks_of
from p2phd_eval.editing.data_scenes import DataScenes
from p2phd_eval.editing.edits import KINDS, apply_edit
from p2phd_eval.editing.script import read_script
from p2phd_eval.files import file_sha256
from p2phd_eval.generators.sampling.renderer import open_renderer
from p2phd_eval.images.png import write_png
from tests.commands.command_line import TRAIN_OPTIONS, document_of, error_of, invoke


def test_random_edits_are_written_and_applied(scenes: Path, tmp_path: Path) -> None:
    document = document_of(invoke("edit", "random", scenes, "--out", tmp_path / "edits.json", "--json", "-"))
    assert document["schema"] == "p2phd-eval/edit-random"
    assert document["edits"] == sum(document["by_kind"].values()) <= document["wanted"] == 12
    arguments = ("edit", "apply", scenes, "--script", tmp_path / "edits.json", "--out", tmp_path / "edited")
    assert document_of(invoke(*arguments, "--json", "-"))["written"]
    again = invoke(*arguments)
    assert f"4 edited images with {document['edits']} edits already in " in " ".join(again.stderr.split())

    python = random_edits(scenes).script
    apply_edits(scenes, python, tmp_path / "python")
    for path in (tmp_path / "edited").glob("test_*/*.png"):
        assert file_sha256(path) == file_sha256(tmp_path / "python" / path.relative_to(tmp_path / "edited"))


def test_the_command_and_the_call_have_the_same_defaults() -> None:
    for command, call in ((edit_scripts.random, random_edits), (edit_scripts.apply, apply_edits)):
        options, parameters = (inspect.signature(each).parameters for each in (command, call))
        both = {key for key in options.keys() & parameters if key not in ("data", "script", "out", "kinds")}
        assert {key: options[key].default for key in both} == {key: parameters[key].default for key in both}
    assert inspect.signature(random_edits).parameters["kinds"].default == KINDS == tuple(edit_scripts.Kind)


@pytest.mark.parametrize("word", ["apply", "random"])
def test_the_help_has_an_example(word: str) -> None:
    assert f"p2phd-eval edit {word} DATA" in " ".join(invoke("edit", word, "--help").output.split())


def test_messages_of_what_cannot_be_used(scenes: Path, tmp_path: Path) -> None:
    script = tmp_path / "edits.json"
    apply = ("edit", "apply", scenes, "--script", script, "--out", tmp_path / "edited")
    assert "edits.json: expected a script of edits, found nothing there" in error_of(invoke(*apply))
    invoke("edit", "random", scenes, "--phase", "train", "--out", script)
    document = json.loads(script.read_text())
    script.write_text(json.dumps(document | {"phase": "test"}))
    message = error_of(invoke(*apply))
    assert "expected a script of the maps in" in message
    assert document["data_sha256"][:12] in message
    assert "--out: expected a new file, or one that such a result may replace" in error_of(
        invoke("edit", "random", scenes, "--out", scenes / "test_img" / "scene_000000.png")
    )


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """Faces whose parts are classes: grey label maps in three channels, as CelebAMask-HQ's are often saved."""
    data, rng = tmp_path / "faces", np.random.default_rng(0)
    y, x = np.mgrid[:64, :64]
    for phase in ("train", "test"):
        for name in "abcd":
            up, left = rng.integers(-3, 4, 2)
            face = np.where((y - 34 - up) ** 2 / 26**2 + (x - 32 - left) ** 2 / 20**2 < 1, 1, 13)  # skin in hair
            for part, (row, column, high, wide) in ((4, (24, 20, 4, 8)), (5, (24, 36, 4, 8)), (11, (48, 26, 4, 12))):
                face[row + up : row + up + high, column + left : column + left + wide] = part
            write_png(data / f"{phase}_label" / f"{name}.png", np.stack([face.astype(np.uint8)] * 3, axis=-1))
            photo = rng.integers(0, 256, (19, 3))[face] + rng.integers(-9, 10, (64, 64, 3))
            write_png(data / f"{phase}_img" / f"{name}.png", photo.clip(0, 255).astype(np.uint8))
    (data / "classes.json").write_text('{"label_nc": 19}')
    return data


@pytest.mark.parametrize("kind", ["scenes", "faces"])
def test_edited_maps_are_generated_with_their_styles_to_the_bit(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """A script by the command line, the same edits in memory, and the photos of both."""
    data, run, script_file = request.getfixturevalue(kind), tmp_path / "run", tmp_path / "edits.json"
    features = ("--features", "instance") if kind == "scenes" else ("--features", "label", "--no-instances")
    result = invoke("train", data, "--out", run, "--device", "cpu", *TRAIN_OPTIONS, *features)
    assert result.exit_code == 0, result.output
    assert invoke("encode", "cluster", run, data, "--clusters", 3, "--device", "cpu").exit_code == 0
    # In scenes this small there is little room.
    kinds = ("--kind", "style", "--kind", "stroke") if kind == "scenes" else ()
    assert invoke("edit", "random", data, "--per-image", 4, "--out", script_file, *kinds).exit_code == 0
    assert invoke("edit", "apply", data, "--script", script_file, "--out", tmp_path / "edited").exit_code == 0
    generate(run, tmp_path / "edited", tmp_path / "samples", batch_size=1, device="cpu")

    script, original, renderer = (
        read_script(script_file),
        DataScenes.open(data, "test"),
        open_renderer(run, device="cpu"),
    )
    styled = 0
    for key in sorted({edit.image for edit in script.edits}):
        scene = original.scene(key)
        for each in script.edits:
            if each.image == key:
                scene = apply_edit(scene, each, masks_of(original, tmp_path)).scene
        styled += len(scene.styles)
        rendered = renderer.render(scene.label, scene.instance, image=key, styles=scene.styles)
        assert np.array_equal(rendered, np.asarray(Image.open(tmp_path / "samples" / f"{key}.png")))
    assert styled
