"""The weights of the networks that a study judges images with, where somebody brings them. Known without torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from p2phd_eval.quality.distance_weights import require_distance_weights


@dataclass(frozen=True, kw_only=True)
class MetricWeights:
    """Weights of the networks that images are judged with.

    Raises `InputError` if a distance is unknown, or there is nothing where its weights should be.
    """

    features: Path | None = None  # Inception's; by default those of the cache, fetched if need be
    lpips: Path | None = None  # those of LPIPS's AlexNet, likewise; without them LPIPS is left out
    #: Of further distances of two images, by name: see docs/distances.md.
    distances: Mapping[str, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_distance_weights(self.distances)

    @property
    def files(self) -> list[Path]:
        """All that are given."""
        return [path for path in (self.features, self.lpips, *self.distances.values()) if path is not None]

    @property
    def options(self) -> list[str]:
        """What gives them to `study` on the command line."""
        files = {"--feature-weights": self.features, "--lpips-weights": self.lpips}
        given = [text for option, path in files.items() if path is not None for text in (option, str(path))]
        return given + [
            text for name, path in self.distances.items() for text in ("--distance-weights", f"{name}={path}")
        ]

    def resolved(self) -> "MetricWeights":
        """Return the same with absolute paths, for a process that runs elsewhere."""
        features, lpips = (None if path is None else path.resolve() for path in (self.features, self.lpips))
        distances = {name: path.resolve() for name, path in self.distances.items()}
        return MetricWeights(features=features, lpips=lpips, distances=distances)


#: Those of the cache alone.
USUAL_WEIGHTS = MetricWeights()
