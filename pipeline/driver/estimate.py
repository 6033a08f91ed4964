"""A plan + a short calibration on this machine -> hours and gigabytes."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import NamedTuple

from motion_shards.plain_text import counted, in_words, printable, size_text
from pipeline.executors.workers import WorkerLayout
from pipeline.extract.errors import VideoError
from pipeline.extract.opening import probe
from pipeline.extract.settings import ExtractSettings
from pipeline.extract.video import squared, stored_size
from pipeline.shard.calibration import Calibration, calibrate
from pipeline.shard.plan import PlannedVideo
from pipeline.shard.task import Task
from pipeline.store import Json
from pipeline.store.shard_file import bytes_beside_rows

PROBED_VIDEOS, CALIBRATED_VIDEOS = 32, 12
"""Videos whose headers are read, and those that are built in part: bytes of vectors differ
between videos by 40 %."""
SIZES_NAMED = 4
"""Sizes of stored frames that are named, at most."""
GUESSED_BYTES_PER_FRAME = 3_000.0
"""Fallback where no header states the number of frames: a UCF101 clip at 320x240."""


class Load(NamedTuple):
    """Sum of the work of some tasks."""

    frames: float = 0.0
    core_seconds: float = 0.0
    gpu_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Estimated time and size of a run, from headers and a calibration; a rough guide."""

    videos: int
    shards: int
    frames: int
    core_seconds: float
    gpu_seconds: float
    seconds: float
    """Hours until the last shard is there."""
    bytes: dict[str, int]
    """Bytes by modality."""
    calibrated_frames: int
    workers: str
    """The workers, in words."""
    remark: str = ""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Width x height of stored frames, px -> videos, of those whose headers were read."""
    enlarged: int = 0
    """Number of these that are smaller than the requested short side."""

    def to_dict(self) -> dict[str, Json]:
        return {
            "videos": self.videos,
            "shards": self.shards,
            "frames": self.frames,
            "core_hours": self.core_seconds / 3600,
            "gpu_hours": self.gpu_seconds / 3600,
            "hours": self.seconds / 3600,
            "bytes": self.bytes,
            "calibrated_frames": self.calibrated_frames,
            "workers": self.workers,
            "remark": self.remark,
            "sizes": dict(self.sizes),
            "enlarged": self.enlarged,
        }

    def text(self) -> str:
        if not self.videos:
            return "nothing to extract: all shards are built"
        sizes = ", ".join(f"{m} {size_text(size)}" for m, size in self.bytes.items())
        work = _work(self.core_seconds, "core")
        if self.gpu_seconds:
            work += f" and {_work(self.gpu_seconds, 'GPU')}"
        planned = (
            f"to extract: {counted(self.videos, 'video')} in"
            f" {counted(self.shards, 'shard')}, about {self.frames:,} frames: {sizes}"
        )
        taking = (
            f"about {in_words(max(self.seconds, 1))} with {self.workers}; {work} (extrapolated "
            f"from {counted(self.calibrated_frames, 'frame')})"
        )
        lines = [planned, taking]
        if self.sizes:
            size = f"stored size, by the files' headers: {named_sizes(self.sizes)}"
            if self.enlarged:
                size += (
                    f"; {self.enlarged} of {sum(self.sizes.values())} enlarged to "
                    "the requested short side"
                )
            lines.append(size)
        lines += [self.remark] if self.remark else []
        return "\n".join(map(printable, lines))


def _work(seconds: float, what: str) -> str:
    """`0.25 GPU-hours`, or `40 core-seconds` where that would be zero."""
    hours = seconds / 3600
    if hours >= 0.1:
        return f"{hours:.2f} {what}-hours"
    return counted(max(round(seconds), 1), f"{what}-second")


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


def stored_sizes(
    folder: Path, videos: Sequence[PlannedVideo], settings: ExtractSettings
) -> tuple[dict[str, int], int]:
    """Stored sizes of a few videos by their headers, before any turn, and how many of
    them are enlarged."""
    sizes: Counter[str] = Counter()
    enlarged = 0
    for video in _spread(videos, PROBED_VIDEOS):
        try:
            header = probe(folder / video.path)
            own = squared((header.height, header.width), header.pixel_aspect, settings)
            if not all(own):
                continue
            short_side = settings.short_side
            kept = stored_size(*own, short_side=short_side, enlarge=False)
            size = stored_size(*own, short_side=short_side, enlarge=settings.enlarge)
        except (VideoError, OSError):
            continue  # its shard will say what is wrong with it
        sizes[f"{size[1]}x{size[0]}"] += 1
        enlarged += size != kept
    return dict(sizes.most_common()), enlarged


def named_sizes(sizes: Mapping[str, int]) -> str:
    """`320x240 px`, or `340x256 px (8 videos), 320x240 px (1 video), ...`."""
    if len(sizes) == 1:
        return f"{next(iter(sizes))} px"
    named = [f"{size} px ({counted(count, 'video')})" for size, count in sizes.items()]
    more = f", and {len(named) - SIZES_NAMED} more sizes" if named[SIZES_NAMED:] else ""
    shorts = {min(map(int, size.split("x"))) for size in sizes}
    if len(shorts) > 1:
        more += (
            f"; short sides from {min(shorts)} to {max(shorts)} px, and motion is measured"
            " in these pixels (--short-side makes them equal)"
        )
    return ", ".join(named[:SIZES_NAMED]) + more


Measure = Callable[[Task], Calibration]


def estimate(
    tasks: Sequence[Task], layout: WorkerLayout, *, measure: Measure = calibrate
) -> Estimate:
    """Extract a few frames of a few videos, and scale up to the shards still to build.

    Args:
        tasks: as `WorkerLayout.assigned` gives them.
        measure: `calibrate`, or that on another machine.
    """
    videos = {video for task in tasks for video in task.plan.videos}
    per_frame = 1.0
    grids: tuple[dict[str, int], int] = ({}, 0)
    if tasks:
        folder = Path(tasks[0].plan.folder)
        settings = tasks[0].plan.settings
        grids = stored_sizes(folder, sorted(videos), settings)
        per_frame = bytes_per_frame(folder, sorted(videos))
    loads: list[Load] = []
    sizes: dict[str, int] = {}
    calibrated = 0
    for kind in dict.fromkeys((task.plan.modalities, task.on_gpu) for task in tasks):
        alike = [t for t in tasks if (t.plan.modalities, t.on_gpu) == kind]
        unit = measure(_sample(alike))
        calibrated += unit.frames
        for task in alike:
            frames = sum(max(v.size_bytes / per_frame, 1.0) for v in task.plan.videos)
            scale = frames / max(unit.frames, 1)
            loads.append(
                Load(frames, unit.core_seconds * scale, unit.gpu_seconds * scale)
            )
            for modality, size in unit.bytes.items():
                beside = bytes_beside_rows(
                    modality,
                    frames=round(frames),
                    ids=[video.id for video in task.plan.videos],
                )
                whole = round(size * scale) + beside
                sizes[modality] = sizes.get(modality, 0) + whole
    frames = sum(max(video.size_bytes / per_frame, 1.0) for video in videos)
    return Estimate(
        videos=len(videos),
        shards=len({task.plan.shard for task in tasks}),
        frames=round(frames),
        core_seconds=sum(load.core_seconds for load in loads),
        gpu_seconds=sum(load.gpu_seconds for load in loads),
        seconds=_elapsed(loads, layout),
        bytes=dict(sorted(sizes.items())),
        calibrated_frames=calibrated,
        workers=layout.text(),
        remark=layout.remark,
        sizes=grids[0],
        enlarged=grids[1],
    )


def _elapsed(loads: Sequence[Load], layout: WorkerLayout) -> float:
    """The slowest of: all cores, all GPUs, the longest task on its own."""
    if not loads:
        return 0.0
    threads = 1 + layout.coders if layout.gpus else 1
    at_once = min(layout.workers, len(loads))
    cores = max(min(layout.cores, at_once * threads), 1)
    longest = max(max(it.core_seconds / threads, it.gpu_seconds) for it in loads)
    return max(
        sum(it.core_seconds for it in loads) / cores,
        sum(it.gpu_seconds for it in loads) / max(min(len(layout.gpus), at_once), 1),
        longest,
    )


def _sample(tasks: Sequence[Task]) -> Task:
    """A task of a few videos, evenly over those of these tasks."""
    videos = [video for task in tasks for video in task.plan.videos]
    chosen = tuple(_spread(videos, CALIBRATED_VIDEOS))
    return replace(tasks[0], plan=replace(tasks[0].plan, videos=chosen))


def _spread(videos: Sequence[PlannedVideo], count: int) -> list[PlannedVideo]:
    """Choose `count` videos, spread evenly over the plan."""
    step = max(len(videos) / count, 1.0)
    return [videos[int(k * step)] for k in range(min(count, len(videos)))]
