"""A page's server that answers in a thread, and who asks it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlencode, urlsplit

from p2phd_eval.editor.serving import EditorServer, open_editor
from tests.generators.sampling.styled_runs import CPU


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def message(self) -> str:
        text: str = self.json["message"]
        return text


@dataclass
class Caller:
    """Asks a server for what it is told to, with the headers that a browser would send from the server's own page."""

    address: str
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def host(self) -> str:
        return urlsplit(self.address).netloc

    def ask(
        self,
        name: str,
        body: object = None,
        *,
        method: str | None = None,
        headers: dict[str, str | None] | None = None,
        path: str | None = None,
        **query: object,
    ) -> Reply:
        """`body`: bytes, or what is sent as JSON. `headers`: others, or None for those that are left out."""
        method = method or ("GET" if body is None else "POST")
        sent: dict[str, str | None] = {"Host": self.host}
        if method == "POST":
            sent |= {"Origin": f"http://{self.host}", "Content-Type": "application/json"}
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        path = path or f"{urlsplit(self.address).path}{name}"
        connection = http.client.HTTPConnection(self.host, timeout=60)
        connection.putrequest(method, path + (f"?{urlencode(query)}" if query else ""), skip_host=True)
        for key, value in (sent | {"Content-Length": str(len(content or b""))} | (headers or {})).items():
            if value is not None:
                connection.putheader(key, value)
        connection.endheaders(content)
        answer = connection.getresponse()
        reply = Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        connection.close()
        return reply

    def edit(self, **values: object) -> Any:
        reply = self.ask("api/edit", values)
        assert reply.status == 200, reply.content
        return reply.json


@contextmanager
def serving(runs: list[Path], data: Path, out: Path, **options: Any) -> Iterator[EditorServer]:
    """A server that answers, in a thread of this process."""
    with open_editor(runs, data, out=out, port=0, device=CPU, **options) as server:
        thread = Thread(target=server.answer)
        thread.start()
        yield server
        server.stop()
        thread.join()
