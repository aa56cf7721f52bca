from __future__ import annotations

import base64

import numpy as np
import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.stores.object_cache import BLOCK, LIMIT_VARIABLE
from p2phd_eval.stores.store_path import StorePath, pinned, written
from tests.stores.servers import breaking_wire, web_server


def test_parts_are_asked_for_where_the_server_sends_some_and_the_whole_once_where_not() -> None:
    content = np.random.default_rng(0).bytes(3 * BLOCK + 7)
    for ranges in (True, False):
        with web_server(ranges=ranges) as web:
            web.files["/a%20b.tar"] = content
            path = StorePath(f"{web.address}/a b.tar")
            for _ in range(2):
                with path.open() as stream:
                    stream.seek(2 * BLOCK + 1)
                    assert stream.read(100) == content[2 * BLOCK + 1 :][:100]
                assert path.read_bytes() == content
            whole = [each for each in web.asked if not each]
            assert len(whole) == (0 if ranges else 1)


def test_a_file_that_cannot_be_kept_and_comes_whole_alone_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LIMIT_VARIABLE, "0")
    with web_server(ranges=False) as web, pytest.raises(InputError, match="Set P2PHD_EVAL_OBJECTS_GB higher"):
        web.files["/a.tar"] = b"x" * 100
        StorePath(f"{web.address}/a.tar").read_bytes()


def test_user_and_password_and_a_signature_are_used_and_never_shown() -> None:
    with web_server(password=base64.b64encode(b"me:pass/word").decode()) as web:
        web.files["/a.npz?X-Signature=secret"] = b"content"
        given = web.address.replace("http://", "http://me:pass%2Fword@")
        path = StorePath(f"{given}/a.npz?X-Signature=secret")
        assert path.read_bytes() == b"content"
        shown = web.address.replace("http://", "http://***@") + "/a.npz?..."
        assert (str(path), path.name, path.suffix) == (shown, "a.npz", ".npz")
        assert "secret" not in repr(path)
        with pytest.raises(InputError) as caught:
            StorePath(f"{given.replace('word', 'wort')}/a.npz?X-Signature=secret").read_bytes()
        assert caught.value.found == "the answer 401, Unauthorized"
        assert "secret" not in str(caught.value)
        assert "wor" not in str(caught.value)


def test_a_connection_that_breaks_and_a_server_that_is_not_there() -> None:
    content = np.random.default_rng(0).bytes(2 * BLOCK)
    for ranges in (True, False):
        with web_server(ranges=ranges) as web, breaking_wire(int(web.address.rpartition(":")[2])) as wire:
            web.files["/a.tar"] = content
            wire.breaks = 3
            assert StorePath(f"http://127.0.0.1:{wire.port}/a.tar").read_bytes() == content
            assert wire.breaks == 0
    with pytest.raises(InputError, match="Connection refused, 5 times in a row"):
        StorePath("http://127.0.0.1:9/a.tar").read_bytes()


def test_what_changes_after_the_first_look_is_never_taken_for_it() -> None:
    content = np.random.default_rng(0).bytes(3 * BLOCK)
    with web_server() as web:
        web.files["/a.tar"] = content
        path = pinned(StorePath(f"{web.address}/a.tar"))
        web.ranges = False  # the whole file, for every part
        with path.open("rb") as stream, pytest.raises(InputError, match="another part than was asked for"):
            stream.seek(BLOCK)
            stream.read(1)
        web.ranges = True
        web.files["/a.tar"] = content[::-1]
        with path.open("rb") as stream, pytest.raises(InputError, match="another version"):
            stream.read(1)
        del web.files["/a.tar"]
        with path.open("rb") as stream, pytest.raises(InputError, match="another version"):
            stream.read(1)


def test_no_more_is_taken_than_a_file_has() -> None:
    with web_server(ranges=False) as web:
        web.files["/a.tar"], web.endless = b"1234", True
        with pytest.raises(InputError, match="more than its 4 bytes, 5 times in a row"):
            StorePath(f"{web.address}/a.tar").read_bytes()


def test_a_web_server_is_not_written_to_and_lists_nothing() -> None:
    with web_server() as web:
        with pytest.raises(InputError, match="Write a file, and upload it"), written(StorePath(f"{web.address}/a")):
            pass
        assert not StorePath(f"{web.address}/folder").exists()
