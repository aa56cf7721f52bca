from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from p2phd_eval.errors import InputError
from p2phd_eval.segmentation.module_segmenter import ModuleSegmenter, at_width

CPU = torch.device("cpu")


class Pooled(nn.Module):
    """Logits on a grid of half the photo's size."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.AvgPool2d(2))

    def forward(self, photos: torch.Tensor) -> torch.Tensor:
        return self.layers(photos)


def noise(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def test_logits_come_to_the_photos_size_before_the_largest_is_taken() -> None:
    module = Pooled().eval()
    images = noise(3, 20, 30, 3)
    mean, std = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0.5, 0.6, 0.7])
    segmenter = ModuleSegmenter(
        module, name="pooled", classes="abcd", device=CPU, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7)
    )
    with torch.no_grad():
        logits = module(((images / 255 - mean) / std).permute(0, 3, 1, 2))
    expected = nn.Upsample(size=(20, 30), mode="bilinear")(logits).argmax(dim=1)
    assert torch.equal(segmenter(images), expected)


@pytest.mark.parametrize("batch_size", [1, 2, 4])
def test_an_answer_does_not_depend_on_the_others(batch_size: int) -> None:
    segmenter = ModuleSegmenter(Pooled(), name="pooled", classes="abcd", device=CPU, batch_size=batch_size)
    images = noise(3, 16, 16, 3)
    assert torch.equal(segmenter(images), torch.cat([segmenter(image[None]) for image in images]))


def test_the_identity_is_that_of_weights_and_settings() -> None:
    def identity(module: nn.Module, **settings: object) -> str:
        return ModuleSegmenter(module, **{"name": "n", "classes": "abcd", "device": CPU, **settings}).identity

    other = Pooled()
    nn.init.zeros_(other.layers[0].bias)
    found = [
        *(identity(module) for module in (Pooled(), other)),
        *(
            identity(Pooled(), **each)
            for each in ({"name": "m"}, {"classes": "abce"}, {"width": 8}, {"std": (1, 1, 1)})
        ),
    ]
    assert len(set(found)) == len(found)
    assert identity(Pooled()) == found[0]


def test_photos_are_scaled_as_pillow_does() -> None:
    images = noise(1, 60, 90, 3)
    expected = Image.fromarray(images[0].numpy()).resize((30, 20), Image.Resampling.BILINEAR)
    difference = at_width(images, 30)[0].int() - torch.from_numpy(np.array(expected)).int()
    assert difference.abs().max() <= 1  # Pillow rounds between its two passes
    assert at_width(images, 90) is images


def test_a_module_of_other_classes_is_refused() -> None:
    segmenter = ModuleSegmenter(Pooled(), name="pooled", classes="abc", device=CPU)
    with pytest.raises(InputError, match=r"logits \(n, 3, h, w\) of n = 1 photos, found \(1, 4, 8, 8\)"):
        segmenter(noise(1, 16, 16, 3))
