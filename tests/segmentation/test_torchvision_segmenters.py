from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from p2phd_eval.errors import InputError
from p2phd_eval.features.networks.module_features import IMAGENET_MEAN, IMAGENET_STD
from p2phd_eval.segmentation.find_segmenter import find_segmenter
from p2phd_eval.torchvision_ops import declare_missing_operators

CPU = torch.device("cpu")
NAME = "lraspp_mobilenet_v3_large"


@pytest.fixture(scope="module")
def network() -> nn.Module:
    declare_missing_operators()
    from torchvision.models.segmentation import lraspp_mobilenet_v3_large

    torch.manual_seed(0)
    return lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=21).eval()


def test_it_answers_as_torchvision_does(network: nn.Module, tmp_path: Path) -> None:
    torch.save({"model": network.state_dict(), "epoch": 3}, tmp_path / "model.pth")
    images = torch.randint(0, 256, (1, 48, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    segmenter = find_segmenter(NAME, weights=tmp_path / "model.pth", device=CPU)
    mean, std = (torch.tensor(each)[:, None, None] for each in (IMAGENET_MEAN, IMAGENET_STD))
    with torch.no_grad():
        expected = network((images.permute(0, 3, 1, 2) / 255 - mean) / std)["out"].argmax(dim=1)
    assert torch.equal(segmenter(images), expected)
    assert segmenter.classes[:2] == ("__background__", "aeroplane")


def test_the_names_of_other_classes_stand_in_the_file(tmp_path: Path) -> None:
    declare_missing_operators()
    from torchvision.models.segmentation import deeplabv3_mobilenet_v3_large

    state = deeplabv3_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=2, aux_loss=True).state_dict()
    save_file(state, tmp_path / "named.safetensors", metadata={"classes": json.dumps(["sky", "road"])})
    save_file(state, tmp_path / "unnamed.safetensors")
    found = {
        name: find_segmenter("deeplabv3_mobilenet_v3_large", weights=tmp_path / f"{name}.safetensors", device=CPU)
        for name in ("named", "unnamed")
    }
    assert found["named"].classes == ("sky", "road")
    assert found["unnamed"].classes == ("0", "1")
    assert found["named"].identity != found["unnamed"].identity


def test_other_weights_are_refused(network: nn.Module, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected --segmenter-weights FILE, found none"):
        find_segmenter(NAME, weights=None, device=CPU)
    state = network.state_dict()
    file = tmp_path / "model.pth"
    for changed, message in (
        ({**state, "extra": torch.zeros(1)}, "found a tensor 'extra' as well"),
        ({key: value for key, value in state.items() if key != "backbone.0.0.weight"}, "found no tensor 'backbone"),
        ({**state, "classifier.high_classifier.bias": torch.zeros(5)}, "shape"),
        ({**state, "classifier.high_classifier.bias": functional.pad(torch.zeros(20), (0, 1), value=torch.nan)}, "NaN"),
        ({"model": [1, 2]}, "no tensor 'classifier.low_classifier.bias'"),
    ):
        torch.save(changed, file)
        with pytest.raises(InputError, match=message):
            find_segmenter(NAME, weights=file, device=CPU)
    torch.save(network, file)
    with pytest.raises(InputError, match="pickled objects other than tensors"):
        find_segmenter(NAME, weights=file, device=CPU)
