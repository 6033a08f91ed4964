"""A short calibration on this machine: seconds and bytes of some frames."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from .build import build_shard
from .scratch import work_folder
from .task import Task

CALIBRATED_FRAMES = 48
"""Frames that are calibrated of each video, at most."""
WARMING_FRAMES = 16
"""Frames of each video that are built once before: kernels are compiled then, and caches filled."""


class Calibration(NamedTuple):
    """Time and space that some frames took."""

    frames: int
    core_seconds: float
    gpu_seconds: float
    bytes: dict[str, int]
    """Size of the encoded rows, by modality."""


def calibrate(task: Task, *, scratch: Path | None = None) -> Calibration:
    """Build a shard of the first frames of some videos, and throw it away.

    Args:
        task: its videos are the sample; those that cannot be used are left out.
        scratch: folder for the files while they are built; None: the system's.

    Raises:
        OSError: the environment failed, as in `build_shard`.
        NoDevice: it needs a GPU that cannot be used.
    """
    with work_folder(scratch) as folder:
        for frames in (WARMING_FRAMES, CALIBRATED_FRAMES):
            built = folder / f"{frames}"
            built.mkdir()
            report = build_shard(replace(task, first_frames=frames), scratch=built)
    assert report.effort is not None
    return Calibration(
        frames=sum(video.frames for video in next(iter(report.records.values()))),
        core_seconds=report.effort.cpu_seconds,
        gpu_seconds=sum(ended - began for began, ended in report.effort.busy),
        bytes={
            modality: sum(video.bytes for video in videos)
            for modality, videos in report.records.items()
        },
    )
