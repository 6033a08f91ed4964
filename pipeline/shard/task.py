"""The task sent to a worker and the report it returns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from pipeline.extract.video import VideoInfo
from pipeline.flow.batches import BatchSolver
from pipeline.store.commit import VideoRecord
from pipeline.store.manifest import FileRecord
from pipeline.store.shard import Entry

from .isolate import OpenVideo
from .plan import PlannedVideo, ShardPlan

SolverMaker = Callable[[str], BatchSolver]
"""Name of a profile -> a solver of batches with it on the GPU of this process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One attempt at a shard."""

    plan: ShardPlan
    attempt: int = 1
    isolated: bool = False
    """Decode each video in a child process: slower, but a crash or a hang has a name."""
    backend: str = "cpu"
    """Back end of the flow: cpu, opencv or cuda, as the executor has decided."""
    cpu_instead: bool = False
    """Whether the CPU takes over where the GPU cannot be used."""
    coders: int = 1
    """Encoding threads, in addition to the one that reads, where a GPU computes flow."""
    per_gpu: int = 1
    """Workers that share the GPU: each takes an equal share of its memory at most."""
    first_frames: int | None = None
    """Number of frames of each video to build, to measure the time: files are not read
    whole, so that no hash is recorded, and nothing can be published. None: all frames."""
    hang_seconds: float = 60.0
    open_video: OpenVideo | None = None
    """Another decoder than ours: tests use it to let one crash or hang."""
    make_solver: SolverMaker | None = None
    """Another solver than ours on the GPU: tests and benchmarks use it."""

    @property
    def on_gpu(self) -> bool:
        """Whether the task needs a GPU."""
        return "flow" in self.plan.modalities and self.backend == "cuda"


class Effort(NamedTuple):
    """Time and threads of an attempt, for benchmarks."""

    began: float
    """Start by `time.monotonic`, with the solver ready."""
    ended: float
    cpu_seconds: float
    """CPU seconds of this process and all its threads."""
    pairs: int = 0
    """Solved in batches."""
    busy: tuple[tuple[float, float], ...] = ()
    """Spans of time in which the batch solver had work."""
    process: int = 0
    """Id of the process."""
    reading_seconds: float = 0.0
    """CPU seconds of the thread that reads, part of `cpu_seconds`; with batches only."""
    coding_seconds: float = 0.0
    """CPU seconds of the threads that encode, likewise."""


@dataclass(slots=True, kw_only=True)
class ShardReport:
    """Result of one attempt, sent from worker to driver: small."""

    plan: ShardPlan
    files: dict[str, Path] = field(default_factory=dict)
    """Modality -> finished file: on scratch, after `deliver` in the store's `_tmp`."""
    delivered: dict[str, FileRecord] = field(default_factory=dict)
    """Modality -> name, size and hash of its file, once delivered."""
    records: dict[str, list[VideoRecord]] = field(default_factory=dict)
    """Modality -> its videos, in stored order."""
    bad: dict[str, str] = field(default_factory=dict)
    """Video -> why it is quarantined."""
    unavailable: dict[str, str] = field(default_factory=dict)
    """Video -> why its file could not be read now; a later run takes it up again."""
    flow_made_with: dict[str, str] = field(default_factory=dict)
    """Back end, device and profile of the flow; empty without flow."""
    gpu: str = ""
    """The GPU of the flow, by machine and name; empty without one."""
    effort: Effort | None = None

    def add(
        self,
        video: PlannedVideo,
        entries: Mapping[str, Entry],
        info: VideoInfo,
        *,
        xxh3: str,
        damaged: int = 0,
    ) -> None:
        """Record a video whose entries are written, behind those before it.

        Args:
            entries: of each modality, at their end.
            xxh3: of the source.
            damaged: packets and frames of the source, as in `VideoFacts`.
        """
        for modality, entry in entries.items():
            records = self.records[modality]
            records.append(
                VideoRecord(
                    id=video.id,
                    path=video.path,
                    size_bytes=video.size_bytes,
                    xxh3=xxh3,
                    frames=entry.frames,
                    **info._asdict(),
                    damaged=damaged,
                    first=records[-1].first + records[-1].rows if records else 0,
                    rows=entry.rows,
                    known=entry.known,
                    clipped=entry.clipped,
                    values=entry.values,
                    bytes=entry.bytes,
                )
            )

    @property
    def frames(self) -> int:
        """Frames of the stored videos."""
        return max(
            sum(video.frames for video in records) for records in self.records.values()
        )


class ShardProgress(NamedTuple):
    """Progress of one attempt at a shard."""

    shard: int
    videos: int
    frames: int
    stored_bytes: int
