import dataclasses
import json

import numpy as np
import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.fid_of_sets import evaluate_fid
from p2phd_eval.evaluation.metrics_of_sets import evaluate_metrics
from p2phd_eval.report.documents.metric_documents import metrics_document
from p2phd_eval.report.tables.metric_tables import metrics_table
from p2phd_eval.stats.design import SamplingDesign
from p2phd_eval.stats.distances.cmmd import cmmd
from p2phd_eval.stats.distances.fid_infinity import fid_infinity
from p2phd_eval.stats.distances.kernel import kernel_distance
from p2phd_eval.stats.distances.neighbours import neighbour_metrics
from p2phd_eval.stats.errors.kernel_contrast import kernel_measurements
from p2phd_eval.stats.estimands import Estimand
from tests.features.feature_sets import feature_set, renamed, reordered, samples_of_conditions, triplets


def numbers(result):
    return (
        result.fid.fid,
        result.fid.fid_se,
        result.kid.value,
        result.kid.se,
        result.fid_infinity.value,
        result.fid.interval.population.value,
        result.fid.interval.population.richardson.slope_ratio,
        result.neighbours.precision,
        result.neighbours.recall,
        result.neighbours.density,
        result.neighbours.coverage,
    )


@pytest.mark.parametrize("paired", [True, False])
def test_each_metric_is_that_of_its_own_function(paired):
    real, fake, _ = triplets()
    if not paired:
        fake = feature_set(fake.values[:70])
    result = evaluate_metrics(real, fake, seed=4)
    expected = evaluate_fid(real, fake, replicates=0, seed=4)
    assert (result.fid.fid, result.fid.fid_se) == (expected.fid, expected.fid_se)
    assert result.fid.interval.interval == expected.interval.interval
    assert result.fid.pairing == result.kid.pairing == ("paired" if paired else "independent")
    sets = real.values, fake.values
    assert result.kid == kernel_distance(*sets, paired=paired)
    assert result.fid_infinity == fid_infinity(*sets, result.fid.design, rng=np.random.default_rng(4))
    assert result.neighbours == neighbour_metrics(*sets)


@pytest.mark.parametrize("paired", [True, False])
def test_the_order_of_the_images_does_not_matter(paired):
    real, fake, _ = triplets()
    if not paired:
        fake = feature_set(fake.values, ids=[f"other_{k:03}" for k in range(80)])
    rng = np.random.default_rng(1)
    result = evaluate_metrics(real, fake)
    shuffled = evaluate_metrics(reordered(real, rng.permutation(80)), reordered(fake, rng.permutation(80)))
    assert numbers(shuffled) == pytest.approx(numbers(result), rel=1e-7)


def test_an_interval_that_is_refused_says_why():
    rng = np.random.default_rng(2)
    real, fake = (feature_set(rng.normal(size=(30, 200)), ids=[f"{name}_{k}" for k in range(30)]) for name in "ab")
    result = evaluate_metrics(real, fake)
    assert result.fid.interval.interval is None
    table = metrics_table(result, "a", "b")
    assert ("FID of the distributions", "refused, see below", "-") in table.rows
    assert any("30 images are too few to extrapolate it" in note for note in table.notes)


def test_identical_sets():
    real, *_ = triplets()
    result = evaluate_metrics(real, real)
    assert numbers(result)[:6] == pytest.approx([0] * 6, abs=1e-10)
    assert numbers(result)[6:] == pytest.approx([None, 1, 1, 6 / 5, 1])
    assert result.fid.interval.interval == pytest.approx((0, 0), abs=1e-10)


def test_progress_runs_to_the_end_without_a_step_back():
    real, fake, _ = triplets()
    seen = []
    evaluate_metrics(real, fake, on_progress=lambda *step: seen.append(step))
    assert {total for _, total in seen} == {100}
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (100, 100)


def test_features_made_differently_are_refused_or_forced():
    real, fake, _ = triplets()
    fake = feature_set(fake.values, resize="clean")
    with pytest.raises(InputError, match="resize mode"):
        evaluate_metrics(real, fake)
    assert any("compared by force" in warning for warning in evaluate_metrics(real, fake, force=True).warnings)


def test_seven_images_are_refused():
    real, fake, _ = triplets(7)
    with pytest.raises(InputError, match="at least 8 images"):
        evaluate_metrics(real, fake)


def test_the_table_shows_every_metric():
    real, fake, _ = triplets()
    result = evaluate_metrics(real, fake)
    table = metrics_table(result, "photos", "samples")
    assert table.title == "Metrics of samples against photos"
    cells = {name: (value, error) for name, value, error in table.rows}
    assert cells["FID@80"] == (f"{result.fid.fid:.4f}", f"{result.fid.fid_se:.4g}")
    assert cells["KID"] == (f"{result.kid.value:.6f}", f"{result.kid.se:.3g}")
    assert cells["FID-infinity"][0] == f"{result.fid_infinity.value:.4f}"
    assert cells["FID of the distributions (n to infinity)"][0] == f"{result.fid.interval.population.value:.4f}"
    assert cells["precision (k = 3)"][0] == f"{result.neighbours.precision:.4f}"
    assert cells["recall (k = 3)"][0] == f"{result.neighbours.recall:.4f}"
    assert cells["density (k = 5)"][0] == f"{result.neighbours.density:.4f}"
    assert cells["coverage (k = 5)"][0] == f"{result.neighbours.coverage:.4f}"
    assert any("taken as pairs" in note for note in table.notes)
    assert [f"warning: {text}" for text in result.warnings] == [n for n in table.notes if n.startswith("warning")]


def test_of_clips_features_there_is_cmmd_too():
    real, fake = (
        feature_set(each.values / np.linalg.norm(each.values, axis=1, keepdims=True), weights="CLIP ViT-L/14@336px")
        for each in triplets()[:2]
    )
    result = evaluate_metrics(real, fake)
    assert result.cmmd == cmmd(real.values, fake.values, paired=True)
    cells = {name: (value, error) for name, value, error in metrics_table(result, "a", "b").rows}
    assert cells["CMMD"] == (f"{result.cmmd.value:.4f}", f"{result.cmmd.se:.3g}")
    assert cells["CMMD with the diagonal"][0] == f"{result.cmmd.with_diagonal:.4f}"
    assert f"CMMD {result.cmmd.value:.4f}" in repr(result)
    document = metrics_document(result, "a", "b").to_builtins()
    assert document["cmmd"] == dataclasses.asdict(result.cmmd)
    other = evaluate_metrics(*triplets()[:2])
    assert other.cmmd is None
    assert "CMMD" not in f"{metrics_table(other, 'a', 'b')}{other!r}"


def test_the_document_is_json_and_holds_every_number():
    real, fake, _ = triplets()
    result = evaluate_metrics(real, fake)
    document = json.loads(json.dumps(metrics_document(result, "photos", "samples").to_builtins(), allow_nan=False))
    assert (document["schema"], document["real"], document["fake"]) == ("p2phd-eval/metrics", "photos", "samples")
    assert (document["fid"], document["kid"], document["kid_se"]) == (result.fid.fid, result.kid.value, result.kid.se)
    assert document["neighbours"]["coverage"] == result.neighbours.coverage
    assert document["population"]["slope_ratio"] == result.fid.interval.population.richardson.slope_ratio
    assert document["fid_infinity"]["fids"] == list(result.fid_infinity.fids)
    assert document["stamp"]["real"]["weights_sha256"] == real.stamp.weights_sha256
    json.dumps(metrics_document(evaluate_metrics(real, real), "a", "a").to_builtins(), allow_nan=False)


def test_one_sample_of_each_condition_gives_what_there_is_without_seeds():
    real, fake, _ = triplets()
    plain, seeded = (evaluate_metrics(real, each) for each in (fake, renamed(fake, lambda image: f"{image}@3")))
    assert numbers(seeded) == pytest.approx(numbers(plain), rel=1e-12)


def test_samples_of_one_condition_are_no_pair_of_images_for_the_kid():
    real, fake, _ = samples_of_conditions()
    result = evaluate_metrics(real, fake)
    design = SamplingDesign.by_condition(np.arange(40), np.repeat(np.arange(40), 3), 2)
    expected = kernel_measurements([real.values, fake.values], design)[Estimand.KID]
    assert result.kid.value == pytest.approx(expected.values[0], rel=1e-9)
    assert result.kid.se == pytest.approx(expected.standard_error((1.0,), design).value, rel=1e-9)
    assert result.kid.pairing == result.fid.pairing == "conditions"
    document = metrics_document(result, "a", "b").to_builtins()
    assert (document["pairing"], document["samples"]) == ("conditions", {"conditions": 40, "fewest": 3, "most": 3})
    shown = metrics_table(result, "a", "b").rows
    assert ("generated", "40 conditions x 3 seeds, conditions are clusters", "-") in shown
