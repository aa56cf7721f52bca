"""What a Ray cluster is asked for, and a node that goes away."""

from __future__ import annotations

import os
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from p2phd_eval import ray_cluster as ray_cluster_module
from p2phd_eval.errors import InputError
from p2phd_eval.study.executors.executor import Job
from p2phd_eval.study.executors.ray_runs import RayRuns
from p2phd_eval.study.schedule import run_jobs
from tests.ray_cluster import add_node
from tests.stores.servers import web_server

#: Ends with its node where it is begun first, and by itself where it is tried again.
WAITS = """
import os, pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
if not (folder / "begun").exists():
    (folder / "begun").touch()
    time.sleep(120)
"""

#: Told to stop, it saves.
SAVES = """
import pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[1])
signal.signal(signal.SIGTERM, lambda *_: ((folder / "saved").touch(), sys.exit(143)))
(folder / "begun").touch()
time.sleep(120)
"""


def test_a_run_whose_node_is_gone_is_made_on_another(ray_cluster: Any, tmp_path: Path) -> None:
    """A run of two cores, which one node has, and then another."""
    (node,) = ray_cluster.worker_nodes
    job = Job(name="a", command=(sys.executable, "-c", WAITS, str(tmp_path)), log=None)
    notes: list[str] = []
    taken: list[Any] = []

    class Watched(RayRuns):
        """Takes the node away once the run has begun."""

        def room(self) -> int:
            if (tmp_path / "begun").exists() and not taken:
                taken.append(ray_cluster.remove_node(node, allow_graceful=False))
                add_node(ray_cluster, cores=2)
            return super().room()

    with closing(Watched(tmp_path, {"address": ray_cluster.address, "cpus": "2"})) as runs:
        assert runs.at_once == 1
        ended, signum = run_jobs([job], runs, on_start=lambda job: None, note=notes.append)
    assert ([(each.name, each.returncode) for each in ended], signum) == ([("a", 0)], None)
    (note,) = notes
    assert note.endswith("try 2 of 3")


def test_without_the_head_runs_save_and_the_study_ends(
    ray_cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_cluster_module, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(ray_cluster_module, "_HEADLESS_SECONDS", 0.0)
    job = Job(name="a", command=(sys.executable, "-c", SAVES, str(tmp_path)), log=None)

    class Headless(RayRuns):
        """Finds nobody at the head's address once the run has begun."""

        def room(self) -> int:
            if (tmp_path / "begun").exists():
                self._head.address = "127.0.0.1:1"
            return super().room()

    runs = Headless(tmp_path, {"address": ray_cluster.address})
    message = "Ray at 127.0.0.1:1: expected the head of the cluster, .* found that it no longer answers; what is fin"
    with closing(runs), pytest.raises(InputError, match=message):
        run_jobs([job], runs, on_start=lambda job: None)
    while not (tmp_path / "saved").exists():
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gpus": "4"}, r"expected a node that has room for a run \(gpus=4, cpus=1\), found none; the largest of"),
        ({"cpus": "100"}, r"expected a node that has room for a run \(gpus=0, cpus=100\)"),
        ({"gpus": "1.5"}, "--executor-option gpus: expected a whole number, or a share of one GPU"),
        ({"partition": "x"}, r"--executor-option partition=x: expected address \| gpus .* found 'partition'"),
    ],
)
def test_what_no_node_has_is_said_before_anything_begins(
    options: dict[str, str], message: str, ray_cluster: Any, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        RayRuns(tmp_path, {"address": ray_cluster.address, **options})


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "nowhere", "head:port"])
def test_an_address_where_no_cluster_is(address: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"--executor ray: expected a Ray cluster at {address}, found none"):
        RayRuns(tmp_path, {"address": address})


def test_what_listens_and_is_no_ray_is_told_from_it(ray_cluster: Any, tmp_path: Path) -> None:
    """Ray would go on asking it for many minutes."""
    with web_server() as web:
        address = web.address.removeprefix("http://")
        with pytest.raises(InputError, match=f"--executor ray: expected a Ray cluster at {address}, found none"):
            RayRuns(tmp_path, {"address": address})
    RayRuns(tmp_path, {"address": ray_cluster.address}).close()


def test_data_that_a_node_does_not_see_are_named(ray_cluster: Any, tmp_path: Path) -> None:
    job = Job(name="a", command=(sys.executable, "-c", ""), log=None, needs=(tmp_path / "data",))
    message = rf"node {os.uname().nodename}: expected {tmp_path}/data, as the driver sees it, found nothing"
    runs = RayRuns(tmp_path, {"address": ray_cluster.address})
    with closing(runs), pytest.raises(InputError, match=message):
        run_jobs([job], runs, on_start=lambda job: None)
    assert list(tmp_path.iterdir()) == []


def test_without_ray_a_sentence_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r'Install it: pip install "p2phd-eval\[ray\]"'):
        RayRuns(tmp_path, {"address": "127.0.0.1:1"})
