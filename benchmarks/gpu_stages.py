"""What the stages of benchmarks/gpu.py measure, each row written down as soon as it is there."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from gpu_record import Record
from measuring import seconds

from p2phd_eval.bench.bench_run import Bench, bench
from p2phd_eval.bench.clock import Timing
from p2phd_eval.bench.speed import PLAIN
from p2phd_eval.features.device_moments import accumulator_on, frechet_distance_on
from p2phd_eval.features.identity import FeaturePrecision
from p2phd_eval.features.inception_network import tensor_shapes
from p2phd_eval.features.networks.inception import FidInception, load_inception
from p2phd_eval.features.weights.find import find_weights
from p2phd_eval.features.weights.index import local_files
from p2phd_eval.generators.data.dataset import training_set
from p2phd_eval.generators.training.estimate import estimate
from p2phd_eval.images.decoding import read_rgb
from p2phd_eval.presets import PRESETS, configure
from p2phd_eval.report.documents.bench_documents import TimedData, bench_document
from p2phd_eval.scenes.data_set import write_dataset
from p2phd_eval.stats.distances.frechet import FrechetDistance, frechet_distance_from_moments
from p2phd_eval.stats.distances.moments import MomentAccumulator

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much is measured."""

    precisions: tuple[str, ...] = ("fp32", "tf32", "amp-fp16", "amp-bf16", "fp16", "bf16")
    timing: Timing
    timing_of_largest: Timing  # whose steps are those of a hundred images, about
    batches: tuple[int, ...] = (1, 2)
    scenes: tuple[int, int] = (2048, 1024)  # width and height of the drawn files in pixels, as Cityscapes'
    n_scenes: tuple[int, int] = (4, 0)  # for training and for test
    workers: int = max(1, min(12, (os.cpu_count() or 1) - 2))
    preset: dict[str, Any]  # what is changed of a preset
    switches: tuple[str, ...] = ("deterministic",)  # the others are candidates, see gpu_candidates.py
    feature_precisions: tuple[str, ...] = ("fp32", "tf32", "bf16", "fp16")
    feature_batch: int = 64
    feature_passes: int = 20
    features: tuple[int, int] = (10_000, 2048)  # n and d of moments and distance
    repeats: int = 3
    arms: str = "fp32,tf32,amp-fp16"
    seeds: int = 3
    study: dict[str, Any]
    study_overhead: float = 140.0  # seconds of a study beside training: measuring, generating, comparing
    epochs: tuple[int, int] = (4, 40)  # the fewest and the most, even numbers


#: The networks are those of docs/studies/camvid.md, at twice its size.
_CAMVID = {"load_size": 256, "label_nc": 12, "ngf": 32, "n_downsample": 3, "n_blocks": 6, "ndf": 32, "vgg": "none"}
_TINY = {"ngf": 4, "n_downsample": 2, "n_blocks": 1, "ndf": 4, "n_layers_d": 2, "vgg": "none"}

FULL = Sizes(
    timing=Timing(warm_up=5, steps=10, repeats=1),
    timing_of_largest=Timing(warm_up=1, steps=2, repeats=1),
    preset={},
    study=_CAMVID,
)
REHEARSAL = Sizes(
    precisions=("fp32", "amp-bf16"),
    timing=Timing(warm_up=1, steps=1, repeats=1),
    timing_of_largest=Timing(warm_up=1, steps=1, repeats=1),
    batches=(1,),
    scenes=(64, 32),
    n_scenes=(4, 4),
    workers=0,
    preset={**_TINY, "load_size": 64},
    feature_precisions=("fp32", "bf16"),
    feature_batch=2,
    feature_passes=1,
    features=(100, 40),
    repeats=1,
    arms="fp32,amp-bf16",
    seeds=1,
    study={**_TINY, "load_size": 64},
    study_overhead=0.0,
    epochs=(2, 2),
)


def sizes_of(options: argparse.Namespace) -> Sizes:
    return REHEARSAL if options.rehearse else FULL


def follow_parent() -> None:
    """End this process as SIGTERM does when the one that started it is gone, however that ended."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def row(record: Record, stage: str, name: str) -> Iterator[dict[str, Any]]:
    """A row to fill in; what is raised meanwhile becomes the row, and the next one may begin."""
    values: dict[str, Any] = {}
    begun = time.monotonic()
    try:
        yield values
    except Exception:
        values = {"traceback": traceback.format_exc()}
        traceback.print_exc()
    record.put(stage, name, {**values, "took_seconds": time.monotonic() - begun})
    print(f"{stage}, {name}: {'failed' if 'traceback' in values else 'done'} "
          f"in {time.monotonic() - begun:.1f} s", flush=True)  # fmt: skip


def scenes(options: argparse.Namespace) -> Path:
    """The drawn scenes that steps are timed on, made once."""
    folder: Path = options.work / "scenes"
    if not (folder / "classes.json").exists():
        sizes = sizes_of(options)
        width, height = sizes.scenes
        write_dataset(folder, n_train=sizes.n_scenes[0], n_test=sizes.n_scenes[1], width=width, height=height)
    return folder


# --- The tests that need CUDA


class _Outcomes:
    """Writes each test down as it ends: a plugin of pytest."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # A test that fails in its set-up, or is skipped there, has no call.
        if report.when == "call" or (report.outcome != "passed" and report.when == "setup") or report.failed:
            why = {"traceback": report.longreprtext} if report.failed else {}
            self._record.put(
                "tests", report.nodeid, {"outcome": report.outcome, "took_seconds": report.duration, **why}
            )


def run_tests(options: argparse.Namespace, record: Record) -> None:
    import pytest

    os.chdir(ROOT)
    files = [str(path) for path in sorted((ROOT / "tests").rglob("test_*.py")) if "mark.cuda" in path.read_text()]
    # Other versions of packages than the project's may warn of other things.
    arguments = ["-m", "cuda", "-q", "-p", "no:cacheprovider", "-W", "default", *files]
    code = pytest.main(arguments, plugins=[_Outcomes(record)])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise RuntimeError(f"pytest ended with {code!r}")


# --- Training steps


def preset_options(options: argparse.Namespace, preset: str) -> dict[str, Any]:
    """What a preset is given: its own classes, although the scenes have fewer."""
    data = PRESETS[preset].data
    return {"label_nc": data.label_nc, "instances": data.instances, **sizes_of(options).preset}


def run_bench(options: argparse.Namespace, preset: str, **asked: Any) -> dict[str, Any]:
    """Call the product's bench, and return its rows and what it found of the largest batch."""
    sizes = sizes_of(options)
    usual = {"timing": sizes.timing, "device": options.device, "workers": sizes.workers}
    # Decoding PNG would take longer than the steps of a large batch.
    usual["decoded_cache"] = str(options.work / "decoded")
    found: Bench = bench(scenes(options), preset=preset, **{**usual, **asked, **preset_options(options, preset)})
    document = bench_document(
        found.result, found.machine, data=TimedData(folder=str(found.data)), config=found.config.to_dict()
    ).to_builtins()
    return {"preset": preset, "input": document["input"], "rows": document["rows"], "largest": document["largest"]}


def bench_rows(sizes: Sizes) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Name, preset and what is asked of `bench`, what is worth the most first."""
    for preset in ("512p", "1024p"):
        for batch in sizes.batches:
            for precision in sizes.precisions:
                asked: dict[str, Any] = {"precisions": [precision], "batch_sizes": [batch]}
                yield f"{preset}, {precision}, batch {batch}", preset, asked
    # A search of the largest batch takes a minute, so that there may be time for the first ones only.
    first = [name for name in ("amp-fp16", "fp32") if name in sizes.precisions]
    for precision in dict.fromkeys((*first, *sizes.precisions)):
        for preset in ("512p", "1024p"):
            asked = {"precisions": [precision], "batch_sizes": [1], "largest": True, "timing": sizes.timing_of_largest}
            yield f"{preset}, {precision}, largest batch", preset, asked
    for switch in sizes.switches:
        for precision in ("fp32", *(name for name in sizes.precisions if name.startswith("amp-"))):
            asked = {"precisions": [precision], "batch_sizes": [1], "variants": [switch]}
            yield f"512p, {precision}, {switch}", "512p", asked


def run_steps(options: argparse.Namespace, record: Record) -> None:
    for name, preset, asked in bench_rows(sizes_of(options)):
        if record.is_missing("bench", name):
            with row(record, "bench", name) as values:
                values.update(run_bench(options, preset, **asked))


def run_original(options: argparse.Namespace, record: Record) -> None:
    for preset, batch in (("512p", 1), ("512p", 2), ("1024p", 1)):
        name = f"{preset}, batch {batch}"
        if record.is_missing("original", name):
            with row(record, "original", name) as values:
                asked = {"precisions": ["fp32"], "batch_sizes": [batch], "against": options.original}
                values.update(run_bench(options, preset, **asked))


def run_estimates(options: argparse.Namespace, record: Record) -> None:
    for name, measured in record.rows("bench").items():
        for each in measured.get("rows", ()):
            key = f"{measured['preset']}, {each['precision']}, batch {each['batch_size']}"
            if each["variant"] == PLAIN and each["fits"] and record.is_missing("estimates", key):
                with row(record, "estimates", key) as values:
                    preset = measured["preset"]
                    config = configure(Path(), preset, niter_fix_global=0, **preset_options(options, preset))
                    config = replace(config, precision=each["precision"], batch_size=each["batch_size"])
                    expected = estimate(config, (measured["input"]["width"], measured["input"]["height"]))
                    values.update({"of": name, "bytes": expected.total, "measured_bytes": each["peak_memory_bytes"]})


# --- Features, moments and distance


def run_features(options: argparse.Namespace, record: Record) -> None:
    sizes, device = sizes_of(options), torch.device(options.device)
    trained = any(path.is_file() for path, _ in local_files())
    record.set("features", weights="Inception's" if trained else "random: for the time alone")
    photos = [read_rgb(path) for path in sorted((scenes(options) / "train_img").iterdir())[: sizes.feature_batch]]
    images = torch.from_numpy(np.stack(photos)).permute(0, 3, 1, 2)
    batch = torch.rand((sizes.feature_batch, 3, 299, 299), generator=torch.Generator().manual_seed(0)) * 2 - 1
    batch, exact = batch.to(device), None
    for precision in map(FeaturePrecision, sizes.feature_precisions):
        name = f"Inception, {precision.value}"
        if not record.is_missing("features", name) and precision is not FeaturePrecision.FP32:
            continue
        with row(record, "features", name) as values:
            network = inception(device, precision, trained=trained)
            network.batch_size = sizes.feature_batch
            passes = sizes.feature_passes
            values["images_per_second"] = passes * len(batch) / seconds(forward(network, batch, passes), sizes.repeats)
            values["batch_size"] = len(batch)
            if trained:
                found = network.features(images).double()
                exact = found if precision is FeaturePrecision.FP32 else exact
                if exact is not None:
                    values["relative_difference"] = float((found - exact).norm() / exact.norm())
    run_moments(options, record)


def inception(device: torch.device, precision: FeaturePrecision, *, trained: bool) -> FidInception:
    """The network, with random weights where there are no others: they take the same time."""
    if trained:
        return load_inception(find_weights(), device, precision=precision)
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, shape in tensor_shapes().items():
        # Such that values neither grow nor vanish: He et al. 2015, and a normalisation that does nothing.
        state[name] = torch.zeros(shape) if name.endswith(("bias", "mean")) else torch.ones(shape)
        if name.endswith("conv.weight"):
            state[name] = torch.randn(shape, generator=generator) * (2 / np.prod(shape[1:])) ** 0.5
    return FidInception(state, device=device, weights_name="random", weights_sha256="", precision=precision)


def forward(network: FidInception, batch: torch.Tensor, passes: int) -> Callable[[], None]:
    """Some passes and the wait for them; the first ones, which load libraries, are over."""

    def run() -> None:
        for _ in range(passes):
            features = network.embed(batch)
        features.cpu()  # all that was asked of the device before is done then

    run()
    return run


def run_moments(options: argparse.Namespace, record: Record) -> None:
    sizes, device = sizes_of(options), torch.device(options.device)
    n, d = sizes.features
    rng = np.random.default_rng(0)
    real, fake = (rng.normal(size=(n, d)).astype(np.float32) + shift for shift in (0.0, 0.1))

    def sums(accumulator: MomentAccumulator) -> Any:
        accumulator.update(real)
        return accumulator.result()

    if record.is_missing("features", "moments"):
        with row(record, "features", "moments") as values:
            compared(values, lambda: sums(accumulator_on(device)), lambda: sums(MomentAccumulator()), sizes.repeats)
            there, here = sums(accumulator_on(device)).covariance, sums(MomentAccumulator()).covariance
            values["relative_difference"] = float(np.abs(there - here).max() / np.abs(here).max())
    if record.is_missing("features", "Fréchet distance"):
        with row(record, "features", "Fréchet distance") as values:
            a, b = sums(MomentAccumulator()), MomentAccumulator()
            b.update(fake)
            of = (a, b.result())
            on_device: Callable[[], FrechetDistance] = partial(frechet_distance_on, device, *of)
            on_cpu: Callable[[], FrechetDistance] = partial(frechet_distance_from_moments, *of)
            compared(values, on_device, on_cpu, sizes.repeats)
            there, here = on_device().value, on_cpu().value
            values["relative_difference"] = abs(there - here) / here


def compared(values: dict[str, Any], there: Callable[[], object], here: Callable[[], object], repeats: int) -> None:
    """Time what is done on the device and on the CPU; both return arrays of NumPy, and so have waited."""
    there()  # the first call loads libraries
    values["device_seconds"], values["cpu_seconds"] = seconds(there, repeats), seconds(here, repeats)


# --- The study


def run_camvid(options: argparse.Namespace, record: Record) -> None:
    from p2phd_eval.study.run_study import run_study
    from p2phd_eval.study.study_plan import PLAN_FILE, load_plan

    sizes, folder = sizes_of(options), options.work / "study"
    until, planned = time.monotonic() + options.seconds, 1
    if (folder / PLAN_FILE).exists():
        planned = len(load_plan(folder).seeds)
    heard: dict[str, Any] = {"device": options.device, "note": lambda text: print(text, flush=True)}
    for seeds in range(planned, max(planned, sizes.seeds) + 1):
        if not record.is_missing("study", f"{seeds} seeds"):
            continue
        if (folder / PLAN_FILE).exists():
            result = run_study(out=folder, seeds=seeds, **heard)
        else:
            data = scenes(options) if options.rehearse else options.camvid
            epochs = affordable_epochs(options, data, until - time.monotonic())
            result = run_study(
                data,
                folder,
                arms=sizes.arms,
                seeds=seeds,
                margin="5%",
                repeat=False,
                batch_size=4,
                epochs=epochs // 2,
                epochs_decay=epochs // 2,
                log_every=20,
                checkpoint_every=200,
                command="python benchmarks/gpu.py",
                **sizes.study,
                **heard,
            )
        report = result.report
        config = report.what_was_run.config
        values = {
            "epochs": config["epochs"] + config["epochs_decay"],
            "verdicts": [verdict.sentence for verdict in report.verdicts],
            "runs": {
                run.name: {
                    "status": run.status,
                    "fid": run.fid,
                    "steps": run.steps,
                    "skipped_steps": run.skipped_steps,
                    "images_per_second": report.speed.runs[run.name].images_per_second,
                    "peak_memory_bytes": report.speed.runs[run.name].peak_memory_bytes,
                }
                for run in report.runs
            },
        }
        for name in ("report.html", "report.json", "report.md"):
            (options.out / "study").mkdir(exist_ok=True)
            shutil.copyfile(folder / name, options.out / "study" / name)
        record.put("study", f"{seeds} seeds", values)


def affordable_epochs(options: argparse.Namespace, data: Path, left: float) -> int:
    """Return an even number of epochs with which a study of one seed takes about the time that is left."""
    sizes, batch = sizes_of(options), 4
    found = bench(
        data, precisions=["fp32"], batch_sizes=[batch], timing=sizes.timing, device=options.device, **sizes.study
    )
    step = found.result.measurements[0].median
    n = len(training_set(found.config, data))
    arms = len(sizes.arms.split(","))
    fewest, most = sizes.epochs
    affordable = (left - sizes.study_overhead) / (arms * max(1, n // batch) * step)
    return int(min(max(affordable // 2 * 2, fewest), most))


WORK: dict[str, Callable[[argparse.Namespace, Record], None]] = {
    "tests": run_tests,
    "bench": run_steps,
    "original": run_original,
    "features": run_features,
    "study": run_camvid,
    "estimates": run_estimates,
}
