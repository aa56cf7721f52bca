"""What a study does: arms, seeds, and the runs that follow from them."""

import dataclasses
import json
from collections import Counter
from pathlib import Path
from typing import Any

from p2phd_eval.config import TrainConfig, recipe_of
from p2phd_eval.errors import InputError
from p2phd_eval.files import write_json
from p2phd_eval.generators.engines.engine_names import ways
from p2phd_eval.generators.training.precision import PRECISIONS
from p2phd_eval.report.documents.document import from_result, read_document
from p2phd_eval.report.documents.study_documents import StudyDocument
from p2phd_eval.stats.estimands import Estimand

PLAN_FILE = "study.json"
#: The precision in which every run generates, so that training alone tells the arms apart.
COMMON_SAMPLING = "fp32"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """One training of a study, and what is made from it."""

    name: str  # what its folder below `runs` is called
    arm: str
    precision: str  # the training's precision
    seed: int
    repeat: bool  # the baseline's first seed once more: what non-determinism alone does
    sampling: tuple[str, ...]  # ways, such as a precision, in which it generates, the common one first


@dataclasses.dataclass(frozen=True, kw_only=True)
class StudyPlan:
    """Everything that a study's result depends on, but for the machine."""

    data: str  # folder of the data set, absolute
    data_sha256: str  # hash of names and contents of its training and test files
    base: TrainConfig  # what all runs have in common: all but precision and seed
    arms: tuple[str, ...]  # training precisions; the first is the baseline
    seeds: tuple[int, ...]
    generation: tuple[str, ...] = ()  # in which the baseline's runs generate beside fp32; none: each arm in its own
    repeat: bool = True  # whether the baseline's first seed is trained twice
    judge: Estimand = Estimand.FID_AT_N  # what the verdict is about
    margin: str | None = None  # as `parse_margin` reads it
    cluster_by: str | None = None  # as `parse_rule` reads it
    confidence: float = 0.95
    edits: str | None = None  # script of edits of the test maps, absolute
    command: str = "p2phd-eval study"  # that began it

    @property
    def runs(self) -> tuple[PlannedRun, ...]:
        """All runs, seed by seed, so that a study cut short still has pairs of arms; the repeat comes last."""
        reduced = self.reduced_sampling()
        runs = [
            PlannedRun(
                name=f"{arm}-s{seed}",
                arm=arm,
                precision=arm,
                seed=seed,
                repeat=False,
                sampling=(COMMON_SAMPLING, *reduced[arm]),
            )
            for seed in self.seeds
            for arm in self.arms
        ]
        if self.repeat:
            first = runs[0]
            runs.append(
                dataclasses.replace(first, name=f"{first.name}-repeat", repeat=True, sampling=(COMMON_SAMPLING,))
            )
        return tuple(runs)

    def run(self, name: str) -> PlannedRun:
        """Return the run of a name; raises InputError if there is none."""
        for run in self.runs:
            if run.name == name:
                return run
        raise InputError(f"--run {name}", expected=" | ".join(run.name for run in self.runs), found=repr(name))

    def reduced_sampling(self) -> dict[str, tuple[str, ...]]:
        """Return the precisions beside the common one in which each arm's runs generate.

        Where none was asked for, an arm's own, or for a full one that of the first other.
        """
        if self.generation:
            return {arm: self.generation if arm == self.arms[0] else () for arm in self.arms}
        own = {arm: PRECISIONS[arm].sampling or arm for arm in self.arms}
        other = next((own[arm] for arm in self.arms if not PRECISIONS[arm].full), COMMON_SAMPLING)
        chosen = {arm: other if PRECISIONS[arm].full else own[arm] for arm in self.arms}
        return {arm: () if name == COMMON_SAMPLING else (name,) for arm, name in chosen.items()}

    def config(self, run: PlannedRun) -> TrainConfig:
        """Return the training configuration of a run."""
        return dataclasses.replace(self.base, precision=run.precision, seed=run.seed)

    def recipe(self, run: PlannedRun) -> dict[str, Any]:
        """Return what the weights of a run depend on, beside the data."""
        own = {"precision": run.precision, "seed": run.seed, "repeat": run.repeat}
        arithmetic = self.base.execution.arithmetic
        return {**recipe_of(self.base.to_dict()), **own, **({} if arithmetic is None else {"arithmetic": arithmetic})}


def parse_arms(text: str, amp: str) -> tuple[str, ...]:
    """Read arms, training precisions separated by commas, the baseline first.

    `text`: "amp" is what `train --amp` is; alone it is compared with fp32. `amp`: the one that "amp" means here. Raises
    `InputError` if one is unknown or given twice, or there are fewer than two.
    """
    names = [part.strip() for part in text.split(",")]
    if names == ["amp"]:
        names = ["fp32", "amp"]
    arms = tuple(amp if name == "amp" else name for name in names)
    _require_precisions(arms, "--arms")
    name, count = Counter(arms).most_common(1)[0]
    if count > 1:
        raise InputError("--arms", expected="each arm once", found=f"{name} {count} times")
    if len(arms) < 2:
        raise InputError(
            "--arms", expected="a baseline and one candidate or more", found=text, fix="For example: fp32,amp-fp16"
        )
    return arms


def parse_generation(text: str) -> tuple[str, ...]:
    """Read ways of generation, precisions or engines with theirs, by their short names, separated by commas.

    Raises `InputError` if one is unknown, trains alone, is the common one or is given twice, or there is none.
    """
    names = tuple(name for part in text.split(",") if (name := part.strip()) != COMMON_SAMPLING)
    known = [name for name in ways() if name != COMMON_SAMPLING]
    for name in names or (text,):
        if name not in known or names.count(name) > 1:
            found = repr(name) if name not in known else f"{name} twice"
            raise InputError("--generation", expected=f"some of {', '.join(known)}, each once", found=found)
    return names


def _require_precisions(arms: tuple[str, ...], where: str) -> None:
    for arm in arms:
        if arm not in PRECISIONS:
            raise InputError(where, expected=f"precisions of {', '.join(PRECISIONS)}, or amp", found=repr(arm))


def save_plan(out: Path, plan: StudyPlan) -> None:
    """Write the plan into its study folder."""
    write_json(out / PLAN_FILE, from_result(StudyDocument, plan, base=plan.base.to_dict()).to_builtins())


def load_plan(out: Path) -> StudyPlan:
    """Read the plan of a study folder; raises InputError if there is none, or it is damaged or of another version."""
    path = out / PLAN_FILE
    if not path.is_file():
        raise InputError(
            str(out),
            expected=f"a study folder, with {PLAN_FILE}",
            found="none in it" if out.is_dir() else "no such folder",
            fix=f"Begin one: p2phd-eval study DATA --out {out}",
        )
    stored = read_document(path, StudyDocument)
    _require_precisions(stored.arms, f"{path}, arms")
    if len(stored.arms) < 2 or not stored.seeds:
        found = f"{len(stored.arms)} and {len(stored.seeds)}"
        raise InputError(str(path), expected="two arms or more and a seed or more", found=found, fix=stored.again)
    values = {field.name: getattr(stored, field.name) for field in dataclasses.fields(StudyPlan)}
    return StudyPlan(**{**values, "base": TrainConfig.from_dict(stored.base, f"{path}, base")})


def other_data(before: StudyPlan, now: StudyPlan, where: str, difference: str) -> InputError:
    """Return the error of a study that is to go on with other files than it began with.

    `where`: its folder. `difference`: in which files.
    """
    begun = f"`{before.command}`" if before.command.startswith("p2phd-eval ") else f"that of {before.data}"
    return InputError(
        f"{where}, data",
        expected=f"the files of {before.data} as the study began",
        found=difference if now.data == before.data else f"those of {now.data}: {difference}",
        fix=f"Restore them, and go on with `p2phd-eval study --out {where}`; or begin another study of what is there "
        f"now, as {begun} began this one, with another --out.",
    )


def continue_plan(before: StudyPlan, now: StudyPlan, where: str) -> None:
    """Check that a plan goes on with what an earlier one began: more arms and seeds are welcome, another recipe is not.

    Raises `InputError` if data or configuration differ, or arms or seeds of the earlier plan are gone.
    """
    fix = f"Go on with `p2phd-eval study --out {where}` and no other options, or choose another --out."
    if before.data_sha256 != now.data_sha256:
        raise other_data(before, now, where, "others")
    old, new = (recipe_of(plan.base.to_dict()) for plan in (before, now))
    if now.base.execution.arithmetic is not None:
        for values, plan in ((old, before), (new, now)):
            values["execution.arithmetic"] = plan.base.execution.arithmetic
    for key in old:
        if old[key] != new[key]:
            raise InputError(
                f"{where}, config key {key!r}",
                expected=f"{old[key]!r} as the study began",
                found=json.dumps(new[key]),
                fix=fix,
            )
    if now.arms[: len(before.arms)] != before.arms:
        raise InputError(
            f"{where}, --arms", expected=f"{','.join(before.arms)}, and others after them", found=",".join(now.arms)
        )
    gone = sorted(set(before.seeds) - set(now.seeds))
    if gone:
        raise InputError(f"{where}, --seeds", expected=f"{len(before.seeds)} or more", found=str(len(now.seeds)))
