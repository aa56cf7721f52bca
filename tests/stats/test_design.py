"""How images were drawn: standard errors against textbook formulae, splits and draws that keep together what belongs
together."""

import re

import numpy as np
import pytest
from scipy import stats

from p2phd_eval.errors import InputError
from p2phd_eval.stats.design import Block, SamplingDesign, cluster_codes, combine_variances, require_pairs
from p2phd_eval.stats.errors.influence import fid_influence

# 24 images in 10 clusters of 1 to 5, not in the order of their labels.
CLUSTERS = np.random.default_rng(0).permutation(np.repeat(list("jihgfedcba"), [1, 1, 1, 2, 2, 2, 3, 3, 4, 5]))


def centred(rng, n):
    values = rng.normal(size=n)
    return values - values.mean()


def test_standard_error_of_images_of_their_own_is_that_of_a_mean():
    rng = np.random.default_rng(1)
    influences = [centred(rng, 30), centred(rng, 30)]
    error = SamplingDesign.paired(30, 2).standard_error(influences)
    assert error.value == pytest.approx(stats.sem(influences[0] + influences[1]))


def test_standard_error_of_clusters_is_that_of_their_totals():
    rng = np.random.default_rng(2)
    influences = [centred(rng, 24) for _ in range(3)]
    error = SamplingDesign.paired(24, 3, CLUSTERS).standard_error(influences)
    members = [name == CLUSTERS for name in sorted(set(CLUSTERS))]
    totals = [sum(each[rows].sum() for each in influences) for rows in members]
    variance = sum(total**2 / (24 * (24 - rows.sum())) for total, rows in zip(totals, members, strict=True))
    assert error.value == pytest.approx(np.sqrt(variance))


def test_equal_clusters_are_so_many_independent_draws():
    """The standard error of a mean of G totals, with G - 1 degrees of freedom where the tails are light."""
    totals = np.array([1.0, -1.0, 2.0, -2.0, 1.0, -1.0])
    error = SamplingDesign.paired(18, 1, np.repeat(np.arange(6), 3)).standard_error([np.repeat(totals / 3, 3)])
    assert error.value == pytest.approx(6 * stats.sem(totals) / 18)
    assert error.df == pytest.approx(5)


@pytest.mark.parametrize("sizes", [(14, 3, 3), (10, 5, 2, 2, 1)])
def test_few_clusters_of_unequal_size(sizes):
    """Of independent normal images the error is unbiased, and its variance is 2/df of its squared mean."""
    clusters = np.repeat(np.arange(len(sizes)), sizes)
    design = SamplingDesign.paired(20, 1, clusters)
    rng = np.random.default_rng(6)
    squares, dfs = [], []
    for _ in range(8000):
        values = rng.normal(size=20)
        error = design.standard_error([values - values.mean()])
        squares.append(error.value**2)
        dfs.append(error.df)
    # With two degrees of freedom and fewer a mean of 8000 is known to 1.5 %, a variance to a tenth: four of them.
    assert np.mean(squares) == pytest.approx(1 / 20, rel=0.06)
    assert max(dfs) == pytest.approx(2 * np.mean(squares) ** 2 / np.var(squares), rel=0.4)
    assert max(dfs) < 0.75 * (len(sizes) - 1)


def test_independent_sets_follow_welch():
    """With ±1 in the even sets the variances' degrees of freedom are n - 1, and Welch's formula remains."""
    rng = np.random.default_rng(3)
    a, b = np.tile([1.0, -1.0], 8), np.tile([3.0, -3.0], 5)
    error = SamplingDesign.independent([16, 10]).standard_error([a, b])
    welch = stats.ttest_ind(a, b + rng.normal(), equal_var=False)
    assert error.df == pytest.approx(welch.df)
    assert error.value == pytest.approx(np.sqrt(np.var(a, ddof=1) / 16 + np.var(b, ddof=1) / 10))


def test_heavy_tails_cost_degrees_of_freedom():
    totals = np.random.default_rng(4).standard_t(3, size=400)
    totals -= totals.mean()
    df = SamplingDesign.independent([400]).standard_error([totals]).df
    assert df == pytest.approx(2 * 400 / (stats.kurtosis(totals, fisher=False) - 1))
    assert df < 399


def test_degrees_of_freedom_say_how_much_the_standard_error_varies():
    """Satterthwaite: the variance's squared coefficient of variation is 2/df; exponential influences, kurtosis 9."""
    rng = np.random.default_rng(5)
    design = SamplingDesign.independent([500])
    results = []
    for _ in range(400):
        values = rng.exponential(size=500)
        results.append(design.standard_error([values - values.mean()]))
    squares = np.array([each.value**2 for each in results])
    observed = 2 / (squares.std(ddof=1) / squares.mean()) ** 2
    # 1/sqrt(2 * 399) for the standard deviation, twice that for its square: 7 % of noise; four of them.
    assert np.median([each.df for each in results]) == pytest.approx(observed, rel=0.28)


def test_combined_variances():
    combined = combine_variances([(4.0, 10.0), (1.0, float("inf"))])
    assert (combined.value, combined.df) == pytest.approx((np.sqrt(5), 25 / (16 / 10)))
    nothing = combine_variances([(0.0, 3.0), (0.0, 7.0)])
    assert (nothing.value, nothing.df) == (0, 3)


@pytest.mark.parametrize("scale", [1e-250, 1.0, 1e200])
def test_degrees_of_freedom_do_not_depend_on_the_unit(scale):
    assert combine_variances([(4 * scale, 10.0), (scale, 2.0)]).df == pytest.approx(25 / (16 / 10 + 1 / 2))


@pytest.mark.parametrize("clusters", [None, CLUSTERS])
@pytest.mark.parametrize("parts", [2, 4])
def test_a_split_deals_out_every_image_once_and_keeps_together_what_belongs_together(clusters, parts):
    design = SamplingDesign.paired(24, 3, clusters)
    cuts = design.split(np.random.default_rng(6), parts)
    assert len(cuts) == parts
    for rows in cuts:
        assert len(rows) == 3
        assert all(np.array_equal(rows[0], each) for each in rows)
    assert sorted(np.concatenate([rows[0] for rows in cuts])) == list(range(24))
    if clusters is None:
        assert {len(rows[0]) for rows in cuts} == {24 // parts}
    else:
        owners = [set(CLUSTERS[rows[0]]) for rows in cuts]
        assert sum(map(len, owners)) == 10
        # A boundary can be off by no more than half of a cluster of 5.
        assert all(abs(len(rows[0]) - 24 / parts) <= 5 for rows in cuts)


@pytest.mark.parametrize("n", [8, 9, 10, 11, 101])
def test_parts_of_images_differ_by_one_at_most(n):
    sizes = [len(rows[0]) for rows in SamplingDesign.independent([n]).split(np.random.default_rng(0), 4)]
    assert (sum(sizes), max(sizes) - min(sizes) <= 1) == (n, True)


def test_blocks_are_split_on_their_own():
    cuts = SamplingDesign.independent([20, 31]).split(np.random.default_rng(7), 2)
    for position, n in enumerate((20, 31)):
        assert sorted(np.concatenate([rows[position] for rows in cuts])) == list(range(n))
    assert not np.array_equal(cuts[0][0], cuts[0][1][: len(cuts[0][0])])


@pytest.mark.parametrize("clusters", [None, CLUSTERS])
def test_quarters_make_up_halves(clusters):
    design = SamplingDesign.paired(24, 2, clusters)
    halves, quarters = (design.split(np.random.default_rng(8), parts) for parts in (2, 4))
    for k in range(2):
        assert sorted(np.concatenate([quarters[2 * k][0], quarters[2 * k + 1][0]])) == list(halves[k][0])


def test_every_image_is_as_likely_in_each_part():
    design = SamplingDesign.paired(12, 1)
    rng = np.random.default_rng(9)
    counts = np.zeros(12)
    for _ in range(2000):
        counts[design.split(rng, 4)[1][0]] += 1
    # Binomial with p = 1/4.
    assert np.abs(counts - 500).max() < 4.5 * np.sqrt(2000 * 0.25 * 0.75)


def test_a_draw_takes_whole_clusters_and_the_same_of_each_set_of_a_block():
    codes = cluster_codes(CLUSTERS, 24)
    design = SamplingDesign([Block(sets=(0, 2), cluster_of=codes), Block(sets=(1,), cluster_of=np.arange(9))])
    real, other, paired = design.draw(np.random.default_rng(10))
    assert np.array_equal(real, paired)
    assert sum(real[codes == g][0] for g in range(10)) == 10
    assert all(len(set(real[codes == g])) == 1 for g in range(10))
    assert (len(other), other.sum()) == (9, 9)


def test_draws_spread_a_mean_as_its_standard_error_says():
    """Clusters of equal size; the bootstrap variance lacks the factor G/(G - 1)."""
    rng = np.random.default_rng(11)
    clusters = np.repeat(np.arange(15), 4)
    values = rng.normal(size=15)[clusters] + rng.normal(size=60)
    design = SamplingDesign.paired(60, 1, clusters)
    error = design.standard_error([values - values.mean()]).value
    means = [design.draw(rng)[0] @ values / 60 for _ in range(1500)]
    # Four times the relative noise of a standard deviation of 1500 values.
    assert np.std(means, ddof=1) * np.sqrt(15 / 14) == pytest.approx(error, rel=4 / np.sqrt(2 * 1499))


def test_clusters_are_counted_where_they_hold_several_images():
    plain, single, few = (SamplingDesign.paired(24, 2, each) for each in (None, np.arange(24)[::-1], CLUSTERS))
    assert (plain.clusters, plain.clustered, plain.unit) == (24, False, "images")
    assert (single.clusters, single.clustered, single.unit) == (24, False, "images")
    assert (few.clusters, few.clustered, few.unit) == (10, True, "clusters")
    unequal = SamplingDesign.independent([12, 30])
    assert (unequal.clusters, unequal.sizes) == (12, (12, 30))


def test_a_subset_keeps_the_real_images_and_numbers_the_others_anew():
    design = SamplingDesign(
        [
            Block(sets=(0, 3), cluster_of=np.arange(5)),
            Block(sets=(1,), cluster_of=np.arange(6)),
            Block(sets=(2, 4), cluster_of=np.arange(7)),
        ]
    )
    assert design.sizes == (5, 6, 7, 5, 7)
    subset = design.subset((4, 3))
    assert [block.sets for block in subset.blocks] == [(0, 2), (1,)]
    assert subset.sizes == (5, 7, 5)
    assert design.drawn_together((2, 4))
    assert not design.drawn_together((1, 2))


def test_labels_of_any_kind_become_numbers_in_their_order():
    assert cluster_codes(["b", "a", "b", "c"], 4).tolist() == [1, 0, 1, 2]
    assert cluster_codes(np.array([2.5, -1.0, 2.5]), 3).tolist() == [1, 0, 1]
    assert cluster_codes(None, 3).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("clusters", "n", "message"),
    [
        (["a"] * 3, 4, "clusters: expected one label for each of 4 images, found shape (3,)"),
        ([["a"], ["b"]], 2, "found shape (2, 1)"),
        ("ab", 2, "found shape ()"),
        (["a"] * 4, 4, "expected at least 2 clusters: they are the draws that a standard error counts, found all 4"),
        (["a"], 1, "found all 1 images in a"),
    ],
)
def test_labels_that_do_not_fit_are_refused(clusters, n, message):
    with pytest.raises(InputError, match=re.escape(message)):
        cluster_codes(clusters, n)


def test_pairs_need_equal_numbers():
    require_pairs(5, 5)
    with pytest.raises(InputError, match="row i of each from one label map, found 5 and 6"):
        require_pairs(5, 6)


# --- Photos and samples of the same conditions


def samples_of(rng, conditions, counts):
    """Photos and samples whose means are wanted: what a condition adds to both has variance 1, and each image's own."""
    shift = rng.normal(size=conditions)
    owner = np.repeat(np.arange(conditions), counts)
    return shift + 0.5 * rng.normal(size=conditions), shift[owner] + 0.7 * rng.normal(size=len(owner)), owner


def mean_error(design, real, fake):
    return design.standard_error([real.mean() - real, fake - fake.mean()])


def test_one_photo_and_one_sample_of_each_condition_are_pairs():
    rng = np.random.default_rng(20)
    influences = [centred(rng, 24) for _ in range(3)]
    paired = SamplingDesign.paired(24, 3)
    shared = SamplingDesign.by_condition(np.arange(24), np.arange(24), 3)
    errors = [design.standard_error(influences) for design in (paired, shared)]
    assert (errors[1].value, errors[1].df) == pytest.approx((errors[0].value, errors[0].df), rel=1e-12)
    assert (shared.clusters, shared.clustered, shared.unit, shared.quarters) == (24, False, "images", True)
    for chosen in (lambda design: design.split(np.random.default_rng(1), 4), lambda design: [design.draw(rng_of(2))]):
        for there, here in zip(chosen(paired), chosen(shared), strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(there, here, strict=True))
    assert all(map(np.array_equal, paired.order(rng_of(3)), shared.order(rng_of(3))))


def rng_of(seed):
    return np.random.default_rng(seed)


def test_equal_numbers_of_samples_give_the_standard_error_of_the_conditions_differences():
    """The textbook's: each condition is one draw of (mean of its samples - its photo)."""
    real, fake, owner = samples_of(rng_of(21), 30, 4)
    error = mean_error(SamplingDesign.by_condition(np.arange(30), owner, 2), real, fake)
    differences = fake.reshape(30, 4).mean(axis=1) - real
    assert error.value == pytest.approx(stats.sem(differences), rel=1e-12)
    assert error.df == pytest.approx(min(29, 2 * 30 / (stats.kurtosis(differences, fisher=False) - 1)))


def test_renaming_conditions_and_reordering_images_changes_nothing():
    real, fake, owner = samples_of(rng_of(22), 20, np.arange(20) % 4 + 1)
    plain = mean_error(SamplingDesign.by_condition(np.arange(20), owner, 2), real, fake)
    rng = rng_of(23)
    names = np.array([f"{k:x}" for k in rng.permutation(20)])
    of_real, of_fake = rng.permutation(20), rng.permutation(len(fake))
    moved = mean_error(
        SamplingDesign.by_condition(names[of_real], names[owner[of_fake]], 2), real[of_real], fake[of_fake]
    )
    assert (moved.value, moved.df) == pytest.approx((plain.value, plain.df), rel=1e-12)


@pytest.mark.parametrize("counts", [3, np.arange(25) % 5 + 1, np.where(np.arange(25) < 3, 12, 1)])
def test_the_squared_standard_error_of_photos_and_samples_is_their_variance(counts):
    """The exact variance of the difference of means, whatever the numbers of samples: the noises are independent."""
    conditions = 25
    shares = np.broadcast_to(counts, conditions) / np.sum(np.broadcast_to(counts, conditions))
    truth = (
        np.square(shares - 1 / conditions).sum() + 0.7**2 / np.sum(np.broadcast_to(counts, conditions)) + 0.5**2 / 25
    )
    rng, squares = rng_of(24), []
    for _ in range(1500):
        real, fake, owner = samples_of(rng, conditions, counts)
        squares.append(mean_error(SamplingDesign.by_condition(np.arange(25), owner, 2), real, fake).value ** 2)
    # A variance of 24 degrees of freedom or fewer is known to 29 % or worse; the mean of 1500 of them to 1 %.
    assert np.mean(squares) == pytest.approx(truth, rel=0.08)


def test_intervals_of_a_difference_of_fids_cover_where_samples_share_conditions():
    """Two generators, 3 samples of each of 40 conditions and one photo; d = 2. Independent images would be 1.5 times
    as uncertain."""
    rng = rng_of(25)
    conditions, owner = 40, np.repeat(np.arange(40), 3)
    design = SamplingDesign.by_condition(np.arange(conditions), owner, 3)
    apart = SamplingDesign([Block(sets=(0,), cluster_of=np.arange(40)), Block(sets=(1, 2), cluster_of=owner)])
    values, reach, ratios = [], [], []
    for _ in range(400):
        scene = rng.normal(size=(conditions, 2))
        real = scene + 0.3 * rng.normal(size=(conditions, 2))
        shared = scene[owner] + 0.2 * rng.normal(size=(len(owner), 2))
        arms = [1.3 * shared + 0.2, 1.1 * shared + 0.3 + 0.2 * rng.normal(size=shared.shape)]
        first, second = (fid_influence(real, arm) for arm in arms)
        influences = [second.real - first.real, -first.fake, second.fake]
        error = design.standard_error(influences)
        values.append(second.distance.value - first.distance.value)
        reach.append(stats.t.ppf(0.975, error.df) * error.value)
        ratios.append(apart.standard_error(influences).value / error.value)
    # Around the mean of what is measured: FID@n has the bias of n.
    assert 0.93 <= np.mean(np.abs(np.array(values) - np.mean(values)) <= reach) <= 0.98
    assert np.median(ratios) > 1.5


def test_conditions_are_split_and_drawn_whole_in_all_sets():
    real, fake = np.repeat(np.arange(16), 2), np.repeat(np.arange(16), np.arange(16) % 3 + 1)
    design = SamplingDesign.by_condition(real, fake, 3)
    cuts = design.split(rng_of(26), 4)
    assert sorted(np.concatenate([rows[1] for rows in cuts])) == list(range(len(fake)))
    for rows in cuts:
        assert set(real[rows[0]]) == set(fake[rows[1]]) and len(set(real[rows[0]])) >= 2
        assert np.array_equal(rows[1], rows[2])
    counts = design.draw(rng_of(27))
    drawn = {condition: counts[0][real == condition][0] for condition in range(16)}
    assert sum(drawn.values()) == 16
    assert all(np.array_equal(counts[k], [drawn[each] for each in fake]) for k in (1, 2))
    assert np.array_equal(counts[0], [drawn[each] for each in real])
    orders = design.order(rng_of(28))
    firsts = [list(dict.fromkeys(labels[rows])) for labels, rows in zip((real, fake, fake), orders, strict=True)]
    assert firsts[0] == firsts[1] == firsts[2]
    pair = design.subset([2])
    assert pair.shared_clusters and pair.sizes == (32, len(fake))


def test_a_condition_that_a_set_lacks_is_refused():
    with pytest.raises(
        InputError, match=r"expected images of the same clusters in all sets .* found a set without owl"
    ):
        SamplingDesign.by_condition(["cat", "dog"], ["cat", "cat", "owl", "dog"], 2)
    with pytest.raises(InputError, match="at least 2 clusters"):
        SamplingDesign.by_condition(["cat"], ["cat", "cat"], 2)


def test_too_few_or_too_unequal_conditions_are_not_quartered():
    eight, seven = np.arange(8), np.arange(7)
    assert SamplingDesign.by_condition(eight, np.repeat(eight, 5), 2).quarters
    assert not SamplingDesign.by_condition(seven, np.repeat(seven, 5), 2).quarters
    assert not SamplingDesign.by_condition(np.arange(12), np.repeat(np.arange(12), [30, *[1] * 11]), 2).quarters
