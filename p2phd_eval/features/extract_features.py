"""The features of images in one call, by one process or by all that torchrun started."""

import os
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from p2phd_eval.errors import InputError
from p2phd_eval.executor_options import read_options
from p2phd_eval.features.extraction import FeatureExtractor
from p2phd_eval.features.feature_set import FeatureSet
from p2phd_eval.features.feature_settings import FeatureSettings
from p2phd_eval.features.inputs import naming_choices
from p2phd_eval.features.merge_features import save_features
from p2phd_eval.features.part_file import Whole, write_part
from p2phd_eval.features.share import Share
from p2phd_eval.features.statistics import Statistics
from p2phd_eval.features.under_protocol import require_protocol_settings, under_protocol
from p2phd_eval.files import atomic_write
from p2phd_eval.images.protocols import Protocol, find_protocol
from p2phd_eval.images.sources.arrays import ArraySource
from p2phd_eval.images.sources.chosen import ChosenSource
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.images.sources.source import ImageSource
from p2phd_eval.locks import hold_file
from p2phd_eval.progress import Note, ProgressFactory, silent, unheard
from p2phd_eval.stores.store_path import as_path
from p2phd_eval.targets import require_file_target


def extract_features(
    images: Any,
    out: str | os.PathLike[str] | None = None,
    *,
    statistics: bool = False,
    shard: Any = None,
    executor: str = "local",
    executor_options: Mapping[str, str] | None = None,
    protocol: str | Protocol | None = None,
    settings: FeatureSettings | None = None,
    progress: ProgressFactory = silent,
    note: Note = unheard,
) -> FeatureSet | Statistics | None:
    """Compute the features of a set of images once, for `compute_fid` and the like: what the command `features` does.

    Under torchrun each process takes an equal share of the images, and the first one writes. With `shard` it is a share
    of them alone, so that any scheduler may spread them over machines; `merge_features` puts the parts together.

    Parameters
    ----------
    images : path-like, ImageSource, array, Tensor or iterable of batches
        See `open_source`, and `ArraySource` for images in memory.
    out : path-like, optional
        File to write, ending in `.npz`.
    statistics : bool
        Compute mean and covariance alone, as pytorch-fid does; memory is then constant.
    shard : tuple of int or str, optional
        (i, n) or "i/n": the i-th of n equal shares of the images alone, counted from 0; the file is then a part.
    executor : {"local", "ray"}
        Who computes: this process (or torchrun's), or the actors of a Ray cluster, whose nodes open the images by
        their path. Blocks that are done are kept beside `out` until all are.
    executor_options : mapping of str, optional
        For Ray: `address`, `gpus`, `cpus` (of an actor), `at_once` (actors), `block` (images).
    protocol, settings, progress, note
        See `compute_fid`. Photos and generated images alike are held against a protocol, and stamped with it.

    Returns
    -------
    FeatureSet, or Statistics if `statistics`, of the share if there is one; None on all ranks but the first

    Raises
    ------
    InputError
        If the file's name ends otherwise or it cannot be written, there is no such share or nothing in it, an image
        cannot be read, or the network cannot be had.

    Examples
    --------
    >>> real = extract_features("photos/", "photos.npz")
    """
    # Cheap failures first: pytorch-fid knows statistics by this ending, and so does this tool.
    if out is not None:
        require_file_target(out, "--out", ending=".npz")
    share = None if shard is None else Share.of(shard)
    _require_executor(executor, executor_options or {}, images, share)
    if isinstance(images, str | os.PathLike):
        source = open_source(images)
    else:
        source = images if isinstance(images, ImageSource) else ArraySource(images)
    settings = settings or FeatureSettings()
    held = None if protocol is None else find_protocol(protocol)
    if held is not None:
        require_protocol_settings(settings, held)
        with naming_choices([source]):
            source = under_protocol(source, held, photos=True)
    if share is not None:
        _require_enough(source, share, least=2 if statistics else 1)
    if executor == "ray":
        return _by_ray(
            source,
            images,
            executor_options or {},
            out,
            statistics=statistics,
            protocol=held,
            settings=settings,
            progress=progress,
            note=note,
        )

    # Imported here, since it takes torch.
    from p2phd_eval.devices import find_device
    from p2phd_eval.distributed import local_device, ranks_from_environment
    from p2phd_eval.features.sharding import sharded_features, sharded_statistics

    device = local_device(find_device(settings.device))
    with (
        ranks_from_environment(device) as ranks,
        hold_file(out) if out is not None and ranks.is_first else nullcontext(),
    ):
        heard = (progress, note) if ranks.is_first else (silent, unheard)
        for text in source.warnings:
            heard[1](f"warning: {text}")
        extractor = FeatureExtractor(replace(settings, device=str(device)), progress=heard[0], note=heard[1])
        own = source if share is None else ChosenSource(source, share.rows(len(source)))
        result: tuple[FeatureSet | Statistics, list[str]] | None
        if statistics:
            result = sharded_statistics(own, extractor, ranks)
        else:
            # One process alone may find them in the cache.
            result = extractor.with_hashes(own) if ranks.size == 1 else sharded_features(own, extractor, ranks)
        if result is None:
            return None
        found, hashes = result
        assert found.stamp is not None
        found = replace(found, stamp=replace(found.stamp, protocol=source.protocol, resized=source.resized))
        if out is not None and share is not None:
            with atomic_write(out) as stream:
                write_part(stream, found, share=share, whole=Whole.of(source), names=own.names, hashes=hashes)
        elif out is not None:
            save_features(out, found)
    return found


def _by_ray(
    source: ImageSource,
    images: Any,
    options: Mapping[str, str],
    out: str | os.PathLike[str] | None,
    *,
    note: Note,
    **asked: Any,
) -> FeatureSet | Statistics:
    from p2phd_eval.features.ray_features import features_by_ray, remove_parts

    for text in source.warnings:
        note(f"warning: {text}")
    place = as_path(images)
    with hold_file(out) if out is not None else nullcontext():
        everywhere = os.fspath(place.absolute() if isinstance(place, Path) else place)
        found = features_by_ray(source, everywhere, options, out=out, note=note, **asked)
        if out is not None:
            save_features(out, found)
            remove_parts(out)
    return found


def _require_executor(executor: str, options: Mapping[str, str], images: Any, share: Share | None) -> None:
    if executor not in ("local", "ray"):
        raise InputError("--executor", expected="local | ray", found=repr(executor))
    if executor == "local":
        read_options("local", options, {})
    elif share is not None:
        raise InputError(
            f"--shard {share}",
            expected="it without --executor ray, which deals out the images itself",
            found="both",
            fix="Leave one of them out.",
        )
    elif not isinstance(images, str | os.PathLike):
        raise InputError(
            "--executor ray", expected="a path by which every node opens the images", found="images in memory"
        )


def _require_enough(source: ImageSource, share: Share, *, least: int) -> None:
    """Raise InputError if a share, of which the first is the smallest, has too few images to be merged."""
    if len(source) // share.count < least:
        raise InputError(
            source.name,
            expected=f"at least {least} image{'s' if least > 1 else ''} for each of {share.count} shares",
            found=f"{len(source)} images",
            fix="Take fewer shares.",
        )
