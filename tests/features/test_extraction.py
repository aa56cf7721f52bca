from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.precision_shifts import precision_shifts
from p2phd_eval.features import resumable
from p2phd_eval.features.cache.store import FeatureCache
from p2phd_eval.features.extraction import FeatureExtractor
from p2phd_eval.features.feature_settings import FeatureSettings
from p2phd_eval.features.identity import FeaturePrecision, Resize
from p2phd_eval.features.weights.index import WeightsFile
from p2phd_eval.images.png import write_png
from p2phd_eval.images.sources.arrays import ArraySource
from p2phd_eval.images.sources.generated import GeneratedSource
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.progress import OnProgress
from p2phd_eval.user_folders import CACHE_VARIABLE, cache_folder
from tests.features import tiny_network

TINY = FeatureSettings(network=tiny_network.SPEC, device="cpu", workers=0)
INCEPTION = FeatureSettings(dims=64, device="cpu", workers=0)


class Watched:
    """An extractor with what it reported: the titles of its work, and its notes."""

    def __init__(self, settings: FeatureSettings = TINY) -> None:
        self.work: list[str] = []
        self.notes: list[str] = []
        self.extract = FeatureExtractor(settings, progress=self._progress, note=self.notes.append)

    @contextmanager
    def _progress(self, description: str, unit: str) -> Iterator[OnProgress]:
        self.work.append(description)
        yield lambda done, total: None

    @property
    def forwards(self) -> list[str]:
        """The sets that went through the network."""
        return [title.removeprefix("features of ") for title in self.work if title.startswith("features of ")]


@pytest.fixture
def cache(inception_weights: WeightsFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache but for the weights."""
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / inception_weights.path.name).symlink_to(inception_weights.path.resolve())
    monkeypatch.setenv(CACHE_VARIABLE, str(folder))
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return noise(tmp_path / "photos", range(4))


def noise(folder: Path, seeds: range) -> Path:
    for seed in seeds:
        pixels = np.random.default_rng(seed).integers(0, 256, (20, 30, 3), dtype=np.uint8)
        write_png(folder / f"{seed}.png", pixels)
    return folder


@pytest.mark.usefixtures("cache")
def test_a_second_time_no_image_goes_through_the_network(photos: Path) -> None:
    first, second = Watched(INCEPTION), Watched(INCEPTION)
    computed = first.extract(open_source(photos))
    found = second.extract(open_source(photos))
    assert (first.forwards, second.forwards) == ([str(photos)], [])
    np.testing.assert_array_equal(found.values, computed.values)
    assert (found.ids, found.stamp) == (computed.ids, computed.stamp)
    assert isinstance(found.values, np.memmap)


@pytest.mark.usefixtures("cache")
def test_an_archive_of_the_same_images_finds_the_folders_features(photos: Path, tmp_path: Path) -> None:
    Watched().extract(open_source(photos))
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w") as stream:
        for path in photos.iterdir():
            stream.write(path, path.name)
    watched = Watched()
    assert watched.extract(open_source(archive)).stamp.source == str(archive)
    assert watched.forwards == []


def _change(folder: Path) -> None:
    write_png(folder / "0.png", np.zeros((20, 30, 3), dtype=np.uint8))


def _add(folder: Path) -> None:
    shutil.copy(folder / "0.png", folder / "new.png")


def _remove(folder: Path) -> None:
    (folder / "0.png").unlink()


def _rename(folder: Path) -> None:
    (folder / "0.png").rename(folder / "zero.png")


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("edit", [_change, _add, _remove, _rename])
def test_edits_are_noticed(photos: Path, edit: Callable[[Path], None]) -> None:
    before = Watched().extract(open_source(photos))
    edit(photos)
    watched = Watched()
    after = watched.extract(open_source(photos))
    assert watched.forwards == [str(photos)]
    assert after.stamp.images_sha256 != before.stamp.images_sha256


@pytest.mark.usefixtures("cache")
def test_other_settings_have_other_features(photos: Path) -> None:
    settings = [INCEPTION, replace(INCEPTION, resize=Resize.CLEAN), replace(INCEPTION, dims=192)]
    settings.append(replace(INCEPTION, precision=FeaturePrecision.BF16))
    watched = [Watched(each) for each in settings]
    shapes = [each.extract(open_source(photos)).values.shape for each in watched]
    assert [each.forwards for each in watched] == [[str(photos)]] * 4
    assert shapes == [(4, 64), (4, 64), (4, 192), (4, 64)]


def test_weights_that_are_replaced_between_two_sets_do_not_mix_in_the_cache(
    photos: Path, tmp_path: Path, inception_weights: WeightsFile, cache: Path
) -> None:
    given = tmp_path / "given.pt"
    shutil.copyfile(inception_weights.path, given)
    settings = replace(INCEPTION, weights=given)
    first = Watched(settings).extract(open_source(photos))
    watched = Watched(settings)
    assert watched.extract(open_source(photos)).stamp == first.stamp  # known by now, without the network
    state = torch.load(given, weights_only=True)
    state["Conv2d_1a_3x3.conv.weight"] *= 2
    torch.save(state, given)
    others = open_source(noise(tmp_path / "others", range(4, 6)))
    found = watched.extract(others)
    assert found.stamp.weights_sha256 != first.stamp.weights_sha256
    again = Watched(settings)
    np.testing.assert_array_equal(again.extract(others).values, found.values)
    assert again.forwards == []
    assert Watched(replace(settings, weights=inception_weights.path)).extract(others).stamp != found.stamp


def test_a_damaged_entry_is_computed_again_with_a_note(photos: Path, cache: Path) -> None:
    computed = np.array(Watched().extract(open_source(photos)).values)
    (values,) = (cache / "features").glob("*/features.npy")
    values.write_bytes(values.read_bytes()[:-5])
    watched = Watched()
    np.testing.assert_array_equal(watched.extract(open_source(photos)).values, computed)
    assert watched.forwards == [str(photos)]
    assert any("was damaged" in note and "computed again" in note for note in watched.notes)


@pytest.mark.usefixtures("cache")
def test_an_interrupted_extraction_goes_on(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise(photos, range(4, 21))
    whole = Watched(replace(TINY, cache=False)).extract(open_source(photos))
    monkeypatch.setattr(resumable, "PART", 8)
    calls: list[tuple[int, int]] = []

    @contextmanager
    def interrupting(description: str, unit: str) -> Iterator[OnProgress]:
        def on_progress(done: int, total: int) -> None:
            calls.append((done, total))
            if done == 16:
                raise KeyboardInterrupt

        yield on_progress

    with pytest.raises(KeyboardInterrupt):
        FeatureExtractor(TINY, progress=interrupting)(open_source(photos))
    assert calls == [(8, 21), (16, 21)]
    assert [entry.n for entry in FeatureCache().entries()] == [8]

    # The second part was computed, but not yet kept.
    calls.clear()

    @contextmanager
    def recording(description: str, unit: str) -> Iterator[OnProgress]:
        yield lambda done, total: calls.append((done, total))

    features = FeatureExtractor(TINY, progress=recording)(open_source(photos))
    assert calls == [(16, 21), (21, 21)]
    np.testing.assert_array_equal(features.values, whole.values)
    assert (features.ids, features.stamp) == (whole.ids, whole.stamp)
    assert [entry.n for entry in FeatureCache().entries()] == [21]  # the parts are gone
    assert Watched().extract(open_source(photos)).stamp == whole.stamp


@pytest.mark.usefixtures("cache")
def test_what_is_not_to_be_kept_is_not(photos: Path) -> None:
    Watched(replace(TINY, cache=False)).extract(open_source(photos))
    Watched().extract(open_source(photos), keep=False)
    labels = open_source(photos)
    Watched().extract(GeneratedSource(labels, lambda label: label))
    assert FeatureCache().entries() == ()
    assert not (cache_folder() / "features").exists()


@pytest.mark.usefixtures("cache")
def test_generated_images_are_those_of_the_generator(photos: Path) -> None:
    """A generator that returns its input gives the input's features, under its ids."""
    source = open_source(photos)
    expected = Watched().extract(source)
    made = Watched().extract(GeneratedSource(source, lambda label: label))
    np.testing.assert_array_equal(made.values, expected.values)
    assert made.ids == expected.ids


@pytest.mark.usefixtures("cache")
def test_a_reduced_precision_is_held_against_float32(photos: Path, tmp_path: Path) -> None:
    sources = [open_source(photos), open_source(noise(tmp_path / "fake", range(10, 16)))]
    watched = Watched(replace(INCEPTION, precision=FeaturePrecision.BF16))
    reduced = [watched.extract(source) for source in sources]
    (shift,) = precision_shifts(watched.extract, sources, reduced, ["fake"])
    from p2phd_eval.stats.distances.frechet import frechet_distance

    exact = frechet_distance(*(Watched(INCEPTION).extract(source).values for source in sources)).value
    assert (shift.name, shift.dtype, shift.n) == ("fake", "bfloat16", 4)
    assert precision_shifts(Watched(INCEPTION).extract, sources, reduced, ["fake"]) == ()
    assert precision_shifts(watched.extract, [sources[0], reduced[1]], reduced, ["fake"]) == ()
    assert shift.fid_float32 == pytest.approx(exact, rel=1e-9)
    assert shift.shift == shift.fid - shift.fid_float32 != 0


def test_inceptions_options_are_not_a_plugins() -> None:
    with pytest.raises(InputError, match="expected no --resize, --dims or --feature-precision beside it"):
        FeatureSettings(network="a:b", dims=64)


def test_settings_may_be_given_as_text() -> None:
    given = FeatureSettings(resize="clean", precision="bf16", weights="a.pth")  # type: ignore[arg-type]  # on purpose
    assert given == FeatureSettings(resize=Resize.CLEAN, precision=FeaturePrecision.BF16, weights=Path("a.pth"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"resize": "bicubic"}, r"--resize: expected legacy-pytorch \| .* found 'bicubic'"),
        ({"precision": "fp8"}, r"--feature-precision: expected fp32 \| .* found 'fp8'"),
        ({"dims": 100}, "--dims: expected 64 or .* found 100"),
        ({"workers": -1}, "--workers: expected at least 0, found -1"),
    ],
)
def test_settings_that_do_not_exist(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        FeatureSettings(**given)


_WARM = """
import sys
from p2phd_eval.cli import app
try:
    app(["fid", *sys.argv[1:]])
except SystemExit as end:
    assert not end.code
print("torch" in sys.modules, file=sys.stderr)
"""


@pytest.mark.usefixtures("cache")
def test_the_second_command_does_not_even_load_torch(photos: Path, tmp_path: Path) -> None:
    fake = noise(tmp_path / "fake", range(10, 14))
    command = [sys.executable, "-c", _WARM, str(photos), str(fake), "--device", "cpu", "--dims", "64"]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(2)]
    assert [run.stderr.splitlines()[-1] for run in runs] == ["True", "False"]
    assert runs[0].stdout == runs[1].stdout != ""


@pytest.mark.usefixtures("cache")
def test_images_in_memory() -> None:
    arrays = np.random.default_rng(0).integers(0, 256, (3, 20, 30, 3), dtype=np.uint8)
    features = Watched().extract(ArraySource(arrays, ids=["a", "b", "c"]))
    assert features.ids == ("a", "b", "c")
    assert (features.stamp.formats, features.stamp.n) == ({"array": 3}, 3)
