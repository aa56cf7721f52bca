"""How fast a machine does what a study does beside training, from a few images."""

import statistics
import time
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from p2phd_eval.devices import describe_device
from p2phd_eval.distributed import SINGLE
from p2phd_eval.evaluation.comparison import FeatureArm, compare_feature_sets
from p2phd_eval.features.extraction import FeatureExtractor
from p2phd_eval.features.feature_set import FeatureSet
from p2phd_eval.features.feature_settings import FeatureSettings
from p2phd_eval.features.pipeline import stamp_of
from p2phd_eval.files import write_json
from p2phd_eval.generators.checkpoint import latest_path, save_checkpoint
from p2phd_eval.generators.data.triplets import find_triplets
from p2phd_eval.generators.engines.engine_names import ways
from p2phd_eval.generators.sampling.generation import generate
from p2phd_eval.generators.training.step import Pix2PixHD
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.progress import OnProgress, ProgressFactory
from p2phd_eval.quality.run_quality import QualityRun, quality_of_runs
from p2phd_eval.report.documents.document import read_document
from p2phd_eval.report.documents.study_documents import PaceDocument
from p2phd_eval.stats.verdicts.margins import parse_margin
from p2phd_eval.study.artefacts import finished, record, values_sha256
from p2phd_eval.study.metric_weights import MetricWeights
from p2phd_eval.study.real_images import real_path
from p2phd_eval.study.study_plan import StudyPlan
from p2phd_eval.study.training_photos import reference_photos

_BATCH = 4  # images that are generated at once
_MOST_GENERATED = 2 * _BATCH
_ENOUGH_SECONDS = 5.0  # for which images are generated, about: networks made for a GPU take long on a CPU
_PASSES = {"cuda": 4, "cpu": 2}  # of the FID network; the first one takes longer than the others
_COMPARED = 256  # images of a set; the time of more is taken to grow with their square
_START_SECONDS = 4.0  # until a process has imported what it needs, about


def measure_pace(
    study: Path,
    plan: StudyPlan,
    *,
    step_seconds: float,
    device: torch.device,
    weights: MetricWeights,
    keep: bool,
    progress: ProgressFactory,
) -> PaceDocument:
    """Time the stages of a study on a few images, once for a configuration and a device.

    `study`: its folder; what was kept in `analysis/pace.json` is used again. `step_seconds`: how long a training step
    takes, by which the number of generated images is chosen. `keep`: whether to keep it. Raises `InputError` if the
    data or the weights cannot be used.
    """
    path = study / "analysis" / "pace.json"
    assert plan.base is not None  # it trains
    asked = {"config": plan.base.to_dict(), "arms": list(plan.precisions), "device": describe_device(device)}
    if plan.generation:
        asked["generation"] = list(plan.generation)
    if weights.distances:
        asked["distances"] = sorted(weights.distances)
    inputs = {"data": plan.data_sha256, "asked": values_sha256(asked)}
    if finished(study, "pace", inputs, path) is not None:
        return read_document(path, PaceDocument)
    begun = time.perf_counter()
    with TemporaryDirectory() as folder, progress("time a few images", "stages") as on_progress:
        few = round(min(max(_ENOUGH_SECONDS / step_seconds, 2), _MOST_GENERATED))
        pace = _Stages(plan, Path(folder), device, weights, on_progress).all(few)
    if keep:
        write_json(path, pace.to_builtins())
        record(study, "pace", inputs, path, time.perf_counter() - begun)
    return pace


class _Stages:
    """Times one stage after the other, on images of untrained networks: they take as long as those of trained ones."""

    def __init__(
        self, plan: StudyPlan, folder: Path, device: torch.device, weights: MetricWeights, on_progress: OnProgress
    ) -> None:
        self._plan, self._folder, self._device, self._on_progress = plan, folder, device, on_progress
        self._weights = weights
        self._extract = FeatureExtractor(FeatureSettings(weights=weights.features, device=str(device)))
        assert plan.base is not None
        self._base = plan.base
        photos = real_path(plan)
        assert photos is not None  # it has a data set
        self._photos = open_source(photos)
        own = (run for run in plan.runs if run.command is None)
        self._precisions = tuple(dict.fromkeys(name for run in own for name in run.sampling))
        self._done = 0

    def all(self, few: int) -> PaceDocument:
        start = _START_SECONDS + self._seconds(self._save_networks) + self._seconds(self._extract.network)
        self._link_data(few)
        generate = {name: self._generation(name) for name in self._precisions}
        return PaceDocument(
            start=start + sum(loading for loading, _ in generate.values()),
            generate={name: seconds for name, (_, seconds) in generate.items()},
            features=self._features(),
            comparison=self._comparison(),
            quality=self._quality(),
        )

    def _seconds(self, work: Callable[[], object]) -> float:
        start = time.perf_counter()
        work()
        seconds = time.perf_counter() - start
        self._count()
        return seconds

    def _count(self) -> None:
        self._done += 1
        self._on_progress(self._done, 6 + len(self._precisions))

    def _save_networks(self) -> None:
        base = self._base
        config = replace(base, objective=replace(base.objective, vgg="none"), epochs_fix_global=0, load_pretrain=None)
        state = Pix2PixHD(config, torch.device("cpu")).state_dict()
        save_checkpoint(latest_path(self._folder / "run"), config=config, step=0, state=state)

    def _link_data(self, few: int) -> None:
        """Make a data set of the first test images."""
        data = Path(self._plan.data)
        for triplet in find_triplets(data, "test", self._base.data, photos=True)[:few]:
            for path in (triplet.label, triplet.instance, triplet.photo):
                if path is not None:
                    link = self._folder / path.relative_to(data)
                    link.parent.mkdir(parents=True, exist_ok=True)
                    link.symlink_to(path)

    def _generation(self, precision: str) -> tuple[float, float]:
        """What it takes to begin, where there are images enough to tell, and what an image takes."""
        way, ends = ways()[precision], [time.perf_counter()]
        generate(
            self._folder / "run",
            self._folder,
            self._folder / "samples" / precision,
            device=self._device,
            batch_size=_BATCH,
            ranks=SINGLE,
            engine=way.engine,
            precision=way.precision,
            arithmetic=way.arithmetic(self._base.execution.arithmetic),
            calibrate_on=Path(self._plan.data) if way.precision == "int8" else None,  # the few are of the test part
            style=None if self._base.features.kind == "none" else "photo",
            progress=lambda what, unit: nullcontext(lambda done, total: ends.append(time.perf_counter())),
        )
        self._count()
        first = _BATCH if len(ends) - 1 > _BATCH else 0
        seconds = (ends[-1] - ends[first]) / (len(ends) - 1 - first)
        return max(0.0, ends[first] - ends[0] - first * seconds), seconds

    def _features(self) -> float:
        network = self._extract.network()
        passes = _PASSES["cuda" if self._device.type == "cuda" else "cpu"]
        some = range(min(passes * network.batch_size, len(self._photos)))
        ends = [time.perf_counter()]
        ends += [time.perf_counter() for _ in self._extract.blocks(self._photos, some)]
        self._count()
        first, *others = (end - start for start, end in pairwise(ends))
        # A pass takes as long as a full one, however few images are in it.
        return statistics.mean(others or [first]) / network.batch_size

    def _comparison(self) -> float:
        """What a set of generated images takes in a comparison."""
        n = len(self._photos)
        ids = self._photos.ids[:_COMPARED]
        stamp = stamp_of(self._extract.network(), source="noise", names=(), hashes=(), formats=Counter(), oddities=())
        rng = np.random.default_rng(0)

        def noise(ids: tuple[str, ...]) -> FeatureSet:
            # Squares, since features are not negative and skewed.
            values = rng.normal(size=(len(ids), stamp.dims)).astype(np.float32) ** 2
            return FeatureSet(values=values, ids=ids, sizes=np.ones((len(ids), 2), dtype=np.int32), stamp=stamp)

        arms = [FeatureArm(name=name, runs=(noise(ids),)) for name in ("baseline", "candidate")]
        photos = tuple(map(str, range(reference_photos(self._plan))))
        reference = noise(photos) if photos else None
        seconds = self._seconds(
            lambda: compare_feature_sets(noise(ids), arms, margin=parse_margin("2%"), reference=reference)
        )
        return seconds / len(arms) * max(1.0, n / _COMPARED) ** 2

    def _quality(self) -> float:
        """What one image of a pair takes, once everything is imported and loaded."""
        samples = open_source(self._folder / "samples" / self._precisions[0])
        runs = [
            QualityRun(name=arm, arm=arm, seed=0, repeat=False, source=samples) for arm in ("baseline", "candidate")
        ]

        def quality() -> None:
            quality_of_runs(
                self._photos,
                runs,
                baseline=runs[0].name,
                lpips_weights=self._weights.lpips,
                distance_weights=self._weights.distances,
                device=self._device,
            )

        self._seconds(quality)
        pairs = len(runs) + 1  # with the photo, and of the two
        return self._seconds(quality) / pairs / len(samples)
