"""The study of coverage: it goes on where it stopped, counts each repeat once, and its shares mean what they say."""

import importlib.util
import json
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
D, N = 5, 40


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
    for name in ("measuring", "populations", "drawn_populations", "real_features"):
        sys.modules.pop(name, None)


def a_cell(study, question="fid-at-n", **more):
    make = partial(study.Drawn, "label-effect", D, "pairs")
    return study.Cell(question=question, population="small", d=D, n=N, repeats=4, make=make, **more)


@pytest.fixture
def few_draws(study, monkeypatch):
    monkeypatch.setattr(study, "TRUTH_DRAWS", 30)


@pytest.fixture
def whole(study, few_draws, tmp_path_factory):
    work, cell = tmp_path_factory.mktemp("study"), a_cell(study)
    study.run(cell, work=work, file=None, share=1.0)
    return {name: (work / name).read_text() for name in (cell.file, cell.truth_file)}


def test_it_goes_on_where_it_stopped(study, whole, tmp_path):
    cell = a_cell(study)
    assert len(set(whole[cell.file].splitlines())) == cell.repeats, "every repeat is another sample"
    assert len(set(whole[cell.truth_file].splitlines())) == 30
    study.run(cell, work=tmp_path, file=None, share=0.5)
    for name, text in whole.items():
        part = (tmp_path / name).read_text()
        assert text.startswith(part)
        assert part != text
    for _ in range(2):
        study.run(cell, work=tmp_path, file=None, share=1.0)
        assert {name: (tmp_path / name).read_text() for name in whole} == whole


def test_a_line_cut_short_is_done_again(study, whole, tmp_path):
    cell = a_cell(study)
    for name, text in whole.items():
        (tmp_path / name).write_text(text[: len(text) // 2])
    study.run(cell, work=tmp_path, file=None, share=1.0)
    assert {name: (tmp_path / name).read_text() for name in whole} == whole


def test_a_repeat_that_two_calls_wrote_counts_once(study, whole, tmp_path):
    cell = a_cell(study)
    first, second, *_ = whole[cell.file].splitlines(keepends=True)
    path = tmp_path / cell.file
    path.write_text(first + second + first + second)
    assert study.lines(path) == [json.loads(first), json.loads(second)]
    study.run(cell, work=tmp_path, file=None, share=1.0)
    assert path.read_text() == whole[cell.file]


def test_draws_for_the_truth_are_others_than_the_repeats(study, whole):
    cell = a_cell(study)
    truths = {json.loads(line)["candidate"] for line in whole[cell.truth_file].splitlines()}
    estimates = {json.loads(line)["candidate"]["estimate"] for line in whole[cell.file].splitlines()}
    assert not truths & estimates


def test_names_of_cells_are_unique_and_every_size_comes_with_every_kind(study):
    cells = list(study.cells(with_cifar10=True))
    assert len({cell.file for cell in cells}) == len(cells)
    for kind in study.KINDS:
        mine = [cell for cell in cells if cell.question == "fid-at-n" and cell.population.startswith(kind)]
        assert {cell.n for cell in mine} == {100, 250, 500, 1000, 2000}
        assert {cell.d for cell in mine} == {32, 64, 256, 2048}
        layouts = {cell.population.removeprefix(f"{kind}-") for cell in mine}
        assert layouts == {"pairs", "unpaired", "unequal", *(f"{g}-clusters" for g in (3, 5, 8, 15, 40))}
    assert all(cell.question != "verdict" or cell.margin for cell in cells)
    assert not any(cell.population.startswith("cifar10") for cell in study.cells(with_cifar10=False))


def rows_of(estimates, se=1.0, df=np.inf, refused=()):
    return [
        {
            "candidate": {"estimate": each, "se": se, "df": df, "refused": k in refused},
            "baseline": {"estimate": 50.0, "se": 1.0, "df": df},
        }
        for k, each in enumerate(estimates)
    ]


def test_coverage_is_of_what_is_printed(study):
    found = study.intervals("block-fid", "candidate", (1.0, 0.1), rows_of([0.0, 1.0, 2.9, 5.0, 9.0], refused={4}))
    assert (found["refused"], found["coverage"]) == pytest.approx((1 / 5, 3 / 4))
    assert found["coverage_se"] == pytest.approx((0.75 * 0.25 / 4) ** 0.5)
    assert found["width_ratio"] == pytest.approx(1 / np.std([0.0, 1.0, 2.9, 5.0, 9.0], ddof=1), rel=1e-4)
    assert found["found_percent"] is None
    nothing = study.intervals("block-fid", "candidate", (1.0, 0.0), rows_of([0.0, 1.0], refused={0, 1}))
    assert (nothing["refused"], nothing["coverage"], nothing["width_ratio"]) == (1, None, None)


def test_intervals_are_by_the_t_distribution(study):
    """With two degrees of freedom 4.2 standard errors are inside, and 4.4 are not."""
    found = study.intervals("fid-at-n", "candidate", (0.0, 0.0), rows_of([4.2, 4.4], df=2.0))
    assert found["coverage"] == 0.5


def test_false_within_is_at_a_margin_of_the_true_difference(study):
    """The upper one-sided 95 % bound of |d|, d + 1.645 standard errors, lies below the truth of 3 in two of five."""
    rows = rows_of([1.3, 1.4, -1.3, 3.0, -4.0])
    assert study.intervals("fid-at-n", "candidate", (3.0, 0.1), rows)["false_within"] == 2 / 5
    assert "false_within" not in study.intervals("fid-at-n", "candidate", (0.0, 0.0), rows)
    assert "false_within" not in study.intervals("fid", "candidate", (3.0, 0.0), rows)


def test_what_is_found_with_80_percent_is_found_with_80_percent(study):
    """Against detection in simulated normal estimates; four binomial standard errors."""
    repeats = 4000
    smallest = study.intervals("fid-at-n", "candidate", (0.0, 0.0), rows_of([0.0, 1.0]))["found_percent"] / 100 * 50
    estimates = np.random.default_rng(0).normal(smallest, 1.0, size=repeats)
    share = float(np.mean(estimates - 1.96 > 0))
    assert share == pytest.approx(0.8, abs=4 * (0.8 * 0.2 / repeats) ** 0.5)
    assert smallest == pytest.approx(stats.norm.ppf(0.975) + stats.norm.ppf(0.8), rel=1e-4)


@pytest.mark.parametrize("question", ["fid-at-n", "fid"])
def test_tables_hold_each_estimand_to_its_own_truth(study, few_draws, tmp_path, question):
    make = partial(study.Synthetic, "gaussian", "gaussian", 1.0, D, "worse")
    cell = study.Cell(question=question, population="known", d=D, n=N, repeats=5, make=make)
    study.run(cell, work=tmp_path, file=None, share=1.0)
    table = {line["of"]: line for line in study.summaries(cell, make(), tmp_path)}
    assert set(table) == {"baseline", "candidate"}
    assert all((line["n"], line["n_real"], line["repeats"]) == (N, N, 5) for line in table.values())
    source = make()
    if question == "fid":
        assert (table["baseline"]["truth"], table["baseline"]["truth_error"]) == (source.fid, 0)
        assert table["candidate"]["truth"] == source.dfid
    else:
        assert table["baseline"]["truth"] > source.fid, "biased upward at n"
        assert table["baseline"]["truth_error"] > 0


@pytest.mark.parametrize("margin", ["truth", "truth%"])
def test_verdicts_at_a_margin_of_the_true_difference(study, few_draws, tmp_path, margin):
    cell = a_cell(study, "verdict", margin=margin)
    study.run(cell, work=tmp_path, file=None, share=1.0)
    first, *others = study.summaries(cell, cell.make(), tmp_path)
    assert (first["margin"], first["repeats"]) == (margin, 4)
    for way in ("verdict", "alone", "without_reference", "by_kid", "companion"):
        assert sum(first[way].values()) == pytest.approx(1)
    # There is no reference, so that there is one companion at most.
    assert first["companion"] == first["its_companion"]
    assert first["verdict"] == first["without_reference"]
    (line,) = others
    assert (line["estimand"], line["of"]) == ("fid-at-n", "candidate")
    truths = [json.loads(text)["candidate"] for text in (tmp_path / cell.truth_file).read_text().splitlines()]
    assert line["truth"] == pytest.approx(np.mean(truths))


def test_real_features_are_judged_with_their_reference(study, tmp_path):
    rng = np.random.default_rng(1)
    file = tmp_path / "features.npz"
    np.savez(file, train=rng.normal(size=(1700, 34)), test=0.1 + rng.normal(size=(300, 34)))
    make = partial(study.cifar10, d=34, name="x", changes={"equal": study.Change()})
    cell = study.Cell(question="verdict", population="cifar10-x", d=34, n=250, repeats=2, make=make, margin="2%")
    study.run(cell, work=tmp_path, file=file, share=1.0)
    lines = study.summaries(cell, make(file), tmp_path)
    measured = {line["estimand"]: line for line in lines[1:]}
    assert set(measured) == {"fid-at-n", "fid", "block-fid", "kid", "kid-rq"}
    # Of two generators with one distribution every difference is 0, whatever is estimated.
    assert {line["truth"] for line in measured.values()} == {0}
