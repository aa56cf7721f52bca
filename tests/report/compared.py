"""A comparison as `compare` writes it, for tests that read one: real, of invented features, and small."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np

from p2phd_eval.evaluation.comparison import FeatureArm, compare_feature_sets
from p2phd_eval.report.documents.comparison_documents import comparison_document
from p2phd_eval.stats.verdicts.margins import parse_margin
from tests.features.feature_sets import feature_set


def compared(name: str = "amp", **changes: Any) -> dict[str, Any]:
    """The document of one candidate against fp32, with some values of the candidate changed."""
    values: dict[str, Any] = json.loads(_text())
    values["candidates"][0] |= {"name": name, **changes}
    return values


@functools.cache
def _text() -> str:
    real, *arms = (feature_set(np.random.default_rng(seed).normal(size=(20, 4))) for seed in range(3))
    named = [FeatureArm(name=name, runs=(run,)) for name, run in zip(("fp32", "amp"), arms, strict=True)]
    result = compare_feature_sets(real, named, margin=parse_margin("2"), replicates=0)
    document = comparison_document(result, "real", [[Path("fp32")], [Path("amp")]])
    return json.dumps(document.to_builtins(), allow_nan=False)
