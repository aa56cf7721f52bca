"""What takes a path alone says so of an address, in one sentence and without its secrets."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from p2phd_eval.cli import app


@pytest.mark.parametrize(
    ("command", "shown", "scheme"),
    [
        ("study s3://bucket/data", "s3://bucket/data", "s3"),
        ("study data --out gs://bucket/study", "--out gs://bucket/study", "gs"),
        ("data validate s3://bucket/data", "s3://bucket/data", "s3"),
        ("train https://me:word@host/data?signed --out run", "https://***@host/data?...", "https"),
        ("generate s3://bucket/run/checkpoints/latest.pt data --out samples", "s3://bucket/run/checkpoints/lat", "s3"),
        ("edit serve run hf://datasets/me/run --data data", "hf://datasets/me/run", "hf"),
        ("segment train data --out s3:/bucket/s.safetensors", "--out s3://bucket/s.safetensors", "s3"),
    ],
)
def test_an_address_where_a_path_belongs(command: str, shown: str, scheme: str) -> None:
    result = CliRunner().invoke(app, command.split())
    assert result.exit_code == 2
    assert result.output.startswith(f"error: {shown}")
    assert "expected a path: training data, runs, checkpoints, weights and studies lie on disks" in result.output
    assert f"found an address of {scheme}://." in result.output
    assert "Copy it to a disk first" in result.output
    assert "word" not in result.output
