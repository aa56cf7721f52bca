"""Fixtures that several test files share."""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import random
import secrets
import sys

# As the command line does, and before torch is imported.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
# Processes of the suite that run side by side share the cores, as those that they start do.
if "PYTEST_XDIST_WORKER_COUNT" in os.environ:
    workers = int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))
# Where it is set, each of the many processes that tests start would compile the package for itself.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import typer.testing

from p2phd_eval.errors import InputError
from p2phd_eval.features.networks.inception import FidInception, load_inception
from p2phd_eval.features.weights.find import fetch_weights, find_weights
from p2phd_eval.features.weights.index import WeightsFile
from p2phd_eval.user_folders import CACHE_VARIABLE, cache_folder

sys.dont_write_bytecode = False
gc.disable()  # until all tests are imported: nearly nothing of it is garbage

pytest_plugins = (
    "tests.browser",
    "tests.editing.trained_arms",
    "tests.finished_study",
    "tests.ray_cluster",
    "tests.small_training",
)


#: Set it to the seed that a failed test showed, and the test draws the same again.
SEED_VARIABLE = "P2PHD_EVAL_TEST_SEED"

#: Files that take the longest are run first: processes that share the tests then end at about the same time.
LONGEST = (
    "commands/test_study.py",
    "commands/test_demo.py",
    "examples/diffusers/test_sample.py",
    "study/test_run_study.py",
    "examples/pix2pix/test_pix2pix.py",
    "generators/training/test_distributed.py",
    "test_docs_site.py",
    "commands/test_fid.py",
    "tracking/test_trackers.py",  # it would be the last one, with nothing beside it
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {Path(__file__).parent / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("cuda") is not None:
                item.add_marker(pytest.mark.skip(reason="needs a CUDA GPU"))


# For each call typer builds all commands anew: two thirds of what one takes that is refused.
typer.testing._get_command = functools.cache(typer.main.get_command)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """Who collects garbage need not look through all that was imported, each time for a quarter of a second."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_sessionfinish() -> None:
    gc.unfreeze()  # Hypothesis, which its plugin imports for the summary, looks at who refers to what


@pytest.fixture
def chance() -> random.Random:
    """Randomness that is another in each run; the seed stands in the output of a test that fails."""
    seed = int(os.environ.get(SEED_VARIABLE) or secrets.randbelow(2**32))
    print(f"To draw the same again: {SEED_VARIABLE}={seed}")
    return random.Random(seed)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """What a test draws from torch's own generator is the same alone and among others."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def fetched_weights() -> WeightsFile | None:
    """The FID Inception weights, fetched into the user's cache by the first run; None where there is no way to them."""
    with contextlib.suppress(InputError):  # those who need them will be told
        return fetch_weights()
    return None


@pytest.fixture(scope="session", autouse=True)
def _own_cache(fetched_weights: WeightsFile | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache of this test run alone: features of an earlier run would hide what computes them now."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(folder))
        if fetched_weights is not None:
            (cache_folder() / fetched_weights.path.name).symlink_to(fetched_weights.path.resolve())
        yield


@pytest.fixture(scope="session")
def inception_weights(_own_cache: None) -> WeightsFile:
    """The FID Inception weights in the cache of this test run."""
    return find_weights()


@pytest.fixture(scope="session")
def inception(inception_weights: WeightsFile) -> FidInception:
    """The FID Inception network on the CPU."""
    return load_inception(inception_weights, "cpu")
