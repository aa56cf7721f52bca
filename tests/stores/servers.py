"""A real S3 server on this machine, web servers of three kinds, and a wire between that breaks."""

from __future__ import annotations

import contextlib
import http.server
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

BUCKET = "photos-of-tests"


@dataclass
class Wire:
    """What stands between a client and a server, and passes on what they say."""

    port: int = 0
    breaks: int = 0  # connections that it will still close in the middle of an answer
    after: int = 300_000  # bytes of an answer that pass before
    sockets: list[socket.socket] = field(default_factory=list)

    def _carry(self, source: socket.socket, target: socket.socket, *, answers: bool) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if answers and self.breaks and passed + len(data) > self.after:
                    self.breaks -= 1
                    target.sendall(data[: max(0, self.after - passed)])
                    break
                target.sendall(data)
                passed += len(data)
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@contextmanager
def breaking_wire(server_port: int) -> Iterator[Wire]:
    """Pass on connections to a server of this machine; give what says when they break."""
    wire = Wire()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        wire.port = listener.getsockname()[1]

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    server = socket.create_connection(("127.0.0.1", server_port))
                    wire.sockets += [client, server]
                    for pair, answers in (((client, server), False), ((server, client), True)):
                        threading.Thread(
                            target=wire._carry, args=pair, kwargs={"answers": answers}, daemon=True
                        ).start()

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield wire
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for each in wire.sockets:
                each.close()


@dataclass
class Web:
    """A web server that was started."""

    address: str  # without a slash at its end
    files: dict[str, bytes]
    asked: list[str]  # the Range of each request, or ""
    ranges: bool  # whether parts are sent
    endless: bool = False  # whether files are sent again and again


@contextmanager
def web_server(*, ranges: bool = True, password: str = "") -> Iterator[Web]:
    """Serve files; with `ranges` parts of them too; with a `password` (Basic, encoded) to who knows it alone."""
    web = Web("", {}, [], ranges)

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            web.asked.append(self.headers.get("Range", ""))
            content = web.files.get(self.path)
            if password and self.headers.get("Authorization") != f"Basic {password}":
                self._say(401, b"")
            elif content is None:
                self._say(404, b"")
            elif web.ranges and (found := re.fullmatch(r"bytes=(\d+)-(\d+)", web.asked[-1])):
                start, end = int(found[1]), min(int(found[2]) + 1, len(content))
                self._say(206, content[start:end], f"bytes {start}-{end - 1}/{len(content)}", hash(content))
            else:
                self._say(200, content, "", hash(content))

        def _say(self, status: int, content: bytes, ranged: str = "", tag: int = 0) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            if ranged:
                self.send_header("Content-Range", ranged)
            if tag:
                self.send_header("ETag", f'"{tag}"')
            if web.endless:
                self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            with contextlib.suppress(OSError):  # who wanted the first byte alone has left
                while web.endless:
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(content), content))
                self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            web.address = f"http://127.0.0.1:{server.server_port}"
            yield web
        finally:
            server.shutdown()
