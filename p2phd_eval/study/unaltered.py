"""What a report is made from is what the study recorded: what was changed since is named, not reported."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from shlex import quote

from p2phd_eval.errors import InputError
from p2phd_eval.progress import ProgressFactory
from p2phd_eval.study.artefacts import data_sha256, describe_change, is_whole, read_record
from p2phd_eval.study.outcome import Outcome
from p2phd_eval.study.real_images import read_real
from p2phd_eval.study.run_files import features_path, samples_folder, stored_at, trained_path
from p2phd_eval.study.study_plan import StudyPlan, other_data, require_data

_ANALYSES = ("comparisons", "quality", "edits", "segmentation", "floor", "bench", "pace")
_PHOTOS = ("real", "reference")


def require_unaltered(
    study: Path, plan: StudyPlan, outcomes: Mapping[str, Outcome], *, progress: ProgressFactory
) -> None:
    """Raise InputError for the first artefact that is not the recorded one, or was made from others than these.

    Artefacts that are missing, or were never recorded, are for those to say who need them. `study`: its folder.
    `outcomes`: how each run ended, by name.
    """
    again = f"p2phd-eval study --out {quote(str(study))}"
    with progress("compare the study with its records", "artefacts") as on_progress:
        parts = list(_artefacts(study, plan, outcomes))
        for done, (name, path) in enumerate(parts, start=1):
            recorded = read_record(study, name)
            if recorded is not None and path.exists() and not is_whole(recorded, path):
                is_training = name.endswith("/train")
                run = path.parent if path.is_dir() else path.parent.parent
                raise InputError(
                    str(path),
                    expected="what the study recorded when it was made",
                    found="another content",
                    # A training of hours is not made again because of a file that was put in the wrong place.
                    fix=f"Restore it; or delete {run}, and the run is made again by: {again}"
                    if is_training
                    else f"Restore it, or make it again: {again}",
                )
            on_progress(done, len(parts))
    _require_up_to_date(study, plan, outcomes, again)


def require_same_data(study: Path, plan: StudyPlan, *, progress: ProgressFactory) -> None:
    """Raise InputError, with the names of files, if the data are not those that the study was made of.

    `study`: its folder.
    """
    if not plan.data:
        return
    require_data(study, plan)
    data = Path(plan.data)
    with progress("read the data", "files") as on_progress:
        files = read_real(data, None if plan.base is None else plan.base.data, on_progress)
    if data_sha256(files) != plan.data_sha256:
        raise other_data(plan, plan, str(study), describe_change(study, plan.data_sha256, data, files))


def _require_up_to_date(study: Path, plan: StudyPlan, outcomes: Mapping[str, Outcome], again: str) -> None:
    made_from = {name: name for name in _PHOTOS}
    for run in plan.runs:
        if not outcomes[run.name].failed:
            made_from |= {f"{run.name}@{each}": f"{run.name}/features-{each}" for each in run.sampling}
    comparisons = read_record(study, "comparisons")
    if comparisons is None:
        return
    for key, name in made_from.items():
        recorded = read_record(study, name)
        if recorded is not None and comparisons.inputs.get(key, recorded.sha256) != recorded.sha256:
            raise InputError(
                str(study / "analysis" / "comparisons.json"),
                expected="comparisons of the features that are there now",
                found=f"those of earlier ones: {name} was made again since",
                fix=f"Make them again: {again}",
            )


def _artefacts(study: Path, plan: StudyPlan, outcomes: Mapping[str, Outcome]) -> Iterator[tuple[str, Path]]:
    """The names of records and where their artefacts are."""
    for name in _ANALYSES:
        yield name, study / "analysis" / f"{name}.json"
    for name in _PHOTOS:
        yield name, study / "features" / f"{name}.npz"
    for run in plan.runs:
        if not outcomes[run.name].failed:
            for precision in run.sampling:
                yield f"{run.name}/features-{precision}", features_path(study, run, precision)
                yield f"{run.name}/generate-{precision}", stored_at(samples_folder(study, run, precision))
            trained = trained_path(study, plan, run)
            if trained is not None and run.trained_by == run.name:
                yield f"{run.name}/train", trained
