"""`weights` as a user types it."""

from __future__ import annotations

from tests.commands.command_line import document_of, invoke


def test_weights_commands() -> None:
    sources = document_of(invoke("weights", "list", "--json", "-"))["sources"]
    assert len(sources) >= 4
    fetched = document_of(invoke("weights", "fetch", "--json", "-"))
    verified = document_of(invoke("weights", "verify", "--json", "-"))
    assert verified["ok"] is True
    assert verified["weights_sha256"] == fetched["weights_sha256"]
