"""The document of `study --dry-run`: what a study is going to do, and what that takes."""

from msgspec import Struct

from p2phd_eval.report.documents.document import Document


class PlannedArm(Struct, frozen=True, kw_only=True):
    """The runs of one arm."""

    name: str
    runs: int
    command: bool  # whether its runs are commands, or trained by pix2pixHD
    seconds: float | None  # of one run; null: it does not fit into memory, or of a command: not known yet


class PlannedNode(Struct, frozen=True, kw_only=True):
    """A node of a cluster."""

    host: str
    cpus: float
    gpus: float
    gpu_kind: str | None
    memory: float  # bytes, for runs


class PlannedCluster(Struct, frozen=True, kw_only=True):
    """What a cluster has, and what a run takes of it."""

    nodes: tuple[PlannedNode, ...]
    cpus: float  # of a run, as are those below
    gpus: float
    memory: float  # bytes; 0: it asks for none
    at_once: int  # runs that have room


class StudyDryRunDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/study-dry-run"):
    """What a study is going to do, and what that takes."""

    arms: tuple[PlannedArm, ...]
    left: int  # runs that have not ended
    devices: tuple[str, ...]  # runs go side by side on them; one that takes several stands there as often
    cluster: PlannedCluster | None  # where one makes the runs
    steps: int  # that one run of pix2pixHD trains
    stages: dict[str, float] | None  # seconds of all that is left, by stage; null where an arm does not fit
    seconds: float | None  # of all stages
    one_by_one: float | None  # seconds of all runs that are left, one after the other
    memory: int | None  # bytes of a training step of pix2pixHD in fp32
    disk: int  # bytes of all runs
