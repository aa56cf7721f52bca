"""Fixtures: the small study, whose images and report several files look at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from p2phd_eval.quality import lpips_weights
from p2phd_eval.user_folders import CACHE_VARIABLE
from tests.report.page.small_study import write_small_study


@pytest.fixture(scope="session")
def small_study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A study folder and its report. Not to be changed."""
    folder = tmp_path_factory.mktemp("small-study")
    with pytest.MonkeyPatch.context() as patch:
        # No weights of LPIPS, and none fetched.
        patch.setenv(CACHE_VARIABLE, str(folder / "cache"))
        patch.setenv("TORCH_HOME", str(folder / "torch"))
        patch.setattr(lpips_weights, "URL", (folder / "missing.pth").as_uri())
        return folder, write_small_study(folder)


@pytest.fixture
def small_report(small_study: tuple[Path, dict[str, Any]]) -> dict[str, Any]:
    """The report of the small study. Not to be changed."""
    return small_study[1]
