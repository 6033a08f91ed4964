"""A plan + a short calibration on this machine -> hours and gigabytes."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from pipeline.build import extract_settings, open_with_flow
from pipeline.extract.decode import probe
from pipeline.extract.errors import VideoError
from pipeline.plan import PlannedVideo, ShardPlan, StorePlan

PROBED_VIDEOS, CALIBRATED_VIDEOS, CALIBRATED_FRAMES = 32, 4, 48
GUESSED_BYTES_PER_FRAME = 3_000.0
"""Where no header says how many frames there are: a UCF101 clip at 320x240."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a run will take, from headers and a calibration; a rough guide."""

    videos: int
    shards: int
    frames: int
    core_seconds: float
    bytes: dict[str, int]
    """By modality."""
    calibrated_frames: int

    def to_dict(self) -> dict[str, Any]:
        return {
            "videos": self.videos,
            "shards": self.shards,
            "frames": self.frames,
            "core_hours": self.core_seconds / 3600,
            "bytes": self.bytes,
            "calibrated_frames": self.calibrated_frames,
        }

    def text(self, *, workers: int) -> str:
        seconds = self.core_seconds / max(min(workers, self.shards), 1)
        sizes = ", ".join(f"{m} {size / 1e9:.2f} GB" for m, size in self.bytes.items())
        return (
            f"{self.videos:,} videos in {self.shards:,} shards still to build, about "
            f"{self.frames:,} frames: {sizes}; {self.core_seconds / 3600:.2f} core-hours, "
            f"{_duration(seconds)} with {workers} workers (calibrated on "
            f"{self.calibrated_frames} frames)"
        )


def bytes_per_frame(folder: Path, videos: Sequence[PlannedVideo]) -> float:
    """Source bytes per frame, by the headers of a few videos; they may be wrong."""
    ratios = []
    for video in _spread(videos, PROBED_VIDEOS):
        try:
            frames = probe(folder / video.path).frames_estimate
        except (VideoError, OSError):
            continue  # its shard will say what is wrong with it
        if frames:
            ratios.append(video.size_bytes / frames)
    return max(median(ratios), 1.0) if ratios else GUESSED_BYTES_PER_FRAME


def estimate(plan: StorePlan, tasks: Sequence[ShardPlan], *, backend: str) -> Estimate:
    """Extract a few frames of a few videos, and scale up to the shards still to build."""
    videos = [video for task in tasks for video in task.videos]
    modalities = sorted({modality for task in tasks for modality in task.modalities})
    frames = 0.0
    if videos:
        folder = Path(tasks[0].folder)
        per_frame = bytes_per_frame(folder, videos)
        frames = sum(max(video.size_bytes / per_frame, 1.0) for video in videos)
    measured, seconds, sizes = 0, 0.0, dict.fromkeys(modalities, 0)
    for video in _spread(videos, CALIBRATED_VIDEOS):
        one = plan.shard_plan(0, modalities, folder=folder)
        path = folder / video.path
        try:
            _calibrate(path, one, backend, count=1, sizes={})  # compiles, warms caches
            began = time.process_time()
            measured += _calibrate(path, one, backend, CALIBRATED_FRAMES, sizes)
            seconds += time.process_time() - began
        except (VideoError, OSError):
            continue
    return Estimate(
        videos=len(videos),
        shards=len(tasks),
        frames=round(frames),
        core_seconds=seconds / max(measured, 1) * frames,
        bytes={m: round(size / max(measured, 1) * frames) for m, size in sizes.items()},
        calibrated_frames=measured,
    )


def _calibrate(
    path: Path, plan: ShardPlan, backend: str, count: int, sizes: dict[str, int]
) -> int:
    """Extract and encode the first frames of a video; how many they were."""
    settings, frames = extract_settings(plan), 0
    with open_with_flow(path, settings=settings, backend=backend) as opened:
        for block in opened:
            for modality in plan.modalities:
                rows = plan.codec(modality).encode(block.arrays[modality])
                size = sum(row.nbytes for row in rows)
                sizes[modality] = sizes.get(modality, 0) + size
            frames += len(block.seconds)
            if frames >= count:
                break
    return frames


def _spread(videos: Sequence[PlannedVideo], count: int) -> list[PlannedVideo]:
    """So many videos, evenly over the plan."""
    step = max(len(videos) / count, 1.0)
    return [videos[int(k * step)] for k in range(min(count, len(videos)))]


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
