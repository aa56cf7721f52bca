"""A block that waits for a Ray cluster ends when its head is gone."""

from __future__ import annotations

import time

import pytest

from p2phd_eval import ray_cluster
from p2phd_eval.errors import InputError
from p2phd_eval.ray_cluster import Head, ended_without
from tests.stores.servers import web_server


def test_a_block_ends_with_a_sentence_when_the_head_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(ray_cluster, "_HEADLESS_SECONDS", 0.0)
    with (
        pytest.raises(InputError, match=r"Ray at ray://127.0.0.1:1: expected the head of the cluster, .*; what is fin"),
        ended_without(Head(None, "ray://127.0.0.1:1")),
    ):
        time.sleep(60)


def test_with_a_head_a_block_goes_on_and_its_errors_are_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster, "LOOK_SECONDS", 0.01)
    with web_server() as web, pytest.raises(KeyboardInterrupt), ended_without(Head(None, web.address)):
        time.sleep(0.1)
        raise KeyboardInterrupt
