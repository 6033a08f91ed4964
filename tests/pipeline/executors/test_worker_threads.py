"""How many workers and threads keep cores and GPUs busy, by times measured or expected."""

import time
from concurrent.futures import Future
from pathlib import Path

import pytest
import simulated_workers
from small_videos import SETTINGS

from pipeline.driver.plan import new_plan
from pipeline.executors import threads
from pipeline.executors.threads import (
    coder_count,
    expected_times,
    frames_per_ms,
    measured_times,
    measuring,
    worker_count,
)
from pipeline.shard.calibration import StageTimes
from pipeline.shard.plan import PlannedVideo
from pipeline.shard.task import Task

FLOW = StageTimes(0.60, 0.58, 0.36)
RGB_FLOW = StageTimes(0.84, 0.78, 0.39)
ALL = StageTimes(4.17, 1.17, 0.71)

MEASURED = [
    (FLOW, (1355, 0.83), (1753, 0.98)),
    (RGB_FLOW, (855, 0.73), (1197, 0.97)),
    (ALL, (309, 0.62), (491, 0.98)),
]
"""Times, and pairs/s and share of two cores by one worker and by two, with one encoder each:
`pipeline bench workers --flow-device none --workers 1,2 --videos 24`, Intel Xeon. The
times of flow alone are from another run."""


def used(times: StageTimes, pairs_per_second: float, share: float) -> StageTimes:
    """Times that add up to what a pair really took: a calibration is too long."""
    per_pair = 2 * share / pairs_per_second * 1e3
    return StageTimes(*(each * per_pair / times.total for each in times))


@pytest.mark.parametrize("model", [frames_per_ms, simulated_workers.frames_per_ms])
@pytest.mark.parametrize(("times", "alone", "both"), MEASURED)
def test_models_agree_with_what_was_measured(model, times, alone, both):
    times = used(times, *both)
    for workers, (pairs, _) in enumerate((alone, both), 1):
        said = model(times, cores=2, workers=workers, coders=1)
        assert 1e3 * said == pytest.approx(pairs, rel=0.16)


@pytest.mark.parametrize(("times", "alone", "both"), MEASURED)
def test_two_workers_are_planned_where_one_was_measured_to_be_too_few(
    times, alone, both
):
    assert alone[1] < 0.85 < both[1]
    assert worker_count(times, cores=2, gpus=1) == 2
    assert coder_count(times, cores=2, workers=2) == 1


def test_a_frame_takes_as_long_as_the_busiest_thread_and_waits_for_a_fifth_of_the_total():
    times = StageTimes(reading=1.0, coding=3.0, rest=1.0)
    given = {"cores": 10, "workers": 1}
    assert frames_per_ms(times, coders=1, **given) == pytest.approx(1 / (3 + 1))
    assert frames_per_ms(times, coders=2, **given) == pytest.approx(1 / (1.5 + 1))
    assert frames_per_ms(times, coders=4, **given) == pytest.approx(1 / (1 + 1))
    slow = times._replace(rest=2.0, coding=2.0)
    assert frames_per_ms(slow, coders=4, **given) == pytest.approx(1 / (2 + 1))
    three = given | {"workers": 3}
    assert frames_per_ms(times, coders=4, **three) == pytest.approx(3 / (1 + 1))
    few = {"cores": 2, "coders": 4}
    assert frames_per_ms(times, workers=1, **few) == pytest.approx(1 / (2.5 + 1))
    assert frames_per_ms(times, workers=4, **few) == pytest.approx(2 / 5)


def test_workers_are_as_many_as_reach_the_cores_the_gpus_and_no_more():
    vectors = StageTimes(reading=3.0, coding=0.9, rest=0.1)
    # a worker: 1 / (3 + 0.8) frames/ms; 16 cores: 16 / 4
    assert worker_count(vectors, cores=16, gpus=1) == 16
    assert worker_count(vectors, cores=2, gpus=1) == 2
    assert worker_count(vectors, cores=16, gpus=1, room=5) == 5
    assert worker_count(vectors, cores=16, gpus=2, room=5) == 10
    # one GPU: 8 frames/ms, and 30.4 workers
    assert worker_count(vectors, cores=64, gpus=1) == 31
    assert worker_count(vectors, cores=4, gpus=8) == 8  # none lies idle
    slower = StageTimes(reading=6.0, coding=0.9, rest=0.1)
    assert worker_count(slower, cores=64, gpus=1) == threads.MOST_WORKERS
    pictures = StageTimes(reading=0.5, coding=1.4, rest=0.1)
    # 1 / (0.5 + 0.4), of 8, with three encoders: 1.4 / 3 < 0.5
    assert worker_count(pictures, cores=16, gpus=1) == 8
    assert coder_count(pictures, cores=16, workers=8) == 3
    assert coder_count(pictures, cores=16, workers=16) == 1
    slow_disk = StageTimes(reading=0.1, coding=0.9, rest=1.0)
    assert worker_count(slow_disk, cores=8, gpus=1) == 6  # 4 / (1 / 1.4) = 5.6
    flow = StageTimes(reading=0.6, coding=0.5, rest=0.1)
    assert worker_count(flow, cores=64, gpus=1) == 7  # 8 * (0.6 + 0.24) = 6.7
    assert worker_count(flow, cores=64, gpus=2) == 14
    tiny = StageTimes(reading=0.05, coding=0.05, rest=0.02)
    assert worker_count(tiny, cores=2, gpus=1) == 1  # 1 / (0.06 + 0.024) = 11.9


TIMES = {
    "flow": FLOW,
    "rgb, flow": RGB_FLOW,
    "rgb, flow, mv": ALL,
    "flow, expected": expected_times(["flow"]),
    "rgb, flow, expected": expected_times(["rgb", "flow"]),
    "rgb, flow, mv, expected": expected_times(["rgb", "flow", "mv"]),
    "pictures": StageTimes(0.5, 1.4, 0.1),
    "large pictures": StageTimes(0.1, 3.0, 0.1),
    "slow disk": StageTimes(0.1, 0.9, 1.0),
}


@pytest.mark.parametrize("times", TIMES.values(), ids=TIMES)
def test_a_plan_reaches_85_percent_of_what_cores_and_gpu_allow(times):
    """By a simulation of threads and cores, which knows nothing of the planner's formula."""
    for cores in (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64):
        workers = worker_count(times, cores=cores, gpus=1)
        coders = coder_count(times, cores=cores, workers=workers)
        allowed = min(cores / times.total, 8.0)
        reached = simulated_workers.frames_per_ms(
            times, cores=cores, workers=workers, coders=coders
        )
        assert reached >= 0.85 * allowed, cores
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


class Hanging(Broken):
    """A pool whose process never ends by itself."""

    killed = 0

    def __init__(self, *given: object, **named: object) -> None:
        super().__init__()
        self._processes[1] = self

    def submit(self, *given: object, **named: object) -> Future:
        return Future()

    def kill(self) -> None:
        Hanging.killed += 1


@pytest.fixture
def task() -> Task:
    videos = [PlannedVideo("a", "a.mp4", 9)]
    plan = new_plan("folder", videos, SETTINGS, bytes_per_frame=1e9)
    return Task(plan=plan.shard_plan(0, SETTINGS.modalities, folder=Path("x")))


def test_what_cannot_be_measured_is_expected(task, monkeypatch):
    monkeypatch.setattr(threads, "ProcessPoolExecutor", Broken)
    assert measured_times(task) == expected_times(SETTINGS.modalities)


def test_measuring_takes_no_longer_than_its_limit_and_leaves_no_process(
    task, monkeypatch
):
    """The limit counts from the start: what is done meanwhile takes nothing on top."""
    monkeypatch.setattr(threads, "ProcessPoolExecutor", Hanging)
    began = time.monotonic()
    with measuring(task, seconds=0.2) as times:
        time.sleep(0.2)
        assert times() == expected_times(SETTINGS.modalities)
    assert time.monotonic() - began < 0.39
    assert Hanging.killed == 1
