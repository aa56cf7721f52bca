"""What a node must see as the driver does."""

from __future__ import annotations

from pathlib import Path

import pytest

import p2phd_eval
from p2phd_eval.errors import InputError
from p2phd_eval.study.executors import ray_node
from p2phd_eval.study.executors.ray_node import Needed, require_seen


def test_a_node_without_the_studys_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the folder is each machine's own: there is none, or one that holds something else."""
    monkeypatch.setattr(ray_node, "_PATIENCE_SECONDS", 0.0)
    needed = Needed(token=tmp_path / "study" / "ray-check.txt", content="here", version=p2phd_eval.__version__)
    for _ in range(2):
        with pytest.raises(InputError, match=r"expected the study folder .* found another one, or none"):
            require_seen(needed, [])
        needed.token.parent.mkdir(exist_ok=True)
        needed.token.write_text("elsewhere")
    needed.token.write_text("here")
    require_seen(needed, [tmp_path])
    with pytest.raises(InputError, match=r"expected p2phd-eval 0\.0, as here"):
        require_seen(Needed(token=needed.token, content="here", version="0.0"), [])
