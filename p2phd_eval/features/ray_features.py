"""Features of one source on a Ray cluster: blocks of images through actors by Ray Data, each a part that is merged."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import pickle
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from p2phd_eval.errors import InputError
from p2phd_eval.executor_options import AMOUNT, SHARE_OF_GPU, Known, read_options, whole
from p2phd_eval.features.feature_set import FeatureSet
from p2phd_eval.features.feature_settings import FeatureSettings
from p2phd_eval.features.merge_features import merge_features
from p2phd_eval.features.part_file import Part, Whole
from p2phd_eval.features.ray_block import BlockJob, BlockWorker
from p2phd_eval.features.share import Share
from p2phd_eval.features.statistics import Statistics
from p2phd_eval.files import atomic_write
from p2phd_eval.images.protocols import Protocol
from p2phd_eval.images.sources.source import ImageSource
from p2phd_eval.progress import Note, ProgressFactory
from p2phd_eval.ray_cluster import Head, address_of_cluster, alive_nodes, connected_ray, ended_without, usual_cpus
from p2phd_eval.stores.store_path import as_path

#: What `--executor-option` takes.
OPTIONS = {
    "address": Known(str, "HOST:PORT"),
    "gpus": SHARE_OF_GPU,
    "cpus": AMOUNT,
    "at_once": whole(1),
    "block": whole(1),
}
_FEWEST, _USUAL, _MOST_BLOCKS = 256, 8192, 256


def features_by_ray(
    source: ImageSource,
    images: str,
    options: Mapping[str, str],
    *,
    statistics: bool,
    protocol: Protocol | None,
    settings: FeatureSettings,
    out: str | os.PathLike[str] | None,
    progress: ProgressFactory,
    note: Note,
) -> FeatureSet | Statistics:
    """Compute the features of a source, or their moments, by the actors of a cluster.

    The images are dealt out in blocks whose bounds depend on their number alone, and each block becomes a part, as of
    `--shard`: the driver keeps it in the folder `out`.parts as it comes. The parts are merged in their order, so that
    the result depends neither on which actor computed what, nor on what was tried twice. Where the driver was ended,
    the next one takes the parts that are there, if their images' contents are still the same.

    `images`: the path by which each node opens the source. `options`: see `OPTIONS`. Raises `InputError` if Ray is not
    installed, there is no such cluster or nothing in it that has room, a node sees other images, or as
    `extract_features`.
    """
    given = read_options("ray", options, OPTIONS)
    n = len(source)
    count = max(1, min(math.ceil(n / given.get("block", usual_block(n))), n // (2 if statistics else 1)))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) if out is None else parts_folder(out)
        ray = stack.enter_context(connected_ray(given.get("address")))
        stack.enter_context(ended_without(Head(ray, address_of_cluster(given.get("address")))))
        gpus, cpus, actors = _room(ray, given, settings)
        folder.mkdir(parents=True, exist_ok=True)
        stack.callback(_remove_if_empty, folder)
        job = BlockJob(
            images=images,
            name=source.name,
            whole=Whole.of(source, marks=False),
            samples={index: source.content_sha256(index) for index in sorted({0, n // 2, n - 1})},
            protocol=protocol,
            settings=replace(
                settings,
                device=settings.device or (None if gpus else "cpu"),
                # An actor takes as many processes as it has cores.
                workers=max(0, int(cpus) - 1) if settings.workers is None else settings.workers,
                cache=False,
            ),
            statistics=statistics,
            count=count,
            folder=str(Path.cwd()),
            environment={name: value for name, value in os.environ.items() if name.startswith("P2PHD_EVAL_")},
        )
        paths = [folder / f"{index:06}.npz" for index in range(count)]
        note(f"Ray: {count} blocks of some {n // count} images by {min(actors, count)} actors")
        with progress(f"features of {source.name}", "images") as on_progress:
            done = 0
            for index, content in _computed(ray, job, paths, cpus=cpus, gpus=gpus, actors=min(actors, count)):
                if content:
                    with atomic_write(paths[index]) as stream:
                        stream.write(content)
                done += len(Share(index=index, count=count).rows(n))
                on_progress(done, n)
        return merge_features(paths)


def usual_block(n: int) -> int:
    """Return how many images a block has: no more than are lost with an actor, and not so few that parts abound."""
    return max(min(_USUAL, max(_FEWEST, math.ceil(n / 64))), math.ceil(n / _MOST_BLOCKS))


def parts_folder(out: str | os.PathLike[str]) -> Path:
    """Return where the parts of a file are kept until it is written: beside it; those of one in a store, here."""
    place = as_path(out)
    return place.with_name(f"{place.name}.parts") if isinstance(place, Path) else Path(f"{place.name}.parts")


def remove_parts(out: str | os.PathLike[str]) -> None:
    """Remove the parts of a file that has been written."""
    shutil.rmtree(parts_folder(out), ignore_errors=True)


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


def _room(ray: Any, given: Mapping[str, Any], settings: FeatureSettings) -> tuple[float, float, int]:
    """Return how many GPUs and cores an actor takes, and how many actors there is room for."""
    nodes = alive_nodes(ray)
    wanted = settings.device is None or settings.device.startswith("cuda")
    gpus = given.get("gpus", 1.0 if wanted and any(node.gpus for node in nodes) else 0.0)
    cpus = given.get("cpus", usual_cpus(nodes, gpus))
    room = sum(node.takes(cpus, gpus) for node in nodes)
    if not room:
        raise InputError(
            "--executor ray",
            expected=f"a node that has room for an actor (gpus={gpus:g}, cpus={cpus:g})",
            found=f"none among {len(nodes)}",
            fix="Ask for less by --executor-option gpus= and cpus=, or add nodes.",
        )
    return gpus, cpus, min(room, given.get("at_once", room))


def _computed(
    ray: Any, job: BlockJob, paths: Sequence[Path], *, cpus: float, gpus: float, actors: int
) -> Iterator[tuple[int, bytes]]:
    """Yield the number and the content of each part as it comes; the content is empty where it is there already."""
    import ray.data as ray_data

    context = ray_data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    blocks = [{"index": index, "known": _known(path, job)} for index, path in enumerate(paths)]
    parts = ray_data.from_items(blocks, override_num_blocks=len(blocks)).map_batches(
        BlockWorker, fn_constructor_args=(job,), batch_size=1, concurrency=actors, num_cpus=cpus, num_gpus=gpus
    )
    try:
        for row in parts.iter_rows():
            if row["error"]:
                raise pickle.loads(row["error"])
            yield row["index"], row["part"]
    except ray.exceptions.RayError as error:
        if not isinstance(getattr(error, "cause", None), ImportError):
            raise
        raise InputError(
            "--executor ray",
            expected="nodes that have p2phd-eval",
            found=str(error.cause),
            fix="Install the same p2phd-eval on every node.",
        ) from error


def _known(path: Path, job: BlockJob) -> bytes:
    """Return the stamp of a part that is there already, pickled; nothing where there is none of these images."""
    try:
        part = Part.load(path)
        part.contents()
    except InputError:
        return b""
    fits = part.whole == job.whole and part.share.count == job.count and part.statistics == job.statistics
    return pickle.dumps(part.stamp) if fits and part.stamp.source == job.name else b""
