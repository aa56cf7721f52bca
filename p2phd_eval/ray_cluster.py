"""A Ray cluster that is there already: connecting to it, its nodes, and what is said where it is not there."""

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from p2phd_eval.errors import InputError

_ADDRESS_VARIABLE = "RAY_ADDRESS"
_ENCRYPTED = "RAY_USE_TLS"  # then nobody answers who has no certificate
_NO_SETTINGS = bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))  # length 0, of type 4, no flags, stream 0
_CONNECT_SECONDS = 10.0
LOOK_SECONDS = 5.0  # between two looks whether the head is there
#: For which the head may be gone, as one is that starts again. After a minute Ray ends this process and all workers.
_HEADLESS_SECONDS = 15.0
#: Where `ray start` writes the address of what it started.
_STARTED_HERE = Path(os.environ.get("RAY_TMPDIR", "/tmp"), "ray", "ray_current_cluster")


@contextmanager
def connected_ray(address: str | None) -> Iterator[Any]:
    """Connect to a cluster and give the module `ray`; a connection that this process has already is taken, and kept.

    `address`: see `address_of_cluster`. Raises `InputError` if Ray is not installed, or nobody answers.
    """
    ray = import_ray()
    own = not ray.is_initialized()
    if own:
        connect(ray, address_of_cluster(address))
    try:
        yield ray
    finally:
        if own:
            ray.shutdown()


def address_of_cluster(given: str | None) -> str:
    """Return HOST:PORT of a cluster: as given, else that in ``RAY_ADDRESS``, else "auto", which is this machine."""
    return given or os.environ.get(_ADDRESS_VARIABLE) or "auto"


def connect(ray: Any, address: str) -> None:
    """Connect this process to a cluster; raise InputError if there is none."""
    nothing = InputError(
        "--executor ray",
        expected="a Ray cluster" + (" on this machine" if address == "auto" else f" at {address}"),
        found="none",
        fix="Start one (ray start --head), run this on one of its machines, or name its head: "
        f"--executor-option address=HOST:6379, or {_ADDRESS_VARIABLE}.",
    )
    # Ray itself goes on trying for many minutes, also where something else listens, such as its dashboard.
    if not _answers(address, as_ray=True):
        raise nothing
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        raise nothing from error


class Head:
    """The head of a cluster that this process is connected to, which is looked at now and then.

    `address`: as it was connected to.
    """

    def __init__(self, ray: Any, address: str) -> None:
        # Through Ray's client nobody knows the head itself.
        self.address: str = address if "://" in address else ray.get_runtime_context().gcs_address
        self.is_lost = False
        self._looked = self._seen = time.monotonic()

    def answers(self, *, at_once: bool = False) -> bool:
        """Whether it answers, or did a moment ago; `at_once`: look again now.

        Raises `InputError` if it has not answered for too long.
        """
        now = time.monotonic()
        if at_once or now - self._looked >= LOOK_SECONDS:
            self._looked = now
            if _answers(self.address):
                self._seen = time.monotonic()
            elif now - self._seen > _HEADLESS_SECONDS:
                self.is_lost = True
                raise InputError(
                    f"Ray at {self.address}",
                    expected="the head of the cluster, without which no work begins or is heard of",
                    found="that it no longer answers; what is finished is kept",
                    fix="Start the cluster again; the same command goes on.",
                )
        return self._seen >= self._looked


@contextmanager
def ended_without(head: Head) -> Iterator[None]:
    """End the block with `InputError` when the head is gone for too long, whatever it waits for.

    Ray ends the whole process after a minute, with nothing that could be told. Outside the main thread, which alone
    can be interrupted, the head is not watched.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    over, lost = threading.Event(), list[InputError]()
    before = signal.getsignal(signal.SIGINT)

    def interrupt(signum: int, frame: FrameType | None) -> None:
        if lost:
            raise lost[0]
        if callable(before):  # otherwise it is ignored, as in the background of a script
            before(signum, frame)

    def watch() -> None:
        while not over.wait(LOOK_SECONDS):
            try:
                head.answers(at_once=True)
            except InputError as error:
                lost.append(error)
                # A real signal, which ends what the main thread waits for.
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
                return

    signal.signal(signal.SIGINT, interrupt)
    watcher = threading.Thread(target=watch, daemon=True, name="watch-head")
    watcher.start()
    try:
        yield
    except BaseException:
        if lost:
            raise lost[0] from None
        raise
    finally:
        over.set()
        watcher.join()
        # One that was not set from Python is not known to it.
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)


@dataclass(frozen=True, kw_only=True)
class RayNode:
    """A machine of the cluster."""

    key: str  # Ray's name for it
    host: str
    cpus: float
    gpus: float
    memory: float  # bytes that Ray gives to its tasks
    gpu_kind: str | None

    def takes(self, cpus: float, gpus: float, memory: float = 0) -> int:
        """Return how many pieces of work that each take so much it does at a time; a memory of 0 asks for none."""
        asked = ((self.cpus, cpus), (self.gpus, gpus), (self.memory, memory))
        return min(int(there / each + 1e-9) for there, each in asked if each)


def alive_nodes(ray: Any) -> tuple[RayNode, ...]:
    """Return the machines of the cluster that are there now."""
    found = []
    for node in ray.nodes():
        if node["Alive"]:
            there = node["Resources"]
            kinds = [name.partition(":")[2] for name in there if name.startswith("accelerator_type:")]
            found.append(
                RayNode(
                    key=node["NodeID"],
                    host=node["NodeManagerHostname"],
                    cpus=there.get("CPU", 0.0),
                    gpus=there.get("GPU", 0.0),
                    memory=there.get("memory", 0.0),
                    gpu_kind=kinds[0] if kinds else None,
                )
            )
    return tuple(sorted(found, key=lambda node: (node.host, node.key)))


def usual_cpus(nodes: Sequence[RayNode], gpus: float) -> float:
    """Return the cores that belong to so many GPUs, on the node that has the fewest for them; without GPUs one."""
    if not gpus:
        return 1.0
    shares = [node.cpus / node.gpus * gpus for node in nodes if node.gpus >= gpus]
    return max(1.0, float(int(min(shares, default=1.0))))


def _answers(address: str, *, as_ray: bool = False) -> bool:
    """Whether somebody listens where a cluster ought to be; "auto" is the one that was started here last.

    `as_ray`: whether it has to speak HTTP/2, too, as gRPC and so Ray does.
    """
    if address == "auto":
        try:
            address = _STARTED_HERE.read_text().strip()
        except OSError:
            return False
    host, _, port = address.rpartition("://")[2].rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS) as connection:
            return not as_ray or _ENCRYPTED in os.environ or _speaks_http2(connection)
    except (OSError, ValueError, OverflowError):
        return False


def _speaks_http2(connection: socket.socket) -> bool:
    """Whether the other side answers as RFC 9113, section 3.4, has it: by a frame of settings, which is of type 4."""
    connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _NO_SETTINGS)
    answer = b""
    while len(answer) < len(_NO_SETTINGS) and (received := connection.recv(len(_NO_SETTINGS) - len(answer))):
        answer += received
    return answer[3:5] == _NO_SETTINGS[3:5]


def import_ray() -> Any:
    """Return the module `ray`; raise InputError, with how to install it, where it is missing."""
    try:
        import ray
        import ray.util.scheduling_strategies
    except ImportError as error:
        raise InputError(
            "--executor ray",
            expected="ray, which knows the cluster",
            found="no such package",
            fix='Install it: pip install "p2phd-eval[ray]", or pip install "ray[default]".',
        ) from error
    return ray
