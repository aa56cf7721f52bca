"""The three comparisons of a study: what training's precision does, what generation's does, what chance alone does."""

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from msgspec import UNSET

from p2phd_eval.evaluation.class_shares import label_class_shares, stored_class_names
from p2phd_eval.evaluation.cluster_rules import parse_rule
from p2phd_eval.evaluation.comparison import ComparisonResult, FeatureArm, compare_feature_sets, explain
from p2phd_eval.features.feature_set import FeatureSet
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.progress import ProgressFactory
from p2phd_eval.report.documents.comparison_documents import CompareDocument, comparison_document
from p2phd_eval.report.documents.study_documents import COMMON_SAMPLING, ComparisonsDocument, SampledArm
from p2phd_eval.report.wording import generated_name
from p2phd_eval.stats.verdicts.explanation import ClassShares
from p2phd_eval.stats.verdicts.margins import MarginRule, parse_margin
from p2phd_eval.stats.verdicts.scope import Scope
from p2phd_eval.study.outcome import Outcome
from p2phd_eval.study.real_images import labels_folder, real_path
from p2phd_eval.study.run_files import features_path, samples_folder
from p2phd_eval.study.study_plan import PlannedRun, StudyPlan

_Entry = tuple[PlannedRun, str]  # a run and the precision in which it generated
_Arm = tuple[str, Sequence[_Entry]]  # name and runs


def compare_study(
    study: Path,
    plan: StudyPlan,
    outcomes: Mapping[str, Outcome],
    real: FeatureSet | None,
    reference: FeatureSet | None,
    *,
    progress: ProgressFactory,
) -> ComparisonsDocument:
    """Compare the runs that finished.

    * "training": every arm that is trained for itself against the first; those of pix2pixHD generated in fp32. Scope B
      where each arm has several runs.
    * "sampling": the same weights, sampled in other ways, so scope A. Of each arm of pix2pixHD its checkpoints
      generated in reduced precisions against themselves in fp32; and the arms of commands that generate from the
      baseline's weights against it, at the seeds that neither lost.
    * "benign": the arms that ought to change nothing against the first, scope A.
    * "repeat": the baseline's first seed made twice, scope A.

    `outcomes`: how each run ended, by name. `real`: the features of the test photos; None: there are no real images,
    and nothing is compared with them. `reference`: those of the training photos, for the block FID; None: without. The
    result holds documents as `p2phd-eval compare --json` writes them; None where runs are missing. Raises `InputError`
    as `compare_feature_sets` does, for sets whose names do not match above all.
    """
    if real is None:
        return ComparisonsDocument(training=None, sampling=(), repeat=None)
    done = [run for run in plan.runs if not outcomes[run.name].failed]
    by_arm = {arm: [run for run in done if run.arm == arm and not run.repeat] for arm in plan.arms}
    comparing = _Comparing(study, plan, real, reference, progress)
    baseline = plan.arms[0]
    groups: dict[str, list[str]] = {"training": [], "sampling": [], "benign": []}
    for arm in plan.arms[1:]:
        kind = "benign" if arm in plan.benign else "training" if arm in plan.retrained else "sampling"
        if by_arm[arm] and by_arm[baseline]:
            groups[kind].append(arm)

    def compare(kind: str, names: Sequence[str], scope: Scope | None, seeds: Collection[int]) -> CompareDocument:
        runs = {arm: [run for run in by_arm[arm] if run.seed in seeds] for arm in (baseline, *names)}
        arms = [(arm, [(run, run.sampling[0]) for run in of]) for arm, of in runs.items()]
        return comparing(f"{kind}: {', '.join(names)} against {baseline}", arms, scope)

    def at_equal_seeds(kind: str) -> list[CompareDocument]:
        """Compare each arm with the baseline at the seeds that both have, arms of the same seeds together."""
        shared = {arm: _seeds(by_arm[arm]) & _seeds(by_arm[baseline]) for arm in groups[kind]}
        return [
            compare(kind, [arm for arm, seeds in shared.items() if seeds == each], Scope.CHECKPOINTS, each)
            for each in dict.fromkeys(shared.values())
            if each
        ]

    sampling = []
    for arm, reduced in plan.reduced_sampling().items():
        if by_arm[arm] and reduced:
            ways = [
                (generated_name(arm, precision), [(run, precision) for run in by_arm[arm]])
                for precision in (COMMON_SAMPLING, *reduced)
            ]
            about = f"generation: {arm} in {', '.join(reduced)} against {COMMON_SAMPLING}"
            sampling.append(SampledArm(arm=arm, document=comparing(about, ways, Scope.CHECKPOINTS)))
    sampling += [SampledArm(arm=baseline, document=document) for document in at_equal_seeds("sampling")]
    benign = at_equal_seeds("benign")
    repeat = next((run for run in done if run.repeat), None)
    first = plan.runs[0]
    return ComparisonsDocument(
        training=compare("training", groups["training"], None, plan.seeds) if groups["training"] else None,
        sampling=tuple(sampling),
        # One that lost seeds is left out where others have more.
        benign=max(benign, key=lambda document: len(document.baseline.runs), default=UNSET),
        repeat=None
        if repeat is None or outcomes[first.name].failed
        else comparing(
            f"same seed again: {repeat.name} against {first.name}",
            [(run.name, [(run, run.sampling[0])]) for run in (first, repeat)],
            Scope.CHECKPOINTS,
        ),
    )


def _seeds(runs: Iterable[PlannedRun]) -> frozenset[int]:
    return frozenset(run.seed for run in runs)


class _Comparing:
    """Compares arms against the same photos under the plan's rules."""

    def __init__(
        self, study: Path, plan: StudyPlan, real: FeatureSet, reference: FeatureSet | None, progress: ProgressFactory
    ) -> None:
        self._study, self._plan, self._progress = study, plan, progress
        self._real, self._reference = real, reference
        self._margin = parse_margin(plan.margin)
        self._clusters = None if plan.cluster_by is None else parse_rule(plan.cluster_by)
        self._shares: ClassShares | None = None

    def __call__(self, about: str, arms: Sequence[_Arm], scope: Scope | None) -> CompareDocument:
        """Compare arms, the baseline first; `about` says what is compared where progress is shown."""
        result = compare_feature_sets(
            self._real,
            [
                FeatureArm(
                    name=name, runs=tuple(FeatureSet.load(features_path(self._study, *entry)) for entry in entries)
                )
                for name, entries in arms
            ],
            margin=self._rule([len(entries) for _, entries in arms]),
            judge=self._plan.judge,
            reference=self._reference,
            scope=scope,
            cluster_by=self._clusters,
            confidence=self._plan.confidence,
            progress=lambda what, unit: self._progress(f"{about}, {what}", unit),
        )
        folders = [[samples_folder(self._study, *entry) for entry in entries] for _, entries in arms]
        shares = self._class_shares(result)
        explanations = tuple(explain(result, k, shares) for k in range(len(result.candidates)))
        explained = dataclasses.replace(result, explanations=explanations)
        return comparison_document(explained, str(real_path(self._plan)), folders, below=self._study)

    def _rule(self, runs: Sequence[int]) -> MarginRule | None:
        # A margin from seeds is that of the recipes; a pair of single runs has none.
        if self._margin is not None and self._margin.kind == "seeds" and runs[0] < 2:
            return None
        return self._margin

    def _class_shares(self, result: ComparisonResult) -> ClassShares | None:
        base, folder = self._plan.base, labels_folder(self._plan)
        if base is None or folder is None or not base.data.label_nc or result.pairing != "triplets":
            return None
        if self._shares is None:
            with self._progress("label maps", "maps") as on_progress:
                self._shares = label_class_shares(
                    open_source(folder), result.ids, stored_class_names(folder), on_progress
                )
        return self._shares
