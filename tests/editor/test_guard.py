"""Who is let in: the page itself. All else is refused before anything is read or done."""

import pytest

from p2phd_eval.editor.guard import CONTENT_POLICY
from tests.editor.asking import Caller


def test_the_page_comes_with_the_token_and_a_strict_policy(caller: Caller) -> None:
    for name, kind in (("", "text/html"), ("editor.js", "text/javascript"), ("editor.css", "text/css")):
        reply = caller.ask(name)
        assert reply.status == 200
        assert reply.headers["content-type"].startswith(kind)
        assert reply.headers["content-security-policy"] == CONTENT_POLICY
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["referrer-policy"] == "no-referrer"
        assert reply.headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in reply.headers
        assert "server" not in reply.headers
        # Nothing from another site.
        assert b"http:" not in reply.content
        assert b"https:" not in reply.content
        assert b"//" not in reply.content.replace(b"// ", b"")


@pytest.mark.parametrize("path", ["/", "/api/session", "/wrong/", "/wrong/api/session", "/wrong/../api/session", "//"])
def test_without_the_token_there_is_nothing(caller: Caller, path: str) -> None:
    reply = caller.ask("", path=path)
    assert reply.status == 404
    assert b"terminal" in reply.content


@pytest.mark.parametrize(
    "host", ["example.org", "example.org:{port}", "127.0.0.1", "127.0.0.1:1", "localhost.:{port}", None]
)
def test_another_host_is_refused(caller: Caller, host: str | None) -> None:
    """A name of another site that leads to this machine is not this server (DNS rebinding)."""
    port = caller.host.partition(":")[2]
    reply = caller.ask("api/session", headers={"Host": host.format(port=port) if host else None})
    assert reply.status in (400, 421)
    assert b"images" not in reply.content


def test_this_machine_has_two_names(caller: Caller) -> None:
    port = caller.host.partition(":")[2]
    assert caller.ask("api/session", headers={"Host": f"localhost:{port}"}).status == 200


@pytest.mark.parametrize(
    "origin", ["http://example.org", "null", "http://127.0.0.1:1", "https://{host}", "http://{host}.example.org"]
)
def test_another_origin_is_refused(caller: Caller, origin: str) -> None:
    body = {"image": "scene_000000", "position": 0}
    origin = origin.format(host=caller.host)
    assert caller.ask("api/go-to", body, headers={"Origin": origin}).status == 403
    assert caller.ask("api/session", headers={"Origin": origin}).status == 403


def test_what_changes_something_says_where_it_is_from(caller: Caller) -> None:
    body = {"image": "scene_000000", "position": 0}
    assert caller.ask("api/go-to", body, headers={"Origin": None}).status == 403
    assert caller.ask("api/go-to", body).status == 200


def test_another_site_may_not_show_what_is_here(caller: Caller) -> None:
    for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)):
        assert caller.ask("api/session", headers={"Sec-Fetch-Site": site}).status == status
