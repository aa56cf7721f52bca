"""Who may speak to the server: the page that it gave out itself, from this machine, and nobody else."""

from __future__ import annotations

import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Nothing from elsewhere is loaded, run, framed or sent to. Pictures are also made in the page (blob).
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}
_SAFE_METHODS = ("GET", "HEAD")


class Guard:
    """Lets requests through that name this server, come from its own page, and know the token.

    The token is the first part of every path. `Host` has to be the server's own address, so that no name of another
    site can be made to lead here (DNS rebinding); `Origin`, which browsers send with all that changes something, has to
    be the server's own. The token alone keeps others out; what else is checked are second doors.

    Parameters
    ----------
    app : ASGI application
        Gets paths without the token.
    token : str
    port : int
        Of the server.
    """

    def __init__(self, app: ASGIApp, *, token: str, port: int) -> None:
        self._app, self._token = app, token.encode()
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
        if port == 80:
            self._hosts |= {"127.0.0.1", "localhost"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on; see the ASGI specification."""
        if scope["type"] != "http":
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await PlainTextResponse(refusal[1] + "\n", status_code=refusal[0])(scope, receive, send_guarded)
            return
        rest = "/" + scope["path"].split("/", 2)[2]
        await self._app({**scope, "path": rest, "raw_path": None, "root_path": ""}, receive, send_guarded)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Return the status and the reason why a request is refused; None for one that is not."""
        headers = Headers(scope=scope)
        if [host.lower() for host in headers.getlist("host")] not in [[host] for host in self._hosts]:
            return 421, "This server is reached as 127.0.0.1 or localhost, with its port."
        origins = headers.getlist("origin")
        if any(origin not in {f"http://{host}" for host in self._hosts} for origin in origins):
            return 403, "Requests from another origin are refused."
        if scope["method"] not in _SAFE_METHODS and len(origins) != 1:
            return 403, "A request that changes something has to come from the page."
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return 403, "Requests from another site are refused."
        parts = scope["path"].split("/", 2)
        if len(parts) < 3 or not secrets.compare_digest(parts[1].encode(), self._token):
            return (
                404,
                "Nothing is here. The address with the token is in the terminal where p2phd-eval edit serve runs.",
            )
        return None
