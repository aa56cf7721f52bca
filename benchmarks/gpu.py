"""All that is to be measured on a GPU, in one call that fits into a loan of minutes, and may be cut off at any moment.

Run `python benchmarks/gpu.py --out DIR [--minutes 9] [--original CHECKOUT] [--camvid DATA]` from the repository's root;
nothing need be installed but what pyproject.toml names. Rehearse it first, without a GPU: `--rehearse` runs all of it
at tiny sizes in less than a minute.

The stages, in the order of what they are worth, each a process of its own with a share of the time:

* tests      those marked `cuda`
* bench      training steps of 512p and 1024p in each precision, at batch 1, 2 and the largest; then with each switch
* original   NVIDIA's own step beside ours; with --original
* features   Inception's images a second, moments, and the eigenvalues of a Fréchet distance
* study      fp32, TF32 and AMP on CamVid at 256 x 192, as many seeds as there is time for; with --camvid
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
  float32 leaves four fifths. Where a transfer holds less, cut them in two with `split -b 50M`, and join the parts there
  with `cat`. Without them, tests that need them fail, Inception is timed with random weights (which takes the same
  time), and there is no study.
* NVIDIA/pix2pixHD and a data set in its layout, 256 x 192 pixels, are folders to bring along.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from gpu_record import Record

ROOT = Path(__file__).resolve().parents[1]

GRACE = 10.0  # seconds for a stage that is cut to end by itself


@dataclass(frozen=True)
class Stage:
    """A part of the whole, which runs in a process of its own."""

    name: str
    share: float  # of the time
    least: float  # seconds with which it is worth beginning
    needs: tuple[str, ...] = ()  # options


STAGES = (
    Stage("tests", share=0.12, least=20),
    Stage("bench", share=0.42, least=20),
    Stage("original", share=0.08, least=20, needs=("original",)),
    Stage("features", share=0.08, least=20),
    Stage("study", share=0.27, least=30, needs=("camvid", "feature_weights")),
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
    names = [*re.findall(r'"([A-Za-z0-9_-]+)', block[1]), "filelock", "pytest", "pytest-timeout"]
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
    parser.add_argument("--stage", help=argparse.SUPPRESS)  # the one that this process is
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)  # that it has
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
    if options.stage:
        work_on(options)
    else:
        run_all(options, list(sys.argv[1:] if argv is None else argv))


def run_all(options: argparse.Namespace, argv: Sequence[str]) -> None:
    """Run the stages that are asked for and not done, each until its share of the time is used up."""
    from gpu_record import Record

    from p2phd_eval.features.weights.index import local_files

    if options.feature_weights is None:
        options.feature_weights = next((path for path, _ in local_files() if path.is_file()), None)
    # SIGTERM ends this process as an exception does, and so the stage at work first.
    signal.signal(signal.SIGTERM, end)
    begun, total = time.monotonic(), 60 * options.minutes - GRACE
    record = Record(options.out, rehearsal=options.rehearse)
    asked = [stage for stage in STAGES if stage.name in options.stages]
    todo = [stage for stage in asked if record.stage(stage.name)["state"] != "done"]
    shares, until = sum(stage.share for stage in todo), 0.0
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
            record = run_stage(options, argv, stage, left)
    print(f"written: {options.out}/gpu.json, gpu.md; {time.monotonic() - begun:.0f} s", flush=True)


def settle(record: Record, stage: Stage, state: str, note: str | None) -> None:
    record.set(stage.name, state=state, note=note)
    print(f"== {stage.name}: {state}{f', {note}' if note else ''}", flush=True)


def run_stage(options: argparse.Namespace, argv: Sequence[str], stage: Stage, seconds: float) -> Record:
    """Run a stage in a process of its own, and return the document with what it found."""
    from gpu_record import Record

    begun, state, note = time.monotonic(), "failed", None
    process = subprocess.Popen(
        [sys.executable, __file__, *argv, "--stage", stage.name, "--seconds", str(seconds)],
        env=environment(options),
        cwd=ROOT,
    )
    try:
        code = process.wait(seconds)
        state = "done" if code == 0 else "failed"
        if code < 0:
            note = f"{signal.Signals(-code).name} ended it"
    except subprocess.TimeoutExpired:
        state, note = "cut", f"cut after {seconds:.0f} s, its share; another call goes on with it"
    except BaseException:
        state, note = "cut", "cut from outside; another call goes on with it"
        raise
    finally:
        end_process(process)
        # Read anew: the stage wrote it.
        record = Record(options.out, rehearsal=options.rehearse)
        before = record.stage(stage.name).get("seconds", 0.0)
        record.set(stage.name, seconds=before + time.monotonic() - begun)
        if state == "cut":
            record.set(stage.name, traceback=None)  # of being cut
        settle(record, stage, state, note or record.stage(stage.name).get("note"))
    return record


def end_process(process: subprocess.Popen[bytes]) -> None:
    """End a process, if it is still at work, by SIGTERM and then by SIGKILL."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def end(signum: int, frame: object) -> NoReturn:
    sys.exit(128 + signum)


def environment(options: argparse.Namespace) -> dict[str, str]:
    """What stages run with: the repository's own code, a cache of their own, and no network to wait for."""
    from p2phd_eval.features.weights.index import WHEEL_FILE

    cache = options.work / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    link = cache / WHEEL_FILE
    link.unlink(missing_ok=True)
    if options.feature_weights is not None:
        link.symlink_to(options.feature_weights.resolve(strict=True))
    nowhere = "http://127.0.0.1:9"
    return {
        # Those of a pytest that this runs in are not the stages' own.
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
        "PYTHONUNBUFFERED": "1",
        "P2PHD_EVAL_CACHE": str(cache),
        "TORCH_HOME": str(cache),
        **dict.fromkeys(("http_proxy", "https_proxy"), nowhere),
        "PIP_NO_INDEX": "1",
    }


def work_on(options: argparse.Namespace) -> None:
    """Do the work of one stage, in this process."""
    import traceback

    from gpu_record import Record
    from gpu_stages import WORK, follow_parent

    from p2phd_eval.bench.machine import describe_machine
    from p2phd_eval.devices import find_device

    follow_parent()
    machine = None if options.stage == AT_HOME else vars(describe_machine(find_device(options.device)))
    record = Record(options.out, rehearsal=options.rehearse, machine=machine)
    record.set(options.stage, state="at work", note=None, traceback=None)
    try:
        WORK[options.stage](options, record)
    except Exception:
        record.set(options.stage, traceback=traceback.format_exc())
        traceback.print_exc()
        sys.exit(1)
    failed = [name for name, row in record.rows(options.stage).items() if "traceback" in row]
    if failed:
        record.set(options.stage, note=f"failed: {', '.join(failed)}")
        sys.exit(1)


if __name__ == "__main__":
    main()
