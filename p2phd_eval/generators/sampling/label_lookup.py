"""The first convolution of a generator as a lookup: of a one-hot map it is a sum of rows of its own weights."""

import torch
from torch import nn
from torch.nn import functional

from p2phd_eval.generators.networks.conditioning import instance_edges
from p2phd_eval.generators.networks.generator import GlobalGenerator

_AT_ONCE = 2**13  # pixels, whose rows stay in a core's cache


def class_and_edge(label: torch.Tensor, instances: torch.Tensor | None, label_nc: int) -> torch.Tensor:
    """Return what `conditioning.encode` encodes as one number a pixel: the class, and `label_nc` more on an edge.

    `label` and `instances`: see there. The result is float32, of small whole numbers, (N, 1, H, W).
    """
    classes = label.float()
    return classes if instances is None else classes + label_nc * instance_edges(instances)


class LabelLookup(nn.Module):
    """Reflection padding and a convolution of stride 1 of `encode(label, instances, label_nc)`.

    A pixel of the result is the bias and, for each of the kernel's 49 places, the weights of the class that is there:
    49 rows are added where the convolution multiplies 49 x 36. Equal to it but for the order of the sum.

    `convolution`: in float32 on a CPU. `label_nc`: number of classes.
    """

    def __init__(self, padding: nn.ReflectionPad2d, convolution: nn.Conv2d, label_nc: int) -> None:
        super().__init__()
        self.padding = padding
        weight = convolution.weight.detach()
        self._kernel = convolution.kernel_size
        rows = weight[:, :label_nc]
        if weight.shape[1] > label_nc:  # with a map of edges
            rows = torch.cat((rows, rows + weight[:, label_nc:]), dim=1)
        # One table for all places, each with a row for every class; the bias stands in those of the first place.
        table = rows.permute(2, 3, 1, 0).flatten(0, 1).contiguous()
        assert convolution.bias is not None
        table[0] += convolution.bias.detach()
        self._first = torch.arange(table.shape[0], dtype=torch.int32).view(self._kernel) * table.shape[1]
        self._table = table.flatten(0, 1)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """Map what `class_and_edge` returned to (N, out_channels, H, W)."""
        n, _, height, width = codes.shape
        padded = self.padding(codes).to(torch.int32)[:, 0]
        windows = padded.unfold(1, self._kernel[0], 1).unfold(2, self._kernel[1], 1)
        result = codes.new_empty(n, self._table.shape[1], height, width)
        at_once = max(1, _AT_ONCE // width)
        for i in range(n):
            for top in range(0, height, at_once):
                rows = (windows[i, top : top + at_once] + self._first).flatten(0, 1).flatten(1)
                sums = functional.embedding_bag(rows, self._table, mode="sum")
                result[i, :, top : top + at_once] = torch.unflatten(sums.t(), 1, (-1, width))
        return result


def look_labels_up(generator: nn.Module, label_nc: int) -> bool:
    """Let a generator take what `class_and_edge` returns, if it sees labels and edges alone; whether it does now.

    `generator`: for inference in float32 on a CPU, of a model without features.
    """
    if not isinstance(generator, GlobalGenerator) or not label_nc:
        return False
    padding, convolution, *others = generator.model
    assert isinstance(padding, nn.ReflectionPad2d)
    assert isinstance(convolution, nn.Conv2d)
    generator.model = nn.Sequential(LabelLookup(padding, convolution, label_nc), *others)
    return True
