"""pytorch-fid's own network, given the weights instead of downloading them."""

from __future__ import annotations

import functools

import pytest
import torch

from p2phd_eval.stats.weights_file import WeightsFile, load_state
from p2phd_eval.torchvision_ops import declare_missing_operators


@functools.cache
def pytorch_fid_network(weights: WeightsFile) -> torch.nn.Module:
    """``pytorch_fid.inception.InceptionV3()`` in eval mode."""
    declare_missing_operators()
    from pytorch_fid import inception

    # The release file also holds the classifier, which the features do not pass.
    state = load_state(weights) | {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inception, "load_state_dict_from_url", lambda *args, **kwargs: state)
        network: torch.nn.Module = inception.InceptionV3()
    return network.eval()
