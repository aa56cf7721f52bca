from __future__ import annotations

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.user_folders import CACHE_VARIABLE, cache_folder


def test_a_cache_in_a_home_that_nobody_knows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, "~no-such-user/cache")
    with pytest.raises(InputError, match="Set HOME, or name a folder in P2PHD_EVAL_CACHE"):
        cache_folder()
