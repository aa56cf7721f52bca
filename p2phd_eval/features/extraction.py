"""Image sources to feature sets: from the cache where they were computed before, otherwise by the network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from p2phd_eval.features.cache.entry import FeatureKey
from p2phd_eval.features.cache.store import FeatureCache
from p2phd_eval.features.feature_set import FeatureSet, images_sha256
from p2phd_eval.features.feature_settings import FeatureSettings
from p2phd_eval.features.identity import NetworkIdentity, require_callable_name
from p2phd_eval.features.weights.index import WeightsFile, known_weights, require_there
from p2phd_eval.images.sources.source import ImageSource
from p2phd_eval.progress import Note, ProgressFactory, silent, unheard

if TYPE_CHECKING:
    import torch

    from p2phd_eval.features.networks.protocol import FeatureNetwork
    from p2phd_eval.features.prepared import FeatureBlock

_MANY = 5000  # images that take long enough to read that one wants to see it


class FeatureExtractor:
    """Computes features under one setting; torch is loaded for a set that is not in the cache, or to look for a device.

    Raises `InputError` if there is no such device, weights or network here, whether or not they will be needed.

    Parameters
    ----------
    settings : FeatureSettings
    progress : ProgressFactory, optional
        Opened for the download of weights and for each set.
    note : callable, optional
        Called with a sentence about what is going on: the device, a damaged entry of the cache.
    """

    def __init__(self, settings: FeatureSettings, *, progress: ProgressFactory = silent, note: Note = unheard) -> None:
        _require_usable(settings)
        self.settings = settings
        self._progress, self._note = progress, note
        self._network: FeatureNetwork | None = None
        self._known: WeightsFile | None = None  # once they were asked for, before the network is loaded
        self._cache = FeatureCache(note=note) if settings.cache else None

    def __repr__(self) -> str:
        return f"FeatureExtractor({self.settings})"

    def __call__(self, source: ImageSource, *, keep: bool = True) -> FeatureSet:
        """Return the features of a source, computed or from the cache; without `keep` the cache is left alone.

        The cache is asked by the images' names and contents, which are read for it every time: an image that was
        changed, added or removed is noticed.

        Raises
        ------
        InputError
            If the weights cannot be had, an image cannot be read, or the source changes meanwhile.
        """
        return self.with_hashes(source, keep=keep)[0]

    def with_hashes(self, source: ImageSource, *, keep: bool = True) -> tuple[FeatureSet, list[str]]:
        """Return the features of a source as a call does, and the SHA-256 of each image's content, hexadecimal."""
        if self._cache is not None and not source.in_process and keep:
            with ThreadPoolExecutor(max_workers=1) as beside:
                # Hashing 90 MB would be a tenth of what a short command takes.
                weights = beside.submit(self._known_weights)
                hashes = self._hash(source)
                weights.result()
            return self._cached(source, hashes, self._cache), hashes
        from p2phd_eval.features.pipeline import feature_set_of, require_unchanged

        blocks = list(self.blocks(source, range(len(source))))
        require_unchanged(source)
        found = feature_set_of(source, self.network(), blocks)
        found = replace(found, stamp=replace(found.stamp, protocol=source.protocol, resized=source.resized))
        return found, [sha256 for block in blocks for sha256 in block.hashes]

    def _cached(self, source: ImageSource, hashes: Sequence[str], cache: FeatureCache) -> FeatureSet:
        key = FeatureKey(identity=self._identity(), images_sha256=images_sha256(source.names, hashes))
        with cache.locked(key):
            kept = cache.get(key)
            if kept is None:
                if self.network().identity != key.identity:  # the weights were replaced since they were asked for
                    return self._cached(source, hashes, cache)
                kept = self._compute_and_keep(source, hashes, key, cache)
        source.require_sizes(kept.sizes)  # features in the cache may be of images that nothing was asked of
        # The entry may have been made from the same images in another place, and by a version with other keys.
        stamp = replace(kept.stamp, source=source.name, protocol=source.protocol, resized=source.resized)
        return replace(kept, ids=source.ids, stamp=stamp)

    def network(self) -> FeatureNetwork:
        """Return the network, loaded once; its weights are fetched where they are missing.

        Raises
        ------
        InputError
            If the weights cannot be had, or the device is not there.
        """
        if self._network is None:
            self._network = self._load()
        return self._network

    def with_settings(self, settings: FeatureSettings) -> FeatureExtractor:
        """Return an extractor of other settings that reports to the same places."""
        return FeatureExtractor(settings, progress=self._progress, note=self._note)

    def blocks(self, source: ImageSource, indices: Sequence[int]) -> Iterator[FeatureBlock]:
        """Compute the features of some images block by block, past the cache; see `read_features`."""
        from p2phd_eval.features.pipeline import read_features

        workers = self.settings.workers
        network = self.network()
        with self._progress(f"features of {source.name}", "images") as on_progress:
            yield from read_features(source, network, indices, workers=workers, on_progress=on_progress)

    def _identity(self) -> NetworkIdentity:
        settings, weights = self.settings, self._known_weights()
        if weights is None:
            return self.network().identity
        return NetworkIdentity(
            weights=weights.name,
            weights_sha256=weights.sha256,
            resize=settings.resize.value,
            dims=settings.dims,
            dtype=settings.precision.dtype,
        )

    def _known_weights(self) -> WeightsFile | None:
        """The weights of a network that is not needed yet; None where its identity takes the network."""
        if self._network is not None or self.settings.network is not None:
            return None
        # Once, not for each set anew.
        self._known = self._known or known_weights(self.settings.weights)
        return self._known

    def _hash(self, source: ImageSource) -> list[str]:
        n = len(source)
        # Thousands of images are read in a second.
        progress = self._progress if n > _MANY else silent
        with progress(f"read {source.name}", "images") as on_progress:
            hashes = []
            for index in range(n):
                hashes.append(source.content_sha256(index))
                on_progress(index + 1, n)
        return hashes

    @property
    def device(self) -> str | torch.device | None:
        """The device that the network is on or that was asked for; None where neither is so."""
        return self.settings.device if self._network is None else self._network.device

    def _compute_and_keep(
        self, source: ImageSource, hashes: Sequence[str], key: FeatureKey, cache: FeatureCache
    ) -> FeatureSet:
        from p2phd_eval.features.resumable import extract_and_keep

        network, workers = self.network(), self.settings.workers
        with self._progress(f"features of {source.name}", "images") as on_progress:
            return extract_and_keep(source, network, hashes, key, cache, workers=workers, on_progress=on_progress)

    def _load(self) -> FeatureNetwork:
        from p2phd_eval.devices import describe_device, find_device
        from p2phd_eval.features.networks.inception import load_inception
        from p2phd_eval.features.weights.find import find_weights

        settings = self.settings
        device = find_device(settings.device)
        self._note(f"device: {describe_device(device)}")
        if settings.network is not None:
            from p2phd_eval.features.networks.plugins import load_plugin

            return load_plugin(settings.network, device=device, weights=settings.weights)
        with self._progress("fetch Inception weights", "bytes") as on_progress:
            weights = find_weights(settings.weights, on_progress=on_progress)
        return load_inception(weights, device, resize=settings.resize, dims=settings.dims, precision=settings.precision)


def _require_usable(settings: FeatureSettings) -> None:
    if settings.device not in (None, "cpu"):  # which is there without a look, and without loading torch
        from p2phd_eval.devices import find_device

        find_device(settings.device)
    require_there("--feature-weights", settings.weights)
    if settings.network is not None:
        require_callable_name(settings.network)
