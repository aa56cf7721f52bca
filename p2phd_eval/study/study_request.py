"""What a study is asked for, before it is known whether it begins or goes on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from p2phd_eval.config import TrainConfig
from p2phd_eval.errors import InputError, as_choice
from p2phd_eval.evaluation.cluster_rules import parse_rule
from p2phd_eval.generators.training.precision import amp_name
from p2phd_eval.stats.confidence import require_confidence
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.stats.verdicts.margins import parse_margin
from p2phd_eval.study.arms_file import arms_file_of
from p2phd_eval.study.study_plan import parse_arms, parse_generation
from p2phd_eval.study.study_segmentation import study_segmenter


@dataclass(frozen=True, kw_only=True)
class StudyRequest:
    """What a study is asked for; `run_study` says what each of these means, and what None leaves as it is."""

    arms: str | Path | Sequence[str] | None = None
    seeds: int | Sequence[int] | None = None
    generation: str | Sequence[str] | None = None
    judge: Estimand | str | None = None
    margin: float | str | None = None
    cluster_by: str | None = None
    confidence: float | None = None
    edits: str | Path | None = None
    segmenter: str | None = None
    segmenter_weights: str | Path | None = None
    class_map: str | Path | None = None
    ignore: Sequence[int] | None = None
    repeat: bool | None = None
    preset: str | TrainConfig = "512p"
    settings: Mapping[str, Any] = field(default_factory=dict)  # of the trainings: the `**options` of `run_study`
    command: str = "p2phd_eval.run_study"

    @property
    def given_settings(self) -> list[str]:
        """The names of the trainings' settings that are to change."""
        return [name for name, value in self.settings.items() if value is not None]

    def changes(self, device: torch.device) -> dict[str, Any]:
        """Return what a plan gets of it, by the names of `StudyPlan`, but for data, configuration and an arms file.

        `device`: on which it depends what "amp" is. Raises `InputError` if something is out of range or unknown.
        """
        asked = {
            "judge": None if self.judge is None else as_choice(Estimand, self.judge, "--judge"),
            "margin": None if self.margin is None else str(self.margin),
            "cluster_by": self.cluster_by,
            "confidence": self.confidence,
            "edits": None if self.edits is None else str(Path(self.edits).resolve()),
            "segmenter": study_segmenter(self.segmenter, self.segmenter_weights, self.class_map, self.ignore or ()),
            "repeat": self.repeat,
        }
        changes: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
        if self.arms is not None and arms_file_of(self.arms) is None:
            changes |= {"arms": parse_arms(_joined(self.arms), amp_name(device)), "made_by": {}}
        if self.generation is not None:
            changes["generation"] = parse_generation(_joined(self.generation))
        if self.seeds is not None:
            changes["seeds"] = _seeds_of(self.seeds)
        if self.cluster_by is not None:
            parse_rule(self.cluster_by)
        parse_margin(self.margin)
        if self.confidence is not None:
            require_confidence(self.confidence)
        return changes


def _joined(names: str | Path | Sequence[str]) -> str:
    return str(names) if isinstance(names, str | Path) else ",".join(map(str, names))


def _seeds_of(seeds: int | Sequence[int]) -> tuple[int, ...]:
    found = tuple(range(seeds) if isinstance(seeds, int) else seeds)
    if not found or len(set(found)) < len(found):
        raise InputError("--seeds", expected="at least one seed, each once", found=repr(seeds))
    if not all(isinstance(seed, int) and seed >= 0 for seed in found):
        raise InputError("--seeds", expected="a number of seeds, or numbers from 0 on", found=repr(seeds))
    return found
