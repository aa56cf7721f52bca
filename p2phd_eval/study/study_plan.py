"""What a study does: arms, seeds, and the runs that follow from them."""

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import Any

from p2phd_eval.config import TrainConfig, recipe_of
from p2phd_eval.errors import InputError
from p2phd_eval.files import write_json
from p2phd_eval.generators.engines.engine_names import ways
from p2phd_eval.generators.training.precision import PRECISIONS
from p2phd_eval.report.documents.arm_documents import ArmKind, CommandArm, PrecisionArm
from p2phd_eval.report.documents.document import from_result, read_document
from p2phd_eval.report.documents.segment_documents import StudySegmenter
from p2phd_eval.report.documents.study_documents import COMMON_SAMPLING, StudyDocument
from p2phd_eval.stats.estimands import Estimand

PLAN_FILE = "study.json"
#: The way in which the runs of commands generate: their own.
OWN_SAMPLING = "own"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """One run of a study: a training and what is made from it, or the images of one seed."""

    name: str  # what its folder below `runs` is called
    arm: str
    precision: str | None  # the training's precision; None: it is run as commands
    seed: int
    repeat: bool  # the baseline's first seed once more: what non-determinism alone does
    sampling: tuple[str, ...]  # ways, such as a precision, in which it generates, the common one first
    command: CommandArm | None = None
    trained_by: str | None  # the run whose training it generates from, as a rule itself; None: none of the study's


@dataclasses.dataclass(frozen=True, kw_only=True)
class StudyPlan:
    """Everything that a study's result depends on, but for the machine."""

    data: str  # the data set, or the real images; absolute; empty: there are none, and arms are held against each other
    data_sha256: str  # hash of names and contents of its training and test files
    base: TrainConfig | None  # what pix2pixHD's runs have in common: all but precision and seed; None: no data set
    arms: tuple[str, ...]  # training precisions, or names from an arms file; the first is the baseline
    seeds: tuple[int, ...]
    made_by: Mapping[str, ArmKind] = dataclasses.field(default_factory=dict)  # arms of an arms file, by name
    conditions: str | None = None  # the CSV that commands get as {conditions}, absolute
    conditions_sha256: str | None = None
    generation: tuple[str, ...] = ()  # in which the baseline's runs generate beside fp32; none: each arm in its own
    repeat: bool = True  # whether the baseline's first seed is trained twice
    judge: Estimand = Estimand.FID_AT_N  # what the verdict is about
    margin: str | None = None  # as `parse_margin` reads it
    cluster_by: str | None = None  # as `parse_rule` reads it
    confidence: float = 0.95
    edits: str | None = None  # script of edits of the test maps, absolute
    segmenter: StudySegmenter | None = None  # who segments the samples
    command: str = "p2phd-eval study"  # that began it

    @property
    def runs(self) -> tuple[PlannedRun, ...]:
        """All runs, seed by seed, so that a study cut short still has pairs of arms; the repeat comes last."""
        reduced = self.reduced_sampling()

        def planned(arm: str, seed: int) -> PlannedRun:
            made, trainer = self.arm(arm), self.trainer(arm)
            own = isinstance(made, PrecisionArm)
            return PlannedRun(
                name=f"{arm}-s{seed}",
                arm=arm,
                precision=made.precision if isinstance(made, PrecisionArm) else None,
                seed=seed,
                repeat=False,
                sampling=(COMMON_SAMPLING, *reduced[arm]) if own else (OWN_SAMPLING,),
                command=None if isinstance(made, PrecisionArm) else made,
                trained_by=None if trainer is None else f"{trainer}-s{seed}",
            )

        runs = [planned(arm, seed) for seed in self.seeds for arm in self.arms]
        first = runs[0]
        # Images that are there already cannot be made again.
        if self.repeat and (first.command is None or first.command.generate):
            name = f"{first.name}-repeat"
            trained_by = name if first.trained_by == first.name else first.trained_by
            again = dataclasses.replace(first, name=name, repeat=True, sampling=first.sampling[:1])
            runs.append(dataclasses.replace(again, trained_by=trained_by))
        return tuple(runs)

    def arm(self, name: str) -> ArmKind:
        """Return what makes the images of an arm."""
        return self.made_by.get(name) or PrecisionArm(precision=name)

    def trainer(self, name: str) -> str | None:
        """Return the arm whose training an arm generates from, as a rule itself; None where the study trains none."""
        made = self.arm(name)
        if isinstance(made, PrecisionArm) or made.train:
            return name
        return made.run_of

    @property
    def precisions(self) -> dict[str, str]:
        """The training precision of each arm that is pix2pixHD."""
        made = {name: self.arm(name) for name in self.arms}
        return {name: arm.precision for name, arm in made.items() if isinstance(arm, PrecisionArm)}

    @property
    def benign(self) -> tuple[str, ...]:
        """The arms that ought to change nothing: they show the noise floor, and are not judged."""
        return tuple(name for name in self.arms if self.arm(name).benign)

    @property
    def retrained(self) -> tuple[str, ...]:
        """The candidates whose runs are trainings other than the baseline's; the others generate from the same weights.

        Of images that were there already nothing is known: they count as trainings of their own.
        """
        given = {name for name in self.arms if isinstance(arm := self.arm(name), CommandArm) and not arm.generate}
        baseline = self.arms[0]
        return tuple(
            name for name in self.arms[1:] if self.trainer(name) != self.trainer(baseline) or given & {name, baseline}
        )

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
        precisions = self.precisions
        if self.generation:
            return {arm: self.generation if arm == self.arms[0] else () for arm in precisions}
        own = {arm: PRECISIONS[name].sampling or name for arm, name in precisions.items()}
        full = {arm: PRECISIONS[name].full for arm, name in precisions.items()}
        other = next((own[arm] for arm in precisions if not full[arm]), COMMON_SAMPLING)
        chosen = {arm: other if full[arm] else own[arm] for arm in precisions}
        return {arm: () if name == COMMON_SAMPLING else (name,) for arm, name in chosen.items()}

    def config(self, run: PlannedRun) -> TrainConfig:
        """Return the training configuration of a run of pix2pixHD."""
        assert self.base is not None and run.precision is not None
        return dataclasses.replace(self.base, precision=run.precision, seed=run.seed)

    def recipe(self, run: PlannedRun) -> dict[str, Any]:
        """Return what the weights of a run of pix2pixHD depend on, beside the data."""
        assert self.base is not None
        own = {"precision": run.precision, "seed": run.seed, "repeat": run.repeat}
        arithmetic = self.base.execution.arithmetic
        return {**recipe_of(self.base.to_dict()), **own, **({} if arithmetic is None else {"arithmetic": arithmetic})}


def parse_arms(text: str, amp: str) -> tuple[str, ...]:
    """Read arms, training precisions separated by commas, the baseline first.

    `text`: "amp" is what `train --amp` is; alone it is compared with fp32. `amp`: the one that "amp" means here. Raises
    `InputError` if one is unknown or given twice.
    """
    names = [part.strip() for part in text.split(",")]
    if names == ["amp"]:
        names = ["fp32", "amp"]
    arms = tuple(amp if name == "amp" else name for name in names)
    _require_precisions(arms, "--arms")
    name, count = Counter(arms).most_common(1)[0]
    if count > 1:
        raise InputError("--arms", expected="each arm once", found=f"{name} {count} times")
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
    base = None if plan.base is None else plan.base.to_dict()
    write_json(out / PLAN_FILE, from_result(StudyDocument, plan, base=base).to_builtins())


def load_plan(out: Path) -> StudyPlan:
    """Read the plan of a study folder; raises InputError if there is none, or it is damaged or of another version."""
    path = out / PLAN_FILE
    if not path.is_file():
        raise InputError(
            str(out),
            expected=f"a study folder, with {PLAN_FILE}",
            found="none in it" if out.is_dir() else "no such folder",
            fix=f"Begin one: p2phd-eval study DATA --out {quote(str(out))}",
        )
    stored = read_document(path, StudyDocument)
    _require_precisions(tuple(arm for arm in stored.arms if arm not in stored.made_by), f"{path}, arms")
    if len(stored.arms) < (1 if stored.generation else 2) or not stored.seeds:
        found = f"{len(stored.arms)} and {len(stored.seeds)}"
        raise InputError(str(path), expected="two arms or more and a seed or more", found=found, fix=stored.again)
    values = {field.name: getattr(stored, field.name) for field in dataclasses.fields(StudyPlan)}
    base = None if stored.base is None else TrainConfig.from_dict(stored.base, f"{path}, base")
    plan = StudyPlan(**{**values, "base": base})
    if base is None and plan.precisions:
        found = f"none, and arms that are trained: {', '.join(plan.precisions)}"
        raise InputError(f"{path}, base", expected="a configuration", found=found, fix=stored.again)
    return plan


def other_data(before: StudyPlan, now: StudyPlan, where: str, difference: str) -> InputError:
    """Return the error of a study that is to go on with other files than it began with.

    `where`: its folder. `difference`: in which files.
    """
    if not before.data or not now.data:
        return InputError(
            f"{where}, REAL",
            expected=f"{before.data or 'no real images'}, as the study began",
            found=now.data or "none",
            fix="Choose another --out.",
        )
    begun = f"`{before.command}`" if before.command.startswith("p2phd-eval ") else f"that of {before.data}"
    return InputError(
        f"{where}, data",
        expected=f"the files of {before.data} as the study began",
        found=difference if now.data == before.data else f"those of {now.data}: {difference}",
        fix=f"Restore them, and go on with `p2phd-eval study --out {quote(where)}`; or begin another study of what is "
        f"there now, as {begun} began this one, with another --out.",
    )


def require_data(study: Path, plan: StudyPlan) -> None:
    """Raise InputError if nothing is left where the data of a study lay; `study`: its folder."""
    if not Path(plan.data).exists():
        raise InputError(
            f"{study}, data",
            expected=f"{plan.data}, as the study began",
            found="nothing there",
            fix="Put it back; or, if it lies elsewhere now, say where: p2phd-eval study DATA --out "
            f"{quote(str(study))}",
        )


def continue_plan(before: StudyPlan, now: StudyPlan, where: str) -> None:
    """Check that a plan goes on with what an earlier one began: more arms and seeds are welcome, another recipe is not.

    Raises `InputError` if data or configuration differ, or arms or seeds of the earlier plan are gone.
    """
    fix = f"Go on with `p2phd-eval study --out {quote(where)}` and no other options, or choose another --out."
    if before.data_sha256 != now.data_sha256:
        raise other_data(before, now, where, "others")
    old, new = (_recipe_of(plan.base, now.base) for plan in (before, now))
    for key in old:
        if old[key] != new.get(key):
            raise InputError(
                f"{where}, config key {key!r}",
                expected=f"{old[key]!r} as the study began",
                found=json.dumps(new.get(key)),
                fix=fix,
            )
    if now.arms[: len(before.arms)] != before.arms:
        raise InputError(
            f"{where}, --arms", expected=f"{','.join(before.arms)}, and others after them", found=",".join(now.arms)
        )
    gone = sorted(set(before.seeds) - set(now.seeds))
    if gone:
        raise InputError(f"{where}, --seeds", expected=f"{len(before.seeds)} or more", found=str(len(now.seeds)))


def _recipe_of(base: TrainConfig | None, now: TrainConfig | None) -> dict[str, Any]:
    """What of a configuration stays in a study that goes on; `now`: with what it goes on."""
    if base is None:
        return {}
    recipe = recipe_of(base.to_dict())
    if now is not None and now.execution.arithmetic is not None:
        recipe["execution.arithmetic"] = base.execution.arithmetic
    return recipe
