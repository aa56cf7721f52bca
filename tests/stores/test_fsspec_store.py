"""What goes by fsspec's own methods, on the one of its stores that needs no server."""

from __future__ import annotations

import http.server
import io
import json
import threading

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


def test_a_part_of_the_hub_is_two_requests_and_no_byte_more(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("huggingface_hub")
    content, asked = bytes(range(256)) * 40, list[tuple[str, str | None]]()

    class Hub(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            part = self.headers["Range"]
            asked.append((self.path.partition("?")[0], part))
            if part:
                first, last = map(int, part.removeprefix("bytes=").split("-"))
                answer = content[first : last + 1]
            else:
                file = {"type": "file", "path": "a.bin", "size": len(content), "oid": "1"}
                answer = json.dumps([file] if "/tree/" in self.path else {"id": "me/run"}).encode()
            self.send_response(206 if part else 200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setitem(fsspec.config.conf, "hf", {"endpoint": f"http://127.0.0.1:{server.server_port}"})
        store, url = FsspecStore(), "hf://datasets/me/run/a.bin"
        state = store.state(url)
        assert state == ObjectState(len(content), "1")
        asked.clear()
        assert store.read(url, state, 1000, 3000) == content[1000:3000]
        server.shutdown()
    tree = "/api/datasets/me/run/tree/main"
    assert asked == [("/datasets/me/run/resolve/main/a.bin", "bytes=1000-2999"), (tree, None)]
