"""How soon the command line answers where nothing has to be computed: help, a version, a bad option.

Run `python benchmarks/startup.py [--out FILE]` from the repository's root on an idle machine. It takes half a minute.
Each answer is a process of its own, from start to exit; beside it stand an interpreter that does nothing, one that
imports typer with its renderer of help, which every answer needs, and one that imports torch, which none does. The
fastest of several runs counts. On a busy machine look at the processor's seconds, which waiting is no part of.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from measuring import describe_machine, today

from p2phd_eval.files import write_json

REPEATS = 10
ANSWERS = {
    "p2phd-eval --version": ("--version",),
    "p2phd-eval --help": ("--help",),
    "p2phd-eval train --help": ("train", "--help"),
    "p2phd-eval fid --fp16 (a bad option)": ("fid", "--fp16"),
    "p2phd-eval fi (a bad command)": ("fi",),
}
BESIDE = {"python": "pass", "import typer.rich_utils": "import typer.rich_utils", "import torch": "import torch"}


def process_seconds(command: Sequence[str], codes: tuple[int, ...]) -> tuple[float, float]:
    """Seconds from start to exit, and the processor's seconds, each of the fastest of several processes."""
    walls, processors = [], []
    for _ in range(REPEATS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.perf_counter()
        process = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
        walls.append(time.perf_counter() - start)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        processors.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        if process.returncode not in codes:
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{process.stderr}")
    return min(walls), min(processors)


def loaded(arguments: Sequence[str]) -> list[str]:
    """The heavy libraries that an answer loads."""
    code = (
        "import sys, runpy\nsys.argv = ['p2phd-eval', *sys.argv[1:]]\n"
        "try:\n    runpy.run_module('p2phd_eval', run_name='__main__')\n"
        "except SystemExit:\n    pass\n"
        "heavy = ('torch', 'scipy', 'matplotlib', 'numpy', 'PIL', 'pydantic')\n"
        "print(*[name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    process = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return process.stderr.splitlines()[-1].split()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).parent / "results" / f"startup-{today()}.json"
    parser.add_argument("--out", type=Path, default=default, help="where to write the JSON")
    out = parser.parse_args().out
    machine = describe_machine()
    taken = {name: process_seconds(("-c", code), (0,)) for name, code in BESIDE.items()}
    taken |= {name: process_seconds(("-m", "p2phd_eval", *arguments), (0, 2)) for name, arguments in ANSWERS.items()}
    _, least = taken["import typer.rich_utils"]
    document = {
        "date": today(),
        "machine": machine,
        "repeats": REPEATS,
        "seconds": {name: wall for name, (wall, _) in taken.items()},
        "processor_seconds": {name: processor for name, (_, processor) in taken.items()},
        "processor_ratio_to_typer_alone": {name: taken[name][1] / least for name in ANSWERS},
        "heavy_libraries_loaded": {name: loaded(arguments) for name, arguments in ANSWERS.items()},
    }
    print(machine)
    for name, (wall, processor) in taken.items():
        print(f"{name}: {wall:.3f} s, of the processor {processor:.3f} s, {processor / least:.2f} of typer alone")
    write_json(out, document)
    print(f"written: {out}")


if __name__ == "__main__":
    main()
