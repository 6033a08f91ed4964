"""Shards as Ray tasks, on this machine or on a cluster.

A task receives paths and returns a small report; frames never travel. Ray retries nothing
(its retries after a lack of memory have no end): the driver does, and it alone publishes.
"""

import logging
import os
import socket
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import (
    NodeDiedError,
    OutOfMemoryError,
    RayTaskError,
    TaskCancelledError,
    WorkerCrashedError,
)

from pipeline.build import Task
from pipeline.executors.attempt import Failure, Outcome, attempt
from pipeline.progress import ShardProgress, Watcher
from pipeline.retries import ExtractionError

POLL_SECONDS = 0.5
ANSWER_SECONDS = 10
PER_SLOT = 2
"""Tasks in flight per core: the next one is there when one ends."""
LOST = (WorkerCrashedError, NodeDiedError, OutOfMemoryError, TaskCancelledError)


@contextmanager
def cluster(address: str, *, workers: int | None) -> Iterator[None]:
    """Join a cluster (`auto` or an address), or start one of this machine (`local`).

    Raises:
        ExtractionError: nobody answers at the address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    local = address == "local"
    _require_answer(address)
    try:
        ray.init(
            address=address,
            num_cpus=workers if local else None,
            include_dashboard=False if local else None,
            log_to_driver=False,
            logging_level=logging.WARNING,
        )
    except (ConnectionError, ValueError) as error:
        raise ExtractionError(
            f"expected a Ray cluster at {address}: {error}"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _require_answer(address: str) -> None:
    """Ray itself would wait for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=ANSWER_SECONDS).close()
    except OSError as error:
        raise ExtractionError(
            f"expected a Ray cluster at {address}, got {error.strerror or error}"
        ) from error


def run_on_ray(
    queue: deque[Task],
    *,
    store: Path,
    scratch: Path | None,
    workers: int | None,
    stall_seconds: float,
    watch: Watcher,
) -> Iterator[Outcome]:
    """Build the queued shards on the joined cluster and yield what became of each.

    Whether a failed one is tried again is the caller's decision: it appends to `queue`.

    Args:
        workers: as many tasks at a time at most; what the cluster has if None.

    Raises:
        ExtractionError: the cluster has no CPU to offer.
    """
    slots = int(ray.cluster_resources().get("CPU", 0))
    if slots < 1:
        raise ExtractionError(
            f"expected a cluster with a CPU, got {ray.cluster_resources()}"
        )
    in_flight = PER_SLOT * slots if workers is None else workers
    board: Any = ray.remote(num_cpus=0)(_Board).remote()
    build: Any = ray.remote(num_cpus=1, max_retries=0, max_calls=0)(_attempt)
    running: dict[ray.ObjectRef, Task] = {}
    heard: dict[_Key, tuple[float, ShardProgress]] = {}
    try:
        while queue or running:
            while queue and len(running) < in_flight:
                task = queue.popleft()
                running[build.remote(task, store, scratch, board)] = task
            ready, _ = ray.wait(list(running), timeout=POLL_SECONDS)
            outcomes: list[Outcome] = []
            for ref in ready:
                task = running.pop(ref)
                board.forget.remote(_key(task))
                outcomes.append(_outcome(ref, task))
            now = time.monotonic()
            for key, progress in ray.get(board.read.remote()).items():
                if key not in heard or heard[key][1] != progress:
                    heard[key] = (now, progress)
            for ref, task in list(running.items()):
                silent = now - heard[_key(task)][0] if _key(task) in heard else 0.0
                if silent > stall_seconds:  # one that still waits was never heard of
                    ray.cancel(ref, force=True)
                    del running[ref]
                    said = f"no progress for {silent:.0f} s"
                    outcomes.append(Failure(task, "stalled", said))
            keys = {_key(task) for task in running.values()}
            watch.running(row for key, (_, row) in heard.items() if key in keys)
            yield from outcomes
    finally:
        for ref in running:
            ray.cancel(ref, force=True)


_Key = tuple[int, int]


def _key(task: Task) -> _Key:
    return task.plan.shard, task.attempt


def _outcome(ref: ray.ObjectRef, task: Task) -> Outcome:
    try:
        return ray.get(ref)
    except LOST as error:
        return Failure(
            task, "lost", f"its worker is gone ({str(error).splitlines()[0]})"
        )
    except RayTaskError as error:
        return Failure(task, "error", str(error))


def _attempt(task: Task, store: Path, scratch: Path | None, board: Any) -> Outcome:
    def write(progress: ShardProgress) -> None:
        board.write.remote(_key(task), progress)

    write(ShardProgress(task.plan.shard, 0, 0, 0))
    return attempt(task, store=store, scratch=scratch, on_progress=write)


class _Board:
    """Where tasks write how far they are, for the driver to read now and then."""

    def __init__(self) -> None:
        self._rows: dict[_Key, ShardProgress] = {}

    def write(self, key: _Key, progress: ShardProgress) -> None:
        self._rows[key] = progress

    def forget(self, key: _Key) -> None:
        self._rows.pop(key, None)

    def read(self) -> dict[_Key, ShardProgress]:
        return dict(self._rows)
