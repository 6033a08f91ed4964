"""How many workers and threads keep cores and GPUs busy, by times measured or expected."""

from concurrent.futures import Future
from itertools import product
from pathlib import Path

import pytest
from small_videos import SETTINGS

from pipeline.driver.plan import new_plan
from pipeline.executors import threads
from pipeline.executors.threads import (
    coder_count,
    expected_times,
    measured_times,
    worker_count,
)
from pipeline.shard.calibration import StageTimes
from pipeline.shard.plan import PlannedVideo
from pipeline.shard.task import Task


def test_workers_follow_the_thread_that_is_alone():
    vectors = StageTimes(reading=3.0, coding=0.9, rest=0.1)
    assert worker_count(vectors, cores=16, gpus=1) == 14  # 16 * 3 / 4, and a seventh
    assert worker_count(vectors, cores=2, gpus=1) == 2
    assert worker_count(vectors, cores=16, gpus=1, room=5) == 5
    assert worker_count(vectors, cores=16, gpus=2, room=5) == 10
    assert worker_count(vectors, cores=64, gpus=1) == threads.MOST_WORKERS
    assert worker_count(vectors, cores=4, gpus=8) == 8  # none lies idle
    pictures = StageTimes(reading=0.5, coding=1.4, rest=0.1)
    assert worker_count(pictures, cores=16, gpus=1) == 5
    assert coder_count(pictures, cores=16, workers=5) == 3
    slow_disk = StageTimes(reading=0.1, coding=0.9, rest=1.0)
    assert worker_count(slow_disk, cores=8, gpus=1) == 5


def test_a_gpu_that_is_busy_needs_no_more_workers():
    flow = StageTimes(reading=0.6, coding=0.5, rest=0.1)
    for_all = 8000 * 1.2e-3  # cores that it takes to feed it
    assert for_all == pytest.approx(9.6)
    assert worker_count(flow, cores=64, gpus=1) == 6
    assert worker_count(flow, cores=64, gpus=2) == 12


SETS = [("flow",), ("rgb", "flow"), ("rgb", "flow", "mv")]


@pytest.mark.parametrize("modalities", SETS)
def test_planned_threads_can_use_all_cores(modalities):
    times = expected_times(modalities)
    for cores, gpus in product((2, 3, 4, 8, 12), (1, 2)):
        workers = worker_count(times, cores=cores, gpus=gpus)
        coders = coder_count(times, cores=cores, workers=workers)
        single = workers / max(times.reading, times.rest)
        frames = min(single, workers * coders / times.coding)
        assert frames >= min(cores / times.total, 8.0 * gpus)
        assert workers <= cores


class Broken:
    """A pool whose process dies."""

    def __init__(self, *given: object, **named: object) -> None:
        self._processes: dict[int, object] = {}

    def submit(self, *given: object, **named: object) -> Future:
        future: Future = Future()
        future.set_exception(RuntimeError("died"))
        return future

    def shutdown(self, **given: object) -> None:
        pass


def test_what_cannot_be_measured_is_expected(monkeypatch):
    videos = [PlannedVideo("a", "a.mp4", 9)]
    plan = new_plan("folder", videos, SETTINGS, bytes_per_frame=1e9)
    task = Task(plan=plan.shard_plan(0, SETTINGS.modalities, folder=Path("x")))
    monkeypatch.setattr(threads, "ProcessPoolExecutor", Broken)
    assert measured_times(task) == expected_times(SETTINGS.modalities)
