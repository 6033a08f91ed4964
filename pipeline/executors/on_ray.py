"""Shards as Ray tasks, on this machine or on a cluster.

A task receives paths and returns a small report; frames are never sent. Retries of Ray are
off, as those after a lack of memory have no end: the driver retries, and it alone publishes.
"""

import logging
import os
import time
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray import cloudpickle
from ray.exceptions import (
    AuthenticationError,
    LocalRayletDiedError,
    RayError,
    RayTaskError,
)

from motion_shards.address import ClusterAddress
from motion_shards.errors import ClusterError
from motion_shards.joining import joined
from motion_shards.plain_text import error_text
from motion_shards.remote import run
from motion_shards.variables import of_this_job
from pipeline.errors import ExtractionError
from pipeline.shard.calibration import Calibration, calibrate
from pipeline.shard.task import Task

from .attempt import Failure, Outcome
from .ray_board import (
    Key,
    Said,
    attempt_on_worker,
    failure_of,
    key_of,
    read_board,
    start_board,
    this_node,
)
from .ray_files import SentShard, receive
from .ray_resources import (
    Shape,
    Slots,
    cluster_layout,
    gpu_shape,
    live_nodes,
    open_slots,
)
from .reporter import ProgressReporter
from .workers import WorkerLayout

POLL_SECONDS = 0.5
PER_SLOT = 2
"""Tasks in flight per slot, so that the next one is ready when one ends."""
REFRESH_SECONDS = 5.0
"""Seconds between two checks for nodes that have joined or left."""


@contextmanager
def join_cluster(address: ClusterAddress, *, workers: int | None) -> Iterator[None]:
    """Join a cluster, or start one of this machine (`local`), for as long as this lasts.

    Raises:
        ClusterError: Ray cannot join it, or hangs in the attempt.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    local = address.address == "local"
    where = "a Ray of this machine" if local else f"the cluster at {address.text()}"

    def init() -> None:
        try:
            ray.init(
                # never "auto": Ray would join any cluster of this machine, whosever it is
                address=address.address,
                num_cpus=workers if local else None,
                include_dashboard=False if local else None,
                log_to_driver=False,
                logging_level=logging.WARNING,
            )
        except (AuthenticationError, ConnectionError, ValueError) as error:
            said = str(error).strip().partition("\n")[0]
            raise ClusterError(f"expected to join {where}: {said}") from error

    with joined(init, ray.shutdown, where=where):
        yield


def ray_layout(
    *, backend: str, modalities: Collection[str], workers: int | None
) -> WorkerLayout:
    """The layout of workers on the joined cluster; see `cluster_layout`."""
    return cluster_layout(
        live_nodes(), backend=backend, modalities=modalities, workers=workers
    )


def run_on_ray(
    queue: deque[Task],
    *,
    store: Path,
    local: bool,
    scratch: Path | None,
    workers: int | None,
    stall_seconds: float,
    reporter: ProgressReporter,
) -> Iterator[Outcome]:
    """Build the queued shards on the joined cluster, and yield a report or failure of each.

    Tasks on a GPU ask for a share of one, so Ray places them; nodes that join or leave
    meanwhile are counted in. The caller decides whether a failed shard is retried: it
    adds a task to `queue`.

    Args:
        local: only this machine sees the store's folder: the files that others build
            come here through Ray.
        workers: maximum number of parallel tasks; None: all slots of the cluster.
        stall_seconds: a task without progress for this time is ended, if it does not
            just wait for a busy machine's processors (`signs_of_life`).
    """
    home = this_node() if local else None
    with _ray_errors_in_one_line():
        yield from _run(queue, store, home, scratch, workers, stall_seconds, reporter)


def _run(
    queue: deque[Task],
    store: Path,
    home: str | None,
    scratch: Path | None,
    workers: int | None,
    stall_seconds: float,
    reporter: ProgressReporter,
) -> Iterator[Outcome]:
    board, variables = start_board(), of_this_job()
    field = _FreeSlots(workers, reporter)
    running: dict[ray.ObjectRef, Task] = {}
    heard: dict[Key, tuple[float, Said]] = {}
    try:
        while queue or running:
            while task := field.next_task(queue, running.values()):
                arguments = (task, store, scratch, home, stall_seconds)
                call = cloudpickle.dumps((attempt_on_worker, arguments))
                ref = field.build(task).remote(variables, call, board)
                running[ref] = task
            ready, _ = ray.wait(list(running), timeout=POLL_SECONDS)
            outcomes: list[Outcome] = []
            for ref in ready:
                task = running.pop(ref)
                outcomes.append(_outcome(ref, task, board, store))
                board.forget.remote(key_of(task))
            now = time.monotonic()
            for key, said in read_board(board).items():
                if key not in heard or heard[key][1] != said:
                    heard[key] = (now, said)
            for ref, task in list(running.items()):
                silent = now - heard[key_of(task)][0] if key_of(task) in heard else 0.0
                if silent > stall_seconds:  # one that still waits was never heard of
                    ray.cancel(ref, force=True)
                    del running[ref]
                    text = f"no progress for {silent:.0f} s"
                    outcomes.append(Failure(task, "stalled", text))
            keys = {key_of(task) for task in running.values()}
            reporter.running(
                said.progress for key, (_, said) in heard.items() if key in keys
            )
            yield from outcomes
    finally:
        with suppress(RayError):
            for ref in running:
                ray.cancel(ref, force=True)


def calibrated(task: Task, *, scratch: Path | None = None) -> Calibration:
    """`calibrate` on the joined cluster, where such a task would run.

    Args:
        scratch: as in `calibrate`, on that machine.

    Raises:
        ExtractionError: it failed there.
    """
    shape = gpu_shape(live_nodes()) or Shape(1, 1)
    asked, task = _needs(task, shape), replace(task, per_gpu=shape.per_gpu)
    remote: Any = ray.remote(max_retries=0, max_calls=0)(run)
    call = cloudpickle.dumps((partial(calibrate, scratch=scratch), (task,)))
    try:
        return ray.get(remote.options(**asked).remote(of_this_job(), call))
    except RayError as error:
        said = str(error).strip().splitlines()[-1]
        raise ExtractionError(
            f"the calibration failed on the cluster: {said}"
        ) from error


def _needs(task: Task, shape: Shape) -> dict[str, Any]:
    """Resources of a task."""
    if not task.on_gpu:
        return {"num_cpus": 1}
    return {"num_cpus": shape.cpus, "num_gpus": shape.gpu_share}


class _FreeSlots:
    """Free task slots of the cluster by kind, updated now and then."""

    def __init__(self, workers: int | None, reporter: ProgressReporter) -> None:
        self._workers, self._reporter = workers, reporter
        self._refreshed = float("-inf")
        self._slots, self._shape = Slots(0, 0), Shape(1, 1)
        self._said = False
        # With max_calls=0 a process stays from task to task and keeps its GPU. Ray may
        # give it a task for another one; that costs balance, and happens rarely, since
        # the process that ends a task is the next to receive one on its GPU.
        self._remote: Any = ray.remote(max_retries=0, max_calls=0)(run)

    def next_task(self, queue: deque[Task], running: Collection[Task]) -> Task | None:
        """Take the next task for which there is room out of the queue."""
        if not queue or (self._workers and len(running) >= self._workers):
            return None
        self._refresh((*queue, *running))
        on_gpu = sum(task.on_gpu for task in running)
        room = {
            True: max(self._slots.flow, 1) * PER_SLOT - on_gpu,
            False: self._others(queue) - (len(running) - on_gpu),
        }
        for place, task in enumerate(queue):
            if room[task.on_gpu] > 0:
                del queue[place]
                return replace(task, per_gpu=self._shape.per_gpu)
        return None

    def _others(self, queue: deque[Task]) -> int:
        """Maximum number of tasks without a GPU in flight. While tasks with a GPU wait, others
        must not take the cores that those need."""
        waiting = any(task.on_gpu for task in queue)
        return max(self._slots.others, 1) * (1 if waiting else PER_SLOT)

    def _refresh(self, tasks: Collection[Task]) -> None:
        now = time.monotonic()
        if now < self._refreshed + REFRESH_SECONDS:
            return
        self._refreshed = now
        on_gpu = any(task.on_gpu for task in tasks)
        nodes = live_nodes()
        shape = gpu_shape(nodes) if on_gpu else None
        self._shape = shape or self._shape
        self._slots = open_slots(nodes, shape)
        if on_gpu and shape is None and not self._said:
            self._reporter.say(
                "no GPU left in the cluster: waiting for one to come back"
            )
        self._said = on_gpu and shape is None

    def build(self, task: Task) -> Any:
        """The remote function for a task, asking for what it needs."""
        return self._remote.options(**_needs(task, self._shape))


def _outcome(ref: ray.ObjectRef, task: Task, board: Any, store: Path) -> Outcome:
    try:
        found = ray.get(ref)
        return receive(found, store) if isinstance(found, SentShard) else found
    except RayTaskError as error:
        if isinstance(error.cause, ImportError):
            return Failure(
                task,
                "environment",
                f"a worker of the cluster lacks a required package ({error.cause}): "
                "the same motion-shards must be installed on all machines",
            )
        return Failure(task, "error", str(error))
    except LocalRayletDiedError:
        raise  # nothing runs without it
    except RayError as error:
        if failure := failure_of(board, task):
            return failure
        return Failure(task, "lost", f"its worker was lost ({_first_line(error)})")
    except OSError as error:
        return Failure(task, "environment", error_text(error))


@contextmanager
def _ray_errors_in_one_line() -> Iterator[None]:
    """Turn errors that Ray raises when it breaks down into ExtractionError."""
    try:
        yield
    except RayError as error:
        raise ExtractionError(
            f"Ray has broken down ({_first_line(error)}); run the same command to "
            "resume"
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
