"""Where the artefacts of a run are, and what they are made from."""

from pathlib import Path
from typing import Any

from p2phd_eval.generators.checkpoint import latest_path
from p2phd_eval.images.result_kinds import KIND_MARK
from p2phd_eval.report.documents.arm_documents import CommandArm
from p2phd_eval.study.artefacts import Artefact, finished, values_sha256
from p2phd_eval.study.outcome import RETRIED, load_outcome
from p2phd_eval.study.placeholders import fill
from p2phd_eval.study.study_plan import PlannedRun, StudyPlan


def run_folder(study: Path, run: PlannedRun) -> Path:
    """Return the run folder of a run; the repeat's is not below `runs`, since it is no run of its arm's."""
    return study / ("repeat" if run.repeat else "runs") / run.name


def samples_folder(study: Path, run: PlannedRun, way: str) -> Path:
    """Return where a run's images of one way of generation are, such as a precision.

    Those of a command may be in a folder below the one that it was given, or, without a command, anywhere.
    """
    out = out_folder(study, run, way)
    if run.command is None or run.command.images is None:
        return out
    values = {"out": str(out.absolute()), "seed": str(run.seed)}
    found = Path(run.command.folder, fill(run.command.images, values))
    # As the study's own folder was given: it may be relative to another folder than the command's, and is moved.
    return out / found.relative_to(out.absolute()) if found.is_relative_to(out.absolute()) else found


def out_folder(study: Path, run: PlannedRun, way: str) -> Path:
    """Return the folder that a run generates into."""
    return run_folder(study, run) / "samples" / way


def stored_at(samples: Path) -> Path:
    """Return the folder or archive that holds samples, without the kind of results that may stand behind its path."""
    return samples if samples.exists() else Path(str(samples).rpartition(KIND_MARK)[0] or samples)


def below(study: Path, path: Path) -> str:
    """Return a path below a study's folder relative to it, since a study may be moved, and another one as it is."""
    return path.relative_to(study).as_posix() if path.is_relative_to(study) else str(path)


def features_path(study: Path, run: PlannedRun, way: str) -> Path:
    """Return the file of the features of these images."""
    return study / "features" / f"{run.name}@{way}.npz"


def trained_path(study: Path, plan: StudyPlan, run: PlannedRun) -> Path | None:
    """Return what the training that a run generates from wrote; None where none belongs to the study."""
    if run.trained_by is None:
        return None
    trained = plan.run(run.trained_by)
    folder = run_folder(study, trained)
    return latest_path(folder) if trained.command is None else folder / "trained"


def train_inputs(plan: StudyPlan, run: PlannedRun) -> dict[str, str]:
    """Return the hashes of what the training of a run is made from."""
    if run.command is None:
        return {"data": plan.data_sha256, "recipe": values_sha256(plan.recipe(run))}
    return {"data": plan.data_sha256, "recipe": values_sha256(_recipe(plan, run, "train"))}


def images_inputs(plan: StudyPlan, run: PlannedRun, trained: Artefact | None) -> dict[str, str]:
    """Return the hashes of what the images of a run are made from; `trained`: what its training wrote."""
    if run.command is None:
        assert trained is not None  # it trains
        return {"data": plan.data_sha256, "checkpoint": trained.sha256}
    return {
        "data": plan.data_sha256,
        "trained": "none" if trained is None else trained.sha256,
        "recipe": values_sha256(_recipe(plan, run, "generate")),
    }


def stage_inputs(arm: CommandArm, stage: str) -> dict[str, str]:
    """Return the inputs that `train` or `generate` of an arm depends on, with their hashes.

    What is an argument of one of the two alone, such as its script, is that one's; what is none, such as a module that
    scripts import, counts for both.
    """
    other = arm.train if stage == "generate" else arm.generate
    own = arm.generate if stage == "generate" else arm.train
    return {name: sha256 for name, sha256 in arm.inputs.items() if name in own or name not in other}


def _recipe(plan: StudyPlan, run: PlannedRun, stage: str) -> dict[str, Any]:
    arm = run.command
    assert arm is not None
    return {
        "command": getattr(arm, stage),
        "images": arm.images if stage == "generate" else None,
        "environment": arm.environment,
        "inputs": stage_inputs(arm, stage),
        "conditions": plan.conditions_sha256,
        "seed": run.seed,
        "repeat": run.repeat,
    }


def features_inputs(images: Artefact, weights_sha256: str) -> dict[str, str]:
    """Return the hashes of what features are made from."""
    return {"images": images.sha256, "weights": weights_sha256}


def ended(study: Path, plan: StudyPlan, run: PlannedRun, weights_sha256: str) -> bool:
    """Whether nothing is left to do for a run: all its artefacts are whole and up to date, or it diverged."""
    outcome = load_outcome(run_folder(study, run))
    if outcome is None or outcome.status in RETRIED:
        return False
    if outcome.failed:
        return True
    trained, path = None, trained_path(study, plan, run)
    if path is not None:
        assert run.trained_by is not None
        trained = finished(study, f"{run.trained_by}/train", train_inputs(plan, plan.run(run.trained_by)), path)
        if trained is None:
            return False
    for way in run.sampling:
        inputs = images_inputs(plan, run, trained)
        images = finished(study, f"{run.name}/generate-{way}", inputs, stored_at(samples_folder(study, run, way)))
        if images is None:
            return False
        inputs = features_inputs(images, weights_sha256)
        if finished(study, f"{run.name}/features-{way}", inputs, features_path(study, run, way)) is None:
            return False
    return True
