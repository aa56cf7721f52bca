"""Products in a narrow format on a machine that has no instructions for it, as tensor cores compute them.

Convolutions and matrix products get operands that are values of the format, and run as float32's: a product of two
such values is exact there (11 bits of float16 times 11 bits are 22, float32 has 24), sums are float32's, and the result
is rounded to the format once; forward and backward alike. All else runs in tensors of the narrow dtype, as torch runs
it, so what flows between layers is what flows there under autocast on CUDA.

Results are those of tensor cores but for the order of the sums; the time is float32's and that of the conversions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from p2phd_eval.generators.networks.layers import at_four_places, suits_four_places

Ints = int | Sequence[int]


class Operand(IntEnum):
    """What a tensor is to a product."""

    INPUT = 0
    WEIGHT = 1
    GRADIENT = 2  # of the result


#: Rounds an operand to what a narrower format holds. It gets the tensor, which weight the product is with, by its
#: `id`, and what the tensor is; it returns the rounded values in float32.
Rounding = Callable[[torch.Tensor, int, Operand], torch.Tensor]


class EmulatedProducts(TorchFunctionMode):
    """A context in which products are emulated in a narrow dtype; to be used once.

    Their operands are cast to it as by `torch.autocast`, which is off: a weight once for all its uses in the context,
    so that its gradients from them are added in the narrow dtype, as there.

    `dtype`: float16 or bfloat16. `rounding`: for operands that are narrower than that.
    """

    def __init__(self, dtype: torch.dtype, rounding: Rounding | None = None) -> None:
        super().__init__()
        self._dtype, self._rounding = dtype, rounding
        self._cast_weights: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}  # by id: as it is, and cast

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        emulated = _EMULATED.get(func)
        return func(*args, **(kwargs or {})) if emulated is None else emulated(self, *args, **(kwargs or {}))

    def _convolution(
        self,
        transposed: bool,
        input: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        stride: Ints,
        padding: Ints,
        output_padding: Ints,
        groups: int,
        dilation: Ints,
    ) -> torch.Tensor:
        n = weight.ndim - 2
        convolution = _Convolution(
            stride=_each(stride, n),
            padding=_each(padding, n),
            dilation=_each(dilation, n),
            transposed=transposed,
            output_padding=_each(output_padding, n),
            groups=groups,
        )
        suits = convolution == _PLAIN and weight.ndim == 4 and input.ndim == 4 and weight.device.type == "cpu"
        if suits and suits_four_places(input, weight):
            return self._product(_CONVOLUTION_TO_FEW, input, weight, bias, id(weight))
        return self._product(convolution, input, weight, bias, id(weight))

    def convolve(
        self,
        input: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None = None,
        stride: Ints = 1,
        padding: Ints = 0,
        dilation: Ints = 1,
        groups: int = 1,
    ) -> torch.Tensor:
        """Emulate `torch.conv1d`, `conv2d` and `conv3d`; padding in numbers."""
        return self._convolution(False, input, weight, bias, stride, padding, 0, groups, dilation)

    def convolve_transposed(
        self,
        input: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None = None,
        stride: Ints = 1,
        padding: Ints = 0,
        output_padding: Ints = 0,
        groups: int = 1,
        dilation: Ints = 1,
    ) -> torch.Tensor:
        """Emulate `torch.conv_transpose1d`, `conv_transpose2d` and `conv_transpose3d`."""
        return self._convolution(True, input, weight, bias, stride, padding, output_padding, groups, dilation)

    def linear(self, input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        """Emulate `torch.nn.functional.linear`."""
        rows = input.reshape(-1, input.shape[-1])
        product = self._product(_MATRIX_PRODUCT, rows, self._cast(weight).t(), bias, id(weight))
        return product.reshape(*input.shape[:-1], weight.shape[0])

    def matmul(self, input: torch.Tensor, mat2: torch.Tensor) -> torch.Tensor:
        """Emulate `torch.matmul`, `mm` and `bmm`."""
        a = input.unsqueeze(0) if input.ndim == 1 else input
        b = mat2.unsqueeze(1) if mat2.ndim == 1 else mat2
        product = self._product(_MATRIX_PRODUCT, a, b, None, id(mat2))
        product = product.squeeze(-1) if mat2.ndim == 1 else product
        if input.ndim > 1:
            return product
        return product.squeeze(-1 if mat2.ndim == 1 else -2)

    def _product(
        self, product: "_Product", a: torch.Tensor, b: torch.Tensor, bias: torch.Tensor | None, weight: int
    ) -> torch.Tensor:
        bias = None if bias is None else self._cast(bias)
        result: torch.Tensor = _EmulatedProduct.apply(  # type: ignore[no-untyped-call]
            product, self._rounding, weight, self._cast(a), self._cast(b), bias
        )
        return result

    def _cast(self, tensor: torch.Tensor) -> torch.Tensor:
        if tensor.dtype == self._dtype:
            return tensor
        if not (tensor.is_leaf and tensor.requires_grad and torch.is_grad_enabled()):
            return tensor.to(self._dtype)
        if id(tensor) not in self._cast_weights:
            self._cast_weights[id(tensor)] = (tensor, tensor.to(self._dtype))
        return self._cast_weights[id(tensor)][1]


_EMULATED: dict[Callable[..., Any], Callable[..., torch.Tensor]] = {
    **dict.fromkeys((torch.conv1d, torch.conv2d, torch.conv3d), EmulatedProducts.convolve),
    **dict.fromkeys(
        (torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d), EmulatedProducts.convolve_transposed
    ),
    functional.linear: EmulatedProducts.linear,
    **dict.fromkeys(
        (torch.matmul, torch.mm, torch.bmm, torch.Tensor.matmul, torch.Tensor.mm, torch.Tensor.bmm),
        EmulatedProducts.matmul,
    ),
    torch.Tensor.__matmul__: EmulatedProducts.matmul,
}


def computes_natively(dtype: torch.dtype, device: torch.device) -> bool:
    """Whether a device has instructions for products in float16 or bfloat16, and torch uses them for convolutions.

    Every device but a CPU is taken to have some.
    """
    if device.type != "cpu":
        return True
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    if dtype == torch.float16:
        return bool(torch.ops.mkldnn._is_mkldnn_fp16_supported())
    # Of bfloat16 oneDNN says that it is supported where there is AVX-512, with whose plain instructions it emulates it.
    cpu: Any = torch.cpu
    emulates = cpu._is_avx512_supported() and not (cpu._is_avx512_bf16_supported() or cpu._is_amx_tile_supported())
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and not emulates


class _Product(Protocol):
    """A product of two tensors with a bias added, and its derivatives, in float32."""

    def __call__(self, a: torch.Tensor, b: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor: ...

    def gradients(
        self, gradient: torch.Tensor, a: torch.Tensor, b: torch.Tensor, wanted: Sequence[bool]
    ) -> list[torch.Tensor | None]:
        """Return the gradients for a, b and bias, as far as they are wanted."""


@dataclass(frozen=True, kw_only=True)
class _Convolution:
    stride: list[int]
    padding: list[int]
    dilation: list[int]
    transposed: bool
    output_padding: list[int]
    groups: int

    def __call__(self, a: torch.Tensor, b: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        return torch.convolution(a, b, bias, *self._geometry)

    def gradients(
        self, gradient: torch.Tensor, a: torch.Tensor, b: torch.Tensor, wanted: Sequence[bool]
    ) -> list[torch.Tensor | None]:
        n_biases = [gradient.shape[1]]
        return list(torch.ops.aten.convolution_backward(gradient, a, b, n_biases, *self._geometry, list(wanted)))

    @property
    def _geometry(self) -> tuple[Any, ...]:
        return self.stride, self.padding, self.dilation, self.transposed, self.output_padding, self.groups


_PLAIN = _Convolution(stride=[1, 1], padding=[0, 0], dilation=[1, 1], transposed=False, output_padding=[0, 0], groups=1)


class _ConvolutionToFew:
    """A plain convolution to a few channels and an even number of rows and columns, as `FewChannelsConv2d` has it."""

    _each = _Convolution(
        stride=[2, 2], padding=[0, 0], dilation=[1, 1], transposed=False, output_padding=[0, 0], groups=1
    )

    def __call__(self, a: torch.Tensor, b: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        biases = None if bias is None else bias.repeat_interleave(4)
        return functional.pixel_shuffle(self._each(a, at_four_places(b), biases), 2)

    def gradients(
        self, gradient: torch.Tensor, a: torch.Tensor, b: torch.Tensor, wanted: Sequence[bool]
    ) -> list[torch.Tensor | None]:
        gradient = functional.pixel_unshuffle(gradient, 2)
        for_a, for_b, for_bias = self._each.gradients(gradient, a, at_four_places(b), wanted)
        if for_b is not None:
            four, (height, width) = for_b.reshape(-1, 4, *for_b.shape[1:]), b.shape[2:]
            places = [(j, i) for j in (0, 1) for i in (0, 1)]
            parts = [four[:, n, :, j : j + height, i : i + width] for n, (j, i) in enumerate(places)]
            for_b = torch.stack(parts).sum(0)
        return [for_a, for_b, None if for_bias is None else for_bias.reshape(-1, 4).sum(1)]


_CONVOLUTION_TO_FEW = _ConvolutionToFew()


class _MatrixProduct:
    """Of matrices, or of stacks of them that are broadcast; a bias has as many values as a row of the result."""

    def __call__(self, a: torch.Tensor, b: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        product = torch.matmul(a, b)
        return product if bias is None else product.add_(bias)

    def gradients(
        self, gradient: torch.Tensor, a: torch.Tensor, b: torch.Tensor, wanted: Sequence[bool]
    ) -> list[torch.Tensor | None]:
        return [
            torch.matmul(gradient, b.mT).sum_to_size(a.shape) if wanted[0] else None,
            torch.matmul(a.mT, gradient).sum_to_size(b.shape) if wanted[1] else None,
            gradient.sum_to_size(gradient.shape[-1:]) if wanted[2] else None,
        ]


_MATRIX_PRODUCT = _MatrixProduct()


class _EmulatedProduct(torch.autograd.Function):
    """A product of operands in one narrow dtype, and a bias; the result has that dtype."""

    @staticmethod
    def forward(
        ctx: Any,
        product: _Product,
        rounding: Rounding | None,
        weight: int,
        a: torch.Tensor,
        b: torch.Tensor,
        bias: torch.Tensor | None,
    ) -> torch.Tensor:
        dtype = a.dtype
        if rounding is not None:
            a, b = rounding(a, weight, Operand.INPUT), rounding(b, weight, Operand.WEIGHT)
        b = b.float()
        ctx.product, ctx.rounding, ctx.weight = product, rounding, weight
        ctx.save_for_backward(a, b)  # a in its narrow dtype, if it has one: most of the memory is in inputs
        return product(a.float(), b, None if bias is None else bias.float()).to(dtype)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        a, b = ctx.saved_tensors
        dtype, wanted = gradient.dtype, list(ctx.needs_input_grad[3:])
        gradient = gradient.float()
        rounded = gradient if ctx.rounding is None else ctx.rounding(gradient, ctx.weight, Operand.GRADIENT)
        found = ctx.product.gradients(rounded, a.float(), b, wanted)
        return None, None, None, *(None if each is None else each.to(dtype) for each in found)


def _each(value: Ints, n: int) -> list[int]:
    return [value] * n if isinstance(value, int) else list(value) * (n if len(value) == 1 else 1)
