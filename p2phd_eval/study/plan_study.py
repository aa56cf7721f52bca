"""The plan of a study from what was asked: a new one, or the one in its folder with more arms or seeds."""

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from p2phd_eval.config import TrainConfig
from p2phd_eval.devices import describe_device, find_device
from p2phd_eval.errors import InputError, require_at_least
from p2phd_eval.features.weights.find import find_weights
from p2phd_eval.files import file_sha256
from p2phd_eval.generators.data.triplets import find_triplets
from p2phd_eval.generators.training.precision import amp_name
from p2phd_eval.images.conditions import read_conditions
from p2phd_eval.presets import configure
from p2phd_eval.progress import Note, ProgressFactory, silent, unheard
from p2phd_eval.report.documents.arm_documents import PrecisionArm
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.stats.verdicts.compared_arms import require_judgeable
from p2phd_eval.stats.verdicts.margins import parse_margin
from p2phd_eval.study.arms_file import arms_file_of, read_arms_file
from p2phd_eval.study.artefacts import data_sha256, describe_change
from p2phd_eval.study.effort import Effort, effort, measure, step_seconds
from p2phd_eval.study.executors.cluster_room import ClusterRoom
from p2phd_eval.study.metric_weights import USUAL_WEIGHTS, MetricWeights
from p2phd_eval.study.pace import measure_pace
from p2phd_eval.study.real_images import is_data_set, read_real
from p2phd_eval.study.run_files import ended
from p2phd_eval.study.study_edits import require_script
from p2phd_eval.study.study_plan import (
    PLAN_FILE,
    PlannedRun,
    StudyPlan,
    continue_plan,
    load_plan,
    other_data,
    require_data,
)
from p2phd_eval.study.study_request import StudyRequest
from p2phd_eval.study.study_segmentation import require_segmenter
from p2phd_eval.study.training_photos import require_reference

_SEEDS = (0, 1, 2)  # of a study that was asked for none
_AS_USUAL = StudyRequest()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Forecast:
    """What a study takes on this machine."""

    plan: StudyPlan
    left: tuple[PlannedRun, ...]  # the runs that have not ended
    effort: Effort
    devices: tuple[str, ...]  # runs go side by side on them; one that takes several stands there as often
    weights_sha256: str  # of Inception's weights
    cluster: ClusterRoom | None = None  # of Ray, where it makes the runs

    @property
    def total_seconds(self) -> float | None:
        """The time of all that is left to do, from the first run to the report; None where an arm does not fit."""
        seconds = self.effort.seconds
        return None if seconds is None else sum(seconds.values())


def plan_study(
    data: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] = "study",
    request: StudyRequest = _AS_USUAL,
    *,
    device: str | torch.device | None = None,
    progress: ProgressFactory = silent,
    on_data: Callable[[Mapping[str, str]], None] = lambda files: None,
) -> StudyPlan:
    """Plan a study as `run_study` does, which says what the parameters mean; nothing is written.

    `request`: what of these there is to say. `on_data`: called with the hash of each file of the data, by its name
    below the data set.

    Raises
    ------
    InputError
        If the data or an option cannot be used, or the study in `out` is another one.
    """
    out, torch_device = Path(out), find_device(device)
    file, own = arms_file_of(request.arms), list[str]()
    goes_on = (out / PLAN_FILE).exists() or (data is None and file is None)
    before = load_plan(out) if goes_on else None
    changes = request.changes(torch_device)
    root: Path | None
    if data is not None:
        root, base = Path(data).resolve(), _configure(Path(data), request, file, before)
    else:
        root, base = _kept_data(out, request, before)
    if file is not None:
        changes |= _from_file(file, out, changes.get("seeds", _SEEDS if before is None else before.seeds), progress)
        own = [name for name, arm in changes["made_by"].items() if isinstance(arm, PrecisionArm)]
        if base is None and own:
            raise InputError(
                str(root or "REAL" if data is None else data),
                expected=f"a data set in pix2pixHD's layout, from which {', '.join(own)} can be trained",
                found="no real images" if root is None else "real images alone" if root.exists() else "nothing there",
            )
    if base is None and root is not None and out.resolve().is_relative_to(root):
        raise InputError(
            f"--out {out}",
            expected=f"a folder outside of the real images {root}, among which its samples would be",
            found="one in it",
        )
    if base is not None and root is not None:
        trains = own if file is not None else request.arms is not None or before is None or before.precisions
        _require_triplets(root, base, (base.data.phase, "test") if trains else ("test",), progress)
    with progress("read the data", "files") as on_progress:
        files = {} if root is None else read_real(root, None if base is None else base.data, on_progress)
    on_data(files)
    changes |= {"data": "" if root is None else str(root), "data_sha256": data_sha256(files)}
    if before is not None:
        now = dataclasses.replace(before, **changes, base=base)
        if now.data_sha256 != before.data_sha256:
            difference = "" if root is None else describe_change(out, before.data_sha256, root, files)
            raise other_data(before, now, str(out), difference)
        continue_plan(before, now, str(out))
        # The switches of the beginning too: how steps are computed stays as it was.
        plan = dataclasses.replace(before, **changes)
    else:
        usual = {"arms": ("fp32", amp_name(torch_device)), "seeds": _SEEDS}
        plan = StudyPlan(**{**usual, **changes}, base=base, command=request.command)
    if len(plan.arms) < 2 and (not plan.generation or plan.edits is not None):
        raise InputError(
            "--arms",
            expected="a baseline and one candidate or more" + (", whose edits are compared" if plan.generation else ""),
            found=plan.arms[0],
            fix="For example: --arms fp32,amp-fp16. One arm is enough for ways of generation: --generation onnx-int8",
        )
    if plan.generation and plan.arms[0] not in plan.precisions:
        raise InputError(
            "--generation",
            expected=f"a baseline that is pix2pixHD, not {plan.arms[0]}",
            found=", ".join(plan.generation),
        )
    if plan.judge is Estimand.BLOCK_FID:
        require_reference(plan)
    require_judgeable(plan.judge, parse_margin(plan.margin), has_reference=True, clip=False)
    if plan.edits is not None:
        require_script(plan, progress)
    if plan.segmenter is not None:
        require_segmenter(plan, torch_device)
    return plan


def forecast_study(
    plan: StudyPlan,
    out: str | os.PathLike[str] = "study",
    *,
    device: str | torch.device | None = None,
    weights: MetricWeights = USUAL_WEIGHTS,
    jobs: int = 1,
    keep: bool = False,
    progress: ProgressFactory = silent,
    note: Note = unheard,
) -> Forecast:
    """Say what a study takes, from a few training steps of each arm and a few images.

    Parameters
    ----------
    plan : StudyPlan
    out : path-like
        Its folder; the measurement of a study that began is used again.
    device : str or torch.device, optional
        By default all CUDA devices, or mps or cpu.
    weights : MetricWeights
        Those that are not the cache's; all are looked for, and fetched if need be.
    jobs : int
        Runs at a time on each device.
    keep : bool
        Measure what the report tells as well, also at twice the batch size, and keep it in the folder.
    progress : ProgressFactory
    note : callable
        Told the device, and how long the measurement may take.

    Raises
    ------
    InputError
        If the data or weights cannot be used, or the device cannot run an arm.
    """
    torch_device = find_device(device)
    every = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch_device.type == "cuda" else []
    devices = every if every and device is None else [str(torch_device)]
    require_at_least(1, {"--jobs": jobs})
    note(f"device: {', '.join(describe_device(torch.device(name)) for name in devices)}")
    if torch_device.type == "cpu" and plan.precisions:
        note("A CPU shows the quality of reduced precision, not its speed.")
    # The cheap failure first: without weights, a night of training would end in an error.
    with progress("fetch Inception weights", "bytes") as on_progress:
        weights_sha256 = find_weights(weights.features, on_progress=on_progress).sha256
    study, on = Path(out), torch.device(devices[0])
    left = tuple(run for run in plan.runs if not ended(study, plan, run, weights_sha256))
    if left:
        _warn_of_few_seeds(plan, note)
    measured = measure(study, plan, device=on, keep=keep, progress=progress, note=note)
    steps = [seconds for seconds in step_seconds(plan, measured).values() if seconds is not None]
    pace = None
    if left and steps and len(steps) == len(plan.precisions):
        pace = measure_pace(
            study, plan, step_seconds=max(steps), device=on, weights=weights, keep=keep, progress=progress
        )
    return Forecast(
        plan=plan,
        left=left,
        effort=effort(study, plan, measured, pace, left=left, at_once=jobs * len(devices)),
        devices=tuple(devices) * jobs,
        weights_sha256=weights_sha256,
    )


def _kept_data(out: Path, request: StudyRequest, before: StudyPlan | None) -> tuple[Path | None, TrainConfig | None]:
    """The data and the configuration of a study that goes on; none where arms are held against each other."""
    unused = request.given_settings + ["preset"] * (request.preset != _AS_USUAL.preset)
    if unused:
        raise InputError(
            f"--{unused[0].replace('_', '-')}",
            expected="DATA before it: a study that goes on keeps its configuration",
            found="none",
        )
    if before is None or not before.data:
        return None, None
    require_data(out, before)
    return Path(before.data).resolve(), before.base


def _configure(root: Path, request: StudyRequest, file: Path | None, before: StudyPlan | None) -> TrainConfig | None:
    """The configuration of pix2pixHD's runs; None for real images that are no data set, which commands can do with."""
    commands = file is not None or (request.arms is None and before is not None and before.made_by)
    if not commands or is_data_set(root):
        return configure(root, request.preset, **request.settings)
    unused = request.given_settings
    if unused:
        raise InputError(
            f"--{unused[0].replace('_', '-')}",
            expected=f"a data set in pix2pixHD's layout as REAL, since it is an option of its training; {root} holds "
            "real images",
            found="it",
            fix="Leave it out: commands have their own options.",
        )
    return None


def _from_file(file: Path, out: Path, seeds: Sequence[int], progress: ProgressFactory) -> dict[str, Any]:
    """What an arms file says of a plan."""
    with progress("read the arms and what they are made from", "files") as on_progress:
        read = read_arms_file(file, seeds=len(seeds))
        on_progress(1, 1)
    for name, arm in read.arms.items():
        if isinstance(arm, PrecisionArm):
            continue
        for given in arm.inputs:
            if out.resolve().is_relative_to(Path(arm.folder, given).resolve()):
                raise InputError(
                    f"{file}, inputs of {name}",
                    expected="files that stay as they are while the study is made",
                    found=f"{given!r}, which holds the study's own folder {out}",
                    fix="Name what the command reads, or choose another --out.",
                )
    conditions = None if read.conditions is None else str(read.conditions.resolve())
    if conditions is not None:
        read_conditions(conditions)
    return {
        "arms": tuple(read.arms),
        "made_by": read.arms,
        "conditions": conditions,
        "conditions_sha256": None if conditions is None else file_sha256(conditions),
    }


def _require_triplets(root: Path, base: TrainConfig, phases: Sequence[str], progress: ProgressFactory) -> None:
    with progress("look through the data", "phases") as on_progress:
        for done, phase in enumerate(phases, start=1):
            find_triplets(root, phase, base.data, photos=True)
            on_progress(done, len(phases))


def _warn_of_few_seeds(plan: StudyPlan, note: Note) -> None:
    """Say before a night of training that its verdict cannot be the one that is hoped for."""
    # Arms of the same weights have no spread of trainings, whatever the number of seeds.
    recipes = set(plan.retrained) - set(plan.benign)
    if plan.margin not in (None, "seeds") or len(plan.seeds) > 2 or not recipes or not plan.data:
        return
    why = "one run shows no spread of seeds" if len(plan.seeds) == 1 else "two runs say too little about their spread"
    note(
        f"With --seeds {len(plan.seeds)} and the margin from the baseline's seeds, no arm can come out as within the "
        f"error range: {why}. Three seeds or more can show it, or a margin set now, such as --margin 2%."
    )
