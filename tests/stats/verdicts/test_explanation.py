import numpy as np
import pytest
from scipy.stats import spearmanr

from p2phd_eval.errors import InputError
from p2phd_eval.stats.design import SamplingDesign
from p2phd_eval.stats.distances.frechet import frechet_distance
from p2phd_eval.stats.errors.influence import fid_influence
from p2phd_eval.stats.verdicts.explanation import ClassShares, explain_dfid

PAIR = (-1.0, 1.0)


def triplets(n, d, seed=0):
    """Real, baseline and candidate features that share what comes from the label map."""
    rng = np.random.default_rng(seed)
    scale = np.arange(1, d + 1) ** -0.5
    scene = rng.normal(size=(n, d))
    real, baseline, candidate = (scene + 0.7 * rng.normal(size=(n, d)) for _ in range(3))
    return real * scale, 1.2 * baseline * scale + 0.1, 1.3 * candidate * scale + 0.3


def names_of(n):
    return [f"map_{i:04d}" for i in range(n)]


def explain(real, *fakes, weights=PAIR, clusters=None, **options):
    influences = [fid_influence(real, fake) for fake in fakes]
    design = SamplingDesign.paired(len(real), 1 + len(fakes), clusters)
    return explain_dfid(influences, weights, design, ids=names_of(len(real)), clusters=clusters, **options)


def dfid(real, baseline, candidate):
    return frechet_distance(real, candidate).value - frechet_distance(real, baseline).value


def random_shares(rng, n, classes):
    return ClassShares(shares=rng.dirichlet(np.ones(classes), size=n), names=tuple("abcdefgh"[:classes]))


@pytest.mark.parametrize(("n", "d"), [(15, 30), (60, 8)])
def test_parts_images_clusters_and_classes_each_add_up_to_dfid(n, d):
    real, baseline, candidate = triplets(n, d)
    shares = random_shares(np.random.default_rng(1), n, 4)
    clusters = [f"city {i % 4}" for i in range(n)]
    result = explain(real, baseline, candidate, clusters=clusters, class_shares=shares, top=n)
    near, far = frechet_distance(real, baseline), frechet_distance(real, candidate)
    expected = pytest.approx(far.value - near.value, rel=1e-9)
    assert result.dfid == expected
    assert result.mean_part == pytest.approx(far.mean_term - near.mean_term, rel=1e-9)
    images = [*result.upward, *result.downward]
    assert sorted(image.id for image in images) == names_of(n)
    assert sum(image.contribution for image in images) == expected
    assert sum(image.influence for image in images) == pytest.approx(0, abs=1e-10)
    assert sum(part.contribution for part in result.clusters) == expected
    assert sum(part.images for part in result.clusters) == n
    assert sum(part.contribution for part in result.classes) == expected
    assert sum(part.share for part in result.classes) == pytest.approx(1)


def test_runs_of_an_arm_are_averaged_and_others_have_no_say():
    real, *baselines = triplets(40, 6)
    candidates = triplets(40, 6, seed=1)
    result = explain(real, *baselines, *candidates, weights=(-0.5, -0.5, 0.5, 0.5, 0))
    values = [frechet_distance(real, fake).value for fake in (*baselines, *candidates[:2])]
    assert result.dfid == pytest.approx(np.mean(values[2:]) - np.mean(values[:2]), rel=1e-9)
    without = explain(real, *baselines, *candidates[:2], weights=(-0.5, -0.5, 0.5, 0.5))
    assert result == without


def relative_error_of_leaving_out(n, images=60):
    """Of -delta_i/(n - 1) as the change of dFID without image i, over some images."""
    sets = triplets(n, 4)
    whole = dfid(*sets)
    result = explain(*sets, top=n)
    influence = {image.id: image.influence for image in (*result.upward, *result.downward)}
    predicted = np.array([-influence[name] * n / (n - 1) for name in names_of(n)[:images]])
    true = np.array([dfid(*(np.delete(each, i, axis=0) for each in sets)) - whole for i in range(images)])
    return np.linalg.norm(predicted - true) / np.linalg.norm(true)


def test_influence_tells_what_leaving_an_image_out_does():
    # What a first-order change leaves out falls as 1/n of it: to a quarter here. 0.4 leaves room for the images drawn.
    few, many = (relative_error_of_leaving_out(n) for n in (200, 800))
    assert many < 0.4 * few
    assert many < 0.05


def test_leaving_a_cluster_out_does_what_is_said():
    n = 1000
    sets = triplets(n, 4)
    clusters = np.array([f"{i % 100:02d}" for i in range(n)])
    result = explain(*sets, clusters=list(clusters))
    true = np.array([dfid(*(each[clusters != part.name] for each in sets)) for part in result.clusters]) - dfid(*sets)
    told = np.array([part.change_without for part in result.clusters])
    # A cluster is 1 % of the images; the second order is about that share of the first.
    assert np.linalg.norm(told - true) < 0.05 * np.linalg.norm(true)


def test_clusters_of_one_image_are_the_images():
    sets = triplets(20, 6)
    result = explain(*sets, clusters=names_of(20), top=20)
    images = {image.id: image for image in (*result.upward, *result.downward)}
    for part in result.clusters:
        assert part.contribution == pytest.approx(images[part.name].contribution, rel=1e-12)
        assert part.change_without == pytest.approx(-images[part.name].influence * 20 / 19, rel=1e-12)
    plain = explain(*sets, top=20)
    assert (plain.mean_part_se, plain.covariance_part_se) == (result.mean_part_se, result.covariance_part_se)


def test_a_planted_effect_is_found():
    n = 300
    rng = np.random.default_rng(5)
    real, baseline, _ = triplets(n, 8)
    shares = random_shares(rng, n, 5)
    clusters = np.array([f"city {i % 6}" for i in range(n)])
    # Only images with much of class "c" and of city 3 are spoilt.
    spoilt = (clusters == "city 3") & (shares.shares[:, 2] > 0.3)
    candidate = baseline + 4.0 * spoilt[:, None] * rng.normal(size=(n, 8))
    result = explain(real, baseline, candidate, clusters=list(clusters), class_shares=shares)
    assert result.clusters[0].name == "city 3"
    assert result.clusters[0].change_without < -0.5 * result.dfid
    everywhere = 4.0 * (shares.shares[:, 2] > 0.3)[:, None] * rng.normal(size=(n, 8))
    result = explain(real, baseline, baseline + everywhere, class_shares=shares)
    assert result.classes[0].name == "c"
    assert result.classes[0].p_holm < 0.001
    assert {image.id for image in result.upward} <= {
        name for name, share in zip(names_of(n), shares.shares[:, 2], strict=True) if share > 0.3
    }


def test_correlation_is_spearmans_and_two_classes_share_their_p_value():
    n = 400
    sets = triplets(n, 3)
    shares = random_shares(np.random.default_rng(6), n, 2)
    result = explain(*sets, class_shares=shares, top=n)
    influence = {image.id: image.influence for image in (*result.upward, *result.downward)}
    expected = spearmanr(shares.shares[:, 0], [influence[name] for name in names_of(n)])
    first, second = sorted(result.classes, key=lambda part: part.name)
    assert first.correlation == pytest.approx(expected.statistic, rel=1e-9)
    assert second.correlation == pytest.approx(-first.correlation, rel=1e-9)
    # The variance of the score is estimated here and known there: relative error of about 1.5 / sqrt(n).
    assert first.p_holm == pytest.approx(min(1, 2 * expected.pvalue), rel=0.3)
    assert second.p_holm == pytest.approx(first.p_holm, rel=1e-9)


def test_p_values_hold_where_clusters_share_classes_and_effects():
    # Class shares and effects are constant within clusters and have nothing to do with each other.
    repeats, groups, size = 300, 15, 6
    rng = np.random.default_rng(7)
    clusters = np.repeat(np.arange(groups), size).astype(str)
    ours, naive = [], []
    for _ in range(repeats):
        city = np.repeat(rng.normal(size=(groups, 3, 2)), size, axis=0)
        real, baseline, candidate = (city[:, k] + 0.3 * rng.normal(size=(groups * size, 2)) for k in range(3))
        share = np.repeat(rng.uniform(size=groups), size)
        shares = ClassShares(shares=np.column_stack((share, 1 - share)), names=("a", "b"))
        result = explain(real, baseline, candidate, clusters=list(clusters), class_shares=shares, top=len(share))
        influence = {image.id: image.influence for image in (*result.upward, *result.downward)}
        ours.append(result.classes[0].p_holm / 2)  # of one class
        naive.append(spearmanr(share, [influence[name] for name in names_of(len(share))]).pvalue)
    assert np.mean(np.array(ours) < 0.05) < 0.05 + 4 * np.sqrt(0.05 * 0.95 / repeats)
    assert np.mean(np.array(naive) < 0.05) > 0.2


def test_swapping_the_arms_negates_everything():
    real, baseline, candidate = triplets(30, 5)
    there, back = explain(real, baseline, candidate), explain(real, candidate, baseline)
    assert there.dfid == pytest.approx(-back.dfid, rel=1e-9)
    assert [image.id for image in there.upward] == [image.id for image in back.downward]
    assert there.upward[0].influence == pytest.approx(-back.downward[0].influence, rel=1e-9)
    assert there.upward[0].influence > 0 > there.downward[0].influence
    assert there.mean_part_se == pytest.approx(back.mean_part_se, rel=1e-9)


def test_rotation_and_shift_of_the_features_change_nothing():
    sets = triplets(30, 12)
    rotation = np.linalg.qr(np.random.default_rng(3).normal(size=(12, 12)))[0]
    plain, moved = explain(*sets), explain(*(each @ rotation - 3 for each in sets))
    assert [image.id for image in moved.upward] == [image.id for image in plain.upward]
    assert moved.mean_part == pytest.approx(plain.mean_part, rel=1e-8)
    assert moved.covariance_part == pytest.approx(plain.covariance_part, rel=1e-8)
    assert moved.covariance_part_se == pytest.approx(plain.covariance_part_se, rel=1e-8)


def test_equal_arms_have_nothing_to_explain():
    real, baseline, _ = triplets(20, 6)
    shares = random_shares(np.random.default_rng(8), 20, 3)
    result = explain(real, baseline, baseline, class_shares=shares)
    assert (result.dfid, result.mean_part_se, result.upward, result.downward) == (0, 0, (), ())
    assert {(part.contribution, part.correlation, part.p_holm) for part in result.classes} == {(0, None, None)}


@pytest.mark.parametrize("paired", [True, False])
def test_standard_errors_of_the_parts_are_their_spread_over_fresh_images(paired):
    """A standard deviation from R repeats is off by 1/sqrt(2 (R - 1)) of it: four of those, and 10 % for 1/n."""
    repeats, n = 200, 150
    found = []
    for seed in range(repeats):
        real, baseline, candidate = (
            triplets(n, 4, seed) if paired else (triplets(n, 4, 3 * seed + k)[k][: n - 10 * k] for k in range(3))
        )
        sizes = [len(each) for each in (real, baseline, candidate)]
        design = SamplingDesign.paired(n, 3) if paired else SamplingDesign.independent(sizes)
        result = explain_dfid([fid_influence(real, fake) for fake in (baseline, candidate)], PAIR, design)
        found.append((result.mean_part, result.covariance_part, result.mean_part_se, result.covariance_part_se))
    means, covariances, mean_errors, covariance_errors = np.array(found).T
    tolerance = 4 / np.sqrt(2 * (repeats - 1)) + 0.1
    assert mean_errors.mean() == pytest.approx(means.std(ddof=1), rel=tolerance)
    assert covariance_errors.mean() == pytest.approx(covariances.std(ddof=1), rel=tolerance)


def test_of_sets_that_are_not_paired_the_parts_are_explained():
    real, baseline, candidate = (triplets(n, 6)[k] for k, n in enumerate((30, 25, 40)))
    influences = [fid_influence(real, fake) for fake in (baseline, candidate)]
    design = SamplingDesign.independent([30, 25, 40])
    result = explain_dfid(influences, PAIR, design)
    assert result.dfid == pytest.approx(dfid(real, baseline, candidate), rel=1e-9)
    assert (result.upward, result.downward, result.clusters, result.classes) == ((), (), (), ())
    with pytest.raises(InputError, match="found sets that are not paired"):
        explain_dfid(influences, PAIR, design, ids=names_of(30))


def test_numbers_that_do_not_fit_are_refused():
    sets = triplets(20, 6)
    influences = [fid_influence(sets[0], fake) for fake in sets[1:]]
    design = SamplingDesign.paired(20, 3)
    for weights in ((1.0,), (0.0, 0.0)):
        with pytest.raises(InputError, match="weights"):
            explain_dfid(influences, weights, design)
    with pytest.raises(InputError, match="found 20 images in each"):
        explain_dfid(influences, PAIR, design, ids=names_of(19))
    with pytest.raises(InputError, match="one label for each of 20 images"):
        explain_dfid(influences, PAIR, design, ids=names_of(20), clusters=["a", "b"])
    for shares in (np.ones((20, 2)), np.full((19, 2), 0.5), np.tile([1.5, -0.5], (20, 1))):
        with pytest.raises(InputError, match="class shares"):
            explain(*sets, class_shares=ClassShares(shares=shares, names=("a", "b")))
