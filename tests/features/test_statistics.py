import pickle
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from p2phd_eval.errors import InputError
from p2phd_eval.features.statistics import load_statistics, save_statistics
from p2phd_eval.stats.distances.moments import Moments, moments
from p2phd_eval.torchvision_ops import declare_missing_operators
from tests.features.feature_sets import STAMP

D = 5


def features(n=40, seed=0):
    return np.random.default_rng(seed).normal(1, 2, (n, D)).astype(np.float32)


def mu_and_sigma(seed=0):
    values = features(seed=seed)
    return values.mean(axis=0), np.cov(values, rowvar=False)


class Crafted:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def refused(path, message):
    with pytest.raises(InputError, match=message) as caught:
        load_statistics(path)
    assert caught.value.where.startswith(str(path))


def test_what_is_saved_is_loaded_to_the_bit(tmp_path):
    summary, stamp = moments(features()), replace(STAMP, dims=D, n=40, formats={"PNG": 39, "JPEG": 1})
    save_statistics(tmp_path / "a.npz", summary, stamp)
    loaded = load_statistics(tmp_path / "a.npz")
    assert (loaded.moments.n, loaded.moments.ddof) == (40, 1)
    np.testing.assert_array_equal(loaded.moments.mean, summary.mean)
    np.testing.assert_array_equal(loaded.moments.covariance, summary.covariance)
    assert loaded.stamp == stamp
    assert (loaded.path, loaded.notes) == (tmp_path / "a.npz", ())


def test_what_is_not_known_is_left_out(tmp_path):
    save_statistics(tmp_path / "a.npz", replace(moments(features()), n=None), None)
    with np.load(tmp_path / "a.npz") as archive:
        assert sorted(archive) == ["mu", "sigma"]
    loaded = load_statistics(tmp_path / "a.npz")
    assert (loaded.moments.n, loaded.stamp) == (None, None)


def test_pytorch_fid_reads_what_is_saved(tmp_path):
    declare_missing_operators()
    from pytorch_fid.fid_score import compute_statistics_of_path

    summary = moments(features())
    save_statistics(tmp_path / "a.npz", summary, STAMP)
    mean, covariance = compute_statistics_of_path(str(tmp_path / "a.npz"), None, 1, D, "cpu")
    np.testing.assert_array_equal(mean, summary.mean)
    np.testing.assert_array_equal(covariance, summary.covariance)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_of_pytorch_fid_and_clean_fid_are_read(tmp_path, save):
    # Both write numpy's mean and covariance compressed, under these two names.
    mu, sigma = mu_and_sigma()
    save(tmp_path / "theirs.npz", mu=mu, sigma=sigma)
    loaded = load_statistics(tmp_path / "theirs.npz")
    np.testing.assert_array_equal(loaded.moments.mean, mu.astype(np.float64))
    np.testing.assert_array_equal(loaded.moments.covariance, sigma)
    assert (loaded.moments.n, loaded.stamp, loaded.notes) == (None, None, ())


def test_what_torch_fidelity_caches_is_read(tmp_path):
    declare_missing_operators()
    from torch_fidelity.metric_fid import fid_features_to_statistics
    from torch_fidelity.utils import cache_lookup_one_recompute_on_miss

    expected = fid_features_to_statistics(torch.from_numpy(features()))
    cache_lookup_one_recompute_on_miss("set-stat-fid-2048", lambda: expected, cache=True, cache_root=str(tmp_path))
    loaded = load_statistics(tmp_path / "set-stat-fid-2048.pt")
    np.testing.assert_array_equal(loaded.moments.mean, expected["mu"].astype(np.float64))
    np.testing.assert_array_equal(loaded.moments.covariance, expected["sigma"])


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_are_read_like_arrays(tmp_path, zipped):
    mu, sigma = mu_and_sigma()
    content = {"mu": torch.from_numpy(mu), "sigma": torch.from_numpy(sigma)}
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    np.testing.assert_array_equal(load_statistics(tmp_path / "a.pth").moments.covariance, sigma)


def test_float32_is_widened_and_noted(tmp_path):
    mu, sigma = mu_and_sigma()
    np.savez(tmp_path / "a.npz", mu=mu, sigma=sigma.astype(np.float32))
    loaded = load_statistics(tmp_path / "a.npz")
    assert loaded.moments.mean.dtype == loaded.moments.covariance.dtype == np.float64
    assert loaded.notes == (f"{tmp_path / 'a.npz'} holds sigma in float32: its rounding is part of the FID",)


def test_a_singular_sigma_is_one_all_the_same(tmp_path):
    values = features(n=3)  # fewer images than features, and rounded
    np.savez(tmp_path / "a.npz", mu=values.mean(axis=0), sigma=np.cov(values, rowvar=False).astype(np.float32))
    assert load_statistics(tmp_path / "a.npz").moments.mean.shape == (D,)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"mu": None}, "no array 'mu'"),
        ({"sigma": None}, "no array 'sigma'"),
        ({"mu": np.zeros((1, D))}, rf"shapes \(1, {D}\) and \({D}, {D}\)"),
        ({"mu": np.zeros(D + 1)}, rf"shapes \({D + 1},\) and \({D}, {D}\)"),
        ({"sigma": np.eye(D)[:, 1:]}, rf"shapes \({D},\) and \({D}, {D - 1}\)"),
        ({"sigma": np.zeros(D)}, rf"shapes \({D},\) and \({D},\)"),
        ({"mu": np.full(D, np.nan)}, "NaN or infinity in the mean"),
        ({"sigma": np.diag([1, 1, 1, 1, np.inf])}, "NaN or infinity in the covariance"),
        ({"sigma": np.triu(np.ones((D, D)))}, "a symmetric covariance"),
        ({"sigma": np.eye(D) - 0.5}, "positive semi-definite"),
        ({"mu": np.array(["a"] * D)}, "'mu' of <U1, not of real numbers"),
        ({"sigma": np.eye(D) * 1j}, "'sigma' of complex128"),
        ({"mu": np.full(D, 1e200)}, r"at most 1e\+12 in size, found 1e\+200 in the mean"),
        ({"sigma": np.eye(D) * 1e308}, r"at most 1e\+24 in size, found 1e\+308 in the covariance"),
        ({"mu": np.zeros(D, "M8[D]")}, "'mu' of datetime64"),
        ({"mu": np.zeros(D, bool)}, "'mu' of bool"),
        ({"n": np.array(1)}, "n = 1, which is no number of images"),
        ({"n": np.array([4, 5])}, r"n = array\(\[4, 5\]\), which is no"),
        ({"n": np.array(np.nan)}, r"n = array\(nan\), which is no"),
        ({"stamp": np.array("{")}, "the JSON of a stamp, found text that is not JSON"),
        ({"stamp": np.array(4)}, "a stamp that cannot be read"),
        ({"stamp": np.array('{"weights": "mine"}')}, r"stamp: expected the key 'weights_sha256'"),
    ],
)
def test_wrong_content_is_named(tmp_path, fields, message):
    good = dict(zip(("mu", "sigma"), mu_and_sigma(), strict=True))
    path = tmp_path / "a.npz"
    np.savez(path, **{name: value for name, value in {**good, **fields}.items() if value is not None})
    refused(path, message)


@pytest.mark.parametrize("name", ["mu", "sigma"])
def test_object_arrays_are_refused_and_run_nothing(tmp_path, name):
    ran = tmp_path / "ran"
    fields = dict(zip(("mu", "sigma"), mu_and_sigma(), strict=True))
    fields[name] = np.array([Crafted(ran)], dtype=object)
    np.savez(tmp_path / "a.npz", **fields)
    refused(tmp_path / "a.npz", "pickled objects in")
    torch.save(fields, tmp_path / "a.pt")
    refused(tmp_path / "a.pt", "objects other than tensors")
    torch.save({**fields, name: Crafted(ran)}, tmp_path / "b.pt")
    refused(tmp_path / "b.pt", "objects other than tensors")
    for path in (tmp_path / "plain.npz", tmp_path / "plain.pt"):
        path.write_bytes(pickle.dumps(Crafted(ran)))
        refused(path, r"no \.npz archive|objects other than tensors")
    assert not ran.exists()


@pytest.mark.parametrize("ending", ["npz", "pt"])
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_a_file_cut_short_is_refused(tmp_path, ending, kept):
    path = tmp_path / f"a.{ending}"
    fields = dict(zip(("mu", "sigma"), mu_and_sigma(), strict=True))
    if ending == "npz":
        np.savez_compressed(path, **fields)
    else:
        torch.save(fields, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    refused(path, "feature statistics|a damaged|an empty file")


def test_flipped_bits_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    mu, sigma = mu_and_sigma()
    np.savez(path, mu=mu, sigma=sigma)
    content = bytearray(path.read_bytes())
    start = content.index(sigma.tobytes())
    content[start] ^= 255
    path.write_bytes(content)
    refused(path, "CRC")


def test_other_files_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "photos.npz", "w") as archive:
        archive.writestr("photo.png", b"")
    refused(tmp_path / "photos.npz", "no array 'mu'")
    np.save(tmp_path / "lone.npy", np.eye(3))
    refused(tmp_path / "lone.npy", r"no \.npz archive")
    torch.save([1, 2], tmp_path / "list.pt")
    refused(tmp_path / "list.pt", "a list")
    refused(tmp_path / "missing.npz", "no such file")
    refused(tmp_path, "no such file")


def test_only_npz_with_the_usual_ddof_is_written(tmp_path):
    summary = moments(features())
    with pytest.raises(InputError, match=r"ending in \.npz, found a\.pt"):
        save_statistics(tmp_path / "a.pt", summary, None)
    biased = Moments(n=40, mean=summary.mean, covariance=summary.covariance * 39 / 40, ddof=0)
    with pytest.raises(InputError, match="ddof = 0"):
        save_statistics(tmp_path / "a.npz", biased, None)
    assert list(tmp_path.iterdir()) == []
