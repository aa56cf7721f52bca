"""What is rendered from memory, held against what `generate` writes of the same maps as files."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from p2phd_eval.config import GeneratorConfig, TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.generators.sampling.generation import generate
from p2phd_eval.generators.sampling.region_styles import (
    ClusterStyle,
    DataStyles,
    DrawnStyle,
    ImageStyles,
    PhotoStyle,
    write_styles,
)
from p2phd_eval.generators.sampling.renderer import open_renderer
from p2phd_eval.generators.sampling.styles import Clusters
from p2phd_eval.images.decoding import read_rgb
from p2phd_eval.images.png import write_png
from tests.generators.sampling.styled_runs import CPU, keys_of, maps, pixels, styled_run


@pytest.fixture(scope="module")
def runs(scenes: Path, tiny: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run for each kind of features."""
    folder = tmp_path_factory.mktemp("runs")
    for kind in ("none", "instance", "label"):
        styled_run(tiny, kind, scenes, folder / kind)
    return folder


@pytest.mark.parametrize("load_size", [None, 128])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("none", {}),
        ("none", {"precision": "amp-bf16", "arithmetic": "emulated"}),
        ("instance", {"seed": 3}),
        ("label", {"seed": 3, "pins": {7: 1}}),
        ("instance", {"style": "photo"}),
    ],
)
def test_a_map_in_memory_gives_the_bits_of_its_files(
    scenes: Path, runs: Path, tmp_path: Path, kind: str, options: dict[str, object], load_size: int | None
) -> None:
    options |= {"load_size": load_size, "device": CPU}
    generate(runs / kind, scenes, tmp_path / "out", batch_size=1, **options)
    renderer = open_renderer(runs / kind, **options)
    for key, expected in pixels(tmp_path / "out").items():
        photo = read_rgb(scenes / f"test_img/{key}.png")
        rendered = renderer.render(*maps(scenes, key), image=key, photo=photo)
        assert rendered.dtype == np.uint8
        np.testing.assert_array_equal(rendered, expected)


@pytest.mark.skipif(not any(map(shutil.which, ("c++", "g++", "clang++"))), reason="torch.compile needs a C++ compiler")
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method`:DeprecationWarning")  # torch's own, of its own
def test_a_compiled_network_gives_torchs_photos(scenes: Path, tiny: TrainConfig, tmp_path: Path) -> None:
    """But for a rounding in the eighth bit, where fused operations round otherwise in float32."""
    run = styled_run(
        replace(tiny, generator=replace(tiny.generator, ngf=2, n_downsample=1)), "none", scenes, tmp_path / "run"
    )
    eager, compiled = (open_renderer(run, engine=engine, device=CPU) for engine in ("torch", "compile"))
    for key in keys_of(scenes)[:2]:
        expected, found = (each.render(*maps(scenes, key), image=key).astype(int) for each in (eager, compiled))
        assert np.abs(found - expected).max() <= 1
        assert np.mean(found != expected) < 0.01


def test_colours_in_memory_give_the_bits_of_their_files(scenes: Path, tiny: TrainConfig, tmp_path: Path) -> None:
    config = replace(tiny, data=replace(tiny.data, label_nc=0, instances=False))
    run = styled_run(config, "none", scenes, tmp_path / "run")
    photo = read_rgb(min((scenes / "test_img").iterdir())).repeat(3, axis=0).repeat(3, axis=1)  # to be made smaller
    write_png(tmp_path / "test_A/a.png", photo)
    generate(run, tmp_path, tmp_path / "out", device=CPU)
    rendered = open_renderer(run, device=CPU).render(photo, image="a")
    np.testing.assert_array_equal(rendered, read_rgb(tmp_path / "out/a.png"))


def test_styles_that_are_set_give_the_bits_of_the_file_of_styles(scenes: Path, runs: Path, tmp_path: Path) -> None:
    first, second, *_ = keys_of(scenes)
    label, instance = maps(scenes, first)
    numbers = np.unique(instance).tolist()
    styles = {
        numbers[0]: ClusterStyle(label=int(label[instance == numbers[0]][0]), k=2),
        numbers[1]: PhotoStyle(image=second, region=int(maps(scenes, second)[1][0, 0])),
        numbers[2]: DrawnStyle(image="another", region=26001, label=1),
    }
    for kind, folder in (("label", "test_label"), ("inst", "test_inst"), ("img", "test_img")):
        for key in (first, second):
            source = (scenes / f"test_{kind}/{key}.png").read_bytes()
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / f"{key}.png").write_bytes(source)
    set_styles = DataStyles(features="instance", images={first: ImageStyles(drawn_as="original", regions=styles)})
    write_styles(tmp_path, "test", set_styles)
    generate(runs / "instance", tmp_path, tmp_path / "out", batch_size=1, device=CPU)
    renderer = open_renderer(runs / "instance", data=scenes, device=CPU)
    rendered = renderer.render(label, instance, image="original", styles=styles)
    np.testing.assert_array_equal(rendered, pixels(tmp_path / "out")[first])
    assert not np.array_equal(rendered, renderer.render(label, instance, image="original"))


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_all_clusters_of_a_region_at_once(scenes: Path, tiny: TrainConfig, tmp_path: Path, norm: str) -> None:
    """Each is what it is alone: to a level, since kernels sum otherwise in a batch; with batch norm to the bit."""
    generator = GeneratorConfig(ngf=4, n_downsample=2, n_blocks=1, norm=norm)
    run = styled_run(replace(tiny, generator=generator), "instance", scenes, tmp_path)
    renderer = open_renderer(run, device=CPU)
    key = keys_of(scenes)[0]
    label, instance = maps(scenes, key)
    number = int(instance[-1, 0])
    of_class = int(label[-1, 0])
    n = len(Clusters.load(run / "clusters.npz").centres[of_class])
    each = [{number: ClusterStyle(label=of_class, k=k)} for k in range(n)]
    together = renderer.render_each(label, instance, image=key, styles=each, batch_size=2)
    alone = [renderer.render(label, instance, image=key, styles=styles) for styles in each]
    assert len(together) == n > 1
    for a, b in zip(together, alone, strict=True):
        assert np.abs(a.astype(int) - b).max() <= (0 if norm == "batch" else 1)
    assert np.abs(alone[0].astype(int) - alone[1]).max() > 1
    # One of them is the one that is drawn.
    drawn = renderer.render(label, instance, image=key)
    assert any(np.array_equal(drawn, image) for image in alone)


def test_arrays_that_are_no_maps_of_the_model(scenes: Path, runs: Path) -> None:
    renderer = open_renderer(runs / "instance", device=CPU)
    label, instance = maps(scenes, keys_of(scenes)[0])
    for arguments, message in (
        ((label, None), r"instance: expected an array of integers \(H, W\), found None"),
        ((label.astype(float), instance), r"label: expected an array of integers \(H, W\), found float64 \(32, 64\)"),
        ((label[None], instance), r"found uint8 \(1, 32, 64\)"),
        ((label, instance[1:]), "instance: expected 64 x 32 pixels as the label map, found 64 x 31"),
        ((label + 200, instance), "label map of 'a': expected labels 0 to"),
        ((label[:1], instance[:1]), "label map of 'a': expected at least .* pixels a side"),
    ):
        with pytest.raises(InputError, match=message):
            renderer.render(*arguments, image="a")
    with pytest.raises(InputError, match="a data set, whose photo is meant, found none"):
        styles = {int(instance[0, 0]): PhotoStyle(image="a", region=1)}
        renderer.render(label, instance, image="a", styles=styles)
    with pytest.raises(InputError, match=r"photo: expected an array of uint8 \(H, W, 3\), found None"):
        open_renderer(runs / "instance", style="photo", device=CPU).render(label, instance, image="a")
