"""DISTS against torchmetrics' network with the same weights of VGG16, its properties, and files that are refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor

from p2phd_eval.errors import InputError
from p2phd_eval.files import file_sha256
from p2phd_eval.quality.dists import Dists
from p2phd_eval.quality.find_distances import find_distances
from p2phd_eval.torchvision_ops import declare_missing_operators
from tests.quality.alexnet import write_random_alexnet
from tests.quality.vgg16 import write_random_vgg16

declare_missing_operators()  # before anything imports torchvision, as torchmetrics does


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_vgg16(tmp_path_factory.mktemp("vgg16") / "random.pth")


@pytest.fixture(scope="module")
def dists(weights_file: Path) -> Dists:
    return Dists(weights_file, "cpu")


def pictures(seed: int, n: int = 2, height: int = 40, width: int = 61) -> npt.NDArray[np.uint8]:
    """Smooth random images with some noise, (n, height, width, 3)."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=(n, height, width, 3)), (0, 4, 4, 0))
    values = 128 + 60 * smooth / smooth.std() + rng.normal(scale=5, size=smooth.shape)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def tensors(images: npt.NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(images.transpose(0, 3, 1, 2).copy()).float() / 255


@pytest.fixture(scope="module")
def theirs(weights_file: Path) -> torch.nn.Module:
    """torchmetrics' port of the authors' network; it gets VGG16 from a file here, and from the network by itself."""
    from torchmetrics.functional.image import dists as ported
    from torchvision.models import vgg16

    with torch.device("meta"):
        layers = vgg16(weights=None).features
    state = torch.load(weights_file, weights_only=True)
    layers.load_state_dict({name.removeprefix("features."): each for name, each in state.items()}, assign=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ported, "vgg16", lambda weights: SimpleNamespace(features=layers))
        return ported.DISTSNetwork().requires_grad_(False)


def test_distances_are_those_of_torchmetrics_with_the_same_weights(dists: Dists, theirs: torch.nn.Module) -> None:
    first, second = tensors(pictures(0)), tensors(pictures(1))
    noise = torch.randn(first.shape, generator=torch.Generator().manual_seed(0))
    near = (first + 0.05 * noise).clamp(0, 1).mul(255).round() / 255
    for other in (second, near):
        expected = theirs(first, other)
        torch.testing.assert_close(dists(first, other), expected, rtol=0, atol=2e-6)
        assert float(expected.min()) > 1e-3  # far above the tolerance


def test_larger_images_are_scaled_as_the_authors_script_does(dists: Dists, theirs: torch.nn.Module) -> None:
    from torchvision.transforms.functional import resize, to_tensor

    sets = [pictures(seed, 1, 261, 300) for seed in (2, 3)]
    small = [to_tensor(resize(Image.fromarray(images[0]), 256))[None] for images in sets]
    assert small[0].shape[-2:] == (256, 294)
    expected = theirs(*small)
    assert float(dists(*(tensors(images) for images in sets))) == pytest.approx(float(expected), abs=2e-6)


def test_it_is_zero_at_identity_symmetric_and_grows_with_noise(dists: Dists) -> None:
    image = tensors(pictures(4, 1))
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    noisy = [(image + scale * noise).clamp(0, 1) for scale in (0.0, 0.05, 0.2)]
    zero, little, much = (float(dists(image, each)) for each in noisy)
    assert abs(zero) < 1e-6
    assert zero < little < much < 1
    assert float(dists(noisy[2], image)) == pytest.approx(much, abs=1e-6)


def test_a_texture_that_is_moved_stays_near(dists: Dists) -> None:
    """What DISTS is for: another cut of one texture is nearer than another texture."""
    texture, other = (np.random.default_rng(seed).normal(size=(64, 128, 3)) for seed in (5, 6))
    fine = np.clip(128 + 40 * texture, 0, 255).astype(np.uint8)
    coarse = np.clip(128 + 120 * ndimage.gaussian_filter(other, (3, 3, 0)), 0, 255).astype(np.uint8)
    left, right = tensors(fine[None, :, :64]), tensors(fine[None, :, 64:])
    assert float(dists(left, right)) < 0.5 * float(dists(left, tensors(coarse[None, :, :64])))


def test_other_images_of_the_batch_do_not_matter(dists: Dists) -> None:
    first, second = tensors(pictures(7)), tensors(pictures(8))
    torch.testing.assert_close(dists(first, second)[1:], dists(first[1:], second[1:]), rtol=0, atol=0)


def test_it_is_found_where_it_is_asked_for(weights_file: Path, tmp_path: Path) -> None:
    alexnet = write_random_alexnet(tmp_path / "alexnet.pth")
    found, notes = find_distances("cpu", lpips_weights=alexnet, weights={"dists": weights_file})
    assert [each.metric.name for each in found] == ["SSIM", "PSNR", "LPIPS", "DISTS"]
    metric = found[3].metric
    assert (metric.better, metric.weights_sha256) == ("lower", file_sha256(weights_file))
    assert metric.network == f"vgg16, custom weights (random.pth, SHA-256 {file_sha256(weights_file)[:8]})"
    assert [note.partition(" is ")[0] for note in notes] == ["LPIPS", "DISTS"]
    plain, notes = find_distances("cpu", lpips_weights=alexnet)
    assert [each.metric.name for each in plain] == ["SSIM", "PSNR", "LPIPS"]
    assert not any("DISTS" in note for note in notes)


def test_files_of_something_else_are_refused(weights_file: Path, tmp_path: Path) -> None:
    state = torch.load(weights_file, weights_only=True)
    path = tmp_path / "wrong.pth"
    for content, found in [
        ({**state, "features.0.weight": torch.zeros(64, 3, 11, 11)}, r"'features\.0\.weight': shape"),
        ({name: each for name, each in state.items() if name != "features.28.bias"}, r"no tensor 'features\.28\.bias'"),
        ({**state, "features.0.bias": torch.full((64,), torch.nan)}, r"NaN or infinity in 'features\.0\.bias'"),
        (list(state.values()), "a list"),
        (Path("code"), "pickled objects other than tensors"),
    ]:
        torch.save(content, path)
        with pytest.raises(InputError, match=rf"wrong\.pth: expected a state dict of VGG16 .*found {found}"):
            Dists(path, "cpu")
    with pytest.raises(InputError, match=r"expected torchvision's vgg16-397923af\.pth, found nothing there"):
        find_distances("cpu", weights={"dists": tmp_path / "gone.pth"})
