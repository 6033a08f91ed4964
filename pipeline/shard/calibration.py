"""A short calibration on this machine: seconds and bytes of some frames."""

import math
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from .build import build_shard
from .instant import InstantSolver
from .scratch import work_folder
from .task import ShardReport, Task

CALIBRATED_FRAMES = 24
"""Frames that are calibrated of each video, at most."""
TIMED_FRAMES = 48
"""Frames of each video by which the times of threads are measured, at most."""
WARMING_FRAMES = 16
"""Frames of each video that are built once before: kernels are compiled then, and caches filled."""
WARMING_VIDEOS = 4
"""Videos of which that is done, at most, where the first frames of more are measured."""
BRIEF_SECONDS = 1.0
"""CPU seconds of the warming above which times are measured with as few frames again: those
of 4K would take half a minute."""


class Calibration(NamedTuple):
    """Time and space that some frames took."""

    frames: int
    core_seconds: float
    gpu_seconds: float
    bytes: dict[str, int]
    """Size of the encoded rows, by modality."""


class StageTimes(NamedTuple):
    """CPU milliseconds per frame of the threads of a worker, beside a GPU."""

    reading: float
    """One thread: decoding, grey frames, vectors."""
    coding: float
    """Any number of threads."""
    rest: float
    """One thread: batches, hashes, files."""

    @property
    def total(self) -> float:
        return sum(self)


def stage_times(task: Task, *, scratch: Path | None = None) -> StageTimes:
    """Build a shard of the first frames of some videos, with flow that costs nothing.

    Args:
        task: its videos are the sample; those that cannot be used are left out.
        scratch: as in `calibrate`.

    Raises:
        OSError: the environment failed, as in `build_shard`.
        ValueError: no video could be used.
    """
    instant = replace(task, backend="cuda", make_solver=InstantSolver)
    report = _built(instant, scratch, frames=TIMED_FRAMES, brief=BRIEF_SECONDS)
    assert report.effort is not None
    frames = _frames(report)
    if not frames:
        raise ValueError("expected videos to calibrate with, got none that can be used")
    _, _, cpu, _, _, _, reading, coding = report.effort
    per_frame = 1e3 / frames
    rest = max(cpu - reading - coding, 0.0)
    return StageTimes(reading * per_frame, coding * per_frame, rest * per_frame)


def calibrate(task: Task, *, scratch: Path | None = None) -> Calibration:
    """Build a shard of the first frames of some videos, and throw it away.

    Args:
        task: its videos are the sample; those that cannot be used are left out.
        scratch: folder for the files while they are built; None: the system's.

    Raises:
        OSError: the environment failed, as in `build_shard`.
        NoDevice: it needs a GPU that cannot be used.
    """
    report = _built(task, scratch, frames=CALIBRATED_FRAMES, warming=WARMING_VIDEOS)
    assert report.effort is not None
    return Calibration(
        frames=_frames(report),
        core_seconds=report.effort.cpu_seconds,
        gpu_seconds=sum(ended - began for began, ended in report.effort.busy),
        bytes={
            modality: sum(video.bytes for video in videos)
            for modality, videos in report.records.items()
        },
    )


def _built(
    task: Task,
    scratch: Path | None,
    *,
    frames: int,
    brief: float = math.inf,
    warming: int | None = None,
) -> ShardReport:
    """The report of the first frames of each video, built once before to warm up.

    Args:
        frames: of each video, at most.
        warming: number of videos to warm up with; None: all.
        brief: CPU seconds; where warming up takes longer, no more frames are built.
    """
    with work_folder(scratch) as folder:

        def built(name: str, frames: int, videos: int | None = None) -> ShardReport:
            (folder / name).mkdir()
            plan = replace(task.plan, videos=task.plan.videos[:videos])
            part = replace(task, plan=plan, first_frames=frames)
            return build_shard(part, scratch=folder / name)

        warmed = built("warming", WARMING_FRAMES, warming)
        assert warmed.effort is not None
        long = warmed.effort.cpu_seconds > brief
        return built("built", WARMING_FRAMES if long else frames)


def _frames(report: ShardReport) -> int:
    return sum(video.frames for video in next(iter(report.records.values())))
