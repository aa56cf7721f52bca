"""Bad input: files of other programs."""

from __future__ import annotations

import numpy as np

from tests.bad_input.case import Case, data_set, photos, text


def _pickled_features() -> None:
    photos("photos")
    pickled = np.array([{"a": 1}], dtype=object)
    np.savez("features.npz", features=pickled, ids=pickled, sizes=pickled, stamp=pickled)


def _complex_features() -> None:
    photos("photos")
    np.savez("statistics.npz", mu=np.zeros(64, complex), sigma=np.eye(64, dtype=complex))


OTHER_PROGRAMS = (
    Case(
        area="Files of other programs",
        kind="Features that are a pickle; it is not run",
        make=_pickled_features,
        typed="fid photos features.npz",
        words="features.npz",
    ),
    Case(
        area="Files of other programs",
        kind="A checkpoint that is none",
        make=lambda: (data_set(), text("run.pt", b"not a checkpoint")),
        typed="generate run.pt data --out samples",
        words="run.pt",
    ),
    Case(
        area="Files of other programs",
        kind="Statistics that are complex numbers",
        make=_complex_features,
        typed="fid statistics.npz statistics.npz",
        words="statistics.npz",
    ),
    Case(
        area="Files of other programs",
        kind="Weights that are an empty file",
        make=lambda: text("weights.pth"),
        typed="weights verify weights.pth",
        words="weights.pth",
    ),
    Case(
        area="Files of other programs",
        kind="A folder of the original without its generator",
        make=lambda: text("original/opt.txt", "label_nc: 3\n"),
        typed="convert original run",
        words="original",
    ),
)
