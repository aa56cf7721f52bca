from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from p2phd_eval.config import TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.files import file_sha256
from p2phd_eval.generators.sampling import generate
from p2phd_eval.generators.training import train
from p2phd_eval.images import open_image, read_rgb

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def run(scenes: Path, tiny: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "amp"
    train(replace(tiny, precision="amp-bf16"), scenes, out, device=CPU)
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
    assert manifest == result.manifest
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
    result = generate(run, scenes, out, device=CPU, on_progress=lambda done, total: progress.append((done, total)))
    assert (result.written, result.kept) == (1, 3)
    assert progress == [(4, 4)]
    assert {path.name: path.stat().st_mtime_ns for path in rest} == stamps
    assert np.abs(pixels(out)[first.name].astype(int) - before[first.name].astype(int)).max() <= 1


def test_sampling_precision_is_its_own(scenes: Path, run: Path, tmp_path: Path) -> None:
    generate(run, scenes, tmp_path / "fp32", device=CPU)
    generate(run, scenes, tmp_path / "bf16", device=CPU, precision_name="amp-bf16")
    a, b = pixels(tmp_path / "fp32"), pixels(tmp_path / "bf16")
    assert any(not np.array_equal(a[name], b[name]) for name in a)
    assert all(np.abs(a[name].astype(int) - b[name].astype(int)).mean() < 3 for name in a)
    with pytest.raises(InputError, match="found samples with another sampling precision"):
        generate(run, scenes, tmp_path / "fp32", device=CPU, precision_name="amp-bf16")


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
