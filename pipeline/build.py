"""One shard plan -> one file per modality on scratch, and a report.

`build_shard` is the unit of work everywhere: in this process, in a pool, on Ray.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple, cast

import cv2

from pipeline.extract.blocks import Postponed, Solver
from pipeline.extract.errors import NotAVideo, VideoError
from pipeline.extract.video import Block, ExtractSettings, open_extraction
from pipeline.flow.batches import BatchSolver, Coding
from pipeline.flow.solver import FlowSolver, flow_solver
from pipeline.isolate import IsolatedVideos, Opened, OpenVideo
from pipeline.plan import PlannedVideo, ShardPlan
from pipeline.progress import ShardProgress
from pipeline.stages import Batched, CodedBlock, InPlace, Size, Stage, Values
from pipeline.store.codecs import JpegFlow
from pipeline.store.records import FileRecord, VideoRecord, shard_file
from pipeline.store.shard import Entry, ShardWriter

REPORT_SECONDS = 0.5
HASH_BLOCK = 1 << 20

SolverMaker = Callable[[str], BatchSolver]
"""Name of a profile -> what solves batches with it on the GPU of this process."""


class NoDevice(RuntimeError):
    """The GPU cannot be used; in a line, why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One attempt at a shard."""

    plan: ShardPlan
    attempt: int = 1
    isolated: bool = False
    """Decode each video in a child process: slower, but a crash or a hang has a name."""
    backend: str = "cpu"
    """Who computes flow: cpu, opencv or cuda. Whoever runs the task has decided."""
    cpu_instead: bool = False
    """Where the GPU cannot be used, the CPU may."""
    coders: int = 1
    """Threads that encode, beside the one that reads, where a GPU computes flow."""
    hang_seconds: float = 60.0
    open_video: OpenVideo | None = None
    """Another decoder than ours: tests use it to let one crash or hang."""
    make_solver: SolverMaker | None = None
    """Another solver than ours on the GPU: tests and benchmarks use it."""

    @property
    def on_gpu(self) -> bool:
        """Whether it needs one."""
        return "flow" in self.plan.modalities and self.backend == "cuda"


class Effort(NamedTuple):
    """What an attempt took; for benchmarks."""

    began: float
    """By `time.monotonic`, with the solver ready."""
    ended: float
    cpu_seconds: float
    """Of this process and all its threads."""
    pairs: int = 0
    """Solved in batches."""
    busy: tuple[tuple[float, float], ...] = ()
    """When the batch solver had work."""
    process: int = 0
    """Which one it was."""


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
    effort: Effort | None = None


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
        stage, report.flow_made_with = _stage(task, writers, stack)
        began, cpu_before = time.monotonic(), time.process_time()
        tick = _Ticker(plan.shard, on_progress)
        for video in plan.videos:
            try:
                _store_video(video, plan, writers, stage, report, tick)
            except VideoError as error:
                report.bad[video.id] = str(error)
            tick.videos += 1
    cpu_seconds = time.process_time() - cpu_before
    report.effort = Effort(
        began, time.monotonic(), cpu_seconds, *_solved(stage), process=os.getpid()
    )
    return report


def _stage(
    task: Task, writers: Mapping[str, ShardWriter], stack: ExitStack
) -> tuple[Stage, dict[str, str]]:
    """How this attempt turns videos into rows, and who computes its flow."""
    settings = extract_settings(task.plan)
    backend = "cuda" if task.on_gpu else task.backend
    open_video = task.open_video or partial(
        open_with_flow, settings=settings, backend=backend
    )
    if task.isolated:
        child = IsolatedVideos(open_video, hang_seconds=task.hang_seconds)
        open_video = stack.enter_context(child).open
    encode = partial(_encoded, writers)
    if "flow" not in writers:
        return InPlace(open_video, encode), {}
    solver: FlowSolver | BatchSolver
    if not task.on_gpu:
        solver = _solver(task.backend, settings.flow_profile)
        return InPlace(open_video, encode), _made_with(solver)
    codec = writers["flow"].codec
    assert isinstance(codec, JpegFlow)
    solver = batch_solver(task)
    stack.push(_forget_solver)
    batched = Batched(
        open_video,
        [Path(task.plan.folder, video.path) for video in task.plan.videos],
        solver=solver,
        coding=Coding.of(codec),
        encode=encode,
        coders=task.coders,
    )
    return stack.enter_context(batched), _made_with(solver)


def _made_with(solver: FlowSolver | BatchSolver) -> dict[str, str]:
    return {
        "backend": solver.backend,
        "device": solver.device,
        "profile": solver.profile,
    }


def _solved(stage: Stage) -> tuple[int, tuple[tuple[float, float], ...]]:
    return (stage.pairs, tuple(stage.busy)) if isinstance(stage, Batched) else (0, ())


def _encoded(
    writers: Mapping[str, ShardWriter], block: Block, flow: Values | None, size: Size
) -> CodedBlock:
    rows = {}
    for modality, writer in writers.items():
        values = flow if modality == "flow" else block.arrays.get(modality)
        if values is not None:
            valid = block.arrays["mv_valid"] if modality == "mv" else None
            rows[modality] = writer.encoded(values, valid, size=size)
    return CodedBlock(block.seconds, block.picture_types, rows)


@contextmanager
def open_with_flow(
    path: Path, *, settings: ExtractSettings, backend: str
) -> Iterator[Opened]:
    """Our decoder, with the flow solver of this process. One core is all it uses.

    For a GPU (`cuda`) its blocks have the frames that flow is computed from.
    """
    cv2.setNumThreads(1)  # shards run side by side
    solver: Solver | None = None
    if "flow" in settings.modalities:
        solver = (
            Postponed()
            if backend == "cuda"
            else _solver(backend, settings.flow_profile)
        )
    with open_extraction(path, settings, solver=solver) as extraction:
        yield extraction


@lru_cache(maxsize=4)
def _solver(backend: str, profile: str) -> FlowSolver:
    return flow_solver(backend, profile=profile)


@lru_cache(maxsize=1)
def _batch_solver(make: SolverMaker, profile: str) -> BatchSolver:
    try:
        return make(profile)
    except (
        Exception
    ) as error:  # whatever is wrong with the GPU, its libraries, its driver
        raise NoDevice(f"{error or type(error).__name__}") from error


def batch_solver(task: Task) -> BatchSolver:
    """What solves batches for a task on a GPU; made once in a process.

    Raises:
        NoDevice: the GPU cannot be used.
    """
    profile = extract_settings(task.plan).flow_profile
    return _batch_solver(task.make_solver or cuda_solver, profile)


def _forget_solver(
    kind: type[BaseException] | None, error: BaseException | None, trace: object
) -> None:
    """After an error nobody knows what the solver still has under way."""
    if kind is not None:
        _batch_solver.cache_clear()


def cuda_solver(profile: str) -> BatchSolver:
    """The batch solver of the first GPU that this process sees.

    Raises:
        FlowError: there is none, or it cannot be used.
    """
    return cast(BatchSolver, flow_solver("cuda", profile=profile))


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
    stage: Stage,
    report: ShardReport,
    tick: _Ticker,
) -> None:
    path = Path(plan.folder, video.path)
    xxh3 = source_hash(path, video)
    with stage.open(path) as (facts, blocks), ExitStack() as rows:
        entries: dict[str, Entry] = {
            modality: rows.enter_context(
                writer.video(video.id, height=facts.height, width=facts.width)
            )
            for modality, writer in writers.items()
        }
        for block in blocks:
            for modality, entry in entries.items():
                entry.append_frames(block.seconds, block.picture_types)
                if modality in block.rows:
                    entry.append_encoded(block.rows[modality])
            tick.frames += len(block.seconds)
            tick.video_bytes = sum(entry.bytes for entry in entries.values())
            tick()
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
                fps=facts.fps,
                codec=facts.codec,
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
