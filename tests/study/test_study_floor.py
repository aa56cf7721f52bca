"""Which samples of a study make a noise floor."""

from __future__ import annotations

from p2phd_eval.config import TrainConfig
from p2phd_eval.report.documents.arm_documents import ArmKind, CommandArm
from p2phd_eval.study.outcome import Outcome
from p2phd_eval.study.study_floor import samples_of_floor
from p2phd_eval.study.study_plan import StudyPlan

BASE = CommandArm(train=("t", "{run}"), generate=("g", "{out}"), folder="/")
SHARING = CommandArm(run_of="base", generate=("g", "--int8", "{out}"), folder="/")
COMPILED = CommandArm(run_of="base", generate=("g", "--compile", "{out}"), folder="/", benign=True)
AGAIN = CommandArm(train=("t", "{run}"), generate=("g", "{out}"), folder="/", benign=True)


def found(plan: StudyPlan, *failed: str) -> dict[str, list[str]] | None:
    """The samples by arm, the baseline's first; None where there is no floor."""
    status = {
        run.name: Outcome(status="failed", why="x") if run.name in failed else Outcome(status="finished")
        for run in plan.runs
    }
    samples = samples_of_floor(plan, status)
    if samples is None:
        return None
    return {name: [f"{run.name} {way}" for run, way in sampled] for name, sampled in samples.by_arm.items()}


def commands(**arms: ArmKind) -> StudyPlan:
    return StudyPlan(data="real", data_sha256="0", base=None, arms=tuple(arms), seeds=(0, 1), made_by=arms)


def test_arms_of_the_same_weights_are_held_against_those_that_are_benign() -> None:
    plan = commands(base=BASE, int8=SHARING, other=BASE, compiled=COMPILED, again=AGAIN)
    own = {arm: [f"{arm}-s0 own", f"{arm}-s1 own"] for arm in ("base", "compiled", "int8")}
    assert found(plan) == own
    # A run that failed is no sample, and without one of a common seed there is no floor between them.
    assert found(plan, "int8-s0") == {**own, "int8": ["int8-s1 own"]}
    apart = found(plan, "int8-s0", "compiled-s1")
    assert apart is not None and list(apart) == ["base", "again", "other"]


def test_candidates_that_lost_other_seeds_do_not_take_the_floor_from_each_other() -> None:
    plan = commands(base=BASE, int8=SHARING, fp8=SHARING, compiled=COMPILED)
    lost = found(plan, "int8-s0", "fp8-s1")
    assert lost is not None and list(lost) == ["base", "compiled", "int8"]
    # One that has both seeds goes first.
    plan = commands(base=BASE, int8=SHARING, fp8=SHARING, fp4=SHARING, compiled=COMPILED)
    lost = found(plan, "int8-s0", "fp8-s1")
    assert lost is not None and list(lost) == ["base", "compiled", "int8", "fp4"]


def test_arms_that_are_trained_are_held_against_a_training_once_more() -> None:
    assert list(found(commands(base=BASE, other=BASE, again=AGAIN)) or {}) == ["base", "again", "other"]
    assert found(commands(base=BASE, int8=SHARING, again=AGAIN)) is None  # of the one kind each
    assert found(commands(base=BASE, int8=SHARING)) is None


def test_an_engine_in_full_precision_is_benign() -> None:
    def of(*generation: str) -> StudyPlan:
        arms, config = ("fp32", "amp-bf16"), TrainConfig()
        return StudyPlan(data="d", data_sha256="0", base=config, arms=arms, seeds=(0,), generation=generation)

    assert found(of("onnx-int8", "compile", "onnx-fp32")) == {
        "fp32, generated in fp32": ["fp32-s0 fp32"],
        "fp32, generated in compile": ["fp32-s0 compile"],
        "fp32, generated in onnx-fp32": ["fp32-s0 onnx-fp32"],
        "fp32, generated in onnx-int8": ["fp32-s0 onnx-int8"],
    }
    assert found(of("onnx-int8", "amp-bf16")) is None
    assert found(of("compile")) is None
    assert found(of("onnx-int8", "compile"), "fp32-s0") is None
