from __future__ import annotations

from pathlib import Path

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.stores.object_cache import (
    LIMIT_VARIABLE,
    cached_parts,
    clear_parts,
    get_part,
    has_part,
    object_digest,
    put_part,
)
from p2phd_eval.stores.object_store import ObjectState

DIGEST = object_digest("s3://bucket/a.png", ObjectState(4, "etag"), "")


def test_a_part_is_what_was_put_or_nothing() -> None:
    assert get_part(DIGEST, 0, 4) is None
    assert put_part(DIGEST, 0, b"abcd")
    assert get_part(DIGEST, 0, 4) == b"abcd"
    assert get_part(DIGEST, 0, 5) is None
    (part,) = cached_parts().folder.rglob("*.0")
    assert part.stat().st_mode & 0o077 == 0  # of others' credentials
    part.write_bytes(part.read_bytes().replace(b"b", b"x"))
    assert get_part(DIGEST, 0, 4) is None


def test_another_version_is_another_object_and_another_signature_is_none() -> None:
    def name(url: str, version: str = '"v"', unversioned: str = "") -> str:
        return object_digest(url, ObjectState(4, version), unversioned)

    assert name("https://me:word@host/a?signed=1") == name("https://host/a?signed=2")
    seconds = "Mon, 30 Nov 2026 18:00:00 GMT"
    assert name("https://host/get?a.tar", seconds) != name("https://host/get?b.tar", seconds)
    assert name("https://host/a", '"w"') != name("https://host/a")
    assert name("https://host/a", "", "1") != name("https://host/a", "", "2")
    assert name("s3://bucket/a?b") != name("s3://bucket/a?c")


def test_the_cache_is_bounded_and_what_was_used_last_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LIMIT_VARIABLE, "1e-5")  # 10 kB
    for number in range(40):
        assert put_part(DIGEST, number, bytes(1000))
        assert get_part(DIGEST, 0, 1000) is not None
    assert cached_parts().size <= 10_000 + 20 * 16
    assert has_part(DIGEST, 0)
    assert not has_part(DIGEST, 1)
    assert clear_parts().parts >= 9
    assert cached_parts().parts == 0


def test_where_nothing_can_be_kept_nothing_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(LIMIT_VARIABLE, "0")
    assert not put_part(DIGEST, 0, b"a")
    monkeypatch.setenv(LIMIT_VARIABLE, "much")
    with pytest.raises(InputError, match="a number of gigabytes"):
        put_part(DIGEST, 0, b"a")
    monkeypatch.delenv(LIMIT_VARIABLE)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("P2PHD_EVAL_CACHE", str(tmp_path / "file"))
    assert not put_part(DIGEST, 0, b"a")
