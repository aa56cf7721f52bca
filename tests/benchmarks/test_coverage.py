"""The study of coverage: it goes on where it stopped, counts each repeat once, and its shares mean what they say."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
OPTIONS = {"shape": "gaussian", "decay": 1.0, "difference": "worse"}


@pytest.fixture(scope="module")
def study():
    """By its path: its name is also that of a well-known package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        spec = importlib.util.spec_from_file_location("coverage_study", BENCHMARKS / "coverage.py")
        module = importlib.util.module_from_spec(spec)
        patch.setitem(sys.modules, "coverage_study", module)
        spec.loader.exec_module(module)
        yield module
    for name in ("measuring", "populations"):
        sys.modules.pop(name)


@pytest.fixture(scope="module")
def cell(study):
    return study.Cell("small-worse", n=40, d=4, repeats=4, options=OPTIONS)


@pytest.fixture(scope="module")
def whole(study, cell, tmp_path_factory):
    work = tmp_path_factory.mktemp("study")
    study.run(cell, work=work, cifar10=None, share=1.0)
    return (work / cell.file).read_text()


def test_it_goes_on_where_it_stopped(study, cell, whole, tmp_path):
    assert len(set(whole.splitlines())) == cell.repeats, "every repeat is another sample"
    study.run(cell, work=tmp_path, cifar10=None, share=0.5)
    path = tmp_path / cell.file
    assert whole.startswith(path.read_text())
    study.run(cell, work=tmp_path, cifar10=None, share=1.0)
    assert path.read_text() == whole
    assert "were there" in study.run(cell, work=tmp_path, cifar10=None, share=1.0)
    assert path.read_text() == whole


def test_a_line_cut_short_is_done_again(study, cell, whole, tmp_path):
    path = tmp_path / cell.file
    path.write_text(whole[: len(whole) // 2])
    study.run(cell, work=tmp_path, cifar10=None, share=1.0)
    assert path.read_text() == whole


def test_a_repeat_that_two_calls_wrote_counts_once(study, cell, whole, tmp_path):
    first, second, *_ = whole.splitlines(keepends=True)
    path = tmp_path / cell.file
    path.write_text(first + second + first + second)
    assert study.lines(path) == [json.loads(first), json.loads(second)]
    study.run(cell, work=tmp_path, cifar10=None, share=1.0)
    assert path.read_text() == whole


def test_names_of_cells_are_unique(study):
    files = [cell.file for cell in study.cells(cifar10=True)]
    assert len(files) == len(set(files))


def row(verdict, centre=1.0, half_width=2.0, truth=1.0):
    interval = [centre - half_width, centre + half_width]
    one = {"fid": 5.0, "fid_centre": 5.0 + centre, "fid_interval": None, "truth_fid": 5.0}
    kid = {"dkid": 0.0, "dkid_se": 1.0, "dkid_df": 9.0, "truth_dkid": None, "statistic": "FID", "verdict": verdict}
    two = {"dfid": centre, "dfid_se": 1.0, "dfid_centre": centre, "dfid_interval": interval, "truth_dfid": truth}
    return {**one, **two, **kid}


def test_false_within_counts_both_verdicts_that_say_smaller_than_the_margin(study, cell):
    verdicts = ["within", "negligible", "inconclusive", "worse", "better"]
    rows = [row(verdict, centre=0.5 + k / 10) for k, verdict in enumerate(verdicts)]
    found = study.summary(cell, rows)
    assert found["false_within"] == 2 / 5
    assert found["false_within_se"] == pytest.approx((0.4 * 0.6 / 5) ** 0.5)
    # "negligible" and "worse"; "better" is wrong, the candidate is worse.
    assert found["found"] == 2 / 5
    assert found["false_claim"] is None


def test_false_claims_count_every_difference_that_was_detected(study):
    none = study.Cell("small-none", n=40, d=4, repeats=4, options=OPTIONS)
    verdicts = ["within", "negligible", "inconclusive", "worse", "better"]
    found = study.summary(none, [row(verdict, centre=k / 10, truth=0.0) for k, verdict in enumerate(verdicts)])
    assert found["false_claim"] == 3 / 5
    assert found["false_within"] is None
    assert found["found"] is None


def test_coverage_is_of_the_printed_and_misses_are_of_all(study):
    centres = [0.0, 1.0, 2.0, 5.0]
    rows = [row("within", centre, half_width=1.5) for centre in centres]
    rows[0]["dfid_interval"] = None
    found = study.covered(rows, "dfid")
    assert (found["printed"], found["coverage"], found["missed_of_all"]) == pytest.approx((3 / 4, 2 / 3, 1 / 4))
    assert found["width_ratio"] == pytest.approx(1.5 / (1.96 * np.std(centres, ddof=1)))


def test_smallest_difference_found_with_80_percent_is_found_with_80_percent(study):
    """Against detection in simulated normal estimates; four binomial standard errors."""
    repeats, half_width = 4000, 1.96
    smallest = study.smallest_found([row("within", half_width=half_width)] * 10)
    estimates = np.random.default_rng(0).normal(smallest, 1.0, size=repeats)
    share = float(np.mean(estimates - half_width > 0))
    assert share == pytest.approx(0.8, abs=4 * (0.8 * 0.2 / repeats) ** 0.5)
    assert smallest == pytest.approx(stats.norm.ppf(0.975) + stats.norm.ppf(0.8), rel=1e-4)
    refused = [{**row("within"), "dfid_interval": None}] * 3
    assert study.smallest_found([row("within")] * 7 + refused) is None
