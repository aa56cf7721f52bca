"""What the other commands write with `--json`: training, generation, segmenters, data, features, cache and weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from p2phd_eval.features.feature_set import FeatureStamp
from p2phd_eval.generators.data.validation import PhaseReport
from p2phd_eval.generators.training.run_log import LogRecord
from p2phd_eval.images.condition_ids import SampleCounts
from p2phd_eval.images.image_folder import Calibration, Manifest
from p2phd_eval.report.documents.document import Document, from_result

if TYPE_CHECKING:
    from p2phd_eval.config import TrainConfig
    from p2phd_eval.generators.training.estimate import Estimate


class TrainDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/train"):
    """How a call of `train` ended."""

    run: str
    checkpoint: str
    step: int
    total_steps: int
    stopped_by: int | None  # number of the signal
    skipped_steps: dict[str, int]
    device: str
    config: dict[str, Any]
    versions: dict[str, str]
    last_record: LogRecord | None


class StepMemory(Struct, frozen=True, kw_only=True):
    """What a training step is expected to need on one rank, bytes."""

    size: tuple[int, int]  # width and height of the networks' input, pixels
    samples: int
    parameters: dict[str, int]
    weights: int
    gradients: int
    optimizer: int
    activations: int
    total: int


class DryRunDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/train-dry-run"):
    """What a training would be."""

    config: dict[str, Any]
    n_samples: int
    steps_per_epoch: int
    total_steps: int
    estimate: StepMemory


class GenerateDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/generate"):
    """How a call of `generate` ended."""

    folder: str
    written: int
    kept: int
    remade: int
    removed: int
    size: tuple[int, int]
    manifest: Manifest


class ClassClusters(Struct, frozen=True, kw_only=True):
    """The clusters of one class."""

    label: int = field(name="class")
    regions: int
    clusters: int


class ClusterDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/encode-cluster"):
    """Clusters of encoded features."""

    file: str
    checkpoint_sha256: str
    phase: str
    n_clusters: int
    classes: tuple[ClassClusters, ...]


class PrecomputeDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/encode-precompute"):
    """How a call of `encode precompute` ended."""

    folder: str
    written: int
    kept: int
    manifest: dict[str, Any]


class ConvertDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/convert"):
    """A checkpoint that was converted."""

    source: str
    files: tuple[str, ...]
    networks: dict[str, int]  # number of tensors
    config: dict[str, Any]
    sources: dict[str, str]  # where each setting comes from
    notes: tuple[str, ...]


class HeldOutScores(Struct, frozen=True, kw_only=True):
    """How a segmenter reads photos that it was not trained on."""

    photos: int
    pixel_accuracy: float  # percent
    mean_iou: float  # percent, over the classes that their label maps have
    iou: tuple[float | None, ...]  # percent, in the order of the classes; null: it occurs nowhere


class SegmentTrainDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/segment-train"):
    """A segmenter that was trained, or was there already."""

    file: str
    sha256: str  # of the file; `segment score` calls it the segmenter's identity
    classes: tuple[str, ...]
    photos: int  # that it was trained on
    data_sha256: str  # of the names and contents of photos and label maps
    width: int  # pixels, at which it reads photos
    channels: int  # of the network's first layer
    depth: int  # how often it halves the photos
    steps: int
    batch_size: int
    learning_rate: float
    seed: int
    ignore: tuple[int, ...]  # labels that stood for no class
    held_out: HeldOutScores


class GraphCheckDocument(Struct, frozen=True, kw_only=True):
    """How far a graph is from torch in float32."""

    images: int
    width: int
    height: int
    largest: float  # difference of a value, as a share of the range of values
    psnr: float | None  # in decibels; null where nothing differs


class ExportDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/export-onnx"):
    """A generator that was written as an ONNX file."""

    file: str
    sha256: str
    size: int  # bytes
    precision: str
    opset: int
    checkpoint_sha256: str
    inputs: dict[str, str]  # by name: dtype and axes
    size_multiple: int  # width and height are multiples of it
    calibration: Calibration | None  # of an int8 graph
    checks: tuple[GraphCheckDocument, ...]  # none where this machine has nothing that runs the graph


class SynthesizeDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/data-synthesize"):
    """A data set that was drawn."""

    folder: str
    n_train: int
    n_test: int
    width: int
    height: int
    seed: int
    classes: tuple[str, ...]


class FacesDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/edit-faces"):
    """A phase of faces that was drawn from their points."""

    folder: str
    phase: str
    maps: str  # edges or parts
    n: int  # faces
    without_face: tuple[str, ...]  # photos that were left out: no landmarks are given, or no face was found
    several_faces: tuple[str, ...]  # photos of which the largest face was taken


class CelebAMaskDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/data-celebamask"):
    """A data set that was made of CelebAMask-HQ."""

    folder: str
    n: dict[str, int]  # faces by phase
    n_missing: int  # faces of its list whose photo is not there
    classes: tuple[str, ...]


class EditApplyDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/edit-apply"):
    """How a call of `edit apply` ended."""

    folder: str
    images: int  # that have edits, all of the edited data set
    edits: int
    written: bool  # false: it was there already


class EditRandomDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/edit-random"):
    """How a call of `edit random` ended."""

    script: str
    edits: int
    images: int  # that have edits
    wanted: int  # edits that were asked for; an image that has no place for more has fewer
    by_kind: dict[str, int]
    data_sha256: str  # of names and contents of the label and instance maps


class ValidateDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/data-validate"):
    """What is wrong with a data set."""

    folder: str
    label_nc: int
    instances: bool
    phases: tuple[PhaseReport, ...]
    n_problems: int
    n_warnings: int = 0


class FeaturesDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/features"):
    """Features that were written."""

    file: str
    statistics: bool  # mean and covariance alone
    shard: str | None = None  # such as "0/8": of this share of the images alone
    samples: SampleCounts | None = None  # None where conditions have no seeds, or of statistics
    stamp: FeatureStamp


class CachedFeatures(Struct, frozen=True, kw_only=True):
    """A feature set of the cache."""

    digest: str
    source: str
    weights: str
    resize: str
    dims: int
    dtype: str
    n: int
    size: int  # bytes
    last_used: str  # ISO 8601


class CachedObjects(Struct, frozen=True, kw_only=True):
    """What is kept of objects of stores that were read."""

    folder: str
    parts: int  # of up to 1 MiB
    size: int  # bytes
    limit: int  # bytes that are kept at most


class CacheListDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/cache-list"):
    """The features kept between runs, and what is kept of objects of stores."""

    folder: str
    size: int  # bytes of all features
    objects: CachedObjects
    entries: tuple[CachedFeatures, ...]


class CacheClearDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/cache-clear"):
    """What was removed from the cache."""

    folder: str
    removed: int
    freed: int  # bytes
    in_use: int
    objects_freed: int  # bytes of parts of objects of stores


class WeightsPlace(Struct, frozen=True, kw_only=True):
    """One of the places where weights are looked for."""

    name: str
    location: str  # file, URL or command
    available: bool
    note: str


class WeightsListDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/weights-list"):
    """Where weights are looked for, in order."""

    sources: tuple[WeightsPlace, ...]


class WeightsFetchDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/weights-fetch"):
    """Weights that are at hand."""

    path: str
    source: str
    weights_sha256: str


class WeightsVerifyDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/weights-verify"):
    """Whether weights are FID's."""

    path: str
    source: str
    file_sha256: str
    weights_sha256: str
    layers: int
    standard: bool
    feature_error: float
    feature_tolerance: float
    ok: bool


def dry_run_document(config: TrainConfig, estimate: Estimate, *, n_samples: int) -> DryRunDocument:
    """Return the document of a dry run; `n_samples` is the size of the data set."""
    steps = n_samples // config.batch_size
    return DryRunDocument(
        config=config.to_dict(),
        n_samples=n_samples,
        steps_per_epoch=steps,
        total_steps=steps * config.total_epochs,
        estimate=from_result(StepMemory, estimate),
    )
