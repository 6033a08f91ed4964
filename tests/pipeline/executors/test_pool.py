"""A pool of workers: how many, on which GPU, and what becomes of those that die or stall.

The workers here are no processes: each has a pipe, and its tasks say what it answers.
"""

import os
import time
from collections import Counter, deque
from collections.abc import Iterator
from functools import partial
from itertools import count
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from made_shards import made_task

from motion_shards.processes import process_mark
from motion_shards.silence import SilentProcess
from pipeline.driver.publish import prepare
from pipeline.executors import here
from pipeline.executors import pool as pools
from pipeline.executors.attempt import Failure, Outcome, gpu_id
from pipeline.executors.here import run_here
from pipeline.executors.pool import _outcome, _Worker, run_in_pool
from pipeline.executors.reporter import SilentReporter
from pipeline.shard.scratch import SCRATCH_PREFIX
from pipeline.shard.task import ShardProgress, ShardReport, Task


class Idle(_Worker):
    """A worker without a process; it does what the test makes it do."""

    def __init__(self, store: Path, scratch: Path | None, gpu: str | None) -> None:
        self.gpu, self._memory_kills = gpu, None
        self.pipe, self.theirs = Pipe()
        self._process = SimpleNamespace(
            pid=0, exitcode=None, kill=self.killed, join=self.join
        )
        self.alive, self.task, self.progress = True, None, None
        self._heard = time.monotonic()

    def killed(self) -> None:
        self._process.exitcode = -9

    def join(self, seconds: float | None = None) -> None:
        pass

    def dies(self, code: int) -> None:
        self._process.exitcode = code
        self.theirs.close()


@pytest.fixture
def worker(tmp_path) -> Iterator[Idle]:
    idle = Idle(tmp_path, None, None)
    yield idle
    if idle.alive:
        idle.end()
    idle.theirs.close()


@pytest.fixture
def clock(monkeypatch) -> SimpleNamespace:
    """A clock that the test sets."""
    here = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(pools.time, "monotonic", lambda: here.now)
    return here


TASK = made_task(100)
PROGRESS = ShardProgress(0, 1, 2, 3)


def test_a_worker_gets_its_task_and_tells_how_far_it_is(worker):
    worker.give(TASK)
    assert worker.theirs.recv() == TASK and worker.task == TASK
    worker.theirs.send(PROGRESS)
    assert worker.listen() == [] and worker.progress == PROGRESS
    report = ShardReport(plan=TASK.plan)
    worker.theirs.send(report)
    assert worker.listen() == [report]
    assert (worker.task, worker.alive) == (None, True)
    worker.give(TASK)
    assert worker.progress is None  # of the new one


@pytest.mark.parametrize("kind", ["environment", "device"])
def test_a_worker_goes_on_after_what_is_not_its_fault(kind, worker):
    worker.give(TASK)
    worker.theirs.send(Failure(TASK, kind, "it is so"))
    assert worker.listen() == [Failure(TASK, kind, "it is so")]
    assert worker.alive


@pytest.mark.parametrize("kind", ["error", "gone"])
def test_a_worker_with_a_bug_or_without_its_gpu_is_replaced(kind, worker):
    """Nobody knows in what state it is."""
    worker.give(TASK)
    worker.theirs.send(Failure(TASK, kind, "it is so"))
    assert worker.listen() == [Failure(TASK, kind, "it is so")]
    assert not worker.alive


def test_a_worker_that_died_costs_its_attempt_and_the_line_says_of_what(worker):
    worker.give(TASK)
    worker.theirs.recv()
    worker.dies(-11)
    (failure,) = worker.listen()
    assert isinstance(failure, Failure)
    assert (failure.task, failure.kind) == (TASK, "lost")
    assert "signal 11, SIGSEGV" in failure.text
    assert (worker.alive, worker.task) == (False, None)


def test_a_worker_that_died_without_work_is_noticed_when_it_gets_some(worker):
    worker.dies(1)
    worker.give(TASK)
    assert [it.kind for it in worker.listen() if isinstance(it, Failure)] == ["lost"]


def test_silence_counts_from_the_last_word(worker, clock):
    worker.give(TASK)
    worker.theirs.send(PROGRESS)
    clock.now += 50
    worker.listen()
    assert worker.silent_seconds() == 0
    clock.now += 7
    assert worker.silent_seconds() == 7
    failure = worker.kill_stalled()
    assert failure == Failure(TASK, "stalled", "no progress for 7 s")
    assert not worker.alive


def test_a_worker_may_take_its_time_to_start(worker, clock):
    """120 s more: it may have to import from a slow file system."""
    worker.give(TASK)
    clock.now += 130
    assert worker.silent_seconds() == 10
    worker.theirs.send(PROGRESS)
    worker.listen()
    clock.now += 10
    assert worker.silent_seconds() == 10


class Answering(Idle):
    """Answers at once: a shard of bytes is done, one of 0 bytes kills, 1 is silent, one of 2
    is done on GPU "a" alone."""

    made: ClassVar[list["Answering"]] = []

    def __init__(self, store: Path, scratch: Path | None, gpu: str | None) -> None:
        super().__init__(store, scratch, gpu)
        self.made.append(self)
        self.ends: list[str] = []

    def give(self, task: Task) -> None:
        super().give(task)
        self.theirs.recv()
        size = task.plan.videos[0].size_bytes
        if size == 0:
            self.dies(-9)
        elif size == 1:
            self.progress, self._heard = PROGRESS, time.monotonic() - 1000
            self._silence = SilentProcess(0, clock=partial(next, count(0, 1000)))
        elif size == 2 and self.gpu != "a":
            self.theirs.send(Failure(task, "device", "no", gpu_id(self.gpu)))
        else:
            self.theirs.send(ShardReport(plan=task.plan, gpu=gpu_id(self.gpu)))

    def killed(self) -> None:
        super().killed()
        self.ends.append("killed")

    def join(self, seconds: float | None = None) -> None:
        """It ends by itself where it is given time, and its pipe is closed."""
        if seconds is not None and self.pipe.closed and not self.task_hangs:
            self._process.exitcode = 0
            self.ends.append("left")

    @property
    def task_hangs(self) -> bool:
        return self.task is not None and self.task.plan.videos[0].size_bytes == 1


@pytest.fixture
def pool(monkeypatch, tmp_path):
    """Runs shards of such sizes; gives the outcomes as they come."""
    monkeypatch.setattr(pools, "_Worker", Answering)
    monkeypatch.setattr(pools, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(Answering, "made", [])

    def run(*sizes: int, **given: Any) -> Iterator[Outcome]:
        queue = deque(made_task(size, shard=k) for k, size in enumerate(sizes))
        wanted = {"workers": 2, "stall_seconds": 150.0} | given
        return run_in_pool(
            queue, store=tmp_path, scratch=tmp_path, reporter=SilentReporter(), **wanted
        )

    yield run
    for each in Answering.made:
        each.theirs.close()


def shards(outcomes: Iterator[Outcome]) -> Counter[tuple[int, str]]:
    return Counter(
        (it.task.plan.shard, it.kind)
        if isinstance(it, Failure)
        else (it.plan.shard, "done")
        for it in outcomes
    )


@pytest.mark.parametrize(
    ("workers", "tasks", "started"), [(2, 5, 2), (4, 4, 4), (8, 3, 3), (1, 3, 1)]
)
def test_no_more_workers_are_started_than_there_is_work_for(
    workers, tasks, started, pool
):
    done = shards(pool(*[100] * tasks, workers=workers))
    assert done == Counter((k, "done") for k in range(tasks))
    assert len(Answering.made) == started
    assert not any(worker.alive for worker in Answering.made)


def test_workers_are_spread_over_the_gpus(pool):
    """Five workers on two GPUs: three and two, and a new one where one is missing."""
    shards(pool(*[100] * 5, workers=5, gpus=("a", "b")))
    assert Counter(worker.gpu for worker in Answering.made) == {"a": 3, "b": 2}
    assert [worker.gpu for worker in Answering.made[:2]] == ["a", "b"]
    Answering.made.clear()
    shards(pool(100, workers=1))
    assert Answering.made[0].gpu is None


def test_a_worker_that_dies_is_replaced_on_its_gpu(pool):
    found = shards(pool(0, 100, 100, 100, workers=2, gpus=("a", "b")))
    assert found == {(0, "lost"): 1, (1, "done"): 1, (2, "done"): 1, (3, "done"): 1}
    assert [worker.gpu for worker in Answering.made] == ["a", "b", "a"]


def test_a_worker_that_says_nothing_is_ended_and_the_others_go_on(pool):
    found = shards(pool(1, 100, 100, workers=2))
    assert found == {(0, "stalled"): 1, (1, "done"): 1, (2, "done"): 1}


def test_a_failed_task_that_is_put_back_is_tried_again(pool, tmp_path):
    """It kills its worker twice, and then it is done."""
    sizes = iter((0, 100))
    queue, kinds = deque([made_task(0)]), []
    given = {"store": tmp_path, "scratch": tmp_path, "reporter": SilentReporter()}
    for outcome in run_in_pool(queue, workers=3, stall_seconds=150.0, **given):
        kinds.append(outcome.kind if isinstance(outcome, Failure) else "done")
        if isinstance(outcome, Failure):
            queue.appendleft(made_task(next(sizes)))
    assert kinds == ["lost", "lost", "done"]


def test_leaving_early_ends_all_workers_and_sweeps_scratch(pool, tmp_path):
    neighbours, pid, started = process_mark().split("-")
    over = f"{neighbours}-{pid}-{int(started) - 1}"
    for mark in (over, process_mark()):
        (tmp_path / f"{SCRATCH_PREFIX}-{mark}-x").mkdir()
    coming = pool(100, 100, 1, workers=3)
    next(coming)
    coming.close()
    assert len(Answering.made) == 3
    assert not any(worker.alive for worker in Answering.made)
    left = [path.name for path in tmp_path.iterdir()]
    assert left == [f"{SCRATCH_PREFIX}-{process_mark()}-x"]


def test_workers_with_a_gpu_may_end_by_themselves_and_others_are_killed(pool):
    """Kernels may run on it; one that hangs is killed after the limit."""
    coming = pool(100, 1, workers=2, gpus=("a", "b"), stall_seconds=1e9)
    next(coming)
    coming.close()
    assert [worker.ends for worker in Answering.made] == [["left"], ["killed"]]
    Answering.made.clear()
    shards(pool(100, 1, workers=2, gpus=("a", "b")))  # stalled: killed at once
    assert [worker.ends for worker in Answering.made] == [["left"], ["killed"]]
    Answering.made.clear()
    shards(pool(100, workers=1))
    assert Answering.made[0].ends == ["killed"]


@pytest.mark.parametrize(("gpus", "failed"), [(("a", "b"), {3}), (("b",), {5, 6})])
def test_a_gpu_that_fails_three_times_in_a_row_gets_no_more_tasks(
    gpus, failed, pool, tmp_path
):
    """Where it is the only one, it does: what follows is for the driver to decide."""
    queue = deque(made_task(2, shard=k) for k in range(20))
    given = {"store": tmp_path, "scratch": tmp_path, "reporter": SilentReporter()}
    failures = 0
    for outcome in run_in_pool(
        queue, workers=2, stall_seconds=150.0, gpus=gpus, **given
    ):
        if isinstance(outcome, Failure):
            failures += 1
            queue.append(outcome.task)
        if failures >= 5:  # another one may be under way
            queue.clear()
    assert failures in failed
    if "a" in gpus:  # another worker in place of that on the GPU given up
        assert Counter(it.gpu for it in Answering.made) == {"a": 2, "b": 1}


class Written:
    """The pipe of a worker's own end; notes what is sent."""

    def __init__(self, closed: bool = False) -> None:
        self.sent: list[Any] = []
        self.closed = closed

    def send(self, message: Any) -> None:
        if self.closed:
            raise BrokenPipeError
        self.sent.append(message)


def worked(task: Task, pipe: Written, store: Path) -> Outcome:
    end: Any = pipe
    return _outcome(task, end, store, store)


def test_a_worker_says_that_it_has_begun(tmp_path):
    prepare(tmp_path)
    pipe = Written()
    outcome = worked(TASK, pipe, tmp_path)
    assert isinstance(outcome, Failure) and outcome.kind == "environment"
    assert pipe.sent == [ShardProgress(0, 0, 0, 0)]


def test_a_bug_is_sent_with_its_traceback_before_the_worker_ends(tmp_path, monkeypatch):
    def bug(*given: Any, **named: Any) -> None:
        raise ZeroDivisionError("a bug shows itself")

    monkeypatch.setattr(pools, "attempt", bug)
    pipe = Written()
    with pytest.raises(ZeroDivisionError):
        worked(TASK, pipe, tmp_path)
    _, failure = pipe.sent
    assert (failure.task, failure.kind) == (TASK, "error")
    lines = failure.text.splitlines()
    assert lines[0].startswith("Traceback") and lines[-1].endswith("a bug shows itself")


def test_a_driver_that_is_gone_is_no_bug(tmp_path):
    with pytest.raises(BrokenPipeError):
        worked(TASK, Written(closed=True), tmp_path)


@pytest.mark.parametrize("gpu", ["GPU-7", None])
def test_a_real_worker_sees_its_gpu_alone_and_uses_one_thread(
    gpu, tmp_path, monkeypatch
):
    """Its loop, on a thread of this process: what it sets, it sets before any work."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "all")
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.setattr(pools, "follow_parent", lambda: None)
    ours, theirs = Pipe()
    seen: list[tuple[str, str]] = []

    def noted(task: Task, pipe: Connection, store: Path, scratch: Path | None) -> str:
        seen.append((os.environ["CUDA_VISIBLE_DEVICES"], os.environ["OMP_NUM_THREADS"]))
        return "an outcome"

    monkeypatch.setattr(pools, "_outcome", noted)
    ours.send(TASK)
    ours.send(TASK)
    ours.close()  # the driver is gone: the worker ends by itself
    pools._work(theirs, tmp_path, None, gpu)
    assert seen[0] == (gpu or "all", "1")


class Watched(SilentReporter):
    def __init__(self) -> None:
        self.rows: list[list[ShardProgress]] = []

    def running(self, shards) -> None:
        self.rows.append(list(shards))


def test_in_this_process_a_lost_gpu_is_not_tried_again(tmp_path, monkeypatch):
    """The driver answers no call of this process any more; the CPU builds what it is given."""
    tried = []

    def attempt(task: Task, **given) -> Failure:
        tried.append((task.plan.shard, task.backend))
        return Failure(task, "gone", "GPU 0 of here: an illegal address", "here:0")

    monkeypatch.setattr(here, "attempt", attempt)
    flow = {"modalities": ["flow"], "backend": "cuda"}
    tasks = [made_task(1, shard=k, **flow) for k in range(2)]
    queue = deque([*tasks, made_task(1, shard=2)])
    given = {"store": tmp_path, "scratch": tmp_path, "reporter": Watched()}
    outcomes = list(run_here(queue, **given))
    assert tried == [(0, "cuda"), (2, "cpu")]
    assert [it.kind for it in outcomes] == ["device"] * 3
    assert [it.task for it in outcomes[:2]] == tasks
    said = (
        "GPU 0 of here: an illegal address; only a new process can use this GPU again"
    )
    assert {it.text for it in outcomes[:2]} == {said}
    assert outcomes[0].gpu == "here:0"


def test_in_this_process_nothing_runs_between_two_shards(tmp_path):
    prepare(tmp_path)
    queue, reporter = deque([TASK, made_task(100, shard=1)]), Watched()
    for _ in run_here(queue, store=tmp_path, scratch=tmp_path, reporter=reporter):
        assert reporter.rows[-1] == []
    assert not queue
