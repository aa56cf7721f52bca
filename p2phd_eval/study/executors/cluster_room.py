"""What a Ray cluster has room for, in words too."""

from dataclasses import dataclass

from p2phd_eval.ray_cluster import RayNode


@dataclass(frozen=True, kw_only=True)
class ClusterRoom:
    """What a cluster has, and what a run takes of it."""

    address: str
    nodes: tuple[RayNode, ...]
    cpus: float  # of a run, as are those below
    gpus: float
    memory: float  # bytes; 0: it asks for none
    at_once: int

    @property
    def takes(self) -> str:
        """What a run takes, in words."""
        found = [f"{self.gpus:g} GPU{'s' * (self.gpus > 1)}"] if self.gpus else []
        found.append(f"{self.cpus:g} core{'s' * (self.cpus > 1)}")
        found += [f"{self.memory / 2**30:g} GiB"] if self.memory else []
        return " and ".join(found)
