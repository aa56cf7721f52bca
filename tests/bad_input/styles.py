"""Bad input: styles."""

from __future__ import annotations

import json
from pathlib import Path

from tests.bad_input.case import Case
from tests.bad_input.small_run import run_with_features, small_run


def _styles(features: str, images: dict[str, object]) -> None:
    """A run without features, and styles that are set for its test maps."""
    small_run()
    Path("data/test_styles.json").write_text(json.dumps({"features": features, "images": images}))


STYLES = (
    Case(
        area="Styles",
        kind="A style for an image that is not there",
        make=lambda: _styles("label", {"7": {"drawn_as": "0"}}),
        typed="generate run data --out samples --device cpu",
        words="keys of label maps",
    ),
    Case(
        area="Styles",
        kind="Styles for a model without features",
        make=lambda: _styles("label", {"0": {"regions": {"1": {"kind": "cluster", "label": 1, "k": 0}}}}),
        typed="generate run data --out samples --device cpu",
        words="a model with features, which styles are for, found one without",
    ),
    Case(
        area="Styles",
        kind="A style that is none",
        make=lambda: _styles("label", {"0": {"regions": {"1": {"kind": "cluster", "label": 1}}}}),
        typed="generate run data --out samples --device cpu",
        words="expected the key 'k', found none",
    ),
    Case(
        area="Styles",
        kind="A cluster that the class lacks",
        make=run_with_features,
        typed="generate feat data --out samples --style 1=9 --device cpu",
        words="--style 1: expected a cluster of class 1",
    ),
    Case(
        area="Styles",
        kind="A pinned style without a number",
        make=lambda: None,
        typed="generate run data --out samples --style 7=red",
        words="REGION=K, two whole numbers",
    ),
)
