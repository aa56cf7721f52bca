"""Do readers stand up to files that somebody made up? Damaged cases without end for each reader of the package.

Run `python benchmarks/fuzz.py [--target NAME ...] [--seconds 600] [--jobs 2] [--out FILE]` from the repository's root.
Each reader runs in a process of its own, on cases that follow from `--seed` and a number: `--only NUMBER` runs one
again and shows what it raises. A fault is an exception that is no `InputError`, the end of the process, more than 5
seconds of the processor, or more than 1 GiB of memory. The first case of each kind of fault is kept in `--faults`, made
as small as a few seconds allow.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TextIO

from fuzz_target import Case, Target, write_case
from fuzz_targets import targets
from measuring import describe_machine, today

import p2phd_eval
from p2phd_eval.errors import InputError
from p2phd_eval.files import write_json

SECONDS = 5.0  # of the processor, a case
BYTES = 1 << 30  # above what the process had before, a case
_ADDRESSES = 6 << 30  # which a process may ask for above what it has: so the machine stays whole
_PATIENCE = 120.0  # seconds of the clock, after which a process that does not end its case is ended
_SMALLER = 3.0  # seconds that are spent on making a case smaller
_SHOWN = 300  # bytes of a case
_PACKAGE = Path(p2phd_eval.__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", action="append", metavar="NAME", help="a reader; may be repeated (default: all)")
    parser.add_argument("--seconds", type=float, default=600, help="for each reader")
    parser.add_argument("--jobs", type=int, default=2, help="readers at a time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--only", type=int, metavar="NUMBER", help="run one case of one reader, and show what it raises"
    )
    parser.add_argument("--faults", type=Path, default=Path("build/fuzz"), help="folder for the cases that are faults")
    default = Path(__file__).parent / "results" / f"fuzz-{today()}.json"
    parser.add_argument("--out", type=Path, default=default, help="where to write the JSON")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        _child(options)
        return
    unknown = sorted(set(options.target or ()) - set(targets()))
    if unknown:
        parser.error(f"unknown {unknown[0]}; there are {', '.join(targets())}")
    if options.only is not None:
        _show(targets()[options.target[0]], options)
        return
    machine = describe_machine()
    names = options.target or list(targets())
    with ThreadPoolExecutor(options.jobs) as pool:
        found = dict(zip(names, pool.map(lambda name: _watch(name, options), names), strict=True))
    faults = sum(len(each["faults"]) for each in found.values())
    write_json(options.out, {"date": today(), "machine": machine, "seed": options.seed, "targets": found})
    print(f"{sum(each['cases'] for each in found.values())} cases, {faults} kinds of faults; written: {options.out}")
    raise SystemExit(min(faults, 1))


# --- The process that watches


def _watch(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Run a reader for its time, in processes that are started anew where one ends."""
    total: dict[str, Any] = {"cases": 0, "taken": 0, "refused": 0, "slowest_seconds": 0.0, "most_bytes": 0}
    faults: dict[str, dict[str, Any]] = {}
    started, number = time.monotonic(), 0
    while (left := options.seconds - (time.monotonic() - started)) > 0:
        arguments = ("--child", "--target", name, "--seed", options.seed, "--first", number, "--seconds", left)
        process = subprocess.Popen(
            [sys.executable, __file__, *map(str, arguments), "--faults", str(options.faults)],
            stdout=subprocess.PIPE,
            text=True,
            errors="replace",
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        ended = _listen(process, total, faults)
        if ended["how"] == "done":
            break
        fault = {"what": ended["how"], "place": "", "number": ended["number"], "count": 0}
        faults.setdefault(ended["how"], fault)["count"] += 1
        if ended["number"] is None:
            break  # it did not get so far as a case: its log says why
        number = ended["number"] + 1
    for fault in faults.values():
        print(f"{name}: {fault['what']} {fault['place']} ({fault['count']} cases, such as --only {fault['number']})")
        print(f"    {fault.get('message', '')[:200]!r}\n    {fault.get('case', '')}", flush=True)
    print(f"{name}: {json.dumps(total)}", flush=True)
    return {**total, "seconds": time.monotonic() - started, "faults": list(faults.values())}


def _listen(process: subprocess.Popen[str], total: dict[str, Any], faults: dict[str, Any]) -> dict[str, Any]:
    """Take what a process says until it ends; end it where a case takes too long."""
    state: dict[str, Any] = {"since": time.monotonic(), "processor": 0.0, "number": None}
    stopped = threading.Event()
    killed = threading.Event()

    def guard() -> None:
        while not stopped.wait(1.0):
            used = _processor_seconds(process.pid) - state["processor"]
            waited = time.monotonic() - state["since"]
            if state["number"] is not None and (used > 4 * SECONDS or waited > _PATIENCE):
                killed.set()
                process.kill()
                return

    watcher = threading.Thread(target=guard, daemon=True)
    watcher.start()
    done = False
    assert process.stdout is not None
    for line in process.stdout:
        said = json.loads(line)
        if "start" in said:
            state.update(number=said["start"], since=time.monotonic(), processor=_processor_seconds(process.pid))
            total["cases"] += 1
        elif "end" in said:
            if said["end"] in total:
                total[said["end"]] += 1
            total["slowest_seconds"] = max(total["slowest_seconds"], said["seconds"])
            total["most_bytes"] = max(total["most_bytes"], said["bytes"])
            if said["end"] == "fault":
                kind = f"{said['what']} {said['place']}"
                faults.setdefault(kind, {**said, "count": 0})["count"] += 1
        else:
            done = True
    process.wait()
    stopped.set()
    watcher.join()
    how = (
        "done"
        if done
        else f"hangs, killed after {4 * SECONDS:g} s"
        if killed.is_set()
        else f"ends {process.returncode}"
    )
    return {"how": how, "number": state["number"]}


def _processor_seconds(pid: int) -> float:
    with contextlib.suppress(OSError, IndexError):
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


# --- The process that reads


def _child(options: argparse.Namespace) -> None:
    # What readers print goes nowhere; a pipe to the parent stays, and a file for what ends this process.
    said = os.fdopen(os.dup(1), "w")
    options.faults.mkdir(parents=True, exist_ok=True)
    with (options.faults / f"{options.target[0]}.log").open("a", encoding="utf-8") as log:
        faulthandler.enable(log)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        try:
            with _quietly():
                _run_cases(options, said)
        except BaseException:
            traceback.print_exc(file=log)
            raise


def _run_cases(options: argparse.Namespace, said: TextIO) -> None:
    target = targets()[options.target[0]]

    def say(**what: Any) -> None:
        said.write(json.dumps(what) + "\n")
        said.flush()

    with tempfile.TemporaryDirectory() as work:
        seeds = _prepare(target, Path(work))
        resource.setrlimit(resource.RLIMIT_AS, (_status("VmSize") + _ADDRESSES,) * 2)
        end, number = time.monotonic() + options.seconds, options.first
        known: set[str] = set()
        while time.monotonic() < end:
            case = target.mutated(seeds, _rng(target, options.seed, number))
            say(start=number)
            found = judge(target, case, Path(work) / "case")
            if found["end"] == "fault":
                kind = f"{found['what']} {found['place']}"
                if kind not in known:
                    known.add(kind)
                    case = smaller(target, case, Path(work) / "case", kind)
                    folder = options.faults / target.name / f"{len(known)}-{number}"
                    shutil.rmtree(folder, ignore_errors=True)
                    write_case(case, folder)
                    found |= {"case": _shown(case), "kept": str(folder)}
                found["number"] = number
            say(**found)
            number += 1
        say(done=number)


def _prepare(target: Target, work: Path) -> list[Case]:
    """Make the cases that are damaged, and see that the reader takes them as they are."""
    (work / "seeds").mkdir()
    seeds = target.seeds(work / "seeds")
    ends = [judge(target, case, work / "case") for case in seeds]
    if target.whole and not any(each["end"] == "taken" for each in ends):
        raise SystemExit(f"{target.name}: no undamaged case is taken: {ends}")
    return seeds


def _rng(target: Target, seed: int, number: int) -> random.Random:
    return random.Random(f"{target.name} {seed} {number}")


def judge(target: Target, case: Case, folder: Path) -> dict[str, Any]:
    """Let a reader read a case: was it taken or refused, or is it a fault?"""
    shutil.rmtree(folder, ignore_errors=True)
    write_case(case, folder)
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # the highest memory so far is forgotten
    before, start = _status("VmRSS"), time.process_time()
    end, what, place, message = "taken", "", "", ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            target.read(folder)
        except InputError:
            end = "refused"
        except BaseException as error:
            if _ends_a_command(error):
                end = "taken"
            else:
                end, what, place, message = "fault", type(error).__name__, _place(error), str(error)[:500]
    seconds, taken = time.process_time() - start, max(0, _status("VmHWM") - before)
    if end != "fault" and (seconds > SECONDS or taken > BYTES):
        end, what = "fault", f"{seconds:.0f} s" if seconds > SECONDS else f"{taken / (1 << 30):.1f} GiB"
        what, message = ("time" if seconds > SECONDS else "memory"), what
    return {"end": end, "what": what, "place": place, "message": message, "seconds": seconds, "bytes": taken}


def _ends_a_command(error: BaseException) -> bool:
    return type(error).__name__ == "Exit"  # of typer: a command said that a rule is broken


def _place(error: BaseException) -> str:
    """The innermost line of the package that took part."""
    frames = [
        f"{Path(frame.f_code.co_filename).relative_to(_PACKAGE)}:{line}"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if Path(frame.f_code.co_filename).is_relative_to(_PACKAGE)
    ]
    return frames[-1] if frames else "outside the package"


def smaller(target: Target, case: Case, folder: Path, kind: str) -> Case:
    """Take bytes away from a case as long as its fault stays."""
    end = time.monotonic() + _SMALLER

    def stays(changed: Case) -> bool:
        found = judge(target, changed, folder)
        return found["end"] == "fault" and f"{found['what']} {found['place']}" == kind

    for name in sorted(set(case) - set(target.kept), key=lambda name: len(case[name])):
        step = max(1, len(case[name]) // 2)
        while step and time.monotonic() < end:
            start, gained = 0, False
            while start < len(case[name]) and time.monotonic() < end:
                content = case[name]
                changed = {**case, name: content[:start] + content[start + step :]}
                if stays(changed):
                    case, gained = changed, True
                else:
                    start += step
            step = step if gained and step > 1 else step // 2
    return case


def _shown(case: Case) -> str:
    parts = (f"{name} ({len(content)} bytes) {content[:_SHOWN]!r}" for name, content in case.items())
    return "; ".join(parts)[: 4 * _SHOWN]


def _status(key: str) -> int:
    """A number of bytes from what the system says of this process; 0 where it says nothing."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(f"{key}:"):
                return int(line.split()[1]) << 10
    return 0


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    with (
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        yield


def _show(target: Target, options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as work:
        with _quietly():
            seeds = _prepare(target, Path(work))
        case = target.mutated(seeds, _rng(target, options.seed, options.only))
        folder = Path(work) / "case"
        shutil.rmtree(folder, ignore_errors=True)
        write_case(case, folder)
        print(_shown(case))
        read: Callable[[Path], object] = target.read
        read(folder)


if __name__ == "__main__":
    main()
