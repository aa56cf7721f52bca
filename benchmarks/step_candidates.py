"""Ways to compute a training step faster that the product has not, until a GPU shows which of them is worth a switch.

Each is a change of a `Pix2PixHD`, whose `train_step` stays the product's own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from p2phd_eval.config import TrainConfig
from p2phd_eval.generators.data.batch import Batch
from p2phd_eval.generators.networks.conditioning import conditioning_channels, encode
from p2phd_eval.generators.training.compilation import compile_networks
from p2phd_eval.generators.training.step import Losses, Pix2PixHD

if TYPE_CHECKING:
    from collections.abc import Iterator

Step = Callable[[Batch], Losses]

PADDED, CHANNELS_LAST = "padded", "channels-last"
GRAPH_OF_STEP, GRAPH_OF_G = "graph of the step", "graph of G"
COMPILED, REDUCE_OVERHEAD = "compile", "reduce-overhead"


@contextmanager
def candidate_step(
    changes: Collection[str], config: TrainConfig, device: torch.device, batch: Batch, backend: str | None = None
) -> Iterator[Step]:
    """Build networks with some changes, and give their training step.

    `batch`: of the one size that all have. `backend`: of torch.compile, in the place of inductor and its modes.
    """
    execution = replace(config.execution, channels_last=CHANNELS_LAST in changes)
    with device:  # where weights are drawn much sooner than on a CPU; they are other ones, but equal for all
        model = Pix2PixHD(replace(config, execution=execution), device)
    if PADDED in changes:
        pad_input_channels(model)
    if GRAPH_OF_G in changes and device.type == "cuda":
        graph_generator(model, batch)
    compiled = [name for name in (COMPILED, REDUCE_OVERHEAD) if name in changes]
    for name in compiled:
        compile_step(model, mode=None if name == COMPILED else name, backend=backend)
    step: Step = GraphedStep(model) if GRAPH_OF_STEP in changes else lambda batch: model.train_step(batch)[0]

    def marked(batch: Batch) -> Losses:
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        return step(batch)

    try:
        yield marked if REDUCE_OVERHEAD in changes else step
    finally:
        if compiled:
            # Otherwise the next networks count as recompilations, of which there is a limit.
            torch.compiler.reset()


def pad_input_channels(model: Pix2PixHD, multiple: int = 8) -> None:
    """Give the first convolutions of G and D as many input channels as tensor cores compute at a time.

    The added channels are zero, and so are their weights. They stay so: a weight's gradient is a sum of products with
    its channel, and Adam does not move what never had another gradient than zero. All else is the same but for the
    order of sums. To be called before the first step, since Adam's state then has the new shapes.
    """
    of_label = conditioning_channels(model.config.data)
    of_generator = of_label + model.config.features.channels
    _add_channels(model.generator, of_generator, at=of_generator, extra=-of_generator % multiple)
    # What D is given first is the label, behind which it puts the image: so zeros stand between the two.
    _add_channels(model.discriminator, of_label + 3, at=of_label, extra=-(of_label + 3) % multiple)


def _add_channels(network: nn.Module, channels: int, *, at: int, extra: int) -> None:
    for convolution in network.modules():
        if isinstance(convolution, nn.Conv2d) and convolution.in_channels == channels:
            weight = convolution.weight.data
            zeros = weight.new_zeros(len(weight), extra, *weight.shape[2:])
            # The parameter stays the one that the optimizer knows.
            convolution.weight.data = torch.cat((weight[:, :at], zeros, weight[:, at:]), dim=1)
            convolution.in_channels += extra

    # The product would encode labels with the zeros at once; a copy more is small beside the convolution.
    def with_zeros(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return functional.pad(inputs[0], (0, 0, 0, 0, 0, extra)), *inputs[1:]

    network.register_forward_pre_hook(with_zeros)


def compile_step(model: Pix2PixHD, *, mode: str | None, backend: str | None) -> None:
    """Compile what `--compile` does, and as it does, but for mode and back end where they are named.

    The presets have no encoder, so that G is all of what is compiled there.
    """
    networks = [network for network in (model.generator, model.discriminator, model.vgg) if network is not None]
    compile_networks(networks, model.device)
    how = {"backend": backend} if backend else {"mode": mode} if mode else {}
    if how:
        for network in networks:
            network.compile(**how)


def graph_generator(model: Pix2PixHD, batch: Batch) -> None:
    """Replay G's forward and backward, each captured as a CUDA graph.

    D's cannot be: it runs backward twice, and what the second time reads is memory that the first replay has reused.
    """
    conditioning = encode(batch.label, batch.instance, model.config.data.label_nc).to(model.precision.input_dtype)
    with model.precision.autocast(model.device):
        torch.set_autocast_cache_enabled(False)  # by torch's demand; the context restores it
        torch.cuda.make_graphed_callables(model.generator, (conditioning,))


class GraphedStep:
    """A whole training step, both optimizers' included, captured as one CUDA graph after some steps of the usual kind.

    Learning rates are those of the capture, and the optimizers count no attempts any more: it is here to be timed.
    Without CUDA every step is of the usual kind.
    """

    _PARTS = ("label", "instance", "photo")

    def __init__(self, model: Pix2PixHD, usual: int = 3) -> None:
        self._model, self._usual = model, usual
        self._batch: Batch | None = None  # which the graph reads
        self._losses: Losses = {}  # which it writes
        self._graph: torch.cuda.CUDAGraph | None = None
        self._stream: torch.cuda.Stream | None = None
        if model.device.type == "cuda":
            self._stream = torch.cuda.Stream(model.device)  # type: ignore[no-untyped-call]

    def __call__(self, batch: Batch) -> Losses:
        if self._batch is None:
            self._batch = replace(batch, **{part: getattr(batch, part).clone() for part in self._PARTS})
        for part in self._PARTS:
            getattr(self._batch, part).copy_(getattr(batch, part))
        if self._stream is None:
            return self._model.train_step(self._batch)[0]
        if self._usual:
            self._usual -= 1
            return self._beside(self._batch, self._stream)
        if self._graph is None:
            self._graph = self._captured(self._batch, self._stream)
        self._graph.replay()
        return {name: loss.clone() for name, loss in self._losses.items()}

    def _beside(self, batch: Batch, stream: torch.cuda.Stream) -> Losses:
        """Take a step on the stream of the capture, so that nothing of autograd belongs to another one."""
        here = torch.cuda.current_stream(self._model.device)
        stream.wait_stream(here)
        with torch.cuda.stream(stream):
            losses, _ = self._model.train_step(batch)
        here.wait_stream(stream)
        return losses

    def _captured(self, batch: Batch, stream: torch.cuda.Stream) -> torch.cuda.CUDAGraph:
        for optimizer in (self._model.generator_optimizer, self._model.discriminator_optimizer):
            for group in optimizer.optimizer.param_groups:
                group["capturable"] = True
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            self._losses, _ = self._model.train_step(batch)
        return graph
