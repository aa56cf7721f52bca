"""The editor as a program: its port, its end, and what it refuses to begin with."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from p2phd_eval.config import TrainConfig
from p2phd_eval.editing.scene import split_colours
from p2phd_eval.editing.script import read_script
from p2phd_eval.editor.serving import EditorServer, open_editor
from p2phd_eval.errors import InputError
from p2phd_eval.files import file_sha256
from p2phd_eval.generators.sampling.generation import generate
from p2phd_eval.images.decoding import decode_rgb, read_rgb
from p2phd_eval.images.png import write_png
from tests.commands.command_line import invoke
from tests.editor.asking import Caller, serving
from tests.generators.sampling.styled_runs import CPU, styled_run

STROKE = {"image": "scene_000000", "kind": "stroke", "points": [[1, 1]], "width": 3, "label": 2}


def test_a_second_server_on_the_port_says_so(served: EditorServer, editor_runs: list[Path], scenes: Path) -> None:
    port = Caller(served.address).host.partition(":")[2]
    result = invoke("edit", "serve", editor_runs[0], "--data", scenes, "--port", port)
    assert result.exit_code == 2
    assert f"--port {port}: expected a free port" in result.output
    assert "--port 0" in result.output
    assert Caller(served.address).ask("api/session").status == 200  # the first one is as it was


def test_a_second_server_in_the_folder_says_so(served: EditorServer, editor_runs: list[Path], scenes: Path) -> None:
    with pytest.raises(InputError, match="one process at a time"), serving(editor_runs, scenes, served.script.parent):
        pass


def test_a_session_goes_on_where_it_ended(editor_runs: list[Path], scenes: Path, tmp_path: Path) -> None:
    with serving(editor_runs[:1], scenes, tmp_path / "edits") as server:
        Caller(server.address).edit(**STROKE)
        script = server.script
    assert len(read_script(script).edits) == 1  # written at the latest when it ends
    before = script.read_bytes()
    with serving(editor_runs[:1], scenes, tmp_path / "edits") as server:
        caller = Caller(server.address)
        assert caller.ask("api/session").json["images"][0] == {"key": "scene_000000", "edits": 1}
    assert script.read_bytes() == before
    with (
        pytest.raises(InputError, match="a script of the maps"),
        serving(editor_runs[:1], scenes, tmp_path / "edits", phase="train"),
    ):
        pass


def test_a_script_of_ones_own_is_gone_on_with(editor_runs: list[Path], scenes: Path, tmp_path: Path) -> None:
    """Its masks lie where it says; a page could not name them."""
    with serving(editor_runs[:1], scenes, tmp_path / "first") as server:
        Caller(server.address).edit(**STROKE)
        script = server.script
    mask = np.zeros((4, 4, 4), np.uint8)
    mask[..., 3] = 255
    (tmp_path / "own/masks").mkdir(parents=True)
    Image.fromarray(mask).save(tmp_path / "own/masks/square.png")
    values = json.loads(script.read_text())
    source = {"kind": "file", "file": "masks/square.png", "sha256": file_sha256(tmp_path / "own/masks/square.png")}
    pasted = {"kind": "object", "image": "scene_000000", "source": source, "label": 10, "at": [3, 3]}
    (tmp_path / "own/edits.json").write_text(json.dumps(values | {"edits": [*values["edits"], pasted]}))
    with serving(editor_runs[:1], scenes, tmp_path / "own") as server:
        caller = Caller(server.address)
        assert caller.ask("api/session").json["images"][0]["edits"] == 2
        assert caller.ask("api/edit", pasted).status == 422


def test_a_model_without_encoder_has_no_styles(scenes: Path, tiny: TrainConfig, tmp_path: Path) -> None:
    run = styled_run(tiny, "none", scenes, tmp_path / "run")
    with serving([run], scenes, tmp_path / "edits") as server:
        caller = Caller(server.address)
        assert not caller.ask("api/session").json["styled"]
        reply = caller.ask("api/styles", {"image": "scene_000000", "point": [1, 1]})
        assert reply.status == 422
        assert "--features" in reply.message
        state = caller.edit(**STROKE)
        assert caller.ask("api/picture", image="scene_000000", arm=0, revision=state["revision"]).status == 200


def test_colours_without_instances_are_edited_too(tiny: TrainConfig, scenes: Path, tmp_path: Path) -> None:
    config = replace(tiny, data=replace(tiny.data, label_nc=0, instances=False))
    run = styled_run(config, "none", scenes, tmp_path / "run")
    pixels = np.full((32, 64, 3), (10, 20, 30), np.uint8)
    pixels[:, 40:] = (200, 0, 0)
    write_png(tmp_path / "data/test_A/a.png", pixels)
    with serving([run], tmp_path / "data", tmp_path / "edits") as server:
        caller = Caller(server.address)
        assert [each["name"] for each in caller.ask("api/session").json["classes"]] == ["#0a141e", "#c80000"]
        caller.edit(image="a", kind="stroke", points=[[5, 5], [20, 9]], width=4, label=0xC80000)
        state = caller.edit(image="a", kind="move", point=[5, 5], offset=[3, 4])
        shown = caller.ask("api/picture", image="a", arm=0, revision=state["revision"]).content
        content = caller.ask("api/maps", image="a", revision=state["revision"]).content
        label = np.frombuffer(content, "<i4").reshape(32, 64)  # alone
        folder = Path(caller.ask("api/save", {}).json["folder"])
    assert label[9, 8] == 0xC80000
    np.testing.assert_array_equal(read_rgb(folder / "test_A/a.png"), split_colours(label))
    generate(run, folder, tmp_path / "samples", device=CPU)
    np.testing.assert_array_equal(read_rgb(tmp_path / "samples/a.png"), decode_rgb(shown, "shown").pixels)


def test_what_does_not_go_together_is_refused(
    editor_runs: list[Path], scenes: Path, tiny: TrainConfig, tmp_path: Path
) -> None:
    other = styled_run(replace(tiny, data=replace(tiny.data, label_nc=20)), "none", scenes, tmp_path / "other")
    labels = styled_run(tiny, "label", scenes, tmp_path / "labels")
    run = editor_runs[0]
    for runs, options, message in (
        ([run, other], {}, "RUN2: expected a model of as many classes"),
        ([run, labels], {}, "RUN2: expected a model with the same --features"),
        ([], {}, "RUN: expected one to 2"),
        ([run] * 3, {}, "RUN: expected one to 2"),
        ([run], {"precisions": ["fp32", "tf32"]}, "--precision: expected one"),
        ([run, run], {"clusters": [tmp_path]}, "--clusters: expected one for each"),
    ):
        with (
            pytest.raises(InputError, match=re.escape(message)),
            open_editor(
                runs,
                scenes,
                port=0,
                out=tmp_path / "edits",
                device=CPU,
                **options,  # type: ignore[arg-type]
            ),
        ):
            pass
    assert not (tmp_path / "edits").exists()


def test_one_run_in_two_precisions_is_two_arms(editor_runs: list[Path], scenes: Path, tmp_path: Path) -> None:
    with serving([editor_runs[0]] * 2, scenes, tmp_path, precisions=["fp32", "bf16"]) as server:
        assert [arm["name"] for arm in Caller(server.address).ask("api/session").json["arms"]] == ["fp32", "bf16"]


def test_the_command_ends_with_ctrl_c(editor_runs: list[Path], scenes: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "p2phd_eval", "edit", "serve", editor_runs[0], "--data", scenes]
    process = subprocess.Popen(
        [*command, "--port", "0", "--out", tmp_path / "edits", "--no-browser", "--device", "cpu"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    try:
        assert process.stdout is not None
        address = next(found[0] for line in process.stdout if (found := re.search(r"http://\S+", line)))
        Caller(address).edit(**STROKE)
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=60)[0]
    finally:
        process.kill()
    assert process.returncode == 0, output
    assert "Traceback" not in output
    assert len(read_script(tmp_path / "edits/edits.json").edits) == 1
