"""In processes of their own, since the streams are the process's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SAFE = "import sys\nfrom p2phd_eval.streams import make_streams_safe\nmake_streams_safe()\n"


def run(code: str, redirected: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    root = str(Path(__file__).parent.parent)
    return subprocess.run(
        ["bash", "-c", f'set -o pipefail; "$0" -c "$1" {redirected}', sys.executable, SAFE + code],
        env={"PYTHONPATH": root, "PYTHONIOENCODING": "utf-8", **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_stream_that_is_closed_takes_no_file(tmp_path: Path) -> None:
    """Without care the first file that is opened becomes stdout, and gets what is printed."""
    path = tmp_path / "file"
    code = f"""
with open({str(path)!r}, 'w') as file:
    print('out', flush=True)
    sys.stderr.write('err')
    file.write('whole')
"""
    result = run(code, "<&- >&- 2>&-")
    assert result.returncode == 0
    assert path.read_text() == "whole"


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_leaves_ends_nothing(unbuffered: str) -> None:
    code = """
for each in (sys.stdout, sys.stderr) * 5:
    each.write('x' * 100_000)
    each.flush()
sys.exit(7)
"""
    result = run(code, "2>&1 | true", PYTHONUNBUFFERED=unbuffered)
    assert (result.returncode, result.stderr) == (7, "")


def test_a_full_disk_is_an_error_once() -> None:
    code = """
try:
    print('x', flush=True)
except OSError as error:
    sys.stderr.write(str(error))
print('y', flush=True)
"""
    result = run(code, "> /dev/full")
    assert (result.returncode, result.stderr) == (0, "[Errno 28] No space left on device: 'stdout'")
    assert run("sys.stderr.write('x')", "2> /dev/full").returncode == 0


def test_what_an_encoding_lacks_is_shown_otherwise() -> None:
    for encoding, shown in (("ascii", r"within +/-2 \xe9 \udce9 +/-"), ("cp1252", r"within ±2 é \udce9 ±")):
        result = run(
            r"print('within \xb12 \xe9 \udce9 \xb1', end='')",
            f"| iconv -f {encoding} -t utf-8",
            PYTHONIOENCODING=encoding,
        )
        assert (result.returncode, result.stdout) == (0, shown)
