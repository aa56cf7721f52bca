"""Graphs against torch, at sizes and numbers of images that they were not made for."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from p2phd_eval.config import DataConfig, FeatureConfig, GeneratorConfig, TrainConfig
from p2phd_eval.generators.engines.onnx_graph import input_shapes, onnx_graph
from p2phd_eval.generators.networks.conditioning import conditioning_channels, encode
from p2phd_eval.generators.networks.generator import build_generator

SMALL = {"ngf": 4, "n_blocks": 2, "n_blocks_local": 1}


@pytest.mark.parametrize(
    ("generator", "data", "features"),
    [
        (GeneratorConfig(n_downsample=3, **SMALL), DataConfig(label_nc=5), "none"),
        (GeneratorConfig(n_downsample=1, norm="batch", dropout=True, **SMALL), DataConfig(label_nc=5), "instance"),
        (GeneratorConfig(kind="local", n_downsample=2, **SMALL), DataConfig(label_nc=5, instances=False), "label"),
        (
            GeneratorConfig(kind="local", n_downsample=1, n_local_enhancers=2, norm="batch", **SMALL),
            DataConfig(label_nc=0, instances=False),
            "none",
        ),
        (GeneratorConfig(n_downsample=2, **SMALL), DataConfig(label_nc=0, instances=True), "none"),
    ],
)
def test_a_graph_gives_torchs_photos(generator: GeneratorConfig, data: DataConfig, features: str) -> None:
    config = TrainConfig(data=data, generator=generator, features=FeatureConfig(kind=features))
    network = build_generator(generator, conditioning_channels(data) + config.features.channels).eval()
    model = onnx_graph(network, config, dtype=torch.float32, opset=17, metadata={"of": "a test"})
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean = module.running_var = None
    rng = np.random.default_rng(0)
    for n, height, width in ((1, 32, 48), (3, 64, 16)):
        feed = {
            name: rng.integers(0, 5, (n, height, width), dtype=np.int32)
            if whole
            else rng.uniform(-1, 1, (n, channels, height, width)).astype(np.float32)
            for name, (whole, channels) in input_shapes(config).items()
        }
        found = session.run(["photo"], feed)[0]
        parts = {name: torch.from_numpy(values) for name, values in feed.items()}
        for i in range(n):  # each as if it were alone
            label = parts["label"][i][None, None] if data.label_nc else parts["image"][i : i + 1]
            instance = parts["instance"][i][None, None] if data.instances else None
            with torch.inference_mode():
                conditioning = encode(label, instance, data.label_nc)
                if "features" in parts:
                    conditioning = torch.cat((conditioning, parts["features"][i : i + 1]), dim=1)
                expected = network(conditioning)[0].numpy()
            np.testing.assert_allclose(found[i], expected, rtol=0, atol=2e-4)  # 1e-4 of the range


def test_a_graph_of_half_the_bits_has_weights_of_half_the_bits() -> None:
    config = TrainConfig(data=DataConfig(label_nc=5), generator=GeneratorConfig(n_downsample=2, **SMALL))
    network = build_generator(config.generator, 6)
    graphs = {
        dtype: onnx_graph(network, config, dtype=dtype, opset=22, metadata={})
        for dtype in (torch.float32, torch.float16, torch.bfloat16)
    }
    sizes = {dtype: graph.ByteSize() for dtype, graph in graphs.items()}
    for dtype in (torch.float16, torch.bfloat16):
        onnx.checker.check_model(graphs[dtype], full_check=True)
        assert sizes[dtype] < 0.75 * sizes[torch.float32]
