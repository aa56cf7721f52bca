"""The machines of a Ray cluster, and how many runs they have room for."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class RayNode:
    """A machine of the cluster."""

    key: str  # Ray's name for it
    host: str
    cpus: float
    gpus: float
    memory: float  # bytes that Ray gives to its tasks
    gpu_kind: str | None

    def takes(self, cpus: float, gpus: float, memory: float) -> int:
        """Return how many runs it makes at a time."""
        asked = ((self.cpus, cpus), (self.gpus, gpus), (self.memory, memory))
        return min(int(there / each + 1e-9) for there, each in asked if each)


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
