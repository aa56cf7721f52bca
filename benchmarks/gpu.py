"""All that is to be measured on a GPU, in one call that fits into a loan of minutes, and may be cut off at any moment.

Run `python benchmarks/gpu.py --out DIR [--minutes 9] [--original CHECKOUT] [--camvid DATA]` from the repository's root;
nothing need be installed but what pyproject.toml names. Rehearse it first, without a GPU: `--rehearse` runs all of it
at tiny sizes in less than a minute.

The stages, in the order of what they are worth, each with a share of the time:

* tests      those marked `cuda`
* bench      training steps of 512p and 1024p in each precision, at batch 1, 2 and the largest; then --deterministic
* original   NVIDIA's own step beside ours; with --original
* features   Inception's images a second, moments, and the eigenvalues of a Fréchet distance
* study      fp32, TF32 and AMP on CamVid at 256 x 192, as many seeds as there is time for; with --camvid
* candidates what might make the step faster, each beside the plain step: padded channels, channels-last, CUDA graphs,
             compiling. After all that is owed, since it only says which switches to build; what is compiled takes
             a minute a row, for which another call with `--stages candidates` is meant
* estimates  what the program expects of the memory that bench measured; takes no GPU, so run it at home, with --stages

DIR/gpu.json is written whole after every row, and DIR/gpu.md, its tables, with it. A stage whose share is used up is
cut; one that fails leaves its traceback there; the next one begins all the same. Call it again with the same folders,
and it goes on with what is missing. What is bulky (trainings, drawn scenes) goes to --work.

Where the machine with the GPU has no network:

* It says first which packages are missing. Bring them as wheels: where there is a network
      pip download --no-deps --only-binary=:all: --python-version 3.12 -d wheels NAME ...
  and there
      pip install --no-index --no-deps --target site wheels/*.whl && export PYTHONPATH=site
* Inception's weights (87 MB) come by --feature-weights FILE. They do not shrink: a lossless compression of their
  float32 leaves more than four fifths. Where a transfer holds less, cut them in two with `split -b 50M`, and join the
  parts there with `cat`. Without them, tests that need them fail, Inception is timed with random weights (which takes
  the same time), and there is no study.
* NVIDIA/pix2pixHD and a data set in its layout, 256 x 192 pixels, are folders to bring along.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import os
import re
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

    from gpu_record import Record

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the repository's own code, installed or not

GRACE = 10.0  # seconds for a stage that is cut to end by itself


@dataclass(frozen=True)
class Stage:
    """A part of the whole."""

    name: str
    share: float  # of the time
    least: float  # seconds with which it is worth beginning
    needs: tuple[str, ...] = ()  # options
    alone: bool = False  # whether what it leaves behind in its process would disturb the next


STAGES = (
    Stage("tests", share=0.12, least=20, alone=True),
    Stage("bench", share=0.32, least=20),
    Stage("original", share=0.08, least=20, needs=("original",)),
    Stage("features", share=0.08, least=20),
    Stage("study", share=0.27, least=30, needs=("camvid", "feature_weights")),
    Stage("candidates", share=0.12, least=30),
    Stage("estimates", share=0.03, least=5),
)
AT_HOME = "estimates"

#: Modules whose packages are called otherwise.
MODULES = {"pillow": "PIL", "scikit-learn": "sklearn"}


def missing_packages() -> list[str]:
    """The packages that pyproject.toml asks for and that cannot be imported, and pytest."""
    text = (ROOT / "pyproject.toml").read_text()
    block = re.search(r"^dependencies = \[(.*?)^\]", text, re.DOTALL | re.MULTILINE)
    assert block is not None
    # What stands behind a semicolon is for other Pythons than those of such machines.
    own = [each for each in re.findall(r'"([^"]+)"', block[1]) if ";" not in each]
    names = [*(re.split(r"[^A-Za-z0-9_-]", each)[0] for each in own), "filelock", "pytest", "pytest-timeout"]
    modules = {name: MODULES.get(name, name.replace("-", "_")) for name in names}
    return [name for name, module in modules.items() if importlib.util.find_spec(module) is None]


def arguments_of(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of gpu.json and gpu.md")
    parser.add_argument("--work", type=Path, help="folder of what is bulky; by default OUT/work")
    parser.add_argument("--minutes", type=float, default=9.0, help="for all stages together")
    parser.add_argument("--stages", help=f"those to run; by default all but {AT_HOME}, and all in a rehearsal")
    parser.add_argument("--device", help="by default cuda; in a rehearsal cpu")
    parser.add_argument("--original", type=Path, help="checkout of NVIDIA/pix2pixHD")
    parser.add_argument("--camvid", type=Path, help="data of the study, 256 x 192, 12 classes, in pix2pixHD's layout")
    parser.add_argument("--feature-weights", type=Path, help="Inception's weights; by default those of the cache")
    parser.add_argument("--rehearse", action="store_true", help="all of it at tiny sizes, on a CPU")
    options = parser.parse_args(argv)
    options.device = options.device or ("cpu" if options.rehearse else "cuda")
    options.out, options.work = options.out.resolve(), (options.work or options.out / "work").resolve()
    if options.rehearse and options.camvid is None:
        options.camvid = options.work / "scenes"  # drawn there
    known = [stage.name for stage in STAGES if options.rehearse or stage.name != AT_HOME]
    options.stages = options.stages.split(",") if options.stages else known
    unknown = set(options.stages) - {stage.name for stage in STAGES}
    if unknown:
        parser.error(f"no such stage: {', '.join(sorted(unknown))}")
    return options


def main(argv: Sequence[str] | None = None) -> None:
    options = arguments_of(argv)
    if missing := missing_packages():
        raise SystemExit(f"Missing packages: {' '.join(missing)}. --help says how to bring them.")
    from gpu_record import Record

    from p2phd_eval.features.weights.index import local_files

    if options.feature_weights is None:
        options.feature_weights = next((path for path, _ in local_files() if path.is_file()), None)
    set_environment(options)
    # SIGTERM ends this process as an exception does, and so the stage at work first.
    signal.signal(signal.SIGTERM, end)
    begun, total = time.monotonic(), 60 * options.minutes - GRACE
    record = Record(options.out, rehearsal=options.rehearse)
    asked = [stage for stage in STAGES if stage.name in options.stages]
    todo = [stage for stage in asked if record.stage(stage.name)["state"] != "done"]
    shares, until = sum(stage.share for stage in todo), 0.0
    with Worker(options) as worker:
        for stage in asked:
            if stage not in todo:
                print(f"== {stage.name}: done before", flush=True)
                continue
            # What earlier stages leave of their shares is there for the later ones.
            until += stage.share / shares
            left = begun + until * total - time.monotonic()
            state = "cut" if record.rows(stage.name) else "skipped"
            if lacking := [f"--{name}".replace("_", "-") for name in stage.needs if getattr(options, name) is None]:
                settle(record, stage, state, f"without {' and '.join(lacking)} there is nothing to do")
            elif left < (0 if options.rehearse else stage.least):
                settle(record, stage, state, f"{max(left, 0):.0f} s are left")
            else:
                print(f"== {stage.name}: has {left:.0f} s", flush=True)
                record = run_stage(options, worker, stage, left)
    print(f"written: {options.out}/gpu.json, gpu.md; {time.monotonic() - begun:.0f} s", flush=True)


def settle(record: Record, stage: Stage, state: str, note: str | None) -> None:
    record.set(stage.name, state=state, note=note)
    print(f"== {stage.name}: {state}{f', {note}' if note else ''}", flush=True)


def run_stage(options: argparse.Namespace, worker: Worker, stage: Stage, seconds: float) -> Record:
    """Let the worker do a stage, and return the document with what it found."""
    from gpu_record import Record

    begun, state, note = time.monotonic(), "cut", "cut from outside; another call goes on with it"
    try:
        state, note = worker.do(stage, seconds)
    finally:
        if state != "done" or stage.alone:
            worker.end()
        # Read anew: the worker wrote it.
        record = Record(options.out, rehearsal=options.rehearse)
        record.set(stage.name, seconds=record.stage(stage.name).get("seconds", 0.0) + time.monotonic() - begun)
        if state == "cut":
            record.set(stage.name, traceback=None)  # of being cut
        settle(record, stage, state, note or record.stage(stage.name).get("note"))
    return record


class Worker:
    """A process that does one stage after the other, and is replaced by a new one where it is ended."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        # Another Python, not a fork: nothing of torch is begun in this one.
        self._context = multiprocessing.get_context("spawn")
        self._process: SpawnProcess | None = None
        self._stages: Connection

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def do(self, stage: Stage, seconds: float) -> tuple[str, str]:
        """Have a stage done, and return the state that it is in then, and a note; it is at work still if it is cut."""
        begun = time.monotonic()
        if self._process is None or not self._process.is_alive():
            self._stages, theirs = self._context.Pipe()
            self._process = self._context.Process(target=work, args=(self._options, theirs))
            self._process.start()
            theirs.close()
        self._stages.send((stage.name, seconds))
        if not self._stages.poll(max(0.0, begun + seconds - time.monotonic())):
            return "cut", f"cut after {seconds:.0f} s, its share; another call goes on with it"
        try:
            return ("done" if self._stages.recv() else "failed"), ""
        except (EOFError, OSError):
            self._process.join()
            return "failed", f"its process ended with {self._process.exitcode}"

    def end(self) -> None:
        """End the process, if there is one, by SIGTERM and then by SIGKILL."""
        if self._process is not None:
            self._process.terminate()
            self._process.join(GRACE)
            self._process.kill()
            self._process.join()
            self._process = None


def end(signum: int, frame: object) -> NoReturn:
    sys.exit(128 + signum)


def set_environment(options: argparse.Namespace) -> None:
    """Let stages use the repository's own code and a cache of their own, and wait for no network."""
    from p2phd_eval.features.weights.index import WHEEL_FILE

    cache = options.work / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    link = cache / WHEEL_FILE
    link.unlink(missing_ok=True)
    if options.feature_weights is not None:
        link.symlink_to(options.feature_weights.resolve(strict=True))
    for name in [name for name in os.environ if name.startswith("PYTEST_")]:
        del os.environ[name]  # of a pytest that this runs in
    nowhere = "http://127.0.0.1:9"
    os.environ |= {
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
        "PYTHONUNBUFFERED": "1",
        "P2PHD_EVAL_CACHE": str(cache),
        "TORCH_HOME": str(cache),
        **dict.fromkeys(("http_proxy", "https_proxy"), nowhere),
        "PIP_NO_INDEX": "1",
    }


def work(options: argparse.Namespace, stages: Connection) -> None:
    """Do stages as they are asked for, until one fails: what is wrong with the device then may not go away."""
    import traceback

    from gpu_candidates import STAGE, run_candidates
    from gpu_record import Record
    from gpu_stages import WORK, follow_parent

    from p2phd_eval.bench.machine import describe_machine
    from p2phd_eval.devices import find_device
    from p2phd_eval.memory import memory_of

    follow_parent()
    stage_work = {**WORK, STAGE: run_candidates}
    while True:
        name, options.seconds = stages.recv()
        machine = None
        if name != AT_HOME:
            device = find_device(options.device)
            machine = {**vars(describe_machine(device)), "memory_bytes": memory_of(device)}
        record = Record(options.out, rehearsal=options.rehearse, machine=machine)
        record.set(name, state="at work", note=None, traceback=None)
        try:
            stage_work[name](options, record)
        except Exception:
            record.set(name, traceback=traceback.format_exc())
            traceback.print_exc()
        failed = [row for row, values in record.rows(name).items() if "traceback" in values]
        if failed:
            record.set(name, note=f"failed: {', '.join(failed)}")
        good = not failed and "traceback" not in record.stage(name)
        stages.send(good)
        if not good:
            return


if __name__ == "__main__":
    main()
