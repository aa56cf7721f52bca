"""What an actor of Ray does for a block of images: it opens the source, and writes the part of a share."""

from __future__ import annotations

import io
import os
import pickle
import socket
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from p2phd_eval import __version__
from p2phd_eval.errors import InputError
from p2phd_eval.features.extraction import FeatureExtractor
from p2phd_eval.features.feature_set import FeatureStamp, images_sha256
from p2phd_eval.features.feature_settings import FeatureSettings
from p2phd_eval.features.part_file import Whole, write_part
from p2phd_eval.features.share import Share
from p2phd_eval.features.under_protocol import under_protocol
from p2phd_eval.images.protocols import Protocol
from p2phd_eval.images.sources.chosen import ChosenSource
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.images.sources.source import ImageSource
from p2phd_eval.stores.object_store import redacted
from p2phd_eval.versions import stamp_versions


@dataclass(frozen=True, kw_only=True)
class BlockJob:
    """What all blocks have in common, as the driver knows it."""

    images: str  # the path by which every node opens the source
    name: str  # what the user called it
    whole: Whole
    samples: Mapping[int, str]  # the SHA-256 of the content of a few images, by their number
    protocol: Protocol | None
    settings: FeatureSettings
    statistics: bool
    count: int  # shares
    folder: str  # the driver's current one, in which a feature network of one's own may be
    environment: Mapping[str, str]  # what this program reads
    version: str = __version__


class BlockWorker:
    """The class of the actors: one opens the source and loads the network once, for all of its blocks.

    What is wrong with the input comes back as a value: raised, it would be tried again.
    """

    def __init__(self, job: BlockJob) -> None:
        self._job = job
        self._opened: tuple[ImageSource, FeatureExtractor] | None = None

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Compute the part of a share; `known`: the stamp of the part that is there already, pickled, or nothing.

        Returns its file's content, empty where that part is the same; or the error.
        """
        index, known = int(batch["index"][0]), bytes(batch["known"][0])
        part = error = b""
        try:
            part = self._part(Share(index=index, count=self._job.count), pickle.loads(known) if known else None)
        except InputError as found:
            error = pickle.dumps(found)
        return {"index": [index], "part": [part], "error": [error]}

    def _part(self, share: Share, known: FeatureStamp | None) -> bytes:
        from p2phd_eval.distributed import SINGLE
        from p2phd_eval.features.sharding import sharded_features, sharded_statistics

        job = self._job
        self._opened = self._opened or self._open()
        source, extractor = self._opened
        own = ChosenSource(source, share.rows(len(source)))
        if known is not None and self._is_still(own, known, extractor):
            return b""
        compute = sharded_statistics if job.statistics else sharded_features
        result = compute(own, extractor, SINGLE)
        assert result is not None
        found, hashes = result
        assert found.stamp is not None
        stamp = replace(found.stamp, source=job.name, protocol=source.protocol, resized=source.resized)
        content = io.BytesIO()
        write_part(content, replace(found, stamp=stamp), share=share, whole=job.whole, names=own.names, hashes=hashes)
        return content.getvalue()

    def _is_still(self, own: ImageSource, known: FeatureStamp, extractor: FeatureExtractor) -> bool:
        """Whether a part is of these very images, and of this network."""
        there = asdict(known)
        own_space = {**asdict(extractor.network().identity), **stamp_versions()}
        if any(there[field] != value for field, value in own_space.items()):
            return False
        return known.images_sha256 == images_sha256(own.names, map(own.content_sha256, range(len(own))))

    def _open(self) -> tuple[ImageSource, FeatureExtractor]:
        """Open the source and load the network; raise InputError if it is not what the driver sees."""
        job = self._job
        os.environ.update(job.environment)
        if job.folder not in sys.path:
            sys.path.append(job.folder)
        where = f"node {socket.gethostname()}"
        if job.version != __version__:
            raise InputError(where, expected=f"p2phd-eval {job.version}, as the driver", found=__version__)
        try:
            source = open_source(job.images)
            if job.protocol is not None:
                source = under_protocol(source, job.protocol, photos=True)
        except InputError as error:
            raise InputError(
                f"{where}, {error.where}", expected=error.expected, found=error.found, fix=_SHARED
            ) from error
        same = Whole.of(source, marks=False) == job.whole and all(
            source.content_sha256(index) == sha256 for index, sha256 in job.samples.items()
        )
        if not same:
            raise InputError(
                f"{where}, {redacted(job.images)}",
                expected=f"the {job.whole.n} images that the driver sees there",
                found=f"{len(source)} others",
                fix=_SHARED,
            )
        return source, FeatureExtractor(job.settings)


_SHARED = "Put the images where all nodes see them at the same path: a shared file system, or an object store."
