"""Shards over a few worker processes of this machine.

Workers stay alive from shard to shard (starting one costs about two seconds). One that
dies or stalls costs its shard's attempt, and is replaced.
"""

import multiprocessing
import os
import time
import traceback
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from motion_shards.processes import follow_parent
from motion_shards.silence import SilentProcess
from pipeline.shard.killed import cause_of_death, memory_kills
from pipeline.shard.scratch import scratch_folder, sweep
from pipeline.shard.task import ShardProgress, Task

from .attempt import Failure, Outcome, attempt, gpu_id
from .gpu_health import GpuHealth
from .gpus import use_gpu
from .reporter import ProgressReporter

POLL_SECONDS = 0.5
START_SECONDS = 120.0
"""Seconds that a worker may take to start and import, on a busy machine or slow disk."""
LEAVE_SECONDS = 5.0
"""Limit for workers with a GPU to end by themselves when a run ends or is interrupted."""


def run_in_pool(
    queue: deque[Task],
    *,
    store: Path,
    scratch: Path | None,
    workers: int,
    stall_seconds: float,
    reporter: ProgressReporter,
    gpus: Sequence[str] = (),
) -> Iterator[Outcome]:
    """Build the queued shards in parallel, and yield a report or failure of each.

    The caller decides whether a failed shard is retried: it adds a task to `queue`.

    Args:
        stall_seconds: a worker without a message for this time is killed, if it does not
            just wait for a busy machine's processors (`SilentProcess`).
        gpus: by name. Workers are spread over them; each sees one.
    """
    pool: list[_Worker] = []
    health = GpuHealth()
    try:
        while queue or any(worker.task for worker in pool):
            dead = {gpu for gpu in gpus if gpu_id(gpu) in health.given_up()}
            gpus = [gpu for gpu in gpus if gpu not in dead] or gpus
            for worker in pool:
                if worker.gpu and worker.gpu not in gpus and not worker.task:
                    worker.end()
            pool = [worker for worker in pool if worker.alive]
            while len(pool) < workers and _idle(pool) < len(queue):
                taken = Counter(worker.gpu for worker in pool)
                gpu = min(gpus, key=lambda name: taken[name], default=None)
                pool.append(_Worker(store, scratch, gpu))
            for worker in pool:
                if queue and worker.task is None:
                    worker.give(queue.popleft())
            busy = {worker.pipe: worker for worker in pool if worker.task}
            outcomes: list[Outcome] = []
            for pipe in wait(list(busy), POLL_SECONDS):
                assert isinstance(pipe, Connection)
                outcomes += busy[pipe].listen()
            for worker in pool:
                if worker.task and worker.stalls(stall_seconds):
                    outcomes.append(worker.kill_stalled())
            for outcome in outcomes:
                health.note(outcome)
            reporter.running([w.progress for w in pool if w.task and w.progress])
            yield from outcomes
    finally:
        _leave_gpus(pool)
        for worker in pool:
            worker.end()
        sweep(scratch_folder(scratch))


def _leave_gpus(pool: Sequence["_Worker"]) -> None:
    """Let workers end by themselves that have a GPU: to kill one while its kernels run may
    harm others that share the GPU through MPS."""
    until = time.monotonic() + LEAVE_SECONDS
    having = [worker for worker in pool if worker.alive and worker.gpu is not None]
    for worker in having:
        worker.pipe.close()  # it ends at its next message
    for worker in having:
        worker.join(max(until - time.monotonic(), 0.0))


def _idle(pool: list["_Worker"]) -> int:
    return sum(worker.task is None for worker in pool)


class _Worker:
    """One worker process and its task."""

    def __init__(self, store: Path, scratch: Path | None, gpu: str | None) -> None:
        self.gpu = gpu
        self._memory_kills = memory_kills()
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_work, args=(theirs, store, scratch, gpu)
        )
        self._process.start()
        theirs.close()
        self.alive = True
        self.task: Task | None = None
        self.progress: ShardProgress | None = None
        self._heard = time.monotonic()

    def give(self, task: Task) -> None:
        """Start an attempt."""
        self.task, self.progress, self._heard = task, None, time.monotonic()
        self._silence = SilentProcess(self._process.pid or 0)
        try:
            self.pipe.send(task)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it died idle: listen() says so

    def silent_seconds(self) -> float:
        """Seconds since the last message of the worker, or since its task began."""
        grace = START_SECONDS if self.progress is None else 0.0
        return time.monotonic() - self._heard - grace

    def stalls(self, seconds: float) -> bool:
        """Whether the worker has said nothing for longer than this, and hangs."""
        silent = self.silent_seconds()
        if silent < 0.1 * seconds:
            return False
        hangs = self._silence.hangs(seconds)  # asked often, it sees when work ended
        return hangs and silent > seconds

    def listen(self) -> list[Outcome]:
        """Take one message: progress, or the outcome of the attempt."""
        assert self.task is not None
        try:
            message: Any = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            self._process.join(1)  # else it would look killed by us
            task, code = self.task, self.end()
            why = cause_of_death(code, self._memory_kills)
            return [Failure(task, "lost", f"its worker was lost: {why}")]
        self._heard = time.monotonic()
        self._silence.heard()
        if isinstance(message, ShardProgress):
            self.progress = message
            return []
        self.task = None
        if isinstance(message, Failure) and message.kind in ("error", "gone"):
            self.end()
        return [message]

    def kill_stalled(self) -> Failure:
        """Kill a worker that sends no messages."""
        assert self.task is not None
        task, silent = self.task, self.silent_seconds()
        self.end()
        return Failure(task, "stalled", f"no progress for {silent:.0f} s")

    def join(self, seconds: float) -> None:
        """Wait for the process to end by itself."""
        self._process.join(seconds)

    def end(self) -> int:
        """End the process; its exit code."""
        self.alive, self.task = False, None
        self.pipe.close()
        if self._process.exitcode is None:
            self._process.kill()
        self._process.join()
        return self._process.exitcode or 0


def _work(pipe: Connection, store: Path, scratch: Path | None, gpu: str | None) -> None:
    """The worker: receives tasks, sends progress and outcomes, until the pipe closes."""
    follow_parent()
    if gpu is not None:
        use_gpu(gpu)
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        while True:
            task = pipe.recv()
            pipe.send(_outcome(task, pipe, store, scratch))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the driver is gone


def _outcome(
    task: Task, pipe: Connection, store: Path, scratch: Path | None
) -> Outcome:
    try:
        pipe.send(ShardProgress(task.plan.shard, 0, 0, 0))
        return attempt(task, store=store, scratch=scratch, on_progress=pipe.send)
    except (BrokenPipeError, ConnectionResetError):
        raise
    except BaseException:
        pipe.send(Failure(task, "error", traceback.format_exc()))
        raise
