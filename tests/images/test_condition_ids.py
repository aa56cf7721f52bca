import pytest

from p2phd_eval.images.condition_ids import (
    SampleCounts,
    condition_clusters,
    condition_of,
    images_of_conditions,
    sample_counts,
    sample_id,
    split_sample,
)
from p2phd_eval.images.names import pair_key


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("cat@0", ("cat", "0")),
        ("cat@007", ("cat", "7")),
        ("cat@000", ("cat", "0")),
        ("a@b@12", ("a@b", "12")),
        ("seq1/cat@3", ("seq1/cat", "3")),
        ("me@home.org@5", ("me@home.org", "5")),
        ("photo@2x", ("photo@2x", None)),
        ("cat", ("cat", None)),
        ("cat@", ("cat@", None)),
        ("cat@-1", ("cat@-1", None)),
        ("cat@1.5", ("cat@1.5", None)),
        ("cat@ 1", ("cat@ 1", None)),
        ("cat@\u0663", ("cat@\u0663", None)),  # a digit, but of no number that programs write
        ("cat@\u00b2", ("cat@\u00b2", None)),
        ("@3", ("@3", None)),
        ("seq1/@3", ("seq1/@3", None)),
        ("x@" + "9" * 6000, ("x", "9" * 6000)),  # longer than what int() reads
    ],
)
def test_a_seed_is_a_whole_number_after_the_last_mark(name, found):
    assert split_sample(name) == found
    assert condition_of(name) == found[0]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("cat@7.png", "cat@7"),
        ("cat@007.png", "cat@7"),
        ("photo@2x.png", "photo@2x"),
        ("aachen_000000_000019_gtFine_labelIds@3.png", "aachen_000000_000019@3"),
        ("aachen_000000_000019_gtFine_labelIds_synthesized_image@3.png", "aachen_000000_000019@3"),
        ("aachen_000000_000019@3_synthesized_image.jpg", "aachen_000000_000019@3"),
    ],
)
def test_the_key_of_a_sample_is_that_of_its_condition_and_its_seed(name, key):
    assert pair_key(name) == key
    assert pair_key(key) == key
    assert sample_id(*split_sample(key)) == key


def test_samples_are_counted_by_condition():
    assert sample_counts(["a", "b", "photo@2x"]) is None
    assert sample_counts(["a@0", "a@1", "b@0", "b@5"]) == SampleCounts(conditions=2, fewest=2, most=2)
    assert str(sample_counts(["a@0", "a@1", "b@0", "b@5"])) == "2 conditions x 2 seeds"
    assert str(sample_counts(["a@0", "a@1", "b"])) == "2 conditions x 1 to 2 seeds"
    assert str(sample_counts(["a@0", "b@0"])) == "2 conditions x 1 seed"
    assert str(sample_counts(["a@0", "a@1"])) == "1 condition x 2 seeds"


def test_conditions_are_clusters_where_they_have_several_samples():
    assert condition_clusters(["a@0", "a@1", "b@0", "c@7"]) == ("a", "a", "b", "c")
    assert condition_clusters(["a@0", "b@0", "c@7"]) is None
    assert condition_clusters(["a", "b", "c"]) is None
    # Of one or two conditions nothing can be left out to see what it does: the samples are the draws.
    assert condition_clusters(["a@0", "a@1", "b@0", "b@1"]) is None


def test_the_only_photo_of_a_condition_serves_for_all_of_its_samples():
    photos = ["a", "b@0", "b@1", "c@4", "d"]
    wanted = ["a@0", "a@1", "b@1", "b@2", "c@0", "d", "e@0"]
    found = {"a@0": "a", "a@1": "a", "b@1": "b@1", "c@0": "c@4", "d": "d"}
    assert images_of_conditions(photos, wanted) == found
    assert images_of_conditions(photos, wanted, one_of_several=True) == {**found, "b@2": "b@0"}
