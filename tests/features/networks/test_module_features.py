from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from p2phd_eval.errors import InputError
from p2phd_eval.features.networks.module_features import IMAGENET_MEAN, IMAGENET_STD, ModuleFeatures
from p2phd_eval.features.networks.protocol import embed_all
from p2phd_eval.torchvision_ops import declare_missing_operators

SIDE = 24


def pixels(shape: tuple[int, int] = (40, 60), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)


def small_network(seed: int = 0) -> nn.Module:
    """With the layers whose result depends on chance or on the batch while they are trained."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.5), nn.Conv2d(8, 5, 3))


def features_of(module: nn.Module, **arguments: object) -> ModuleFeatures:
    return ModuleFeatures(module, **{"name": "small", "device": "cpu", "side": SIDE, **arguments})


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("shape", [(40, 60), (7, 90), (SIDE, SIDE), (1, 1)])
def test_images_are_prepared_as_by_torchvision(interpolation: str, shape: tuple[int, int]) -> None:
    declare_missing_operators()
    from torchvision import transforms

    peer = transforms.Compose(
        [
            transforms.Resize((SIDE, SIDE), transforms.InterpolationMode(interpolation)),
            transforms.ToTensor(),
            transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD),
        ]
    )
    prepare = features_of(small_network(), interpolation=interpolation).prepare
    torch.testing.assert_close(prepare(pixels(shape)), peer(Image.fromarray(pixels(shape))), rtol=0, atol=0)


def test_the_preparation_travels_to_other_processes() -> None:
    prepare = features_of(small_network(), mean=(0.5, 0.4, 0.3), std=(0.1, 0.2, 0.3)).prepare
    torch.testing.assert_close(pickle.loads(pickle.dumps(prepare))(pixels()), prepare(pixels()), rtol=0, atol=0)


def test_maps_are_averaged_over_space() -> None:
    module = small_network()
    network = features_of(module)
    batch = torch.stack([network.prepare(pixels(seed=seed)) for seed in range(3)])
    assert network.identity.dims == 5
    with torch.no_grad():
        maps = module(batch).numpy().astype(np.float64)
    np.testing.assert_allclose(network.embed(batch).numpy(), maps.mean(axis=(2, 3)), rtol=0, atol=1e-6)


def test_vectors_are_taken_as_they_are() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 4))
    network = features_of(module)
    batch = network.prepare(pixels())[None]
    with torch.no_grad():
        torch.testing.assert_close(network.embed(batch), module(batch), rtol=0, atol=0)


def test_features_do_not_depend_on_the_batch() -> None:
    network = features_of(small_network().train())
    batch = torch.stack([network.prepare(pixels(seed=seed)) for seed in range(4)])
    together = network.embed(batch)
    assert not together.requires_grad
    torch.testing.assert_close(torch.cat([network.embed(image[None]) for image in batch]), together, rtol=0, atol=1e-5)
    torch.testing.assert_close(network.embed(batch.flip(0)), together.flip(0), rtol=0, atol=1e-5)


class Watching(nn.Module):
    """Notes whether lower precision is allowed inside."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[tuple[bool, bool]] = set()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen.add((torch.backends.cuda.matmul.allow_tf32, torch.is_autocast_enabled("cpu")))
        return images.flatten(1) @ torch.full((3 * SIDE * SIDE, 2), 0.3)


def test_lower_precision_around_does_not_reach_the_features() -> None:
    module = Watching()
    network = features_of(module)
    batch = network.prepare(pixels())[None]
    expected = network.embed(batch)
    try:
        torch.set_float32_matmul_precision("high")
        with torch.autocast("cpu", dtype=torch.bfloat16):
            got = network.embed(batch)
            assert torch.is_autocast_enabled("cpu")
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision("highest")
    torch.testing.assert_close(got, expected, rtol=0, atol=0)
    assert module.seen == {(False, False)}


@pytest.mark.skipif(
    not hasattr(torch.backends.cuda.matmul, "fp32_precision"), reason="one setting for all backends before torch 2.9"
)
def test_a_setting_of_one_backend_does_not_reach_the_features_either() -> None:
    module = Watching()
    network = features_of(module)
    matmul = torch.backends.cuda.matmul
    before = matmul.fp32_precision
    try:
        matmul.fp32_precision = "tf32"
        network.embed(network.prepare(pixels())[None])
        assert matmul.fp32_precision == "tf32"
    finally:
        matmul.fp32_precision = before
    assert module.seen == {(False, False)}


def test_the_hash_tells_feature_spaces_apart() -> None:
    def sha256(module: nn.Module, **arguments: object) -> str:
        return features_of(module, **arguments).identity.weights_sha256

    own = sha256(small_network())
    copy = small_network(seed=1)
    copy.load_state_dict(small_network().state_dict())
    assert sha256(copy) == own
    assert sha256(small_network(), side=30, interpolation="lanczos") == own  # those are the resize's name
    renamed = nn.Sequential()
    for number, layer in enumerate(small_network()):
        renamed.add_module(f"layer{number}", layer)
    slightly = small_network()
    with torch.no_grad():
        slightly[0].bias[3] = torch.nextafter(slightly[0].bias[3], torch.tensor(10.0))
    counted = small_network()
    counted[1].num_batches_tracked += 1  # an integer of no dimensions
    others = [
        sha256(small_network(seed=1)),
        sha256(renamed),
        sha256(slightly),
        sha256(counted),
        sha256(small_network(), name="small, second layer"),
        sha256(small_network(), mean=(0.5, 0.5, 0.5)),
        sha256(small_network(), std=(0.5, 0.5, 0.5)),
    ]
    assert len({own, *others}) == 1 + len(others)


def test_the_identity_names_the_resize() -> None:
    identity = features_of(small_network(), interpolation="lanczos").identity
    assert (identity.weights, identity.resize, identity.dtype) == ("small", f"pillow-lanczos-{SIDE}", "float32")


class Answering(nn.Module):
    def __init__(self, answer: object) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, images: torch.Tensor) -> object:
        return self.answer


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (torch.zeros(1, 7, 4), r"\(1, 7, 4\)"),  # tokens
        (torch.zeros(3, 4), r"\(3, 4\)"),  # of another number of images
        ((torch.zeros(1, 4),), "a tuple"),
    ],
)
def test_a_module_that_returns_something_else_is_refused(answer: object, found: str) -> None:
    with pytest.raises(InputError, match=rf"the module of small: expected features \(n, d\).*found {found}"):
        features_of(Answering(answer))


@pytest.mark.parametrize(
    ("argument", "match"),
    [
        ({"interpolation": "nearest"}, "bilinear or bicubic or lanczos, found 'nearest'"),
        ({"side": 0}, "at least 1 pixel, found 0"),
        ({"std": (0.1, 0.0, 0.1)}, "those of std above 0"),
        ({"mean": (0.5,)}, "three numbers each"),
    ],
)
def test_arguments_that_cannot_be_are_refused(argument: dict[str, object], match: str) -> None:
    with pytest.raises(InputError, match=match):
        features_of(small_network(), **argument)


def test_features_of_passes_are_the_same_bits_at_any_place_and_beside_any_images() -> None:
    """By which copies of an image are found in other sets."""
    network = features_of(small_network(), batch_size=8)
    batch = torch.stack([network.prepare(pixels(seed=seed)) for seed in range(19)])
    together = embed_all(network, batch)
    for rows in ([18], [4, 18, 0], list(range(18, -1, -1))):
        assert torch.equal(embed_all(network, batch[rows]), together[rows])
