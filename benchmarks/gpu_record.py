"""What benchmarks/gpu.py has found so far: one document, written whole after each row, and its tables beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gpu_tables import render_tables
from measuring import today

from p2phd_eval.files import atomic_write, write_json

DOCUMENT, TABLES = "gpu.json", "gpu.md"


class Record:
    """The document in a folder; one process at a time writes it.

    `device`: what is measured on; a folder holds the rows of one. None where nothing is measured.
    """

    def __init__(self, out: Path, *, rehearsal: bool, machine: dict[str, Any] | None = None) -> None:
        self._out = out
        path = out / DOCUMENT
        self.document: dict[str, Any] = (
            json.loads(path.read_text())
            if path.exists()
            else {"date": today(), "rehearsal": rehearsal, "machine": None, "stages": {}}
        )
        found = self.document["machine"]
        if self.document["rehearsal"] != rehearsal or (machine and found and found["device"] != machine["device"]):
            raise SystemExit(f"{path} is of another device, or one of both is a rehearsal: name another --out.")
        if machine and not found:
            self.document["machine"] = machine
            self._write()

    def stage(self, name: str) -> dict[str, Any]:
        """What is known of a stage."""
        found: dict[str, Any] = self.document["stages"].get(name, {"state": "missing", "rows": {}})
        return found

    def rows(self, name: str) -> dict[str, Any]:
        """The rows of a stage by their names, those that failed too."""
        found: dict[str, Any] = self.stage(name)["rows"]
        return found

    def is_missing(self, name: str, row: str) -> bool:
        """Whether a row is still to be measured: it is not there, or it failed."""
        return "traceback" in self.rows(name).get(row, {"traceback": ""})

    def set(self, name: str, **values: Any) -> None:
        """Change what is known of a stage; None removes a value. Its rows stay."""
        stage = {**self.stage(name), **values}
        self.document["stages"][name] = {key: value for key, value in stage.items() if value is not None}
        self._write()

    def put(self, name: str, row: str, values: dict[str, Any]) -> None:
        """Add or replace a row of a stage."""
        self.set(name, rows={**self.rows(name), row: values})

    def _write(self) -> None:
        write_json(self._out / DOCUMENT, self.document)
        with atomic_write(self._out / TABLES) as stream:
            stream.write(render_tables(self.document).encode())
