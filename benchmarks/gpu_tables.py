"""The tables of benchmarks/gpu.py in Markdown, of whatever is there so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

GIB = 2**30
COUNTS = ("kernels", "launches", "operators")


def render_tables(document: dict[str, Any]) -> str:
    """Return all tables of a document."""
    machine = document["machine"] or {"device": "no device yet", "processor": "", "versions": {}, "memory_bytes": None}
    versions = ", ".join(f"{name} {text}" for name, text in machine["versions"].items() if text)
    stages = document["stages"]
    kind = "Rehearsal of a measurement" if document["rehearsal"] else "Measured"
    parts = [
        f"# {kind} on {machine['device']}, {document['date']}",
        "By `python benchmarks/gpu.py`." + (f" Beside it {machine['processor']}; {versions}." if versions else ""),
        stage_table(stages),
        *tests(stages.get("tests")),
        *steps(stages.get("bench"), stages.get("estimates"), machine["memory_bytes"]),
        *originals(stages.get("original")),
        *features(stages.get("features")),
        *study(stages.get("study")),
        *candidates(stages.get("candidates")),
        *tracebacks(stages),
    ]
    return "\n\n".join(parts) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def ratio(value: float | None, base: float | None) -> str:
    return number(value / base, 2) if value and base else "-"


def gib(value: float | None) -> str:
    return number(value / GIB, 2) if value else "-"


def rows_of(stage: dict[str, Any] | None) -> dict[str, Any]:
    """The rows of a stage that did not fail, by their names."""
    return {name: row for name, row in (stage or {"rows": {}})["rows"].items() if "traceback" not in row}


def stage_table(stages: dict[str, Any]) -> str:
    cells = ((name, of["state"], number(of.get("seconds"), 0), of.get("note", "")) for name, of in stages.items())
    return table(("stage", "state", "seconds", "note"), cells)


def tests(stage: dict[str, Any] | None) -> Iterator[str]:
    if stage and stage["rows"]:
        counts = Counter(row["outcome"] for row in stage["rows"].values())
        yield "## Tests that need CUDA"
        yield ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())) + "."


def steps(stage: dict[str, Any] | None, estimates: dict[str, Any] | None, memory_bytes: int | None) -> Iterator[str]:
    """Tables of training steps, one a preset; ratios are of images a second, to batch 1 of fp32 and of TF32."""
    found = rows_of(stage)
    expected = {name: row["bytes"] for name, row in rows_of(estimates).items()}
    for preset in dict.fromkeys(of["preset"] for of in found.values()):
        here = [of for of in found.values() if of["preset"] == preset]
        # The plain rows that came first; those beside the largest batch and beside switches repeat them.
        plain: dict[tuple[str, int], dict[str, Any]] = {}
        for each in (each for of in here for each in of["rows"] if each["variant"] == "plain"):
            plain.setdefault((each["precision"], each["batch_size"]), each)
        fp32, tf32 = (plain.get((name, 1), {}).get("images_per_second") for name in ("fp32", "tf32"))
        size = here[0]["input"]
        yield f"## Training steps of {preset}, {size['width']} x {size['height']}"
        yield table(
            ("precision", "batch", "s a step", "images/s", "against fp32", "against TF32", "GiB at most",
             "GiB expected", "waits for data"),
            (
                (
                    precision, str(batch), number(each["seconds_median"], 4), number(each["images_per_second"], 2),
                    ratio(each["images_per_second"], fp32), ratio(each["images_per_second"], tf32),
                    gib(each["peak_memory_bytes"]), gib(expected.get(f"{preset}, {precision}, batch {batch}")),
                    "-" if each["data_wait"] is None else f"{each['data_wait']:.1%}",
                )
                for (precision, batch), each in sorted(plain.items(), key=lambda item: item[0][1])
            ),
        )  # fmt: skip
        found_largest = {each["precision"]: each for of in here for each in of["largest"]}
        fitting = []
        for precision in dict.fromkeys(precision for precision, _ in plain):
            one, two = (plain.get((precision, batch), {}).get("peak_memory_bytes") for batch in (1, 2))
            if one and two and two > one and memory_bytes:
                largest = found_largest.get(precision, {"batch_size": "-", "reason": "-"})
                # As if nothing else needed memory, and the allocator left no gaps.
                expects = str(1 + (memory_bytes - one) // (two - one))
                fitting.append((precision, expects, str(largest["batch_size"]), largest["reason"]))
        if fitting:
            yield table(("precision", "largest batch, by batches 1 and 2", "as found", "one more"), fitting)
        switched = [each for of in here for each in of["rows"] if each["variant"] != "plain"]
        if switched:
            yield table(
                ("precision", "switch", "s a step", "times faster than without"),
                (
                    (each["precision"], each["variant"], number(each["seconds_median"], 4),
                     number(each["against_plain"], 2))
                    for each in switched
                ),
            )  # fmt: skip


def originals(stage: dict[str, Any] | None) -> Iterator[str]:
    rows = []
    for name, of in rows_of(stage).items():
        theirs, ours = (
            next(each for each in of["rows"] if each["variant"] == variant) for variant in ("original", "plain")
        )
        memory = [gib(each["peak_memory_bytes"]) for each in (theirs, ours)]
        cells = [number(each["seconds_median"], 4) for each in (theirs, ours)]
        rows.append((name, *cells, ratio(theirs["seconds_median"], ours["seconds_median"]), *memory))
    if rows:
        yield "## The original's step, fp32"
        yield table(("", "its s a step", "ours", "times faster", "its GiB at most", "ours"), rows)


def features(stage: dict[str, Any] | None) -> Iterator[str]:
    found = rows_of(stage)
    rates = {name: row for name, row in found.items() if "images_per_second" in row}
    times = {name: row for name, row in found.items() if "device_seconds" in row}
    if rates:
        assert stage is not None
        base = next(iter(rates.values()))["images_per_second"]
        yield f"## Features (weights: {stage['weights']})"
        yield table(
            ("", "batch", "images/s", "against the first", "relative difference of the features"),
            (
                (name, str(row["batch_size"]), number(row["images_per_second"], 1),
                 ratio(row["images_per_second"], base),
                 f"{row['relative_difference']:.1e}" if "relative_difference" in row else "-")
                for name, row in rates.items()
            ),
        )  # fmt: skip
    if times:
        yield table(
            ("", "s on the device", "s on the CPU", "times faster", "relative difference"),
            (
                (name, number(row["device_seconds"], 3), number(row["cpu_seconds"], 3),
                 ratio(row["cpu_seconds"], row["device_seconds"]), f"{row['relative_difference']:.1e}")
                for name, row in times.items()
            ),
        )  # fmt: skip


def study(stage: dict[str, Any] | None) -> Iterator[str]:
    found = rows_of(stage)
    if not found:
        return
    newest = list(found.values())[-1]
    yield f"## The study, {newest['epochs']} epochs a run"
    yield "\n".join(f"> {sentence}" for sentence in newest["verdicts"])
    yield table(
        ("run", "ended", "FID", "steps", "skipped", "images/s", "GiB at most"),
        (
            (name, run["status"], number(run["fid"], 1), str(run["steps"]), str(sum(run["skipped_steps"].values())),
             number(run["images_per_second"], 1), gib(run["peak_memory_bytes"]))
            for name, run in newest["runs"].items()
        ),
    )  # fmt: skip


def candidates(stage: dict[str, Any] | None) -> Iterator[str]:
    """Tables of candidates of switches, one a preset."""
    rows = rows_of(stage)
    found = {name: row for name, row in rows.items() if "first_step_seconds" in row}
    for preset in dict.fromkeys(row["preset"] for row in found.values()):
        here = {name: row for name, row in found.items() if row["preset"] == preset}
        compared = max((len(row.get("loss_differences", ())) for row in here.values()), default=0)
        yield f"## Candidates of switches, {preset}, batch 1"
        yield table(
            ("precision", "candidate", "s a step", "plain beside it", "times faster (quartiles)",
             "losses differ in step 1", f"in step {compared}", "kernels", "launches", "operators", "GiB at most",
             "GiB held", "s of step 1"),
            (
                (
                    row["precision"], row["candidate"], number(row.get("seconds"), 4),
                    number(row.get("plain_seconds"), 4), quartiles(row),
                    *(relative(row, at) for at in (0, -1)),
                    *(str(rows.get(f"{name}, launches", {}).get(key, "-")) for key in COUNTS),
                    gib(row["peak_memory_bytes"]), gib(row["held_memory_bytes"]), number(row["first_step_seconds"], 1),
                )
                for name, row in here.items()
            ),
        )  # fmt: skip


def quartiles(row: dict[str, Any]) -> str:
    if "ratio" not in row:
        return "-"
    low, high = row["ratio_quartiles"]
    return f"{row['ratio']:.3f} ({low:.3f} to {high:.3f})"


def relative(row: dict[str, Any], step: int) -> str:
    if "loss_differences" not in row:
        return "-"
    value = row["loss_differences"][step]
    return "not finite" if value is None else f"{value:.1e}"


def tracebacks(stages: dict[str, Any]) -> Iterator[str]:
    found = [(name, of["traceback"]) for name, of in stages.items() if "traceback" in of]
    found += [
        (f"{name}, {key}", row["traceback"])
        for name, of in stages.items()
        for key, row in of["rows"].items()
        if "traceback" in row
    ]
    if found:
        yield "## What failed"
        yield "\n\n".join(f"{name}:\n\n```\n{text.strip()}\n```" for name, text in found)
