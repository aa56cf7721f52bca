from __future__ import annotations

import pytest
import torch

from p2phd_eval.devices import describe_device, find_device
from p2phd_eval.errors import InputError


def test_the_default_is_the_best_there_is() -> None:
    best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert find_device().type == best


@pytest.mark.parametrize("name", ["gpu0", "cuda:99", "meta", ""])
def test_other_devices_are_refused_in_a_sentence(name: str) -> None:
    with pytest.raises(InputError, match=f"--device {name}: expected a ") as caught:
        find_device(name)
    assert len(str(caught.value)) < 600


def test_description() -> None:
    assert describe_device(torch.device("cpu")) == "cpu"


@pytest.mark.cuda
def test_description_of_a_gpu_names_its_model() -> None:
    assert describe_device(torch.device("cuda:0")) == f"cuda:0 ({torch.cuda.get_device_name(0)})"
