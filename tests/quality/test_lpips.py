"""LPIPS against torchmetrics with the same backbone, its equation, and where its weights come from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from p2phd_eval.errors import InputError
from p2phd_eval.files import file_sha256
from p2phd_eval.quality import lpips_weights
from p2phd_eval.quality.lpips import SMALLEST_SIDE, Lpips
from p2phd_eval.quality.lpips_weights import FILE_NAME, TENSOR_SHAPES, LpipsWeights, find_lpips_weights
from p2phd_eval.torchvision_ops import declare_missing_operators
from p2phd_eval.user_folders import CACHE_VARIABLE
from tests.quality.alexnet import write_random_alexnet
from tests.web_server import serving

declare_missing_operators()  # before anything imports torchvision, as torchmetrics does


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_alexnet(tmp_path_factory.mktemp("alexnet") / "random.pth")


@pytest.fixture(scope="module")
def lpips(weights_file: Path) -> Lpips:
    return Lpips(find_lpips_weights(weights_file), "cpu")


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """An empty cache and an empty hub cache of torch."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "cache" / FILE_NAME, tmp_path / "torch" / "hub" / "checkpoints" / FILE_NAME


def pictures(seed: int, n: int = 5, height: int = 48, width: int = 64) -> Tensor:
    """Random images in [-1, 1] with detail of several sizes, (n, 3, height, width)."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand((n, 3, height // 8, width // 8), generator=generator)
    fine = torch.rand((n, 3, height, width), generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")
    return (1.4 * smooth + 0.6 * fine).clamp(0, 2) - 1


def test_distances_are_those_of_torchmetrics_with_the_same_backbone(
    lpips: Lpips, weights_file: Path, places: tuple[Path, Path]
) -> None:
    from torchmetrics.functional.image.lpips import learned_perceptual_image_patch_similarity
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity
    from torchvision.models import alexnet

    # torchmetrics reads the whole of AlexNet from torch's hub cache, and does not look at its hash there.
    with torch.device("meta"):  # the classifier's 59 million weights need not be drawn
        whole = alexnet(weights=None).state_dict()
    state = {name: torch.zeros(each.shape) for name, each in whole.items()}
    state |= torch.load(weights_file, weights_only=True)
    places[1].parent.mkdir(parents=True)
    torch.save(state, places[1])
    first, second = pictures(0), pictures(1)
    ours = lpips(first, second)
    peer = LearnedPerceptualImagePatchSimilarity(net_type="alex")
    peers = [peer(first[[k]], second[[k]]).item() for k in range(5)]
    assert ours.numpy() == pytest.approx(peers, rel=0, abs=1e-6)
    mean = learned_perceptual_image_patch_similarity(first, second, net_type="alex")
    assert ours.mean().item() == pytest.approx(mean.item(), abs=1e-6)


def test_distances_follow_the_equation(lpips: Lpips, weights_file: Path) -> None:
    """Zhang et al. (2018), eq. 1, written out: unit-normalised activations, squared differences, channel weights."""
    import torchmetrics
    from torchvision.models import alexnet

    with torch.device("meta"):
        network = alexnet(weights=None).features
    stored = torch.load(weights_file, weights_only=True)
    network.load_state_dict({name.removeprefix("features."): value for name, value in stored.items()}, assign=True)
    folder = Path(torchmetrics.__file__).parent / "functional" / "image" / "lpips_models"
    linear = torch.load(folder / "alex.pth", map_location="cpu", weights_only=True)
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    total = torch.zeros(5)
    images = [(x - shift[:, None, None]) / scale[:, None, None] for x in (pictures(0), pictures(1))]
    ends = {1: 0, 4: 1, 7: 2, 9: 3, 11: 4}  # the ReLUs
    for number, layer in enumerate(network[:12]):
        images = [layer(x).detach() for x in images]
        if number in ends:
            first, second = (x / (x.square().sum(dim=1, keepdim=True) + 1e-8).sqrt() for x in images)
            channels = linear[f"lin{ends[number]}.model.1.weight"].reshape(1, -1, 1, 1)
            assert (channels >= 0).all()  # fitted so; random weights would not be
            total += ((first - second).square() * channels).sum(dim=1).mean(dim=(1, 2))
    assert lpips(pictures(0), pictures(1)).numpy() == pytest.approx(total.numpy(), rel=1e-5)


def test_it_is_zero_at_identity_symmetric_and_grows_with_noise(lpips: Lpips) -> None:
    first, second = pictures(2), pictures(3)
    assert lpips(first, first.clone()).tolist() == [0.0] * 5
    assert lpips(first, second).numpy() == pytest.approx(lpips(second, first).numpy(), rel=1e-6)
    halfway = (first + second) / 2
    assert (lpips(first, halfway) < lpips(first, second)).all()


def test_other_images_of_the_batch_do_not_matter(lpips: Lpips) -> None:
    first, second = pictures(4), pictures(5)
    alone = [lpips(first[[k]], second[[k]]).item() for k in range(5)]
    assert lpips(first, second).numpy() == pytest.approx(alone, rel=0, abs=1e-6)


def test_the_smallest_images_are_taken(lpips: Lpips) -> None:
    # AlexNet's strides: a pixel less leaves nothing to pool.
    side = SMALLEST_SIDE
    small = torch.zeros((1, 3, side, side)), torch.ones((1, 3, side, side))
    assert lpips(*small).isfinite().all()
    with pytest.raises(RuntimeError):
        lpips(small[0][..., 1:], small[1][..., 1:])


def test_making_the_network_draws_nothing_from_the_callers_generator(weights_file: Path) -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    Lpips(find_lpips_weights(weights_file), "cpu")
    assert torch.equal(torch.rand(1), expected)


def test_a_given_file_is_named_as_custom(weights_file: Path, lpips: Lpips) -> None:
    weights = find_lpips_weights(weights_file)
    assert not weights.standard
    assert lpips.network == f"alex, custom weights (random.pth, SHA-256 {file_sha256(weights_file)[:8]})"
    standard = LpipsWeights(path=weights_file, sha256=lpips_weights.SHA256)
    assert standard.network == "alex"


def test_the_expected_file_is_torchvisions() -> None:
    from torchvision.models import AlexNet_Weights, alexnet

    assert AlexNet_Weights.IMAGENET1K_V1.url == lpips_weights.URL
    convolutions = {
        name: tuple(value.shape)
        for name, value in alexnet(weights=None).state_dict().items()
        if name.startswith("features.")
    }
    assert convolutions == TENSOR_SHAPES


@pytest.mark.parametrize("place", [0, 1])
def test_files_in_the_cache_and_in_torchs_are_found_and_checked(
    place: int, places: tuple[Path, Path], weights_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = places[place]
    path.parent.mkdir(parents=True)
    path.write_bytes(weights_file.read_bytes())
    with serving(b"", status=404) as address:
        monkeypatch.setattr(lpips_weights, "URL", f"{address}/{FILE_NAME}")
        with pytest.raises(InputError, match=rf"{path}: a file with the wrong SHA-256 {file_sha256(path)}"):
            find_lpips_weights()
    monkeypatch.setattr(lpips_weights, "SHA256", file_sha256(path))
    assert find_lpips_weights() == LpipsWeights(path=path, sha256=file_sha256(path))


def test_a_download_goes_to_the_cache_once(
    places: tuple[Path, Path], weights_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lpips_weights, "SHA256", file_sha256(weights_file))
    with serving(weights_file.read_bytes()) as address:
        monkeypatch.setattr(lpips_weights, "URL", f"{address}/{FILE_NAME}")
        fetched = find_lpips_weights()
    assert fetched == LpipsWeights(path=places[0], sha256=file_sha256(weights_file))
    with serving(b"never asked for") as address:
        monkeypatch.setattr(lpips_weights, "URL", f"{address}/{FILE_NAME}")
        assert find_lpips_weights() == fetched


def test_a_wrong_download_is_refused_and_leaves_nothing(
    places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(b"not the weights") as address:
        monkeypatch.setattr(lpips_weights, "URL", f"{address}/{FILE_NAME}")
        with pytest.raises(InputError, match=r"15 bytes with the wrong SHA-256(.|\n)*--lpips-weights FILE"):
            find_lpips_weights()
    assert list(places[0].parent.iterdir()) == []


def test_unusable_files_are_named(tmp_path: Path, weights_file: Path) -> None:
    state = torch.load(weights_file, weights_only=True)
    bias = "features.10.bias"
    cases = {
        "a damaged or foreign file": b"not the weights",
        "list": [1],
        f"no tensor '{bias}'": {name: value for name, value in state.items() if name != bias},
        rf"'{bias}': shape \(3,\) instead of \(256,\)": state | {bias: torch.zeros(3)},
        f"NaN or infinity in '{bias}'": state | {bias: torch.full((256,), torch.nan)},
    }
    path = tmp_path / "given.pth"
    for message, content in cases.items():
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            torch.save(content, path)
        with pytest.raises(InputError, match=message):
            Lpips(find_lpips_weights(path), "cpu")
    with pytest.raises(InputError, match="no such file"):
        find_lpips_weights(tmp_path / "missing.pth")
