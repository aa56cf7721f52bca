from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from p2phd_eval.stores import find_store, object_file
from p2phd_eval.user_folders import CACHE_VARIABLE
from tests.stores.servers import BUCKET


@pytest.fixture(autouse=True)
def _own_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(object_file, "_FIRST_WAIT", 0.01)
    monkeypatch.setattr(object_file._recent, "parts", {}, raising=False)


@pytest.fixture(scope="session")
def _s3_port() -> Iterator[int]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()[1]
    server.stop()


@pytest.fixture
def s3(_s3_port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of an S3 server with an empty bucket, where `p2phd_eval` finds it too."""
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{_s3_port}",
        "AWS_ACCESS_KEY_ID": "some-key",
        "AWS_SECRET_ACCESS_KEY": "some-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    find_store._store.cache_clear()  # its connection knows the variables of the test before
    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    yield client
    while keys := client.list_objects_v2(Bucket=BUCKET).get("Contents"):
        client.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": each["Key"]} for each in keys]})
    client.delete_bucket(Bucket=BUCKET)
    client.close()
    find_store._store.cache_clear()
