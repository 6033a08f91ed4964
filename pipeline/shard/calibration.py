"""A short calibration on this machine: seconds and bytes of some frames."""

import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.extract.errors import VideoError
from pipeline.flow.batches import BatchSolver, Coding, consecutive
from pipeline.store.codecs import JpegFlow

from .solvers import batch_solver, open_with_flow
from .task import Task

PROBED_VIDEOS, CALIBRATED_VIDEOS, CALIBRATED_FRAMES = 32, 4, 48


class Calibration(NamedTuple):
    """What some frames took."""

    frames: int
    core_seconds: float
    gpu_seconds: float
    bytes: dict[str, int]
    """By modality."""


def calibrate(task: Task) -> Calibration:
    """Extract and encode the first frames of some videos, with nothing beside it.

    Args:
        task: its videos are the sample.
    """
    measured, cores, gpu = 0, 0.0, 0.0
    sizes: dict[str, int] = dict.fromkeys(task.plan.modalities, 0)
    for video in task.plan.videos:
        path = Path(task.plan.folder, video.path)
        try:
            _first_frames(path, task, count=1)  # compiles, warms caches
            unit = _first_frames(path, task, count=CALIBRATED_FRAMES)
        except (VideoError, OSError):
            continue
        measured += unit.frames
        cores += unit.core_seconds
        gpu += unit.gpu_seconds
        for modality, size in unit.bytes.items():
            sizes[modality] += size
    return Calibration(measured, cores, gpu, sizes)


def _first_frames(path: Path, task: Task, *, count: int) -> Calibration:
    plan, frames, gpu, gpu_cpu = task.plan, 0, 0.0, 0.0
    settings = plan.settings
    solver = None
    if task.on_gpu:
        solver = batch_solver(settings.flow_profile, make=task.make_solver)
    sizes: dict[str, int] = {}
    began = time.process_time()
    with open_with_flow(path, settings=settings, backend=task.backend) as opened:
        for block in opened:
            for modality in plan.modalities:
                codec, values = plan.codec(modality), block.arrays[modality]
                if modality == "flow" and solver and isinstance(codec, JpegFlow):
                    before, cpu_before = time.monotonic(), time.process_time()
                    planes = _solved(solver, values, Coding.of(codec))
                    gpu += time.monotonic() - before
                    gpu_cpu += time.process_time() - cpu_before  # it may wait busily
                    rows = codec.pack(planes)
                else:
                    rows = codec.encode(values)
                size = sum(row.nbytes for row in rows)
                sizes[modality] = sizes.get(modality, 0) + size
            frames += len(block.seconds)
            if frames >= count:
                break
    return Calibration(frames, time.process_time() - began - gpu_cpu, gpu, sizes)


def _solved(solver: BatchSolver, frames: np.ndarray, coding: Coding) -> np.ndarray:
    """(F, 2, H, W) levels, as one batch; on a GPU larger ones take less."""
    if frames.ndim != 3 or len(frames) < 2:
        return np.empty((0, 2, *frames.shape[1:3]), np.uint8)
    ticket = solver.launch(frames, consecutive(len(frames)), coding)
    planes = solver.collect(ticket).planes
    assert planes is not None
    return planes
