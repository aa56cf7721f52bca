from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from p2phd_eval.config import DataConfig, FeatureConfig, TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.generators.checkpoint import latest_path, load_checkpoint, save_checkpoint
from p2phd_eval.generators.data.batch import collate
from p2phd_eval.generators.original.checkpoint_folder import open_source
from p2phd_eval.generators.sampling.feature_maps import PhotoEncoder, precompute, whole_images
from p2phd_eval.generators.sampling.generation import generate
from p2phd_eval.generators.sampling.styles import Clusters, cluster_styles, clusters_path, draw_style, load_clusters
from p2phd_eval.generators.training.loop import train_networks
from p2phd_eval.generators.training.step import Pix2PixHD
from p2phd_eval.images.decoding import open_image, read_rgb
from p2phd_eval.images.names import list_images
from p2phd_eval.images.png import write_png

CPU = torch.device("cpu")
SIDE = 32  # pixels of the constructed photos


def untrained(config: TrainConfig, run: Path) -> Path:
    """A run folder whose networks have their initial weights."""
    save_checkpoint(latest_path(run), config=config, step=0, state=Pix2PixHD(config, CPU).state_dict())
    return run


@pytest.fixture(scope="module")
def config(tiny: TrainConfig) -> TrainConfig:
    return replace(tiny, features=FeatureConfig(kind="instance", nef=4, n_downsample=2))


@pytest.fixture(scope="module")
def run(config: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained(config, tmp_path_factory.mktemp("features") / "run")


@pytest.fixture(scope="module")
def halves(config: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run for photos of two halves, class 0 on the left and 1 on the right."""
    halved = replace(config, data=DataConfig(label_nc=2, load_size=SIDE))
    return untrained(halved, tmp_path_factory.mktemp("features") / "halves")


def write_halves(data: Path, styles: str, phase: str = "train") -> None:
    """A data set of photos in the styles "A" and "B": two fixed patterns, each with noise of a level or two."""
    rng = np.random.default_rng(0)
    patterns = {name: rng.integers(2, 254, (SIDE, SIDE, 3)) for name in "AB"}
    label = np.repeat(np.array([[0, 1]], np.uint8), SIDE // 2, axis=1).repeat(SIDE, axis=0)
    for i, style in enumerate(styles):
        photo = patterns[style] + (rng.integers(-2, 3, (SIDE, SIDE, 3)) if len(styles) > 1 else 0)
        write_png(data / f"{phase}_img/{i}.png", photo.astype(np.uint8))
        write_png(data / f"{phase}_label/{i}.png", label)
        write_png(data / f"{phase}_inst/{i}.png", label.astype(np.uint16) * 1000)


def encoded(run: Path, data: Path, phase: str = "train") -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Label map, regions and features (n_features, H, W) of every photo."""
    photos = PhotoEncoder(*open_source(run), data, phase, CPU)
    found = []
    for batch, features in photos.encode(range(len(photos.triplets))):
        regions = batch.label if photos.config.features.kind == "label" else batch.instance
        assert regions is not None
        found.append((batch.label[0, 0].numpy(), regions[0, 0].numpy(), features[0].numpy()))
    return found


def by_value(centres: np.ndarray) -> np.ndarray:
    return centres[np.lexsort(centres.T)]


def test_the_clusters_of_two_styles_are_their_means(halves: Path, tmp_path: Path) -> None:
    write_halves(tmp_path, "AABABB")
    _, clusters = cluster_styles(halves, tmp_path, out=tmp_path / "clusters.npz", device=CPU, n_clusters=2)
    photos = encoded(halves, tmp_path)
    for label, column in ((0, 0), (1, SIDE - 1)):
        features = np.array([features[:, 0, column] for _, _, features in photos])
        means = [features[[style == name for style in "AABABB"]].mean(axis=0) for name in "AB"]
        assert np.abs(means[0] - means[1]).max() > 10 * features[[0, 1, 3]].std(axis=0).max()  # two styles indeed
        np.testing.assert_allclose(by_value(clusters.centres[label]), by_value(np.array(means)), atol=1e-6)
    assert clusters.regions == {0: 6, 1: 6}


def test_photos_of_one_style_have_one_cluster_however_many_are_allowed(halves: Path, tmp_path: Path) -> None:
    write_halves(tmp_path, "A")
    _, clusters = cluster_styles(halves, tmp_path, out=tmp_path / "clusters.npz", device=CPU)
    assert {label: len(centres) for label, centres in clusters.centres.items()} == {0: 1, 1: 1}


def test_the_only_style_there_is_gives_what_the_photo_gives(halves: Path, tmp_path: Path) -> None:
    """Clusters of a photo alone are its features, so sampling from them is encoding it."""
    write_halves(tmp_path, "A")
    cluster_styles(halves, tmp_path, out=tmp_path / "A.npz", device=CPU)
    for style in ("clusters", "photo"):
        clusters = tmp_path / "A.npz" if style == "clusters" else None
        generate(halves, tmp_path, tmp_path / style, device=CPU, phase="train", style=style, clusters=clusters)
    np.testing.assert_array_equal(read_rgb(tmp_path / "clusters/0.png"), read_rgb(tmp_path / "photo/0.png"))


@pytest.mark.parametrize("kind", ["instance", "label"])
def test_classes_and_sizes_of_regions_as_in_the_original(
    scenes: Path, config: TrainConfig, tmp_path: Path, kind: str
) -> None:
    """One cluster a class is the mean over the regions that the original's loop (`encode_features`) keeps."""
    run = untrained(replace(config, features=replace(config.features, kind=kind)), tmp_path)
    expected = defaultdict(list)
    numbers = [np.asarray(open_image(path)) for path in list_images(scenes / "train_inst").paths]
    for numbered, (label, regions, features) in zip(numbers, encoded(run, scenes), strict=True):
        height, width = regions.shape
        for region in np.unique(regions):
            inside = regions == region
            values = features[:, inside]
            assert (values == values[:, :1]).all()
            if inside.sum() / (height * width // 32) > 0.5:
                number = numbered[inside][0]
                of_number = number if number < 1000 else number // 1000
                of_label = np.bincount(label[inside]).argmax()
                assert of_label == of_number
                expected[int(of_label)].append(values[:, 0])
    _, clusters = cluster_styles(run, scenes, out=tmp_path / "clusters.npz", device=CPU, n_clusters=1)
    assert clusters.regions == {label: len(expected[label]) for label in sorted(expected)}
    assert sum(clusters.regions.values()) < sum(len(np.unique(regions)) for _, regions, _ in encoded(run, scenes))
    for label, centres in clusters.centres.items():
        np.testing.assert_allclose(centres, np.mean(expected[label], axis=0)[None], atol=1e-6)


def test_photos_to_photos_have_one_class(scenes: Path, config: TrainConfig, tmp_path: Path) -> None:
    for kind, source in (("A", "label"), ("B", "img"), ("inst", "inst")):
        for path in list_images(scenes / f"train_{source}").paths:
            image = open_image(path)
            (tmp_path / f"train_{kind}").mkdir(exist_ok=True)
            (image if kind == "inst" else image.convert("RGB")).save(tmp_path / f"train_{kind}" / path.name)
    run = untrained(replace(config, data=replace(config.data, label_nc=0)), tmp_path / "run")
    _, clusters = cluster_styles(run, tmp_path, out=tmp_path / "clusters.npz", device=CPU, n_clusters=3)
    assert {label: len(centres) for label, centres in clusters.centres.items()} == {0: 3}
    clusters.save(run / "clusters.npz")
    assert generate(run, tmp_path, tmp_path / "out", device=CPU, phase="train").written == 6


def clusters_of(**centres: list[list[float]]) -> Clusters:
    arrays = {int(name[1:]): np.array(values, np.float32) for name, values in centres.items()}
    regions = {label: len(values) for label, values in arrays.items()}
    return Clusters(centres=arrays, regions=regions, checkpoint_sha256="0" * 64, phase="train", n_clusters=9)


@pytest.fixture
def draw() -> Callable[..., np.ndarray]:
    """A style for a grid of regions, one a pixel, by default all of class 0, with one feature."""

    def draw(clusters: Clusters, *, n: int = 4000, key: str = "a", seed: int = 0, label: int = 0) -> np.ndarray:
        regions = torch.arange(n).view(1, 1, n)
        labels = torch.full_like(regions, label)
        style = draw_style(
            clusters, regions, n, labels, label_nc=3, n_features=clusters.centres[0].shape[1], seed=seed, key=key
        )
        assert style.dtype == torch.float32
        return style.numpy()[:, 0]

    return draw


def test_each_cluster_of_a_class_is_equally_likely(draw: Callable[..., np.ndarray]) -> None:
    n, k = 4000, 4
    counts = np.bincount(draw(clusters_of(c0=[[0], [1], [2], [3]]), n=n)[0].astype(int), minlength=k)
    # Binomial counts; five standard deviations.
    assert np.abs(counts - n / k).max() < 5 * np.sqrt(n * (1 / k) * (1 - 1 / k))


def test_a_style_depends_on_the_seed_and_the_image_alone(draw: Callable[..., np.ndarray]) -> None:
    clusters = clusters_of(c0=[[0], [1]])
    first = draw(clusters)
    np.testing.assert_array_equal(draw(clusters), first)
    for other in (draw(clusters, key="b"), draw(clusters, seed=1)):
        assert 0.4 < (other != first).mean() < 0.6  # half of two independent fair draws agree


def test_a_class_without_clusters_has_features_of_0(draw: Callable[..., np.ndarray]) -> None:
    assert (draw(clusters_of(c0=[[1, 1]]), label=2) == 0).all()


def test_a_region_keeps_its_style_whatever_happens_to_the_others() -> None:
    """What is drawn depends on a region's number, not on its place in the image or among the regions."""
    rng = np.random.default_rng(0)
    clusters = clusters_of(c0=[[0], [1], [2]], c1=[[10], [11], [12]])
    numbers = rng.permutation(np.arange(-50, 50)) * 997  # of an instance map of 32 bits: any
    labels = rng.integers(2, size=100)

    def styles(numbers: np.ndarray, labels: np.ndarray) -> dict[int, float]:
        found, regions = np.unique(numbers, return_inverse=True)
        style = draw_style(
            clusters,
            torch.from_numpy(regions).view(1, 1, -1),
            len(found) + 3,  # a bound that another image of the batch set
            torch.from_numpy(labels).view(1, 1, -1),
            numbers=found,
            label_nc=2,
            n_features=1,
            seed=0,
            key="a",
        )
        return dict(zip(numbers.tolist(), style[0, 0].tolist(), strict=True))

    whole = styles(numbers, labels)
    assert all((value >= 10) == bool(label) for value, label in zip(whole.values(), labels, strict=True))
    for i in range(100):
        others = np.arange(100) != i
        assert styles(numbers[others], labels[others]).items() < whole.items()
    relabelled = styles(numbers, np.where(np.arange(100) == 7, 1 - labels, labels))
    assert {number for number in whole if relabelled[number] != whole[number]} == {int(numbers[7])}


def test_a_region_that_is_relabelled_or_removed_leaves_the_samples_styles_as_they_are(
    scenes: Path, run: Path, tmp_path: Path
) -> None:
    """Through files: instances are numbered anew from 0 on the way, and from another number on where one is gone."""
    labels, numbers = (np.asarray(open_image(min((scenes / f"train_{kind}").iterdir()))) for kind in ("label", "inst"))
    first, last = np.unique(numbers)[[0, -1]]
    for name, label, instance in (
        ("whole", labels, numbers),
        ("relabelled", np.where(numbers == first, labels[numbers == last][0], labels), numbers),
        ("removed", labels, np.where(numbers == first, last, numbers)),
    ):
        write_png(tmp_path / f"test_label/{name}.png", label.astype(np.uint8))
        write_png(tmp_path / f"test_inst/{name}.png", instance.astype(np.uint16))
    _, clusters = cluster_styles(run, scenes, out=tmp_path / "clusters.npz", device=CPU, n_clusters=4)
    config = open_source(run)[1].config
    dataset = whole_images(config, tmp_path, "test", photos=False)
    batch = collate([dataset[0, i] for i in range(3)])  # in the order of names
    assert batch.instance is not None
    assert batch.n_instances is not None
    styles = {
        triplet.key: draw_style(
            clusters,
            batch.instance[i],
            batch.n_instances,
            batch.label[i],
            numbers=batch.instance_numbers[i],
            label_nc=config.data.label_nc,
            n_features=config.features.n_features,
            seed=0,
            key="an image",
        )
        for i, triplet in enumerate(batch.triplets)
    }
    rest = torch.from_numpy((numbers != first) & (numbers != last))
    assert rest.any()
    for name in ("relabelled", "removed"):
        torch.testing.assert_close(styles[name][:, rest], styles["whole"][:, rest], rtol=0, atol=0)


def test_what_is_saved_is_read(tmp_path: Path) -> None:
    clusters = clusters_of(c0=[[0.1, 0.2]], c7=[[1, 2], [3, 4]])
    clusters.save(tmp_path / "clusters.npz")
    read = Clusters.load(tmp_path / "clusters.npz")
    assert replace(read, centres={}) == replace(clusters, centres={})
    for label, centres in clusters.centres.items():
        assert read.centres[label].dtype == np.float32
        np.testing.assert_array_equal(read.centres[label], centres)


def test_files_that_are_no_clusters(run: Path, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(latest_path(run))

    def load(path: Path) -> None:
        load_clusters(path, checkpoint, "0" * 64, "RUN DATA")

    with pytest.raises(InputError, match=r"found no such file.\nMake them: p2phd-eval encode cluster RUN DATA"):
        load(tmp_path / "none.npz")
    clusters_of(c0=[[1, 2, 3]]).save(tmp_path / "good.npz")
    load(tmp_path / "good.npz")
    (tmp_path / "half.npz").write_bytes((tmp_path / "good.npz").read_bytes()[:200])
    (tmp_path / "empty.npz").touch()
    np.save(tmp_path / "original.npy", {0: np.zeros((1, 3))}, allow_pickle=True)
    np.savez(tmp_path / "other.npz", features=np.zeros(3))
    np.savez(tmp_path / "unstamped.npz", stamp=np.array("[]"))
    for name in ("half.npz", "empty.npz", "original.npy", "other.npz", "unstamped.npz"):
        with pytest.raises(InputError, match=r"clusters of features, found|stamp: expected object"):
            load(tmp_path / name)
    clusters_of(c0=[[1, 2]]).save(tmp_path / "two.npz")  # features, not three
    with pytest.raises(InputError, match="found those of another"):
        load(tmp_path / "two.npz")


@pytest.mark.parametrize(
    "centres",
    [
        np.array([["a", "b", "c"]]),
        np.ones((1, 3)) * 1j,
        np.array([[np.nan, 0, 0]]),
        np.full((1, 3), 1e300),
        np.ones((0, 3)),
        np.ones(3),
        np.ones((1, 3), dtype=np.int64),
        np.ones((1, 3), dtype=bool),
    ],
    ids=lambda centres: f"{centres.dtype} {centres.shape}",
)
def test_centres_that_are_no_features_are_refused(tmp_path: Path, centres: npt.NDArray[np.generic]) -> None:
    clusters_of(c0=[[1, 2, 3]]).save(tmp_path / "good.npz")
    with np.load(tmp_path / "good.npz") as good:
        arrays = dict(good)
    np.savez(tmp_path / "odd.npz", **{**arrays, "class_0": centres})
    with pytest.raises(InputError, match=r"odd\.npz: expected clusters of features, found another .*class_0"):
        Clusters.load(tmp_path / "odd.npz")


def test_clusters_of_another_checkpoint(scenes: Path, run: Path, config: TrainConfig, tmp_path: Path) -> None:
    other = untrained(replace(config, seed=1), tmp_path / "other")
    cluster_styles(other, scenes, out=tmp_path / "clusters.npz", device=CPU)
    with pytest.raises(InputError, match=r"expected clusters of the checkpoint with SHA-256 .* found those of another"):
        generate(run, scenes, tmp_path / "out", device=CPU, clusters=tmp_path / "clusters.npz")
    assert not (tmp_path / "out").exists()


def test_where_clusters_are(run: Path) -> None:
    assert clusters_path(run, None, "--out") == run / "clusters.npz"
    assert clusters_path(run, Path("given.npz"), "--out") == Path("given.npz")
    for source in (latest_path(run), run.parent):
        with pytest.raises(InputError, match=f"--out: expected a file, since {re.escape(str(source))} is no run"):
            clusters_path(source, None, "--out")


def test_a_model_without_encoder(scenes: Path, tiny: TrainConfig, config: TrainConfig, tmp_path: Path) -> None:
    plain = untrained(tiny, tmp_path / "plain")
    with pytest.raises(InputError, match="expected a checkpoint with a feature encoder, found a model without"):
        cluster_styles(plain, scenes, device=CPU)
    precomputed = replace(config, features=replace(config.features, precomputed=True))
    with pytest.raises(InputError, match=r"found features of unknown origin.\n.*start the training by --load-pretrain"):
        precompute(untrained(precomputed, tmp_path / "unknown"), scenes, device=CPU)


@pytest.fixture
def enlarged(scenes: Path, tmp_path: Path) -> Path:
    """The training scenes in files of twice the size that the networks see."""
    for kind in ("label", "inst", "img"):
        for path in list_images(scenes / f"train_{kind}").paths:
            image = open_image(path)
            folder = tmp_path / f"data/train_{kind}"
            folder.mkdir(parents=True, exist_ok=True)
            image.resize((image.width * 2, image.height * 2), 0).save(folder / path.name)
    return tmp_path / "data"


def test_precomputed_maps_are_the_features_at_the_size_of_the_label_maps(run: Path, enlarged: Path) -> None:
    result = precompute(run, enlarged, device=CPU)
    assert (result.written, result.kept, result.folder) == (6, 0, enlarged / "train_feat")
    maps = list_images(result.folder)
    assert [path.name for path in maps.paths] == [path.name for path in list_images(enlarged / "train_label").paths]
    for path, (_, _, features) in zip(maps.paths, encoded(run, enlarged), strict=True):
        stored = read_rgb(path).transpose(2, 0, 1) / 127.5 - 1
        doubled = features.repeat(2, axis=1).repeat(2, axis=2)  # the original's nearest-neighbour upsampling
        assert np.abs(stored - doubled).max() <= 0.5 / 127.5 + 1e-6  # half a level


def test_precomputed_maps_are_kept_for_the_same_checkpoint_only(
    run: Path, config: TrainConfig, enlarged: Path, tmp_path: Path
) -> None:
    precompute(run, enlarged, device=CPU)
    first, *rest = list_images(enlarged / "train_feat").paths
    before = first.read_bytes()
    first.unlink()
    stamps = [path.stat().st_mtime_ns for path in rest]
    progress: list[tuple[int, int]] = []
    told = nullcontext(lambda done, n: progress.append((done, n)))
    result = precompute(run, enlarged, device=CPU, progress=lambda description, unit: told)
    assert (result.written, result.kept, progress) == (1, 5, [(6, 6)])
    assert first.read_bytes() == before
    assert [path.stat().st_mtime_ns for path in rest] == stamps
    other = untrained(replace(config, seed=1), tmp_path / "other")
    with pytest.raises(
        InputError, match=r"train_feat: expected images of this checkpoint .* another checkpoint sha256"
    ):
        precompute(other, enlarged, device=CPU)
    (enlarged / "train_feat/manifest.json").unlink()
    with pytest.raises(InputError, match=r"train_feat: expected an empty folder .* found other files"):
        precompute(run, enlarged, device=CPU)


def test_maps_have_three_channels(scenes: Path, config: TrainConfig, tmp_path: Path) -> None:
    features = replace(config.features, n_features=2)
    source = untrained(replace(config, features=features), tmp_path)
    with pytest.raises(InputError, match="expected an encoder of 3 features, the channels of a PNG, found 2"):
        precompute(source, scenes, device=CPU)


def test_from_encoder_to_maps_to_a_second_training_to_samples(
    run: Path, config: TrainConfig, enlarged: Path, tmp_path: Path
) -> None:
    """The original's way to 2048 x 1024, with networks of the same size: the encoder comes along for sampling."""
    precompute(run, enlarged, device=CPU)
    features = replace(config.features, precomputed=True)
    second = replace(
        config,
        data=replace(config.data, load_size=128),
        features=features,
        epochs=1,
        epochs_decay=0,
        load_pretrain=str(run),
    )
    result = train_networks(second, enlarged, tmp_path / "second", device=CPU)
    checkpoint = load_checkpoint(result.checkpoint)
    before = load_checkpoint(latest_path(run)).networks["E"]
    assert all(torch.equal(checkpoint.networks["E"][key], before[key]) for key in before)
    cluster_styles(tmp_path / "second", enlarged, out=tmp_path / "second/clusters.npz", device=CPU)
    for style in ("clusters", "photo"):
        sampled = generate(tmp_path / "second", enlarged, tmp_path / style, device=CPU, phase="train", style=style)
        assert (sampled.written, sampled.size) == (6, (128, 64))


def test_feature_maps_of_other_photos_are_not_trained_on(run: Path, config: TrainConfig, enlarged: Path) -> None:
    precompute(run, enlarged, device=CPU)
    first, second, *_ = sorted((enlarged / "train_img").iterdir())
    first.write_bytes(second.read_bytes())
    training = replace(config, features=replace(config.features, precomputed=True), load_pretrain=str(run))
    with pytest.raises(InputError, match=rf"train_feat.*found 1 of others or altered ones, such as {first.name}"):
        train_networks(training, enlarged, enlarged / "second", device=CPU)
    precompute(run, enlarged, device=CPU)  # the way out
    assert train_networks(training, enlarged, enlarged / "second", device=CPU).step > 0


def test_clusters_say_what_they_were_made_from(run: Path, enlarged: Path, tmp_path: Path) -> None:
    def made_from() -> str | None:
        cluster_styles(run, enlarged, out=tmp_path / "clusters.npz", device=CPU)
        return Clusters.load(tmp_path / "clusters.npz").data_sha256

    before = made_from()
    assert made_from() == before is not None
    first, second, *_ = sorted((enlarged / "train_img").iterdir())
    first.write_bytes(second.read_bytes())
    assert made_from() != before
