from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import boto3
import numpy as np
import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.stores import find_store, s3_store
from p2phd_eval.stores.object_cache import BLOCK
from p2phd_eval.stores.store_path import StorePath, pinned, written
from tests.stores.servers import BUCKET, breaking_wire

PLACE = f"s3://{BUCKET}"


def content_of(size: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).bytes(size)


def test_a_listing_of_many_pages_has_every_key_once(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "7")  # keys a page
    names = sorted(f"{number % 3}/{number:03}.png" for number in range(40))
    for name in (*(f"set/{name}" for name in names), "set/", "other/a.png", "settings.png"):
        s3.put_object(Bucket=BUCKET, Key=name, Body=name.encode())
    folder = pinned(StorePath(f"{PLACE}/set"))
    assert folder.objects() == names
    assert (folder / "1/001.png").read_bytes() == b"set/1/001.png"
    assert sorted(each.name for each in folder.iterdir()) == ["0", "1", "2"]


@pytest.mark.parametrize("size", [0, 1, BLOCK, 3 * BLOCK + 5])
def test_what_is_written_is_read(s3: Any, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(s3_store, "_FIRST_PART", 5 << 20)
    content = content_of(size)
    with written(StorePath(f"{PLACE}/deep/er/features.npz")) as stream:
        stream.write(content)
    assert s3.get_object(Bucket=BUCKET, Key="deep/er/features.npz")["Body"].read() == content
    with StorePath(f"{PLACE}/deep/er/features.npz").open() as stream:
        assert stream.read() == content


def test_a_large_object_is_written_in_parts_or_not_at_all(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_store, "_FIRST_PART", 5 << 20)  # the least that S3 takes
    content = content_of(12 << 20)
    path = StorePath(f"{PLACE}/large")
    with written(path) as stream:
        stream.write(content)
    assert s3.head_object(Bucket=BUCKET, Key="large")["ETag"].endswith('-3"')
    assert s3.get_object(Bucket=BUCKET, Key="large")["Body"].read() == content
    with pytest.raises(RuntimeError), written(StorePath(f"{PLACE}/half")) as stream:
        stream.write(content)
        raise RuntimeError
    assert not StorePath(f"{PLACE}/half").exists()


def test_a_connection_that_breaks_in_the_middle(s3: Any, _s3_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    content = content_of(3 * BLOCK)
    s3.put_object(Bucket=BUCKET, Key="train.tar", Body=content)
    for number in range(20):
        s3.put_object(Bucket=BUCKET, Key=f"set/{number:02}.png", Body=b"x")
    with breaking_wire(_s3_port) as wire:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{wire.port}")
        find_store._store.cache_clear()
        path = StorePath(f"{PLACE}/train.tar")
        wire.breaks = 3
        assert path.read_bytes() == content
        assert wire.breaks == 0
        wire.breaks, wire.after = 2, 2000
        assert pinned(StorePath(f"{PLACE}/set")).objects() == [f"{number:02}.png" for number in range(20)]
        assert wire.breaks == 0
        s3.put_object(Bucket=BUCKET, Key="train.tar", Body=content[::-1])
        wire.breaks = 1000
        with pytest.raises(InputError) as caught:
            path.read_bytes()
        assert caught.value.where == f"{PLACE}/train.tar"
        assert "times in a row" in caught.value.found
        wire.breaks = 0
        assert path.read_bytes() == content[::-1]


@pytest.mark.parametrize("conditions", [True, False])
def test_an_object_that_is_replaced_meanwhile_is_never_read_in_two_versions(
    s3: Any, monkeypatch: pytest.MonkeyPatch, conditions: bool
) -> None:
    if not conditions:  # as of servers that do not know If-Match
        monkeypatch.setattr(s3_store, "_is_etag", lambda version: False)
    s3.put_object(Bucket=BUCKET, Key="a.tar", Body=content_of(5 * BLOCK))
    path = pinned(StorePath(f"{PLACE}/a.tar"))
    assert isinstance(path, StorePath)
    with path.open() as stream:
        stream.read(10)
        s3.put_object(Bucket=BUCKET, Key="a.tar", Body=content_of(5 * BLOCK, seed=1))
        with pytest.raises(InputError, match="the same object from the first to the last read"):
            stream.read()
    s3.delete_object(Bucket=BUCKET, Key="a.tar")
    with path.open() as stream, pytest.raises(InputError, match="the same object from the first to the last read"):
        stream.seek(4 * BLOCK)
        stream.read()


@pytest.fixture
def strict_s3(s3: Any, _s3_port: int) -> Iterator[dict[str, str]]:
    """A server that asks who one is; give the one user that it knows."""
    iam = boto3.client("iam")
    iam.create_user(UserName="reader")
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    iam.put_user_policy(UserName="reader", PolicyName="all", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    iam.close()

    def ask_after(requests: str) -> None:
        url = f"http://127.0.0.1:{_s3_port}/moto-api/reset-auth"
        kind = {"Content-Type": "text/plain"}
        urllib.request.urlopen(urllib.request.Request(url, data=requests.encode(), headers=kind)).close()

    ask_after("0")
    yield {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    ask_after("1000000000")


def test_wrong_credentials_are_one_sentence_without_them(
    strict_s3: dict[str, str], s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusal(**given: str) -> str:
        for name, value in (strict_s3 | given).items():
            monkeypatch.setenv(name, value)
        find_store._store.cache_clear()
        with pytest.raises(InputError) as caught:
            StorePath(f"{PLACE}/a.tar").exists()
        assert caught.value.where == f"{PLACE}/a.tar"
        text = str(caught.value)
        assert text.count("\n") == 1
        assert not any(value in text for value in (strict_s3 | given).values())
        assert caught.value.__cause__ is None
        return caught.value.found

    assert refusal(AWS_ACCESS_KEY_ID="AKIAUNKNOWN") == "an access key that it does not know"
    assert refusal(AWS_SECRET_ACCESS_KEY="not-the-secret") == "a secret key that is wrong"
    for name, value in strict_s3.items():
        monkeypatch.setenv(name, value)
    find_store._store.cache_clear()
    assert not StorePath(f"{PLACE}/a.tar").exists()


def test_no_bucket_no_network_no_credentials_no_library(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def found(url: str) -> str:
        find_store._store.cache_clear()
        with pytest.raises(InputError) as caught:
            pinned(StorePath(url))
        return f"{caught.value.where}: {caught.value.found}"

    assert found("s3://no-such-bucket/a") == "s3://no-such-bucket/a: none called 'no-such-bucket'"
    assert "no name of a bucket" in found("s3://No_Bucket!/a")
    assert found("s3://AKIA:wo/rd@bucket/a") == "s3://***@bucket/a: '***@bucket', which is no name of a bucket"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    assert found(f"{PLACE}/a") == f"{PLACE}/a: no connection to it"
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    assert found(f"{PLACE}/a") == f"{PLACE}/a: no credentials"
    monkeypatch.setitem(__import__("sys").modules, "s3fs", None)
    with pytest.raises(InputError, match=r"Install it: pip install 'p2phd-eval\[s3\]'"):
        find_store._store.cache_clear()
        StorePath(f"{PLACE}/a").exists()
