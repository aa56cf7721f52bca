"""The first convolution by lookup, against the convolution itself."""

from __future__ import annotations

import pytest
import torch

from p2phd_eval.config import GeneratorConfig
from p2phd_eval.generators.networks.conditioning import encode
from p2phd_eval.generators.networks.generator import build_generator
from p2phd_eval.generators.sampling.label_lookup import class_and_edge, look_labels_up


@pytest.mark.parametrize("with_instances", [True, False])
@pytest.mark.parametrize(("height", "width"), [(16, 24), (96, 128), (8, 1040)])
def test_a_photo_is_that_of_the_encoded_map(with_instances: bool, height: int, width: int) -> None:
    """Some are looked up in several pieces, the last of them smaller."""
    torch.manual_seed(0)
    label_nc = 7
    label = torch.randint(0, label_nc, (2, 1, height, width), dtype=torch.uint8)
    instances = torch.randint(0, 3, (2, 1, height, width), dtype=torch.int32) if with_instances else None
    config = GeneratorConfig(ngf=4, n_downsample=2, n_blocks=1)
    generator = build_generator(config, label_nc + int(with_instances)).eval()
    with torch.inference_mode():
        first = generator.model[:2]
        expected = first(encode(label, instances, label_nc)), generator(encode(label, instances, label_nc))
        assert look_labels_up(generator, label_nc)
        codes = class_and_edge(label, instances, label_nc)
        torch.testing.assert_close(generator.model[0](codes), expected[0], rtol=0, atol=1e-6)
        torch.testing.assert_close(generator(codes), expected[1], rtol=0, atol=1e-5)


def test_other_generators_stay_as_they_are() -> None:
    enhancer = build_generator(GeneratorConfig(kind="local", ngf=4, n_downsample=2, n_blocks=1, n_blocks_local=1), 5)
    assert not look_labels_up(enhancer, 4)
    assert not look_labels_up(build_generator(GeneratorConfig(ngf=4, n_downsample=2, n_blocks=1), 3), 0)
