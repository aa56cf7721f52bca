"""torch.compile where nothing else of torch was loaded before; tests of its numbers are in test_step.py."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest


@pytest.mark.skipif(not any(map(shutil.which, ("c++", "g++", "clang++"))), reason="needs a C++ compiler")
def test_compiling_is_the_first_thing_that_a_process_does() -> None:
    code = (
        "import torch\nfrom p2phd_eval.generators.training.compilation import compile_networks\n"
        "compile_networks([torch.nn.Linear(1, 1)], torch.device('cpu'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
