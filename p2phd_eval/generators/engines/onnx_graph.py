"""A generator as an ONNX graph, from label and instance maps to the photo.

Written node by node: a generator is made of nine kinds of layers. `torch.onnx.export` gives the same nodes for these;
it takes one more package (onnxscript), much longer (48 s on a busy machine), and traces the branches that layers have
for a CPU's sake. The conditioning, one-hot labels and edges, is part of the graph: it takes maps as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from p2phd_eval.config import TrainConfig
from p2phd_eval.generators.networks.generator import GlobalGenerator, LocalEnhancer
from p2phd_eval.generators.networks.layers import FewChannelsConv2d, ResnetBlock, at_four_places

if TYPE_CHECKING:
    import onnx

_EPS = 1e-5  # of torch's norms
_LAST = np.iinfo(np.int64).max


def onnx_graph(
    generator: GlobalGenerator | LocalEnhancer,
    config: TrainConfig,
    *,
    dtype: torch.dtype,
    opset: int,
    metadata: Mapping[str, str],
) -> onnx.ModelProto:
    """Return the graph of a generator, with batch, height and width left open.

    Its inputs are `label`, int32 (n, height, width), or for `label_nc` 0 `image`, float32 (n, 3, height, width) in
    [-1, 1]; `instance`, int32 (n, height, width), where the model sees edges; `features`, float32 (n, n_features,
    height, width), where it takes some. Its output is `photo`, float32 (n, 3, height, width) in [-1, 1].

    Every image is treated on its own: batch norm uses its statistics, as everywhere where networks sample.

    Parameters
    ----------
    generator : Module
        With its weights, in float32 on the CPU.
    config : TrainConfig
    dtype : torch.dtype
        What convolutions compute in. Norms compute in float32.
    opset : int
        Version of ONNX's operators.
    metadata : mapping
        What the file says of itself.
    """
    graph = _Graph(dtype)
    inputs, conditioning = _conditioning(graph, config)
    if isinstance(generator, LocalEnhancer):
        last = _local_enhancer(graph, generator, conditioning)
    else:
        last = graph.layer(generator.model, "model", conditioning)
    photo = graph.node("Cast", [last], name="photo", to=graph.onnx.TensorProto.FLOAT)
    model: onnx.ModelProto = graph.model(inputs, photo, opset=opset, metadata=metadata)
    return model


def input_shapes(config: TrainConfig) -> dict[str, tuple[bool, int | None]]:
    """Return the graph's inputs by name: whether they are whole numbers, and how many channels; None: no such axis."""
    shapes: dict[str, tuple[bool, int | None]] = {}
    if config.data.label_nc:
        shapes["label"] = (True, None)
    else:
        shapes["image"] = (False, 3)
    if config.data.instances:
        shapes["instance"] = (True, None)
    if config.features.channels:
        shapes["features"] = (False, config.features.channels)
    return shapes


def _conditioning(graph: _Graph, config: TrainConfig) -> tuple[list[Any], str]:
    """Add what `conditioning.encode` does, and features behind it; return inputs and the name of the result."""
    types = graph.onnx.TensorProto
    inputs, parts = [], []
    for name, (whole, channels) in input_shapes(config).items():
        axes = ["n", *([] if channels is None else [channels]), "height", "width"]
        inputs.append(graph.onnx.helper.make_tensor_value_info(name, types.INT32 if whole else types.FLOAT, axes))
        if name == "label":
            parts.append(_one_hot(graph, name, config.data.label_nc))
        elif name == "instance":
            parts.append(_edges(graph, name))
        else:
            parts.append(name)
    # In float32, since not all engines know these operators in others; as they are, zeros and ones are exact in any.
    return inputs, graph.cast(parts[0] if len(parts) == 1 else graph.node("Concat", parts, name="maps", axis=1))


def _one_hot(graph: _Graph, label: str, label_nc: int) -> str:
    classes = graph.constant("label/classes", np.arange(label_nc, dtype=np.int32).reshape(1, -1, 1, 1))
    as_maps = graph.node("Unsqueeze", [label, graph.constant("axis 1", np.array([1]))], name="label/maps")
    return graph.cast(graph.node("Equal", [as_maps, classes], name="label/is_class"), wide=True)


def _edges(graph: _Graph, instance: str) -> str:
    """Mark the pixels that have a neighbour of another instance, as `conditioning.instance_edges`."""
    as_maps = graph.node("Unsqueeze", [instance, graph.constant("axis 1", np.array([1]))], name="instance/maps")
    marks = []
    for axis in (2, 3):
        bounds = (("after", 1, _LAST), ("before", 0, -1))
        shifted = [
            graph.node(
                "Slice",
                [as_maps, *(graph.constant(f"instance/{side}{n}/{axis}", np.array([at])) for n, at in enumerate(each))],
                name=f"instance/{side}/{axis}",
            )
            for side, *bound in bounds
            if (each := [*bound, axis])
        ]
        same = graph.node("Equal", shifted, name=f"instance/same/{axis}")
        change = graph.cast(graph.node("Not", [same], name=f"instance/change/{axis}"), wide=True)
        for side in (axis, axis + 4):  # before the first pixel, behind the last
            pads = np.zeros(8, dtype=np.int64)
            pads[side] = 1
            marks.append(graph.node("Pad", [change, graph.constant(f"pads {side}", pads)], name=f"instance/{side}"))
    return graph.node("Max", marks, name="instance/edges")


def _local_enhancer(graph: _Graph, network: LocalEnhancer, conditioning: str) -> str:
    """Add what `LocalEnhancer.forward` does."""
    pyramid = [conditioning]
    for n in range(network.n_local_enhancers):
        pyramid.append(graph.layer(network.downsample, f"downsample{n}", pyramid[-1]))
    features = graph.layer(network.model, "model", pyramid[-1])
    for n in range(1, network.n_local_enhancers + 1):
        down, up = f"model{n}_1", f"model{n}_2"
        fine = graph.layer(network.get_submodule(down), down, pyramid[network.n_local_enhancers - n])
        both = graph.node("Add", [fine, features], name=f"{up}/add")
        features = graph.layer(network.get_submodule(up), up, both)
    return features


class _Graph:
    """Nodes and constants as they are added. Names are those of the state dict, so that a node can be found there."""

    def __init__(self, dtype: torch.dtype) -> None:
        import onnx

        self.onnx: Any = onnx
        self.type = {
            torch.float32: onnx.TensorProto.FLOAT,
            torch.float16: onnx.TensorProto.FLOAT16,
            torch.bfloat16: onnx.TensorProto.BFLOAT16,
        }[dtype]
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}

    def node(self, kind: str, inputs: Sequence[str], *, name: str, **attributes: Any) -> str:
        """Add a node of one output, which has its name; return it."""
        self._nodes.append(self.onnx.helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, name: str, values: npt.NDArray[Any]) -> str:
        """Add a constant, once; return its name."""
        if name not in self._constants:
            self._constants[name] = self.onnx.numpy_helper.from_array(values, name)
        return name

    def weights(self, name: str, tensor: torch.Tensor) -> str:
        """Add weights, in the dtype that convolutions compute in; return their name."""
        values = tensor.detach().numpy()
        if self.type != self.onnx.TensorProto.FLOAT:
            values = values.astype(self.onnx.helper.tensor_dtype_to_np_dtype(self.type))
        return self.constant(name, np.ascontiguousarray(values))

    def cast(self, name: str, *, wide: bool = False) -> str:
        """Cast to the dtype that convolutions compute in, or `wide` to float32."""
        to = self.onnx.TensorProto.FLOAT if wide else self.type
        return self.node("Cast", [name], name=f"{name}/cast", to=to)

    def layer(self, module: nn.Module, path: str, x: str) -> str:
        """Add a layer of the networks; `path`: where it is in the state dict."""
        if isinstance(module, nn.Sequential):
            for name, child in module.named_children():
                x = self.layer(child, f"{path}.{name}", x)
            return x
        if isinstance(module, ResnetBlock):
            return self.node("Add", [x, self.layer(module.conv_block, f"{path}.conv_block", x)], name=f"{path}/add")
        if isinstance(module, nn.ReflectionPad2d):
            left, right, top, bottom = module.padding
            pads = self.constant(f"pads {module.padding}", np.array([0, 0, top, left, 0, 0, bottom, right]))
            return self.node("Pad", [x, pads], name=path, mode="reflect")
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            return self._convolution(module, path, x)
        if isinstance(module, nn.InstanceNorm2d | nn.BatchNorm2d):
            return self._norm(module, path, x)
        if isinstance(module, nn.AvgPool2d):
            window = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "count_include_pad": 0}
            return self.node("AveragePool", [x], name=path, **window)
        if isinstance(module, nn.Dropout):
            return x
        return self.node({nn.ReLU: "Relu", nn.Tanh: "Tanh"}[type(module)], [x], name=path)

    def _convolution(self, module: nn.Conv2d | nn.ConvTranspose2d, path: str, x: str) -> str:
        assert module.bias is not None
        if isinstance(module, FewChannelsConv2d):
            return self._to_few_channels(module, path, x)
        inputs = [x, self.weights(f"{path}.weight", module.weight), self.weights(f"{path}.bias", module.bias)]
        window: dict[str, Any] = {"kernel_shape": module.kernel_size, "strides": module.stride}
        window["pads"] = [int(side) for side in module.padding] * 2
        if isinstance(module, nn.ConvTranspose2d):
            return self.node("ConvTranspose", inputs, name=path, output_padding=module.output_padding, **window)
        return self.node("Conv", inputs, name=path, **window)

    def _to_few_channels(self, module: FewChannelsConv2d, path: str, x: str) -> str:
        """Add a convolution to an image as `FewChannelsConv2d` computes it: sides of images are even."""
        assert module.bias is not None
        at, weight, bias = f"{path}/four_places", at_four_places(module.weight), module.bias.repeat_interleave(4)
        inputs = [x, self.weights(f"{at}.weight", weight), self.weights(f"{at}.bias", bias)]
        four = self.node("Conv", inputs, name=at, kernel_shape=weight.shape[2:], strides=[2, 2])
        return self.node("DepthToSpace", [four], name=path, blocksize=2, mode="CRD")

    def _norm(self, module: nn.InstanceNorm2d | nn.BatchNorm2d, path: str, x: str) -> str:
        n = module.num_features
        if isinstance(module, nn.BatchNorm2d):
            scale, shift = (
                self.constant(f"{path}.{name}", each.detach().numpy())
                for name, each in (("weight", module.weight), ("bias", module.bias))
            )
        else:
            scale = self.constant(f"ones {n}", np.ones(n, dtype=np.float32))
            shift = self.constant(f"zeros {n}", np.zeros(n, dtype=np.float32))
        if self.type == self.onnx.TensorProto.FLOAT:
            return self.node("InstanceNormalization", [x, scale, shift], name=path, epsilon=module.eps)
        wide = self.cast(x, wide=True)
        return self.cast(self.node("InstanceNormalization", [wide, scale, shift], name=path, epsilon=module.eps))

    def model(self, inputs: Sequence[Any], output: str, *, opset: int, metadata: Mapping[str, str]) -> Any:
        """Return all that was added as a model."""
        helper, types = self.onnx.helper, self.onnx.TensorProto
        photo = helper.make_tensor_value_info(output, types.FLOAT, ["n", 3, "height", "width"])
        graph = helper.make_graph(self._nodes, "pix2pixHD", inputs, [photo], list(self._constants.values()))
        operators = [helper.make_opsetid("", opset)]
        model = helper.make_model(
            graph,
            opset_imports=operators,
            ir_version=helper.find_min_ir_version_for(operators),
            producer_name="p2phd-eval",
        )
        helper.set_model_props(model, dict(metadata))
        return model
