"""The documents of a study: its plan, what it is compared from, and its report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from msgspec import UNSET, Struct, UnsetType, field

from p2phd_eval.features.feature_set import FeatureStamp
from p2phd_eval.report.documents.arm_documents import ArmKind, CommandArm
from p2phd_eval.report.documents.bench_documents import BenchDocument
from p2phd_eval.report.documents.comparison_documents import CompareDocument
from p2phd_eval.report.documents.document import Document, from_result
from p2phd_eval.report.documents.edit_documents import EditCompareDocument
from p2phd_eval.report.documents.floor_documents import FloorDocument
from p2phd_eval.report.documents.segment_documents import SegmentDocument, StudySegmenter
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.stats.verdicts.equivalence import Verdict
from p2phd_eval.stats.verdicts.margins import Margin
from p2phd_eval.stats.verdicts.scope import Scope

if TYPE_CHECKING:
    from p2phd_eval.quality.run_quality import RunQuality
    from p2phd_eval.stats.verdicts.paired_means import MeanDifference

#: The precision in which every run of pix2pixHD generates, so that training alone tells the arms apart.
COMMON_SAMPLING = "fp32"

Status = Literal["finished", "diverged", "out_of_memory", "killed", "failed", "timed_out"]


class StudyDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/study"):
    """The plan of a study, by which it goes on."""

    again: ClassVar[str] = "Begin a new study folder: p2phd-eval study DATA --out STUDY"

    data: str
    data_sha256: str
    base: dict[str, Any] | None  # the configuration of pix2pixHD's runs, but for precision and seed; None: no data set
    arms: tuple[str, ...]
    made_by: dict[str, ArmKind] = field(
        default_factory=dict
    )  # arms of an arms file, by name; the others are precisions
    conditions: str | None = None
    conditions_sha256: str | None = None
    seeds: tuple[int, ...]
    generation: tuple[str, ...] = ()  # a study of before had none
    repeat: bool
    judge: Estimand = Estimand.FID_AT_N  # what the verdict is about; a study of version 2 knew no other
    margin: str | None
    cluster_by: str | None
    confidence: float
    edits: str | None = None  # script of edits of the test maps; a study of before had none
    segmenter: StudySegmenter | None = None  # who segments the samples; likewise
    command: str


class SampledArm(Struct, frozen=True, kw_only=True):
    """The same weights, sampled in several ways: those of one arm in reduced precisions, or by other commands."""

    arm: str
    document: CompareDocument


class Comparisons(Struct, frozen=True, kw_only=True):
    """What a study compares; None where runs are missing."""

    training: CompareDocument | None  # every arm that is trained against the baseline; pix2pixHD's generated in fp32
    sampling: tuple[SampledArm, ...]
    benign: CompareDocument | UnsetType = UNSET  # the arms that ought to change nothing, where there are some
    repeat: CompareDocument | None  # the baseline's first seed against itself, made again


class ComparisonsDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/study-comparisons"):
    """What a study's report tells of its comparisons."""

    oldest: ClassVar[int] = 3  # as of what it holds

    training: CompareDocument | None
    sampling: tuple[SampledArm, ...]
    benign: CompareDocument | UnsetType = UNSET
    repeat: CompareDocument | None
    notes: tuple[str, ...] = ()  # such as why there is no block FID


class PaceDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/study-pace"):
    """How many seconds a machine takes for what a study does beside training steps."""

    start: float  # of a process, until its networks are there
    generate: dict[str, float]  # an image, by precision
    features: float  # of an image
    comparison: float  # a set of generated images
    quality: float  # an image of a pair


class Metric(Struct, frozen=True, kw_only=True):
    """What compares two images."""

    name: str
    unit: str  # empty: none
    better: str  # "higher" or "lower"
    network: str | None
    weights_sha256: str | UnsetType | None = UNSET  # of the network's; a report of before did not say


class QualityDifference(Struct, frozen=True, kw_only=True):
    """Mean of an arm minus mean of the baseline."""

    estimate: float
    se: float
    interval: tuple[float, float]
    p_value: float
    p_holm: float  # adjusted for all candidates of the metric
    scope: Scope


class ToPhoto(Struct, frozen=True, kw_only=True):
    """The distance of an arm's samples to the real photos."""

    metric: str
    arm: str
    mean: float
    se: float
    difference: QualityDifference | None  # None for the baseline


class BetweenRuns(Struct, frozen=True, kw_only=True):
    """The distance between the samples of two runs."""

    metric: str
    pair: str
    mean: float
    se: float
    interval: tuple[float, float]
    pairs_of_runs: int


class Quality(Struct, frozen=True, kw_only=True):
    """Quality image by image."""

    metrics: tuple[Metric, ...]
    to_photo: tuple[ToPhoto, ...]
    between: tuple[BetweenRuns, ...]
    notes: tuple[str, ...]  # such as why LPIPS was left out


class QualityDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/study-quality"):
    """What a study's report tells of quality; None where no run of the baseline finished."""

    oldest: ClassVar[int] = 3

    quality: Quality | None


class ArmVerdict(Struct, frozen=True, kw_only=True):
    """The verdict on a candidate; None where no run of it finished."""

    arm: str  # in a study of one arm a way in which it generates, by its name in the comparisons
    verdict: Verdict  # the comparison's, unless failed runs changed it
    sentence: str
    scope: Scope | None
    judged: Estimand | None
    estimate: float | None
    interval: tuple[float, float] | None
    tost_interval: tuple[float, float] | None
    confidence: float
    margin: Margin | None
    runs: int  # planned
    failed: int
    why_changed: str | None


class StudyRun(Struct, frozen=True, kw_only=True):
    """One run of a study; folders are relative to the study's."""

    name: str
    arm: str
    seed: int
    repeat: bool  # the baseline's first seed once more
    precision: str | None  # None: it was run as commands
    arithmetic: str | UnsetType = UNSET  # "native" or "emulated"; of an earlier version unknown
    status: Status
    why: str | None
    folder: str
    samples: dict[str, str]  # by precision of generation
    checkpoint_sha256: str | None
    steps: int
    skipped_steps: dict[str, int]
    fid: float | None  # FID@n of its samples; of pix2pixHD's those that were generated in fp32

    @property
    def failed(self) -> bool:
        """Whether there are no samples to compare."""
        return self.status != "finished"


class FidOverEpochs(Struct, frozen=True, kw_only=True):
    """FID@n of the test photos in the course of a training, by columns; nothing is chosen by it."""

    epoch: tuple[int, ...]  # from 1
    step: tuple[int, ...]
    fid: tuple[float, ...]  # of samples generated in fp32
    fid_se: tuple[float, ...]  # images random
    n: int


class Curves(Struct, frozen=True, kw_only=True):
    """The log of a run, by columns."""

    step: tuple[int, ...]
    losses: dict[str, tuple[float | None, ...]]
    loss_scale: dict[str, tuple[float | None, ...]]
    skipped_steps: dict[str, tuple[int, ...]]
    fid: FidOverEpochs | None = None  # with --validate-every


class Pictures(Struct, frozen=True, kw_only=True):
    """Where the page finds pictures of the test data."""

    labels: str | None  # None: there are no label maps
    photos: str | None  # None: there are no real images
    label_nc: int


class Arm(Struct, frozen=True, kw_only=True):
    """An arm of a study."""

    name: str
    precision: str | None  # None: it was run as commands
    command: CommandArm | UnsetType = UNSET
    benign: bool | UnsetType = UNSET  # it ought to change nothing, and is not judged


class Processor(Struct, frozen=True, kw_only=True):
    """What a study ran on."""

    processor: str
    cores: int | None
    threads: int


class WhatWasRun(Struct, frozen=True, kw_only=True):
    """What a study's numbers are of."""

    data: str
    data_sha256: str
    n_train: int
    n_test: int
    config: dict[str, Any]
    arms: tuple[Arm, ...]  # the baseline first
    # Precisions that were asked for beside fp32; none: each arm in its own. A report of before does not say.
    generation: tuple[str, ...] | UnsetType = UNSET
    seeds: tuple[int, ...]
    device: str
    machine: Processor
    versions: dict[str, str | None]
    weights: FeatureStamp | None
    command: str


class StageSeconds(Struct, frozen=True, kw_only=True):
    """How long the stages of a run took."""

    train: float | None
    generate: float
    features: float


class GenerationCost(Struct, frozen=True, kw_only=True):
    """What generating took; None where it is not known."""

    images_per_second: float | None  # of the networks, without the start
    peak_memory_bytes: int | None  # allocated on a CUDA device
    generator_bytes: int | None  # on the disk: the ONNX graph, or the generator's weights in the checkpoint


class RunSpeed(Struct, frozen=True, kw_only=True):
    """Speed and memory of a run."""

    images_per_second: float | None  # while training
    peak_memory_bytes: int | None
    seconds: StageSeconds
    # By precision or engine, the common one first; a report of before does not say.
    generation: dict[str, GenerationCost] | UnsetType = UNSET


class Speed(Struct, frozen=True, kw_only=True):
    """Everything that is measured in time."""

    made_at: str  # ISO 8601
    runs: dict[str, RunSpeed]
    bench: BenchDocument | None


class ReportDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/report"):
    """A finished study."""

    again: ClassVar[str] = "Make it from its study's files: p2phd-eval report STUDY"
    oldest: ClassVar[int] = 3  # as of the comparisons that it holds

    name: str  # what the data set is called
    verdicts: tuple[ArmVerdict, ...]
    comparisons: Comparisons
    runs: tuple[StudyRun, ...]
    quality: Quality | None
    curves: dict[str, Curves]
    pictures: Pictures
    what_was_run: WhatWasRun
    notes: tuple[str, ...]
    edits: EditCompareDocument | UnsetType = UNSET  # with --edits, where arms have runs of common seeds
    segmentation: SegmentDocument | UnsetType = UNSET  # with --segmenter, where the baseline has a run
    floor: FloorDocument | UnsetType = UNSET  # where an arm is benign, and it and others have runs of common seeds
    speed: Speed

    @property
    def arms(self) -> list[str]:
        """The names of all arms, the baseline first."""
        return [arm.name for arm in self.what_was_run.arms]

    @property
    def compared(self) -> Iterator[tuple[str, str | None, CompareDocument]]:
        """What each comparison is about, the arm that it is of where it is of one alone, and its document."""
        found = self.comparisons
        if found.training is not None:
            yield "training", None, found.training
        for each in found.sampling:
            yield "generation", each.arm, each.document
        if found.benign is not UNSET:
            yield "benign", None, found.benign
        if found.repeat is not None:
            yield "same seed again", self.arms[0], found.repeat

    @property
    def has_commands(self) -> bool:
        """Whether some arm is run as commands, or was there already."""
        return any(arm.precision is None for arm in self.what_was_run.arms)

    @property
    def trains(self) -> bool:
        """Whether some arm is pix2pixHD, whose precisions a CPU emulates."""
        return any(arm.precision is not None for arm in self.what_was_run.arms)

    @property
    def question(self) -> str:
        """What the study asks."""
        return "Do these changes hurt?" if self.has_commands else "Does reduced precision hurt?"

    @property
    def judged_in(self) -> dict[str, CompareDocument]:
        """The comparison that each verdict is from, by arm; those of which nothing could be compared are not in it."""
        arms = {entry.arm for entry in self.verdicts}
        training = self.comparisons.training
        found = [each.document for each in self.comparisons.sampling]
        found += [] if training is None else [training]
        return {each.name: document for document in found for each in document.candidates if each.name in arms}

    @property
    def main(self) -> CompareDocument | None:
        """The comparison that the report begins with: of the trained arms, or else of those of the same weights."""
        judged = self.judged_in
        found = (judged[entry.arm] for entry in self.verdicts if entry.arm in judged)
        return self.comparisons.training or next(found, None)

    def runs_of(self, arm: str) -> list[StudyRun]:
        """Return the runs of an arm, without the one that is the first seed once more."""
        return [run for run in self.runs if run.arm == arm and not run.repeat]

    def speeds_of(self, arm: str) -> list[RunSpeed]:
        """Return the speeds of these runs."""
        return [self.speed.runs[run.name] for run in self.runs_of(arm)]

    @property
    def on_cpu(self) -> bool:
        """Whether it was made on a CPU, whose speed says nothing about a GPU."""
        return self.what_was_run.device.startswith("cpu")


def quality_part(quality: RunQuality) -> Quality:
    """Return the quality of all runs, image by image."""
    return Quality(
        metrics=tuple(from_result(Metric, metric) for metric in quality.metrics),
        to_photo=tuple(
            from_result(
                ToPhoto,
                row,
                mean=row.mean.value,
                se=row.mean.error.value,
                difference=None if row.difference is None else _difference(row.difference, row.p_holm),
            )
            for row in quality.to_photo
        ),
        between=tuple(
            from_result(
                BetweenRuns,
                row,
                pair=row.kind,
                mean=row.mean.value,
                se=row.mean.error.value,
                interval=row.mean.interval,
            )
            for row in quality.between
        ),
        notes=quality.notes,
    )


def _difference(difference: MeanDifference, p_holm: float | None) -> QualityDifference:
    return from_result(QualityDifference, difference, se=difference.error.value, p_holm=p_holm)
