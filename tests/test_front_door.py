"""`import p2phd_eval` gives the names that stand for the commands, each loaded when it is used."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import p2phd_eval
from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.cluster_rules import parse_rule
from p2phd_eval.features.extraction import FeatureExtractor
from p2phd_eval.features.feature_set import FeatureSet
from p2phd_eval.features.statistics import save_statistics
from p2phd_eval.stats.distances.moments import moments
from tests.features.feature_sets import arm_file


def test_every_name_resolves_and_is_listed() -> None:
    for name in p2phd_eval.__all__:
        assert getattr(p2phd_eval, name).__name__ == name
    assert set(p2phd_eval.__all__) == {name for name in dir(p2phd_eval) if not name.startswith("__")}
    assert "__version__" in dir(p2phd_eval)


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(p2phd_eval.__file__).read_text())
    (branch,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.asname: node.module for node in branch.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert seen == p2phd_eval._HOME


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match=r"module 'p2phd_eval' has no attribute 'compute_kid'"):
        p2phd_eval.compute_kid  # noqa: B018


def test_no_name_hides_a_room() -> None:
    folder = Path(p2phd_eval.__file__).parent
    assert {path.stem for path in folder.iterdir()}.isdisjoint(p2phd_eval.__all__)


@pytest.mark.parametrize("module", ["p2phd_eval", "p2phd_eval.cli"])
def test_importing_it_loads_nothing_heavy(module: str) -> None:
    heavy = ("torch", "scipy", "matplotlib", "numpy", "PIL", "jinja2")
    code = f"import sys, {module}; print([m for m in {heavy} if m in sys.modules])"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("fid", "compute_fid"),
        ("metrics", "compute_metrics"),
        ("compare", "compare_images"),
        ("features", "extract_features"),
        ("plan", "plan_comparison"),
    ],
)
def test_commands_and_calls_have_the_same_defaults(name: str, call: str) -> None:
    command = getattr(import_module(f"p2phd_eval.commands.{name}"), name)
    options = {each.name: each.default for each in inspect.signature(command).parameters.values()}
    parameters = inspect.signature(getattr(p2phd_eval, call)).parameters.values()
    keywords = {each.name: each.default for each in parameters if each.kind is not each.VAR_POSITIONAL}
    assert {key: options[key] for key in set(options) & set(keywords) - {"out"}} == {
        key: keywords[key] for key in set(options) & set(keywords) - {"out"}
    }
    settings = {field.name: field.default for field in fields(p2phd_eval.FeatureSettings)}
    if "settings" in keywords:
        assert settings.items() <= options.items()
    # What a command has besides: where it prints, what it makes of a verdict, and arms by the names of options.
    beyond = {"data", "json_target", "folders", "baselines", "candidates", "fail_on"}
    assert set(options) - set(settings) - beyond <= set(keywords)
    assert set(keywords) - {"images", "settings", "layout", "progress", "note"} <= set(options)


@pytest.mark.parametrize(
    ("name", "calls"),
    [
        (
            "study",
            "run_study.run_study study_request.StudyRequest plan_study.plan_study plan_study.forecast_study "
            "executor_forecast.forecast_executor run_job.make_run",
        ),
        ("demo", "run_demo.run_demo"),
        ("gate", "check_gate.check_gate"),
        ("blind_test", "make_and_score.make_blind_test make_and_score.score_blind_test"),
    ],
)
def test_what_is_left_out_is_the_same_in_each_call_of_a_command(name: str, calls: str) -> None:
    command = getattr(import_module(f"p2phd_eval.commands.{name}"), name)
    options = {each.name: each.default for each in inspect.signature(command).parameters.values()}
    room = "study" if name == "demo" else name
    for call in calls.split():
        module, _, function = call.partition(".")
        parameters = inspect.signature(getattr(import_module(f"p2phd_eval.{room}.{module}"), function)).parameters
        both = {key for key in options.keys() & parameters if parameters[key].default is not inspect.Parameter.empty}
        both -= {"out", "track"}  # a path and its text, no list and an empty one
        assert len(both) > 1, call
        assert {key: options[key] for key in both} == {key: parameters[key].default for key in both}, call


@pytest.mark.parametrize(
    ("command", "call"),
    [
        ("train.train", "runs.training_run.train"),
        ("generate.generate", "generators.sampling.generation.generate"),
        ("encode.cluster", "generators.sampling.styles.cluster_styles"),
        ("encode.precompute", "generators.sampling.feature_maps.precompute"),
        ("convert.convert", "generators.original.conversion.convert"),
        ("bench.bench", "bench.bench_run.bench"),
        ("data.synthesize", "scenes.data_set.write_dataset"),
        ("data.validate", "generators.data.validation.validate_data"),
        ("edit_faces.faces", "editing.faces.write_faces.write_faces"),
    ],
)
def test_training_and_its_like_have_the_same_defaults(command: str, call: str) -> None:
    def defaults(name: str) -> dict[str, object]:
        module, _, function = f"p2phd_eval.{name}".rpartition(".")
        parameters = inspect.signature(getattr(import_module(module), function)).parameters.values()
        return {each.name: each.default for each in parameters if each.default is not each.empty}

    options, keywords = defaults(f"commands.{command}"), defaults(call)
    # Texts that the command takes apart, and what is the preset's where Python does not say.
    both = options.keys() & keywords.keys() - {"track", "precisions", "batch_sizes", "seed"}
    assert len(both) > 1
    assert {key: options[key] for key in both} == {key: keywords[key] for key in both}


def test_results_show_themselves_in_a_few_lines(tmp_path: Path) -> None:
    paths = [arm_file(tmp_path / f"{name}.npz", seed=k, n=300) for k, name in enumerate(("real", "fp32", "amp"))]
    sets = [FeatureSet.load(path) for path in paths]
    real, fp32, amp = (each.values for each in sets)
    save_statistics(tmp_path / "statistics.npz", moments(real), None)
    shown = {
        "compare_fid": p2phd_eval.compare_fid(real, fp32, amp, margin=1.0),
        "compare_images": p2phd_eval.compare_images(*paths, margin=1.0, replicates=0, explain=True),
        "compute_fid": p2phd_eval.compute_fid(*paths[:2], replicates=0),
        "statistics": p2phd_eval.compute_fid(tmp_path / "statistics.npz", paths[1]),
        "compute_metrics": p2phd_eval.compute_metrics(*paths[:2]),
        "fid_interval": p2phd_eval.fid_interval(real, fp32, paired=True),
        "refused": p2phd_eval.fid_interval(real[:40], np.random.default_rng(0).permutation(real)[:40], paired=False),
        "features": sets[0],
        "difference": p2phd_eval.compare_fid(real, fp32, amp).at_n,
        "rule": parse_rule("cityscapes-city"),
        "plan_comparison": p2phd_eval.plan_comparison(image_sd=60, seed_sd=0.5, margin=2.0, images=9000)[0],
        "too few images": p2phd_eval.plan_comparison(image_sd=60, seed_sd=3, margin=2.0, images=500)[0].plan,
        "extractor": FeatureExtractor(p2phd_eval.FeatureSettings()),
    }
    for name, result in shown.items():
        assert len(repr(result)) < 700, name
        assert len(repr(result).splitlines()) <= 5, name
    for name in ("compare_fid", "compare_images"):
        assert "scope A, FID@300: within, since the 90 % interval" in repr(shown[name])
    assert "FID of the distributions" in repr(shown["compute_fid"])
    assert repr(shown["plan_comparison"]).startswith(
        "PlannedArm: assumed, by fid-at-n\nPlan: 7,709 images show checkpoints"
    )
    assert "with 500 images, no number of runs an arm do so for the recipes, at power 0.8." in repr(
        shown["too few images"]
    )
    assert "coverage" in repr(shown["compute_metrics"])
    assert "no interval for the FID of the distributions: " in repr(shown["refused"])


@pytest.mark.parametrize(
    ("call", "numbers", "message"),
    [
        ("compute_fid", {"seed": -1}, "--seed: expected a whole number from 0 to 18446744073709551615, found -1"),
        ("compute_fid", {"replicates": -1}, "--replicates: expected a whole number from 0 to 1000000, found -1"),
        ("compute_metrics", {"seed": -1}, "--seed: expected a whole number from 0 to"),
        ("compare_images", {"seed": -1}, "--seed: expected a whole number from 0 to"),
        ("fid_interval", {"rng": -1, "paired": True}, "rng: expected at least 0, found -1"),
        ("generate", {"out": "samples", "batch_size": 0}, "--batch-size: expected at least 1, found 0"),
        ("generate", {"out": "samples", "seed": -1}, "--seed: expected at least 0, found -1"),
    ],
)
def test_numbers_that_are_too_small_are_refused_first(call: str, numbers: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        getattr(p2phd_eval, call)("none", "none", **numbers)
