"""The ONNX graphs of a checkpoint: made when they are asked for, and kept beside it."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from p2phd_eval.errors import InputError
from p2phd_eval.files import json_text
from p2phd_eval.generators.checkpoint import Checkpoint, load_network
from p2phd_eval.generators.data.batch import Batch
from p2phd_eval.generators.data.contents import contents_sha256, image_name, read_contents
from p2phd_eval.generators.data.dataset import TripletDataset, load_batches
from p2phd_eval.generators.engines.engine_names import require_graph_precision
from p2phd_eval.generators.engines.graph_file import Graph, as_graph, describe_graph, opset_of, read_graph, write_graph
from p2phd_eval.generators.engines.graph_session import graph_feed
from p2phd_eval.generators.engines.onnx_graph import onnx_graph
from p2phd_eval.generators.engines.onnx_packages import import_onnx
from p2phd_eval.generators.engines.quantisation import Feed, quantise
from p2phd_eval.generators.networks.generator import GlobalGenerator, LocalEnhancer
from p2phd_eval.generators.sampling.inference import unloaded_generator
from p2phd_eval.images.image_folder import Calibration
from p2phd_eval.locks import hold_file
from p2phd_eval.progress import Note, silent

#: The folder beside a checkpoint, in its run's folder, that graphs are kept in.
GRAPHS = "graphs"
_CALIBRATION_MAPS = 16
_PATIENCE = 3600.0  # seconds in which another process has quantised the graph
_DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16}


@dataclass(frozen=True, kw_only=True)
class Calibrating:
    """What an int8 graph is calibrated on."""

    dataset: TripletDataset  # training maps
    features: Callable[[Batch], torch.Tensor] | None  # of a batch, for a model that takes some
    style: str  # where these are from, in words and hashes
    symmetric: bool  # see `quantise`

    def indices(self) -> list[int]:
        """Return the samples that are taken, evenly from all."""
        n = len(self.dataset.triplets)
        return [i * n // min(n, _CALIBRATION_MAPS) for i in range(min(n, _CALIBRATION_MAPS))]

    def calibration(self) -> Calibration:
        """Return which maps these are."""
        triplets = [self.dataset.triplets[i] for i in self.indices()]
        fit = json_text(self.dataset.config.to_dict())
        together = f"{contents_sha256(read_contents(triplets, silent))}\n{fit}"
        return Calibration(
            maps=tuple(image_name(each) for each in triplets), sha256=hashlib.sha256(together.encode()).hexdigest()
        )

    def feeds(self) -> Iterator[Feed]:
        """Yield what the graph is given for each of them."""
        places = [[(0, i)] for i in self.indices()]
        for batch in load_batches(self.dataset, places, torch.device("cpu")):
            yield graph_feed(batch, None if self.features is None else self.features(batch))


class CheckpointGraphs:
    """Makes the graphs of one checkpoint.

    `folder`: of the run. `path`, `checkpoint`, `sha256`: of the checkpoint. `note`: told what is made and kept.
    """

    def __init__(self, folder: Path, path: Path, checkpoint: Checkpoint, sha256: str, note: Note) -> None:
        self._folder, self._note = folder / GRAPHS, note
        self._path, self._checkpoint, self._sha256 = path, checkpoint, sha256

    def given(self, path: Path, precision: str) -> Graph:
        """Read a graph of the user's; raise `InputError` unless it is of this checkpoint, in that precision."""
        require_graph_precision(precision)
        described = describe_graph(self._checkpoint.config, self._sha256, precision)
        return read_graph(path, described, any_calibration=True)

    def of(self, precision: str, calibrating: Calibrating | None = None) -> Graph:
        """Return the graph in a precision: the one that was kept, if it is of this checkpoint and whole.

        `calibrating`: for int8. Raises `InputError` if a package is missing, or the checkpoint's network does not fit.
        """
        require_graph_precision(precision)
        import_onnx("--engine onnxruntime")
        calibration = None if calibrating is None else calibrating.calibration()
        described = describe_graph(self._checkpoint.config, self._sha256, precision, calibration)
        if calibrating is not None:
            described["activations"] = json.dumps({"symmetric": calibrating.symmetric, "style": calibrating.style})
        path = self._folder / f"{precision}.onnx"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            return self._make(precision, calibrating, described)  # a folder that is only read from
        with hold_file(path, patience=_PATIENCE):
            try:
                return read_graph(path, described)
            except InputError:
                if path.exists():
                    self._note(f"{path} is of another checkpoint or damaged: it is made again.")
            graph = self._make(precision, calibrating, described)
            try:
                write_graph(path, graph)
            except InputError as error:
                self._note(f"The graph is not kept: {error}")
            return graph

    def _make(self, precision: str, calibrating: Calibrating | None, described: dict[str, str]) -> Graph:
        model = onnx_graph(
            self._generator(),
            self._checkpoint.config,
            dtype=_DTYPES.get(precision, torch.float32),
            opset=opset_of(precision),
            metadata=described,
        )
        if calibrating is not None:
            self._note(f"int8: calibrated on {len(calibrating.indices())} training maps.")
            model = quantise(model, calibrating.feeds(), described, symmetric=calibrating.symmetric)
        return as_graph(model)

    def _generator(self) -> GlobalGenerator | LocalEnhancer:
        generator = unloaded_generator(self._checkpoint.config)
        load_network(generator, self._checkpoint.networks["G"], f"{self._path}, G")
        return generator
