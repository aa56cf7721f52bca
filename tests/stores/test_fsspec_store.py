"""What goes by fsspec's own methods, on the one of its stores that needs no server."""

from __future__ import annotations

import io

import fsspec
import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.stores.fsspec_store import FsspecStore
from p2phd_eval.stores.object_store import Broken, ObjectState


def test_what_is_written_is_listed_and_read_and_another_version_is_refused() -> None:
    store, root = FsspecStore(), "memory://photos-of-tests"
    for name in ("set/a.png", "set/night/b.png", "settings.png"):
        store.write(f"{root}/{name}", io.BytesIO(name.encode()), len(name))
    found = dict(store.objects(f"{root}/set"))
    assert {name: state.size for name, state in found.items()} == {"a.png": 9, "night/b.png": 15}
    state = store.state(f"{root}/set/a.png")
    assert state == found["a.png"]
    assert store.read(f"{root}/set/a.png", state, 4, 9) == b"a.png"
    assert b"".join(store.stream(f"{root}/set/a.png", state)) == b"set/a.png"
    with pytest.raises(InputError, match="another version"):
        store.read(f"{root}/set/a.png", ObjectState(9, "before"), 0, 9)
    with pytest.raises(Broken):
        store.read(f"{root}/set/a.png", state, 0, 99)
    assert store.state(f"{root}/set") is None
    assert store.state(f"{root}/other") is None
    assert list(store.objects(f"{root}/other")) == []
    fsspec.filesystem("memory").rm("/photos-of-tests", recursive=True)


def test_a_library_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "gcsfs", None)
    with pytest.raises(InputError, match=r"expected gcsfs, to reach gs://.*\n.*p2phd-eval\[gs\]"):
        FsspecStore().state("gs://bucket/a.png")
