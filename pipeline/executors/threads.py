"""Numbers of workers and of their threads that keep all cores busy beside GPUs.

A worker has one thread that reads and one that drives the GPU and writes; any number
encode. Canonical vectors make reading long, RGB makes encoding long; so how many workers
a machine needs depends on the modalities, and on its processor.
"""

import math
import multiprocessing
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from motion_shards.processes import follow_parent
from pipeline.shard.calibration import StageTimes, stage_times
from pipeline.shard.task import Task

SAMPLE = 3
"""Videos whose first frames are read to calibrate."""
SECONDS = 30.0
"""Limit of a calibration, most of whose time the trial of the GPUs takes, too."""
WAITING = 0.2
"""Time per frame in which a worker keeps no core busy, as a share of the CPU time: it waits for
full batches, for the interpreter's lock, and until its files are delivered. One worker alone
on two cores waited 0.12 to 0.21 (`pipeline bench workers --flow-device none --workers 1,2`,
Intel Xeon)."""
MOST_WORKERS = 48
"""Workers of a GPU at most: as many as 64 cores need for canonical vectors. Each takes 1 GB
there, so that small cards have room for fewer (`Gpus.room`)."""
MOST_CODERS = 4
"""More of them wait for the one thread that gives them work."""
GPU_PAIRS_PER_SECOND = 8000.0
"""Pairs of 340x256 that one GPU solves, at most."""

READING = {"rgb": 0.0, "flow": 0.25, "mv": 2.6}
CODING = {"rgb": 0.9, "flow": 0.6, "mv": 0.1}
READING_ANY, REST = 0.4, 0.15
"""CPU milliseconds per frame of 340x256 on a Xeon, where nothing could be measured."""


def expected_times(modalities: Collection[str]) -> StageTimes:
    """Times of the threads of a worker, without any measurement."""
    return StageTimes(
        READING_ANY + sum(READING[name] for name in modalities),
        sum(CODING[name] for name in modalities),
        REST,
    )


@contextmanager
def measuring(
    task: Task, *, scratch: Path | None = None, seconds: float = SECONDS
) -> Iterator[Callable[[], StageTimes]]:
    """Measure times on this machine, from the first frames of some videos of a task.

    In a process of its own: the caller can do something else meanwhile, and a video that
    makes the decoder crash harms nobody. The process ends with this context.

    Args:
        seconds: limit, from now on.

    Yields:
        A function that waits for the times. Where nothing can be measured, they are those
        of `expected_times`.
    """
    sample = replace(task, plan=replace(task.plan, videos=task.plan.videos[:SAMPLE]))
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(1, mp_context=spawn, initializer=follow_parent)
    try:
        measured = pool.submit(stage_times, sample, scratch=scratch)
        limit = time.monotonic() + seconds

        def times() -> StageTimes:
            try:
                return measured.result(timeout=max(limit - time.monotonic(), 0.0))
            except Exception:  # noqa: BLE001 - whatever it is, the extraction itself will say so
                return expected_times(task.plan.modalities)

        yield times
    finally:
        for process in list((pool._processes or {}).values()):
            process.kill()
        pool.shutdown(wait=False, cancel_futures=True)


def measured_times(task: Task, *, scratch: Path | None = None) -> StageTimes:
    """Measure as `measuring` does, and wait for it."""
    with measuring(task, scratch=scratch) as times:
        return times()


def frames_per_ms(times: StageTimes, *, cores: int, workers: int, coders: int) -> float:
    """Frames per millisecond that workers extract, by a model.

    A frame takes a worker as long as its busiest thread, or as the cores need for all of them,
    and `WAITING`. Workers add up until they use all cores.

    Args:
        coders: encoding threads of each worker.
    """
    all_cores = cores / times.total
    busiest = max(times.reading, times.rest, times.coding / coders)
    frame = max(busiest, 1 / all_cores) + WAITING * times.total
    return min(workers / frame, all_cores)


def worker_count(
    times: StageTimes, *, cores: int, gpus: int, room: int | None = None
) -> int:
    """The fewest workers that keep the cores or the GPUs busy, by the model.

    At least one for each GPU, and one for each core at most.

    Args:
        room: for workers on each GPU; None: for as many as we like.
    """
    per_gpu = MOST_WORKERS if room is None else min(MOST_WORKERS, room)
    most = max(min(per_gpu * gpus, cores), gpus)
    goal = min(cores / times.total, gpus * GPU_PAIRS_PER_SECOND / 1e3)
    for workers in range(gpus, most):
        reached = frames_per_ms(times, cores=cores, workers=workers, coders=MOST_CODERS)
        if reached >= goal:
            return workers
    return most


def coder_count(times: StageTimes, *, cores: int, workers: int) -> int:
    """The fewest encoding threads of each worker with which encoding is not the bound."""
    best = frames_per_ms(times, cores=cores, workers=workers, coders=MOST_CODERS)
    for coders in range(1, MOST_CODERS):
        reached = frames_per_ms(times, cores=cores, workers=workers, coders=coders)
        if math.isclose(reached, best):
            return coders
    return MOST_CODERS
