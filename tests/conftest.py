"""Fixtures that several test files share."""

from __future__ import annotations

import os

# As the command line does, and before torch is imported.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

import pytest

from p2phd_eval.stats.inception import FidInception, load_inception
from p2phd_eval.stats.weights import fetch_weights
from p2phd_eval.stats.weights_file import WeightsFile


@pytest.fixture(scope="session")
def inception_weights() -> WeightsFile:
    """The FID Inception weights, fetched into the user's cache by the first run."""
    return fetch_weights()


@pytest.fixture(scope="session")
def inception(inception_weights: WeightsFile) -> FidInception:
    """The FID Inception network on the CPU."""
    return load_inception(inception_weights, "cpu")
