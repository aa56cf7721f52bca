"""Every number of the commands that judge: out of its range it is refused, by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.command_line import error_of, invoke
from tests.features.feature_sets import arm_file

#: No value of any option but where it says so.
_NONE = ("nan", "inf", "-1", "")
_OPTIONS = {
    "fid a.npz b.npz": {
        "--confidence": ("0.9999999999999999", "1e-300", "1"),
        "--replicates": ("1", "1000000000000", f"{10**400}"),
        "--seed": (f"{2**64}", "0.5"),
        "--dims": ("0", f"{10**30}"),
    },
    "compare a.npz b.npz c.npz": {
        "--confidence": ("0.9999999999999999", "0.5"),
        "--replicates": ("1", "1000000000000"),
        "--margin": ("nan%", "-1%", "0", "1e308%", "1e308"),
        "--seed": (f"{2**64}",),
    },
    "floor a.npz b.npz --benign c.npz": {
        "--confidence": ("0.9999999999999999", "0.5"),
        "--tolerance": ("0.9", "1e308"),
        "--margin": ("nan%", "-1%", "0", "1e308%"),
        "--seed": (f"{2**64}",),
    },
    "segment score maps a b --segmenter nothing": {
        "--confidence": ("0.9999999999999999", "0.5"),
        "--margin": ("nan%", "0", "1e308%", "1e308", "100"),
        "--batch-size": ("0",),
        "--ignore": ("65536",),
    },
    "segment train data": {"--ignore": ("65536",), "--steps": (f"{10**30}",), "--width": ("8", "100000")},
    "bench --preset demo": {
        **{"--warm-up": ("0", f"{10**9}"), "--steps": ("0", f"{10**9}"), "--repeats": ("0", f"{10**9}")},
        "--batch-sizes": ("0", "1,,2", f"{10**20}"),
    },
    "data synthesize data": {"--train": ("0", f"{10**9}"), "--test": (f"{10**9}",), "--width": ("31", f"{10**9}")},
    "metrics a.npz b.npz": {"--seed": (f"{2**64}",), "--workers": ("x",)},
    "plan --image-sd 60 --seed-sd 3 --margin 2 --images 500": {
        "--image-sd": ("1e308",),
        "--seed-sd": ("1e308",),
        "--margin": ("0", "inf%"),
        "--power": ("0", "1", "1e308"),
        "--confidence": ("0.9999999999999999",),
        "--images": ("1", f"{10**400}"),
    },
    "blind-test x y --out page.html": {
        "--margin": ("0", "0.5", "1e-300"),
        "--half-width": ("0", "1e-300", "1"),
        "--confidence": ("0.9999999999999999",),
        "--trials": ("1", f"{10**30}"),
        "--seed": (f"{2**64}",),
    },
    "gate a.json": {"--max-dfid": (), "--max-dkid": ()},
}
#: -1 is a bound like any other.
_TAKEN = {("--max-dfid", "-1"), ("--max-dkid", "-1")}


@pytest.mark.parametrize("command", _OPTIONS)
def test_numbers_out_of_range_are_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate("abc"):
        arm_file(tmp_path / f"{name}.npz", seed=seed, n=12)
    for option, own in _OPTIONS[command].items():
        for value in (*_NONE, *own):
            if (option, value) not in _TAKEN:
                assert option in error_of(invoke(*command.split(), f"{option}={value}")), (option, value)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--device", "warp9"),
        ("--feature-weights", "none.pth"),
        ("--feature-network", "nowhere:build"),
        ("--feature-network", "nowhere"),
    ],
)
def test_options_that_nothing_needs_are_looked_at_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, value: str
) -> None:
    """Features are there already, and the samples of a folder, and nothing is trained."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate("abc"):
        arm_file(tmp_path / f"{name}.npz", seed=seed, n=12)
    for command in ("fid a.npz b.npz", "compare a.npz b.npz c.npz", "metrics a.npz b.npz"):
        assert f"{option} {value}" in error_of(invoke(*command.split(), option, value))
    if option == "--feature-weights":
        assert f"{option} {value}" in error_of(invoke("train", "data", "--out", "run", "--dry-run", option, value))
