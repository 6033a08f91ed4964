"""One shard plan -> one file per modality on scratch, and a report.

`build_shard` is the unit of work everywhere: in this process, in a pool, on Ray.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path

import cv2

from pipeline.extract.errors import NotAVideo, VideoError
from pipeline.extract.video import ExtractSettings, open_extraction
from pipeline.flow.solver import FlowSolver, flow_solver
from pipeline.isolate import IsolatedVideos, Opened, OpenVideo
from pipeline.plan import PlannedVideo, ShardPlan
from pipeline.progress import ShardProgress
from pipeline.store.files import FileRecord, VideoRecord, shard_file
from pipeline.store.shard import Entry, ShardWriter

REPORT_SECONDS = 0.5
HASH_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One attempt at a shard."""

    plan: ShardPlan
    attempt: int = 1
    isolated: bool = False
    """Decode each video in a child process: slower, but a crash or a hang has a name."""
    backend: str = "auto"
    """Who computes flow: auto, cpu, opencv."""
    hang_seconds: float = 60.0
    open_video: OpenVideo | None = None
    """Another decoder than ours: tests use it to let one crash or hang."""


@dataclass(slots=True, kw_only=True)
class ShardReport:
    """What became of one attempt. Small: it travels from worker to driver."""

    plan: ShardPlan
    files: dict[str, Path] = field(default_factory=dict)
    """Modality -> finished file: on scratch, after `deliver` in the store's `_tmp`."""
    delivered: dict[str, FileRecord] = field(default_factory=dict)
    """Modality -> name, size and hash of its file, once delivered."""
    records: dict[str, list[VideoRecord]] = field(default_factory=dict)
    """Modality -> its videos, in stored order."""
    bad: dict[str, str] = field(default_factory=dict)
    """Video -> why it is quarantined."""
    flow_made_with: dict[str, str] = field(default_factory=dict)
    """Back end, device and profile of the flow; empty without flow."""


def build_shard(
    task: Task,
    *,
    scratch: Path,
    on_progress: Callable[[ShardProgress], None] = lambda progress: None,
) -> ShardReport:
    """Extract every video of the plan, block by block, into one file per modality.

    A video that cannot be used is left out whole and named in the report.

    Args:
        scratch: a folder for the files, on a disk of this machine.

    Raises:
        OSError: the environment failed (full disk, I/O error); never a video's fault.
        ChildError: a bug showed itself in an isolated child.
    """
    plan = task.plan
    report = ShardReport(plan=plan)
    with ExitStack() as stack:
        writers = {}
        for modality in plan.modalities:
            name = shard_file(modality, plan.shard, plan.shards)
            report.files[modality] = path = scratch / name
            report.records[modality] = []
            writer = ShardWriter(path, modality=modality, codec=plan.codec(modality))
            writers[modality] = stack.enter_context(writer)
        open_video, report.flow_made_with = _decoder(task, stack)
        tick = _Ticker(plan.shard, on_progress)
        for video in plan.videos:
            try:
                _store_video(video, plan, writers, open_video, report, tick)
            except VideoError as error:
                report.bad[video.id] = str(error)
            tick.videos += 1
    return report


def _decoder(task: Task, stack: ExitStack) -> tuple[OpenVideo, dict[str, str]]:
    """How this attempt opens a video, and who computes its flow."""
    wants_flow = "flow" in task.plan.modalities
    settings = extract_settings(task.plan)
    open_video = task.open_video or partial(
        open_with_flow, settings=settings, backend=task.backend
    )
    if task.isolated:
        child = IsolatedVideos(open_video, hang_seconds=task.hang_seconds)
        open_video = stack.enter_context(child).open
    if not wants_flow:
        return open_video, {}
    solver = _solver(task.backend, settings.flow_profile)
    made_with = {
        "backend": solver.backend,
        "device": solver.device,
        "profile": solver.profile,
    }
    return open_video, made_with


@contextmanager
def open_with_flow(
    path: Path, *, settings: ExtractSettings, backend: str
) -> Iterator[Opened]:
    """Our decoder, with the flow solver of this process. One core is all it uses."""
    cv2.setNumThreads(1)  # shards run side by side
    solver = None
    if "flow" in settings.modalities:
        solver = _solver(backend, settings.flow_profile)
    with open_extraction(path, settings, solver=solver) as extraction:
        yield extraction


@lru_cache(maxsize=4)
def _solver(backend: str, profile: str) -> FlowSolver:
    return flow_solver(backend, profile=profile)


def extract_settings(plan: ShardPlan) -> ExtractSettings:
    """The settings of a plan, as one pass over a video needs them."""
    common = plan.settings["common"]
    flow, mv = plan.settings.get("flow", {}), plan.settings.get("mv", {})
    given = {
        "flow_profile": flow.get("profile"),
        "mv_source": mv.get("source"),
        "mv_crf": mv.get("crf"),
        "mv_preset": mv.get("preset"),
        "mv_keyint": mv.get("keyint"),
    }
    return ExtractSettings(
        modalities=plan.modalities,
        short_side=common["short_side"],
        frames_per_second=common["frames_per_second"],
        **{name: value for name, value in given.items() if value is not None},
    )


class _Ticker:
    """Reports how far a shard is, but not for every block."""

    def __init__(self, shard: int, send: Callable[[ShardProgress], None]) -> None:
        self._shard, self._send, self._next = shard, send, 0.0
        self.videos = self.frames = self.stored_bytes = self.video_bytes = 0

    def end_video(self) -> None:
        self.stored_bytes, self.video_bytes = self.stored_bytes + self.video_bytes, 0

    def __call__(self) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + REPORT_SECONDS
            stored = self.stored_bytes + self.video_bytes
            self._send(ShardProgress(self._shard, self.videos, self.frames, stored))


def _store_video(
    video: PlannedVideo,
    plan: ShardPlan,
    writers: dict[str, ShardWriter],
    open_video: OpenVideo,
    report: ShardReport,
    tick: _Ticker,
) -> None:
    path = Path(plan.folder, video.path)
    xxh3 = source_hash(path, video)
    with open_video(path) as opened, ExitStack() as rows:
        entries: dict[str, Entry] = {
            modality: rows.enter_context(
                writer.video(video.id, height=opened.height, width=opened.width)
            )
            for modality, writer in writers.items()
        }
        for block in opened:
            for modality, entry in entries.items():
                entry.append_frames(block.seconds, block.picture_types)
                values = block.arrays.get(modality)
                if values is not None:
                    valid = block.arrays["mv_valid"] if modality == "mv" else None
                    entry.append(values, valid)
            tick.frames += len(block.seconds)
            tick.video_bytes = sum(entry.bytes for entry in entries.values())
            tick()
        fps, codec = opened.fps, opened.codec
    tick.end_video()
    for modality, entry in entries.items():
        records = report.records[modality]
        records.append(
            VideoRecord(
                id=video.id,
                path=video.path,
                size_bytes=video.size_bytes,
                xxh3=xxh3,
                frames=entry.frames,
                height=entry.height,
                width=entry.width,
                fps=fps,
                codec=codec,
                first=records[-1].first + records[-1].rows if records else 0,
                rows=entry.rows,
                clipped=entry.clipped,
                values=entry.values,
                bytes=entry.bytes,
            )
        )


def source_hash(path: Path, video: PlannedVideo) -> str:
    """xxh3-128 of the source file, in hexadecimal.

    Raises:
        VideoError: the file is gone, closed to us, or not the planned one.
    """
    from xxhash import xxh3_128

    state, size = xxh3_128(), 0
    try:
        with path.open("rb") as file:
            while block := file.read(HASH_BLOCK):
                state.update(block)
                size += len(block)
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise NotAVideo(f"expected a readable file, got {error.strerror}") from error
    if size != video.size_bytes:
        raise NotAVideo(
            f"expected the {video.size_bytes} bytes that were planned, got {size}"
        )
    return state.hexdigest()
