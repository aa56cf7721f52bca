"""A Ray cluster of two nodes, which are processes of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import p2phd_eval


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[Any]:
    """A `ray.cluster_utils.Cluster` of a head with one core and a node with two, which a test may replace."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        # On a busy machine Ray's own processes take longer than its patience.
        patch.setenv("RAY_raylet_start_wait_time_s", "240")
        patch.setenv("RAY_agent_register_timeout_ms", "240000")
        # That a node is gone is seen at the fifth look: after two and a half seconds, not fifteen. One that is busy has
        # ten seconds to answer each.
        patch.setenv("RAY_health_check_period_ms", "500")
        patch.setenv("RAY_health_check_initial_delay_ms", "1000")
        patch.setenv("OMP_NUM_THREADS", "1")
        # The nodes find this package where this process found it.
        packages = [str(Path(p2phd_eval.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, packages)))
        from ray.cluster_utils import Cluster

        cluster = Cluster()
        add_node(cluster)
        add_node(cluster, cores=2)
    yield cluster
    cluster.shutdown()


def add_node(cluster: Any, cores: int = 1) -> Any:
    """Add a node."""
    return cluster.add_node(num_cpus=cores, object_store_memory=100 << 20, include_dashboard=False)
