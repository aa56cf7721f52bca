"""Runs as actors of a Ray cluster: one takes the GPUs and cores that it asks for, on whatever node has them."""

import math
import secrets
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import p2phd_eval
from p2phd_eval.errors import InputError
from p2phd_eval.executor_options import AMOUNT, MEMORY, SHARE_OF_GPU, Known, read_options, whole
from p2phd_eval.files import atomic_write
from p2phd_eval.ray_cluster import LOOK_SECONDS, Head, address_of_cluster, alive_nodes, connect, import_ray, usual_cpus
from p2phd_eval.study.executors.cluster_room import ClusterRoom
from p2phd_eval.study.executors.executor import Ended, Job, absolute, cut_short
from p2phd_eval.study.executors.ray_node import Needed, NodeName, RayRun, forwarded, require_seen

_WAIT_SECONDS = 5.0  # for which an actor waits for its run before it says that it goes on
_NODE_SECONDS = 120.0  # in which a node answers, or is taken to be lost
_SAVED_SECONDS = 5.0  # in which runs are told to save that will lose their cluster
_T = TypeVar("_T")


#: What `--executor-option` takes.
OPTIONS = {
    "address": Known(str, "HOST:PORT"),
    "gpus": SHARE_OF_GPU,
    "cpus": AMOUNT,
    "mem": MEMORY,
    "at_once": whole(1),
    "tries": whole(1),
}


@dataclass(kw_only=True)
class _AtWork:
    job: Job
    actor: Any
    call: Any  # what is waited for: its start, then its end
    node: NodeName | None = None  # once it has started


class RayRuns:
    """Runs on a Ray cluster that is there already.

    A run is an actor rather than a task: it can be asked how its process is, and told to stop, while it runs.
    """

    def __init__(self, study: Path, options: Mapping[str, str]) -> None:
        given = read_options("ray", options, OPTIONS)
        self.tries: int = given.get("tries", 3)
        self._ray = import_ray()
        self._study = study.resolve()
        self._own = not self._ray.is_initialized()
        self.address = address_of_cluster(given.get("address"))
        if self._own:
            connect(self._ray, self.address)
        try:
            self._head = Head(self._ray, self.address)
            self.address = self._head.address
            self.nodes = alive_nodes(self._ray)
            self.gpus: float = given.get("gpus", 1 if any(node.gpus for node in self.nodes) else 0)
            self.cpus: float = given.get("cpus", usual_cpus(self.nodes, self.gpus))
            self.memory = round(given.get("mem", 0) * 2**30)
            self.device = "cuda" if self.gpus else "cpu"
            fitting = sum(node.takes(self.cpus, self.gpus, self.memory) for node in self.nodes)
            if not fitting:
                raise self._nothing_fits()
        except BaseException:
            self._leave()
            raise
        self._limit: int | None = given.get("at_once")
        self.at_once = min(fitting, self._limit or fitting)
        self._needed: Needed | None = None
        self._at_work: dict[str, _AtWork] = {}
        self._taken_back: list[Ended] = []
        self._killed_on: defaultdict[str, set[str]] = defaultdict(set)

    @property
    def room_of_nodes(self) -> ClusterRoom:
        """What the cluster had when it was connected to, and what a run takes of it."""
        return ClusterRoom(
            address=self.address,
            nodes=self.nodes,
            cpus=self.cpus,
            gpus=self.gpus,
            memory=self.memory,
            at_once=self.at_once,
        )

    def room(self) -> int:
        """Return how many more jobs the option `at_once` allows; without it more than there are, since Ray queues."""
        return (1 << 30 if self._limit is None else self._limit) - len(self._at_work)

    def submit(self, jobs: Sequence[Job]) -> None:
        """Make an actor for each job, which waits in Ray's queue for a node with room.

        Before the first ones every node is asked whether it sees the study; raises `InputError` if one does not.
        """
        self.require_shared([path for job in jobs for path in job.needs])
        for job in jobs:
            actor_class = self._ray.remote(RayRun).options(
                num_cpus=self.cpus,
                num_gpus=self.gpus,
                memory=self.memory or None,
                max_concurrency=2,  # it is told to stop while it waits
                **self._elsewhere(job),
            )
            actor = actor_class.remote()
            threads = max(1, int(self.cpus))
            call = actor.start.remote(absolute(job), self.device, threads, forwarded(), self._needed)
            self._at_work[job.name] = _AtWork(job=job, actor=actor, call=call)

    def ended(self) -> list[Ended]:
        """Return the runs that have ended; one whose worker or node is gone has, too.

        Raises `InputError` if a node does not see the study, or the cluster is gone.
        """
        if not self._has_head():  # Ray will say that all runs have died
            return []
        found, self._taken_back = self._taken_back, []
        calls = {at_work.call: name for name, at_work in self._at_work.items()}
        if not calls:
            return found
        done, _ = self._ray.wait(list(calls), num_returns=len(calls), timeout=0)
        errors = self._ray.exceptions
        for call in done:
            name = calls[call]
            at_work = self._at_work[name]
            try:
                answer = self._ray.get(call)
            except errors.ActorUnavailableError:
                at_work.call = at_work.actor.wait.remote(_WAIT_SECONDS)
                continue
            except (errors.RayActorError, errors.OutOfMemoryError):
                if not self._has_head(at_once=True):
                    return found
                answer = -signal.SIGKILL
            except errors.RayError as error:
                raise self._as_input_error(error) from error
            if isinstance(answer, NodeName):
                at_work.node = answer
            if isinstance(answer, int):
                answer = cut_short(answer)
                self._ray.kill(at_work.actor)
                del self._at_work[name]
                if answer < 0 and at_work.node is not None:
                    self._killed_on[name].add(at_work.node.key)
                where = None if at_work.node is None else at_work.node.host
                found.append(Ended(name=name, returncode=answer, node=where))
            else:
                at_work.call = at_work.actor.wait.remote(_WAIT_SECONDS)
        return found

    def withdraw(self) -> None:
        """Take back the actors that wait for a node."""
        for name, at_work in list(self._at_work.items()):
            if at_work.node is None and not self._ray.wait([at_work.call], timeout=0)[0]:
                self._ray.kill(at_work.actor)
                del self._at_work[name]
                self._taken_back.append(Ended(name=name, returncode=-signal.SIGTERM))

    def pass_on(self, signum: int) -> None:
        """Send a signal to the runs."""
        for at_work in self._at_work.values():
            at_work.actor.pass_on.remote(signum)

    def close(self) -> None:
        """End the runs that are left where an error came in between, and leave the cluster."""
        if not self._head.is_lost:
            for at_work in self._at_work.values():
                self._ray.kill(at_work.actor)
        self._at_work.clear()
        if self._needed is not None:
            self._needed.token.unlink(missing_ok=True)
        self._leave()

    def require_shared(self, files: Sequence[Path]) -> None:
        """Write a file into the study, and let every node look for it and for others, once.

        Raises `InputError` where a node does not see them, or has another version of this program.
        """
        if self._needed is not None:
            return
        token, content = self._study / "ray-check.txt", secrets.token_hex(16)
        with atomic_write(token) as stream:
            stream.write(content.encode())
        self._needed = Needed(token=token, content=content, version=p2phd_eval.__version__)
        strategy = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        look, unique = self._ray.remote(require_seen), list(dict.fromkeys(files))
        looks = [
            look.options(num_cpus=0, scheduling_strategy=strategy(node.key, soft=False)).remote(self._needed, unique)
            for node in alive_nodes(self._ray)
        ]
        self._answers_to(looks, _NODE_SECONDS)

    def on_a_node(self, function: Callable[..., _T], **arguments: Any) -> _T:
        """Call a function where a run would be made, and return what it returns; raises its `InputError`."""
        task = self._ray.remote(function).options(
            num_cpus=self.cpus, num_gpus=self.gpus, memory=self.memory or None, max_retries=self.tries - 1
        )
        (found,) = self._answers_to([task.remote(**arguments)])
        return found  # type: ignore[no-any-return]

    def _answers_to(self, calls: Sequence[Any], seconds: float = math.inf) -> list[Any]:
        """Return what calls return, which have some time; raises their `InputError`, or that the head is gone."""
        begun, left = time.monotonic(), list(calls)
        while left and time.monotonic() - begun < seconds:
            self._has_head()
            _, left = self._ray.wait(left, num_returns=len(left), timeout=LOOK_SECONDS)
        try:
            return list(self._ray.get(list(calls), timeout=0 if left else None))
        except self._ray.exceptions.RayError as error:
            raise self._as_input_error(error) from error

    def _has_head(self, *, at_once: bool = False) -> bool:
        """Whether the head answers; if it has not for too long, tell runs to save, and raise its `InputError`."""
        try:
            return self._head.answers(at_once=at_once)
        except InputError:
            told = [at_work.actor.pass_on.remote(signal.SIGTERM) for at_work in self._at_work.values()]
            if told:  # which needs no head
                self._ray.wait(told, num_returns=len(told), timeout=_SAVED_SECONDS)
            raise

    def _leave(self) -> None:
        if self._own:
            self._ray.shutdown()

    def _nothing_fits(self) -> InputError:
        asked = f"gpus={self.gpus:g}, cpus={self.cpus:g}" + (f", mem={self.memory / 2**30:g}G" if self.memory else "")
        largest = max(self.nodes, key=lambda node: (node.gpus, node.cpus), default=None)
        return InputError(
            "--executor ray",
            expected=f"a node that has room for a run ({asked})",
            found="no node"
            if largest is None
            else f"none; the largest of {len(self.nodes)} has {largest.gpus:g} GPUs and {largest.cpus:g} cores",
            fix="Ask for less by --executor-option gpus=, cpus= and mem=, or add nodes.",
        )

    def _elsewhere(self, job: Job) -> dict[str, Any]:
        """Where a run goes that was killed: to another host, where one has room for it."""
        killed_on = self._killed_on[job.name]
        if not killed_on:
            return {}
        others = [node for node in alive_nodes(self._ray) if node.key not in killed_on]
        if not any(node.takes(self.cpus, self.gpus, self.memory) for node in others):
            return {}
        keys = [node.key for node in others]
        return {"label_selector": {"ray.io/node-id": f"in({','.join(keys)})"}}

    def _as_input_error(self, error: Exception) -> Exception:
        cause = getattr(error, "cause", None)
        if isinstance(cause, InputError):
            return cause
        said = [line.strip() for line in str(cause or error).splitlines() if line.strip()]
        return InputError(
            f"Ray at {self.address}",
            expected="nodes that have p2phd-eval, and answer",
            found=(said[-1] if cause is None and said else f"{type(cause).__name__}: {said[0]}" if said else "nothing"),
            fix="Install the same p2phd-eval on every node, and see `ray status`.",
        )
