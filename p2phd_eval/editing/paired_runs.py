"""The runs of two arms or more whose samples of edited maps are compared: opened, and paired by training seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from p2phd_eval.config import TrainConfig, recipe_of
from p2phd_eval.editing.edits import StyleEdit, style_of_edit
from p2phd_eval.editing.script import EditScript
from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.arms import ArmFolders, differing_keys
from p2phd_eval.files import file_sha256
from p2phd_eval.generators.data.transforms import resized_size
from p2phd_eval.generators.original.checkpoint_folder import open_source
from p2phd_eval.generators.sampling.styles import clusters_path, load_clusters
from p2phd_eval.progress import ProgressFactory, silent


@dataclass(frozen=True, kw_only=True)
class EditedRun:
    """One training run, opened."""

    source: Path  # run folder or checkpoint
    config: TrainConfig
    checkpoint_sha256: str

    @property
    def seed(self) -> int:
        """The seed of its training."""
        return self.config.seed


@dataclass(frozen=True, kw_only=True)
class EditedArm:
    """The runs of one arm, in the order of their seeds."""

    name: str
    runs: tuple[EditedRun, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of its trainings."""
        return tuple(run.seed for run in self.runs)


def open_arms(
    arms: Sequence[ArmFolders], data: Path, script: EditScript, *, progress: ProgressFactory = silent
) -> tuple[EditedArm, ...]:
    """Open the runs of all arms, and require that each candidate's pair with the baseline's and fit the script.

    `arms`: the baseline first. `data`: for what errors say to do.

    Raises
    ------
    InputError
        For a run that cannot be opened, two runs of an arm with one seed, seeds that the other arm lacks, a run that
        reads other maps than the script is for, one without encoder where the script sets styles, one without clusters
        of its own, or runs that generate in different sizes.
    """
    opened: list[EditedArm] = []
    total = sum(len(arm.folders) for arm in arms)
    with progress("open the runs", "runs") as on_progress:
        for arm in arms:
            runs = []
            for folder in arm.folders:
                runs.append(_open(Path(folder), data, script))
                on_progress(sum(len(each.runs) for each in opened) + len(runs), total)
            opened.append(EditedArm(name=arm.name, runs=tuple(sorted(runs, key=lambda run: run.seed))))
    for each in opened:
        _require_seeds(each)
    for candidate in opened[1:]:
        _require_pairs(opened[0], candidate)
    _require_one_size([run for each in opened for run in each.runs])
    return tuple(opened)


def recipe_notes(arms: Sequence[EditedArm]) -> list[str]:
    """Say which runs of an arm differ in more than their seeds."""
    notes = []
    for arm in arms:
        recipes = [recipe_of(run.config.to_dict()) for run in arm.runs]
        if differing := sorted(differing_keys(recipes)):
            notes.append(f"{arm.name}: its runs differ in more than their seeds, in {', '.join(differing)}.")
    return notes


def require_fitting(config: TrainConfig, script: EditScript, where: str) -> None:
    """Raise `InputError` unless runs of a configuration, called `where`, can do what a script says."""
    wanted = {"classes": script.label_nc, "instance maps": script.instances}
    found = {"classes": config.data.label_nc, "instance maps": config.data.instances}
    for what, value in wanted.items():
        # A run that does not look at instance maps takes a script that keeps them.
        if value != found[what] and not (what == "instance maps" and value):
            raise InputError(
                where,
                expected=f"a run whose {what} are those of the script: {_told(value)}",
                found=_told(found[what]),
                fix=f"Make a script for this run's data: p2phd-eval edit random DATA --label-nc {config.data.label_nc} "
                "--out SCRIPT.",
            )
    styled = [k for k, edit in enumerate(script.edits, start=1) if isinstance(edit, StyleEdit) or style_of_edit(edit)]
    if not styled:
        return
    if config.features.kind == "none":
        raise InputError(
            where,
            expected=f"a run with a feature encoder, since edit {styled[0]} of the script sets a style",
            found="a run without features",
            fix="Make a script without styles: p2phd-eval edit random --kind label --kind object --kind stroke "
            "--kind remove --kind move",
        )
    if config.features.kind != script.features:
        raise InputError(
            where,
            expected=f"features of what has a style in the script: {script.features}",
            found=config.features.kind,
            fix=f"Make a script for this run: p2phd-eval edit random --features {config.features.kind}",
        )


def _open(folder: Path, data: Path, script: EditScript) -> EditedRun:
    path, checkpoint = open_source(folder)
    config, sha256 = checkpoint.config, file_sha256(path)
    require_fitting(config, script, str(folder))
    if config.features.kind != "none":
        arguments = f"{quote(str(folder))} {quote(str(data))}"
        load_clusters(clusters_path(folder, None, "RUN"), checkpoint, sha256, arguments)
    return EditedRun(source=folder, config=config, checkpoint_sha256=sha256)


def _told(value: object) -> str:
    return {True: "used", False: "not used"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def _require_seeds(arm: EditedArm) -> None:
    """Raise `InputError` if two runs of an arm have one seed."""
    for run, following in zip(arm.runs, arm.runs[1:], strict=False):
        if run.seed == following.seed:
            raise InputError(
                str(following.source),
                expected=f"another training seed than {run.source}, of the same arm {arm.name}",
                found=f"seed {run.seed} in both",
                fix="Leave one of them out.",
            )


def _require_pairs(baseline: EditedArm, candidate: EditedArm) -> None:
    """Raise `InputError` unless both arms have runs of the same seeds."""
    for run, other in zip(candidate.runs, baseline.runs, strict=False):
        if run.checkpoint_sha256 == other.checkpoint_sha256:
            raise InputError(
                str(run.source),
                expected=f"another checkpoint than {other.source}",
                found="the same",
                fix="Name another.",
            )
    apart = sorted(set(baseline.seeds) ^ set(candidate.seeds))
    if apart:
        common = set(baseline.seeds) & set(candidate.seeds)
        texts = (f"{', '.join(map(str, arm.seeds))} of {arm.name}" for arm in (baseline, candidate))
        raise InputError(
            "training seeds",
            expected="runs of both arms that pair by their training seeds",
            found=f"{'seeds' if common else 'no common seed:'} {' and '.join(texts)}",
            fix=f"Leave out the runs of seed {', '.join(map(str, apart))}, or train the others of these seeds."
            if common
            else "Train both arms with the same seeds: p2phd-eval train --seed.",
        )


def _require_one_size(runs: Sequence[EditedRun]) -> None:
    """Raise `InputError` if runs bring maps of one size to different ones."""
    first = runs[0]
    for run in runs[1:]:
        # Two forms, of which some ways to resize change one alone.
        for size in ((1024, 512), (512, 512)):
            sizes = [
                resized_size(size, each.config.data, each.config.size_multiple, cropped=False) for each in (first, run)
            ]
            if sizes[0] != sizes[1]:
                raise InputError(
                    str(run.source),
                    expected=f"samples of the size of those of {first.source}, such as {sizes[0][0]} x {sizes[0][1]} "
                    f"of a map of {size[0]} x {size[1]}",
                    found=f"{sizes[1][0]} x {sizes[1][1]}",
                    fix="Compare runs that were trained at one size.",
                )
