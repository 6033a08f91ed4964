"""Numbers of workers and of their threads that keep all cores busy beside GPUs.

A worker has one thread that reads and one that drives the GPU and writes; any number
encode. Canonical vectors make reading long, RGB makes encoding long; so how many workers
a machine needs depends on the modalities, and on its processor.
"""

import math
import multiprocessing
from collections.abc import Collection
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

from pipeline.shard.calibration import StageTimes, stage_times
from pipeline.shard.task import Task

SAMPLE = 3
"""Videos whose first frames are read to calibrate."""
SECONDS = 30.0
"""Limit of a calibration: canonical vectors of 4K take 10."""
SPARE = 1.15
"""Threads wait for each other, too: this much more of them than cores would need."""
MOST_WORKERS = 16
"""Workers of a GPU at most: each takes memory there."""
MOST_CODERS = 8
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


def measured_times(task: Task, *, scratch: Path | None = None) -> StageTimes:
    """Times on this machine, from the first frames of some videos of a task.

    In a process of its own: a video that makes the decoder crash harms nobody. Where
    nothing can be measured, they are those of `expected_times`.
    """
    sample = replace(task, plan=replace(task.plan, videos=task.plan.videos[:SAMPLE]))
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(1, mp_context=spawn)
    try:
        measured = pool.submit(stage_times, sample, scratch=scratch)
        return measured.result(timeout=SECONDS)
    except Exception:  # noqa: BLE001 - whatever it is, the extraction itself will say so
        for process in pool._processes.values():
            process.kill()
        return expected_times(task.plan.modalities)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def worker_count(
    times: StageTimes, *, cores: int, gpus: int, room: int | None = None
) -> int:
    """The fewest workers whose single threads keep the cores or the GPUs busy.

    At least one for each GPU.

    Args:
        room: for workers on each GPU; None: for as many as we like.
    """
    most = MOST_WORKERS if room is None else min(MOST_WORKERS, room)
    useful = min(cores, gpus * GPU_PAIRS_PER_SECOND * times.total / 1e3)
    longest = max(times.reading, times.rest)
    wanted = math.ceil(SPARE * useful * longest / times.total)
    return max(min(wanted, cores, most * gpus), gpus)


def coder_count(times: StageTimes, *, cores: int, workers: int) -> int:
    """Encoding threads of each worker that keep its share of the cores busy."""
    wanted = math.ceil(SPARE * cores / workers * times.coding / times.total)
    return max(min(wanted, MOST_CODERS), 1)
