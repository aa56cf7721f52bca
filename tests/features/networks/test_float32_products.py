from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch

# What a program may have set before.
SETTINGS = {
    "nothing": "pass",
    "older, for all products": "torch.set_float32_matmul_precision('medium')",
    "older, for convolutions": "b.cudnn.allow_tf32 = False; b.cudnn.benchmark = True",
    "newer, for all": "b.fp32_precision = 'tf32'",
    "newer, for CUDA's products": "b.cuda.matmul.fp32_precision = 'tf32'",
    "newer, for CUDA's convolutions": "b.cudnn.conv.fp32_precision = 'ieee'; b.cudnn.rnn.fp32_precision = 'tf32'",
    "newer, for oneDNN's convolutions": "b.mkldnn.conv.fp32_precision = 'bf16'",
}

# Each has a process of its own, since torch's settings are the process's: a fork of one that has imported torch.
_SCRIPT = """
import json
import os
import sys
import traceback

import torch
from p2phd_eval.features.networks.float32_products import float32_products

b = torch.backends
newer = hasattr(b.cuda.matmul, "fp32_precision")
places = [(b.cudnn, "benchmark"), (b.cudnn, "deterministic")]
if newer:
    places += [(place, "fp32_precision") for place in (b.cuda.matmul, b.cudnn.conv, b.mkldnn.conv, b.mkldnn.matmul)]
else:
    places += [(b.cudnn, "allow_tf32"), (b.cuda.matmul, "allow_tf32")]


def state():
    return [getattr(place, name) for place, name in places]


def check():
    before = state()
    with float32_products():
        benchmark, deterministic, *precisions = state()
        assert (benchmark, deterministic) == (False, True)
        # "none" is what is not set, in which case nothing above it allows less either.
        allowed = ("ieee", "none") if newer else (False,)
        assert all(precision in allowed for precision in precisions), precisions
        assert not newer or b.mkldnn.conv.fp32_precision == "ieee"
    assert state() == before
    with float32_products(tf32=True):
        assert b.cuda.matmul.fp32_precision == "tf32" if newer else b.cuda.matmul.allow_tf32
    assert state() == before


def outcome(setting):
    reads, writes = os.pipe()
    if os.fork() == 0:
        try:
            exec(setting)
            check()
            os.write(writes, b"passed")
        except BaseException:
            os.write(writes, traceback.format_exc().encode())
        os._exit(0)
    os.close(writes)
    os.wait()
    return os.read(reads, 60000).decode()


print(json.dumps({name: outcome(setting) for name, setting in json.loads(sys.argv[1]).items()}))
"""


@pytest.fixture(scope="module")
def outcomes() -> dict[str, str]:
    command = [sys.executable, "-c", _SCRIPT, json.dumps(SETTINGS)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return dict(json.loads(run.stdout))


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_products_are_in_float32_and_settings_come_back(outcomes: dict[str, str], setting: str) -> None:
    if "newer" in setting and not hasattr(torch.backends.cuda.matmul, "fp32_precision"):
        pytest.skip("torch before 2.9 has the older settings alone")
    assert outcomes[setting] == "passed"
