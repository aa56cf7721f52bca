from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from msgspec import structs
from PIL import Image

from p2phd_eval.config import FeatureConfig, GeneratorConfig, TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.files import file_sha256
from p2phd_eval.generators.checkpoint import latest_path, load_checkpoint, save_checkpoint
from p2phd_eval.generators.data.batch import photo_array
from p2phd_eval.generators.data.triplets import read_map
from p2phd_eval.generators.networks.conditioning import conditioning_channels, encode
from p2phd_eval.generators.networks.generator import build_generator
from p2phd_eval.generators.sampling.feature_maps import whole_images
from p2phd_eval.generators.sampling.generation import generate
from p2phd_eval.generators.sampling.region_styles import ClusterStyle, DataStyles, DrawnStyle, ImageStyles, write_styles
from p2phd_eval.generators.sampling.styles import cluster_styles
from p2phd_eval.generators.training.loop import train_networks
from p2phd_eval.generators.training.step import Pix2PixHD
from p2phd_eval.images.decoding import open_image, read_rgb
from p2phd_eval.images.png import write_png

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def run(scenes: Path, tiny: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "amp"
    train_networks(replace(tiny, precision="amp-bf16"), scenes, out, device=CPU)
    return out


@pytest.fixture(scope="module")
def styled(scenes: Path, tiny: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with an encoder and clusters; its weights are the initial ones."""
    out = tmp_path_factory.mktemp("run") / "styled"
    config = replace(tiny, features=FeatureConfig(kind="instance", nef=4, n_downsample=2))
    save_checkpoint(latest_path(out), config=config, step=0, state=Pix2PixHD(config, CPU).state_dict())
    cluster_styles(out, scenes, out=out / "clusters.npz", device=CPU, n_clusters=3)
    return out


def pixels(folder: Path) -> dict[str, np.ndarray]:
    return {path.name: read_rgb(path) for path in sorted(folder.glob("*.png"))}


def test_one_photo_a_label_map_with_a_manifest(scenes: Path, run: Path, tmp_path: Path) -> None:
    result = generate(run, scenes, tmp_path / "out", device=CPU)
    assert (result.written, result.kept, result.size) == (4, 0, (64, 32))
    images = pixels(tmp_path / "out")
    assert sorted(images) == sorted(path.name for path in (scenes / "test_label").iterdir())
    assert all(image.shape == (32, 64, 3) for image in images.values())
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest == structs.asdict(result.manifest)
    assert manifest["training_precision"] == "amp-bf16"
    assert manifest["sampling_precision"] == "fp32"
    assert manifest["checkpoint_sha256"] == file_sha256(run / "checkpoints/latest.pt")


def test_batch_size_does_not_matter(scenes: Path, run: Path, tmp_path: Path) -> None:
    """Within one grey level: kernels for other batch sizes may sum in another order, and rounding may then tip over."""
    for size in (1, 3):
        generate(run / "checkpoints/latest.pt", scenes, tmp_path / str(size), device=CPU, batch_size=size)
    a, b = pixels(tmp_path / "1"), pixels(tmp_path / "3")
    for name, image in a.items():
        assert np.abs(image.astype(int) - b[name].astype(int)).max() <= 1


def test_finished_images_are_kept(scenes: Path, run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    generate(run, scenes, out, device=CPU)
    before = pixels(out)
    first, *rest = sorted(out.glob("*.png"))
    first.unlink()
    stamps = {path.name: path.stat().st_mtime_ns for path in rest}
    progress: list[tuple[int, int]] = []
    told = nullcontext(lambda done, total: progress.append((done, total)))
    result = generate(run, scenes, out, device=CPU, progress=lambda description, unit: told)
    assert (result.written, result.kept) == (1, 3)
    assert progress == [(4, 4)]
    assert {path.name: path.stat().st_mtime_ns for path in rest} == stamps
    assert np.abs(pixels(out)[first.name].astype(int) - before[first.name].astype(int)).max() <= 1


def test_a_folder_that_was_interrupted_and_gone_stale_ends_as_a_new_one(
    scenes: Path, run: Path, tmp_path: Path
) -> None:
    data, out, notes = Path(shutil.copytree(scenes, tmp_path / "data")), tmp_path / "out", list[str]()
    names = sorted(path.name for path in (data / "test_label").iterdir())

    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(run, data, out, device=CPU, batch_size=1, progress=lambda description, unit: nullcontext(stop))
    kept = (out / names[0]).stat().st_mtime_ns
    label = data / "test_label" / names[1]
    Image.fromarray(np.asarray(open_image(label))[:, ::-1]).save(label)
    for kind in ("label", "inst"):
        (data / f"test_{kind}" / names[2]).unlink()
    result = generate(run, data, out, device=CPU, batch_size=1, note=notes.append)
    # Whether the last image was on its way when the third was done is not said.
    assert (result.written, result.kept) in ((2, 1), (1, 2))
    assert (result.remade, result.removed) == (1, 1)
    assert f"Made again, since what they are made from changed: 1 image, {names[1]}." in notes
    assert f"Removed, since the label maps that they were made from are gone: 1 image, {names[2]}." in notes
    assert (out / names[0]).stat().st_mtime_ns == kept
    generate(run, data, tmp_path / "new", device=CPU, batch_size=1)
    files = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in (out, tmp_path / "new")]
    assert files[0] == files[1]


def test_a_disk_that_takes_no_more_is_said_and_what_is_missing_is_made_later(
    scenes: Path, run: Path, tmp_path: Path
) -> None:
    """Images are written in other threads; what stops them is raised all the same."""
    out = tmp_path / "out"
    generate(run, scenes, tmp_path / "whole", device=CPU)
    least = min(path.stat().st_size for path in (tmp_path / "whole").glob("*.png"))
    assert (tmp_path / "whole/manifest.json").stat().st_size < least
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (least - 1, before[1]))
    try:
        with pytest.raises(OSError) as caught:
            generate(run, scenes, out, device=CPU)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.errno == errno.EFBIG
    assert pixels(out) == {}
    assert generate(run, scenes, out, device=CPU).written == 4
    assert all(np.array_equal(image, pixels(tmp_path / "whole")[name]) for name, image in pixels(out).items())
    assert (out / "images.jsonl").read_bytes() == (tmp_path / "whole/images.jsonl").read_bytes()


def test_sampling_precision_is_its_own(scenes: Path, run: Path, tmp_path: Path) -> None:
    generate(run, scenes, tmp_path / "fp32", device=CPU)
    generate(run, scenes, tmp_path / "bf16", device=CPU, precision="amp-bf16")
    a, b = pixels(tmp_path / "fp32"), pixels(tmp_path / "bf16")
    assert any(not np.array_equal(a[name], b[name]) for name in a)
    assert all(np.abs(a[name].astype(int) - b[name].astype(int)).mean() < 3 for name in a)
    with pytest.raises(InputError, match="found images with another sampling precision"):
        generate(run, scenes, tmp_path / "fp32", device=CPU, precision="amp-bf16")


def test_emulated_samples_say_so(scenes: Path, run: Path, tmp_path: Path) -> None:
    out, notes = tmp_path / "out", []

    def make(arithmetic: str | None) -> None:
        generate(run, scenes, out, device=CPU, precision="amp-bf16", arithmetic=arithmetic, note=notes.append)

    make("emulated")
    assert "amp-bf16 is emulated: quality as on tensor cores, speed not." in notes
    assert json.loads((out / "manifest.json").read_text())["sampling_arithmetic"] == "emulated"
    with pytest.raises(InputError, match="found images with another sampling arithmetic"):
        make("native")
    manifest = json.loads((out / "manifest.json").read_text())
    del manifest["sampling_arithmetic"]  # of a version that emulated nothing
    (out / "manifest.json").write_text(json.dumps(manifest))
    make("native")


def test_8_bits_of_a_run_without_a_history_of_scales(scenes: Path, run: Path, tmp_path: Path) -> None:
    """Scaled, they are nearer to fp32 than unscaled; and no image depends on those beside it."""
    fp32 = generate(run, scenes, tmp_path / "fp32", device=CPU).folder
    distance = {}
    for name in ("amp-fp8", "fp8-plain", "fp4-plain"):
        found = [
            pixels(generate(run, scenes, tmp_path / f"{name}-{n}", device=CPU, precision=name, batch_size=n).folder)
            for n in (1, 4)
        ]
        # Sums run in another order in a batch; a value that is rounded the other way is 1/8 of itself away.
        each = [np.abs(found[0][key].astype(int) - found[1][key].astype(int)) for key in found[0]]
        assert np.mean([(difference > 0).mean() for difference in each]) < 0.02
        expected = pixels(fp32)
        distance[name] = np.mean([np.abs(found[0][key].astype(float) - expected[key]).mean() for key in expected])
    assert 0 < distance["amp-fp8"] < distance["fp8-plain"] < distance["fp4-plain"]


def test_a_folder_with_other_files_is_not_written_to(scenes: Path, run: Path, tmp_path: Path) -> None:
    (tmp_path / "holiday.png").touch()
    with pytest.raises(InputError, match=r"an empty folder or one with a manifest\.json, found other files"):
        generate(run, scenes, tmp_path, device=CPU)


def test_label_maps_of_several_sizes(scenes: Path, run: Path, tmp_path: Path) -> None:
    for i, name in enumerate(sorted(path.name for path in (scenes / "test_label").iterdir())):
        for kind in ("label", "inst"):
            image = open_image(scenes / f"test_{kind}" / name)
            folder = tmp_path / f"test_{kind}"
            folder.mkdir(exist_ok=True)
            image.resize((64, 32 + 16 * (i % 2)), Image.Resampling.NEAREST).save(folder / name)
    result = generate(run, tmp_path, tmp_path / "out", device=CPU)
    assert result.written == 4
    assert {image.shape[:2] for image in pixels(tmp_path / "out").values()} == {(32, 64), (48, 64)}


@pytest.mark.parametrize(("precision", "most"), [("fp64", 1), ("fp16", 1), ("bf16", 4)])
def test_weights_of_every_width(scenes: Path, run: Path, tmp_path: Path, precision: str, most: int) -> None:
    """`most` levels from fp32: a level is 1/128 of a sample in [-1, 1], and bfloat16 keeps 8 bits of a number."""
    generate(run, scenes, tmp_path / "fp32", device=CPU)
    result = generate(run, scenes, tmp_path / precision, device=CPU, precision=precision)
    assert result.manifest.sampling_precision == precision
    a, b = pixels(tmp_path / "fp32"), pixels(tmp_path / precision)
    assert max(np.abs(a[name].astype(int) - b[name].astype(int)).max() for name in a) <= most


def test_apex_has_nothing_for_sampling(scenes: Path, run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--precision: expected fp64 .* found 'apex-O1'"):
        generate(run, scenes, tmp_path, device=CPU, precision="apex-O1")


def test_batch_norm_uses_the_statistics_of_each_image_as_in_the_original(
    scenes: Path, tiny: TrainConfig, tmp_path: Path
) -> None:
    """The original never leaves training mode and samples one image at a time."""
    config = replace(tiny, generator=GeneratorConfig(ngf=4, n_downsample=2, n_blocks=1, norm="batch"))
    train_networks(config, scenes, tmp_path / "run", device=CPU)
    for size in (1, 4):
        generate(tmp_path / "run", scenes, tmp_path / str(size), device=CPU, batch_size=size)
    network = build_generator(config.generator, conditioning_channels(config.data)).train()
    network.load_state_dict(load_checkpoint(latest_path(tmp_path / "run")).networks["G"])
    alone, together = pixels(tmp_path / "1"), pixels(tmp_path / "4")
    dataset = whole_images(config, scenes, "test", photos=False)
    for i, triplet in enumerate(dataset.triplets):
        batch = dataset[0, i]
        with torch.no_grad():
            photo = network(encode(batch.label, batch.instance, config.data.label_nc))
        name = triplet.label.name
        np.testing.assert_array_equal(alone[name], photo_array(photo[0]))
        np.testing.assert_array_equal(together[name], alone[name])


def test_a_drawn_style_does_not_depend_on_batches_or_on_other_images(
    scenes: Path, styled: Path, tmp_path: Path
) -> None:
    data = Path(shutil.copytree(scenes, tmp_path / "data"))
    for kind in ("label", "inst"):
        min((data / f"test_{kind}").iterdir()).unlink()
    generate(styled, scenes, tmp_path / "4", device=CPU)
    generate(styled, scenes, tmp_path / "1", device=CPU, batch_size=1)
    generate(styled, data, tmp_path / "fewer", device=CPU)
    all_at_once = pixels(tmp_path / "4")
    for other in (pixels(tmp_path / "1"), pixels(tmp_path / "fewer")):
        assert len(other) >= 3
        # Another style is tens of levels away; rounding is one.
        assert all(np.abs(all_at_once[name].astype(int) - image).max() <= 1 for name, image in other.items())


def test_seed_and_style_change_the_samples(scenes: Path, styled: Path, tmp_path: Path) -> None:
    manifests = []
    for name, options in (("0", {}), ("1", {"seed": 1}), ("photo", {"style": "photo"})):
        result = generate(styled, scenes, tmp_path / name, device=CPU, **options)
        manifests.append((result.manifest.style, result.manifest.clusters_sha256))
    first, *others = (pixels(tmp_path / name) for name in ("0", "1", "photo"))
    for other in others:
        assert all(np.abs(first[name].astype(int) - other[name].astype(int)).max() > 1 for name in first)
    sha = file_sha256(styled / "clusters.npz")
    assert manifests == [("clusters", sha), ("clusters", sha), ("photo", None)]
    with pytest.raises(InputError, match="found images with another style"):
        generate(styled, scenes, tmp_path / "0", device=CPU, style="photo")


def test_other_clusters_are_another_folder(scenes: Path, styled: Path, tmp_path: Path) -> None:
    generate(styled, scenes, tmp_path / "out", device=CPU)
    cluster_styles(styled, scenes, out=tmp_path / "one.npz", device=CPU, n_clusters=1)
    with pytest.raises(InputError, match="found images with another clusters sha256"):
        generate(styled, scenes, tmp_path / "out", device=CPU, clusters=tmp_path / "one.npz")


def test_a_model_without_features_takes_no_style(scenes: Path, run: Path, tmp_path: Path) -> None:
    for option, value in (("style", "photo"), ("clusters", tmp_path / "clusters.npz")):
        with pytest.raises(InputError, match=f"--{option}: expected a model with features, found one without"):
            generate(run, scenes, tmp_path / "out", device=CPU, **{option: value})


def test_styles_that_cannot_be(scenes: Path, styled: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--style: expected clusters \| photo, found 'cubist'"):
        generate(styled, scenes, tmp_path / "out", device=CPU, style="cubist")
    with pytest.raises(InputError, match="--clusters: expected --style clusters, found --style photo"):
        generate(styled, scenes, tmp_path / "out", device=CPU, style="photo", clusters=styled / "clusters.npz")
    with pytest.raises(InputError, match=r"--clusters: expected a file, since .*latest\.pt is no run folder"):
        generate(latest_path(styled), scenes, tmp_path / "out", device=CPU)
    bare = Path(shutil.copytree(styled, tmp_path / "bare"))
    (bare / "clusters.npz").unlink()
    with pytest.raises(InputError, match=f"Make them: p2phd-eval encode cluster {bare} {scenes}"):
        generate(bare, scenes, tmp_path / "out", device=CPU)
    without_photos = Path(shutil.copytree(scenes, tmp_path / "data"))
    shutil.rmtree(without_photos / "test_img")
    with pytest.raises(InputError, match="test_img: expected a folder of images, found nothing there"):
        generate(styled, without_photos, tmp_path / "out", device=CPU, style="photo")
    assert not (tmp_path / "out").exists()


def torchrun(n: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(n)]
    return subprocess.run(
        [*command, "-m", "p2phd_eval", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=120,
    )


def test_the_first_images_and_then_the_others(scenes: Path, run: Path, tmp_path: Path) -> None:
    out, names = tmp_path / "out", sorted(path.name for path in (scenes / "test_label").iterdir())

    def make(limit: int | None) -> tuple[int, int, int]:
        result = generate(run, scenes, out, device=CPU, batch_size=1, limit=limit)
        return result.written, result.kept, result.manifest.n_images

    assert make(2) == (2, 0, 2)
    assert sorted(pixels(out)) == names[:2]
    assert make(1) == (0, 2, 2)  # those that are there stay
    assert make(3) == (1, 2, 3)
    assert make(None) == (1, 3, 4)
    generate(run, scenes, tmp_path / "whole", device=CPU, batch_size=1)
    for path in (tmp_path / "whole").iterdir():
        assert path.read_bytes() == (out / path.name).read_bytes(), path.name
    with pytest.raises(InputError, match="--limit: expected at least 1, found 0"):
        make(0)


def test_another_size_than_while_training_is_that_of_maps_of_that_size(scenes: Path, run: Path, tmp_path: Path) -> None:
    """Label maps that are made larger before give the same, to the bit."""
    data = tmp_path / "data"
    for kind in ("label", "inst"):
        for path in (scenes / f"test_{kind}").iterdir():
            (data / f"test_{kind}").mkdir(parents=True, exist_ok=True)
            image = read_map(path).resize((96, 48), Image.Resampling.NEAREST)
            write_png(data / f"test_{kind}" / path.name, np.asarray(image).astype(np.uint16))
    larger = generate(run, scenes, tmp_path / "larger", device=CPU, load_size=96)
    unscaled = generate(run, data, tmp_path / "unscaled", device=CPU, resize_or_crop="none")
    assert larger.size == unscaled.size == (96, 48)
    assert larger.manifest.config["data"]["load_size"] == 96
    assert unscaled.manifest.config["data"]["resize"] == "none"
    a, b = pixels(tmp_path / "larger"), pixels(tmp_path / "unscaled")
    assert all(np.array_equal(a[name], b[name]) for name in a)
    assert generate(
        run, scenes, tmp_path / "square", device=CPU, load_size=50, resize_or_crop="resize_and_crop"
    ).size == (
        *(48, 48),  # what the networks take
    )


def test_sizes_that_cannot_be(scenes: Path, run: Path, tmp_path: Path) -> None:
    def make(name: str = "out", **options: object) -> None:
        generate(run, scenes, tmp_path / name, device=CPU, **options)

    for message, options in (
        ("--load-size: expected a number above 0, found 0", {"load_size": 0}),
        (r"--resize-or-crop: expected scale_width \|", {"resize_or_crop": "zoom"}),
        (
            "--load-size: expected a way of resizing .* found --resize-or-crop none.\n",
            {"load_size": 64, "resize_or_crop": "none"},
        ),
    ):
        with pytest.raises(InputError, match=message):
            make(**options)
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match=r"expected at least 8 pixels a side, .* found 8 x 4 \(file: 64 x 32\)"):
        make("small", load_size=8)
    make()
    with pytest.raises(InputError, match="found images with another config"):
        make(load_size=96)


@pytest.mark.parametrize("style", ["clusters", "photo"])
def test_a_pinned_region_has_its_cluster_in_every_image(scenes: Path, styled: Path, tmp_path: Path, style: str) -> None:
    """As if the file of styles set it for each image."""
    data, notes = Path(shutil.copytree(scenes, tmp_path / "data")), list[str]()
    images, ground = {}, 0
    for path in sorted((data / "test_inst").iterdir()):
        instance, label = np.asarray(open_image(path)), np.asarray(open_image(data / "test_label" / path.name))
        ground = int(instance[-1, 0])  # the street, in all of them
        of_class = int(np.bincount(label[instance == ground]).argmax())
        images[path.stem] = ImageStyles(regions={ground: ClusterStyle(label=of_class, k=1)})
    out = tmp_path / "pinned"
    options = {"device": CPU, "batch_size": 1, "style": style}
    result = generate(styled, data, out, pins={ground: 1, 9: 0}, note=notes.append, **options)
    assert result.manifest.pins == {str(ground): 1, "9": 0}
    assert result.manifest.clusters_sha256 == file_sha256(styled / "clusters.npz")
    assert notes[-1] == "--style 9=0: none of the label maps has this region."
    generate(styled, data, tmp_path / "drawn", **options)
    write_styles(data, "test", DataStyles(features="instance", images=images))
    generate(styled, data, tmp_path / "set", **options)
    pinned, set_, drawn = (pixels(tmp_path / name) for name in ("pinned", "set", "drawn"))
    assert all(np.array_equal(pinned[name], set_[name]) for name in drawn)
    assert any(not np.array_equal(pinned[name], drawn[name]) for name in drawn)
    with pytest.raises(InputError, match="found images with another pins"):
        generate(styled, data, out, pins={ground: 0}, **options)


def test_pins_that_cannot_be(scenes: Path, run: Path, styled: Path, tmp_path: Path) -> None:
    ground = int(np.asarray(open_image(min((scenes / "test_inst").iterdir())))[-1, 0])
    with pytest.raises(InputError, match="--style: expected a model with features, found one without"):
        generate(run, scenes, tmp_path / "out", device=CPU, pins={ground: 0})
    with pytest.raises(InputError, match=rf"--style {ground}: expected at least 0, found -1"):
        generate(styled, scenes, tmp_path / "out", device=CPU, pins={ground: -1})
    with pytest.raises(InputError, match=rf"--style {ground}: expected a cluster of class .* found cluster 99"):
        generate(styled, scenes, tmp_path / "out", device=CPU, pins={ground: 99})


def test_ranks_make_the_files_of_one_process(scenes: Path, styled: Path, tmp_path: Path) -> None:
    """Three ranks for two images: one has nothing to do."""
    data = tmp_path / "data"
    for kind in ("label", "inst"):
        for path in sorted((scenes / f"test_{kind}").iterdir())[:2]:
            (data / f"test_{kind}").mkdir(parents=True, exist_ok=True)
            shutil.copy(path, data / f"test_{kind}")
    first, second = sorted(path.stem for path in (data / "test_label").iterdir())
    drawn = DrawnStyle(image="another", region=1, label=0)
    set_styles = {
        first: ImageStyles(drawn_as="another"),
        second: ImageStyles(regions={int(np.asarray(open_image(data / f"test_inst/{second}.png"))[-1, 0]): drawn}),
    }
    write_styles(data, "test", DataStyles(features="instance", images=set_styles))
    options = ("--device", "cpu", "--batch-size", 1, "--json", "-")
    process = torchrun(3, "generate", styled, data, "--out", tmp_path / "ranks", *options)
    assert process.returncode == 0, process.stderr
    document = json.loads(process.stdout)  # one document: the first rank's
    assert (document["written"], document["kept"]) == (2, 0)
    assert process.stderr.count("device: cpu, 3 ranks, sampling precision: fp32") == 1
    assert process.stderr.count("2 images of 64 x 32 written") == 1
    generate(styled, data, tmp_path / "one", device=CPU, batch_size=1)
    one = sorted((tmp_path / "one").iterdir())
    assert [path.name for path in one] == [path.name for path in sorted((tmp_path / "ranks").iterdir())]
    for path in one:
        assert path.read_bytes() == (tmp_path / "ranks" / path.name).read_bytes(), path.name
