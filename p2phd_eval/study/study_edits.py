"""The part of a study that is about edits: whether they widen the gaps between its arms."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from p2phd_eval.editing.compare_edits import compare_edits
from p2phd_eval.editing.paired_runs import require_fitting
from p2phd_eval.editing.script import read_script, scenes_for
from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.arms import ArmFolders
from p2phd_eval.generators.sampling.styles import cluster_styles
from p2phd_eval.progress import ProgressFactory
from p2phd_eval.report.documents.edit_documents import EditCompareDocument
from p2phd_eval.report.documents.study_documents import COMMON_SAMPLING
from p2phd_eval.report.edit_report import write_edit_report
from p2phd_eval.study.outcome import Outcome
from p2phd_eval.study.run_files import run_folder
from p2phd_eval.study.study_plan import StudyPlan

_FOLDER = "edits"  # below the study's


def require_script(plan: StudyPlan, progress: ProgressFactory) -> None:
    """Raise `InputError` unless the script of a plan is of its test maps, and can be done by its runs."""
    assert plan.edits is not None
    if plan.base is None or len(plan.precisions) < len(plan.arms):
        found = ", ".join(arm for arm in plan.arms if arm not in plan.precisions)
        raise InputError("--edits", expected="arms that are all pix2pixHD, whose maps are edited", found=found)
    script = read_script(Path(plan.edits))
    if script.phase != "test":
        raise InputError(
            f"{plan.edits}, phase", expected="'test', whose maps a study compares", found=repr(script.phase)
        )
    require_fitting(plan.base, script, "--edits")
    scenes_for(script, plan.data, plan.edits, progress)


def arms_of_edits(study: Path, plan: StudyPlan, outcomes: Mapping[str, Outcome]) -> tuple[ArmFolders, ...]:
    """Return the arms whose edits are compared, the baseline first, with their run folders of common seeds.

    Seeds of which some arm's run failed are left out, and arms of which no run finished; none where nothing is left.
    """
    done = {(run.arm, run.seed): run for run in plan.runs if not run.repeat and not outcomes[run.name].failed}
    arms = [arm for arm in plan.arms if any(each == arm for each, _ in done)]
    seeds = [seed for seed in plan.seeds if all((arm, seed) in done for arm in arms)]
    if plan.arms[0] not in arms or len(arms) < 2 or not seeds:
        return ()
    return tuple(
        ArmFolders(name=arm, folders=tuple(run_folder(study, done[arm, seed]) for seed in seeds)) for arm in arms
    )


def edits_of_study(
    study: Path,
    plan: StudyPlan,
    arms: Sequence[ArmFolders],
    lpips_weights: Path | None,
    device: torch.device,
    *,
    progress: ProgressFactory,
) -> EditCompareDocument:
    """Compare edits under the arms of a study, and keep the samples in its folder; raises as `compare_edits`."""
    assert plan.edits is not None and plan.base is not None
    folders = [Path(folder) for arm in arms for folder in arm.folders]
    if plan.base.features.kind != "none":
        for folder in folders:
            if not (folder / "clusters.npz").exists():
                cluster_styles(folder, plan.data, phase=plan.base.data.phase, device=device, progress=progress)
    result = compare_edits(
        plan.data,
        arms,
        plan.edits,
        study / _FOLDER,
        confidence=plan.confidence,
        precision=COMMON_SAMPLING,
        lpips_weights=lpips_weights,
        device=device,
        progress=lambda what, unit: progress(f"edits: {what}", unit),
    )
    return write_edit_report(result, plan.data, plan.edits, study / _FOLDER, below=study)
