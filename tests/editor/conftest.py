"""Fixtures: a page of two small models, answered by a real server on a free port."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from p2phd_eval.config import TrainConfig
from p2phd_eval.editor.serving import EditorServer
from tests.editor.asking import Caller, serving
from tests.generators.sampling.styled_runs import styled_run


@pytest.fixture(scope="session")
def editor_runs(scenes: Path, tiny: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two runs with an encoder and clusters, of other weights."""
    folder = tmp_path_factory.mktemp("editor_runs")
    return [
        styled_run(replace(tiny, seed=seed), "instance", scenes, folder / name)
        for seed, name in enumerate(("first", "second"))
    ]


@pytest.fixture(scope="module")
def served(
    editor_runs: list[Path], scenes: Path, tmp_path_factory: pytest.TempPathFactory, one_thread: None
) -> Iterator[EditorServer]:
    """The page of both runs."""
    with serving(editor_runs, scenes, tmp_path_factory.mktemp("session") / "edits") as server:
        yield server


@pytest.fixture
def caller(served: EditorServer) -> Caller:
    """Who asks it, with no edits done."""
    found = Caller(served.address)
    for image in found.ask("api/session").json["images"]:
        if image["edits"]:
            found.ask("api/go-to", {"image": image["key"], "position": 0})
    return found
