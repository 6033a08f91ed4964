"""One shard plan -> one file per modality on scratch, and a report.

`build_shard` is the unit of work everywhere: in this process, in a pool, on Ray.
"""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from pipeline.extract.errors import Unavailable, VideoError
from pipeline.extract.video import Block, VideoInfo
from pipeline.flow.batches import BatchSolver, Coding
from pipeline.flow.protocol import FlowSolver
from pipeline.store.codec import Codec
from pipeline.store.encoding import encoded, given
from pipeline.store.file_names import shard_file
from pipeline.store.jpeg_codecs import JpegFlow
from pipeline.store.shard import Entry, ShardWriter

from .isolate import IsolatedVideos
from .pipelined import Batched
from .plan import PlannedVideo, ShardPlan
from .solvers import batch_solver, forget_batch_solver, frame_solver, open_with_flow
from .sources import (
    Source,
    open_source,
    read_source,
    require_folder,
    require_stamp,
    require_unchanged,
    stamps,
    unread_source,
)
from .stages import CodedBlock, InPlace, Size, Stage, Values
from .task import Effort, ShardProgress, ShardReport, Task

REPORT_SECONDS = 0.5


def build_shard(
    task: Task,
    *,
    scratch: Path,
    on_progress: Callable[[ShardProgress], None] = lambda progress: None,
) -> ShardReport:
    """Extract every video of the plan, block by block, into one file per modality.

    A video that cannot be used is left out whole and named in the report; so is one
    whose file is not available now.

    Args:
        scratch: a folder for the files, on a disk of this machine.

    Raises:
        OSError: the environment failed (full disk, I/O error, no folder of videos);
            never a video's fault.
        ChildError: a bug showed itself in an isolated child.
        NoDevice: it needs a GPU that cannot be used.
    """
    plan = task.plan
    report = ShardReport(plan=plan)
    codecs = {modality: plan.codec(modality) for modality in plan.modalities}
    with ExitStack() as stack:
        writers = {}
        for modality, codec in codecs.items():
            name = shard_file(modality, plan.shard)
            report.files[modality] = path = scratch / name
            report.records[modality] = []
            writer = ShardWriter(path, modality=modality, codec=codec)
            writers[modality] = stack.enter_context(writer)
        ahead = stamps(Path(plan.folder), plan.videos) if task.on_gpu else None
        stage, report.flow_made_with = _stage(task, codecs, stack)
        began, cpu_before = time.monotonic(), time.process_time()
        tick = _Ticker(plan.shard, on_progress)
        for video in plan.videos:
            try:
                path = Path(plan.folder, video.path)
                if task.first_frames is None:
                    source = read_source(path, video)
                else:
                    source = unread_source(path)
                if ahead is not None:  # it is decoded before it is hashed
                    require_stamp(ahead.get(video.id), source)
                _store_video(video, source, plan, writers, stage, report, tick)
            except Unavailable as error:
                require_folder(Path(plan.folder))
                report.unavailable[video.id] = str(error)
            except VideoError as error:
                report.bad[video.id] = str(error)
            tick.videos += 1
    cpu_seconds = time.process_time() - cpu_before
    report.effort = _effort(stage, began, cpu_seconds)
    return report


def _stage(
    task: Task, codecs: Mapping[str, Codec], stack: ExitStack
) -> tuple[Stage, dict[str, str]]:
    """The stage that turns videos into rows, and the record of its flow solver."""
    settings = task.plan.settings
    backend = "cuda" if task.on_gpu else task.backend
    open_video = task.open_video or partial(
        open_with_flow, settings=settings, backend=backend, frames=task.first_frames
    )
    open_video = partial(open_source, open_video=open_video)
    if task.isolated:
        child = IsolatedVideos(open_video, hang_seconds=task.hang_seconds)
        open_video = stack.enter_context(child).open
    encode = partial(_encoded, codecs)
    if "flow" not in codecs:
        return InPlace(open_video, encode), {}
    solver: FlowSolver | BatchSolver
    if not task.on_gpu:
        solver = frame_solver(task.backend, settings.flow_profile)
        return InPlace(open_video, encode), _made_with(solver)
    codec = codecs["flow"]
    assert isinstance(codec, JpegFlow), "GPUs compute the levels of this codec only"
    solver = batch_solver(
        settings.flow_profile, per_gpu=task.per_gpu, make=task.make_solver
    )
    stack.push(forget_batch_solver)
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


def _effort(stage: Stage, began: float, cpu_seconds: float) -> Effort:
    effort = Effort(began, time.monotonic(), cpu_seconds, process=os.getpid())
    if isinstance(stage, Batched):
        effort = effort._replace(
            pairs=stage.pairs,
            busy=tuple(stage.busy),
            reading_seconds=stage.reading_seconds,
            coding_seconds=stage.coding_seconds,
        )
    return effort


def _encoded(
    codecs: Mapping[str, Codec], block: Block, flow: Values | None, size: Size
) -> CodedBlock:
    rows = {}
    for modality, codec in codecs.items():
        if modality == "rgb" and block.packets is not None:
            rows["rgb"] = given(block.packets, codec=codec, size=size)
            continue
        values = flow if modality == "flow" else block.arrays.get(modality)
        if values is not None:
            valid = block.arrays["mv_valid"] if modality == "mv" else None
            rows[modality] = encoded(values, valid, codec=codec, size=size)
    return CodedBlock(block.seconds, block.picture_types, rows, block.damaged)


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
    source: Source,
    plan: ShardPlan,
    writers: dict[str, ShardWriter],
    stage: Stage,
    report: ShardReport,
    tick: _Ticker,
) -> None:
    path = Path(plan.folder, video.path)
    try:
        info, entries, damaged = _written(video.id, path, source, writers, stage, tick)
    except Unavailable:
        raise
    except VideoError:
        require_unchanged(path, source)  # else it may be a half that was decoded
        raise
    tick.end_video()
    report.add(video, entries, info, xxh3=source.xxh3, damaged=damaged)


def _written(
    video_id: str,
    path: Path,
    source: Source,
    writers: dict[str, ShardWriter],
    stage: Stage,
    tick: _Ticker,
) -> tuple[VideoInfo, dict[str, Entry], int]:
    """Write one video; its info, its entry per modality, and its damaged packets."""
    with stage.open(path) as (info, blocks), ExitStack() as rows:
        entries: dict[str, Entry] = {
            modality: rows.enter_context(
                writer.video(video_id, height=info.height, width=info.width)
            )
            for modality, writer in writers.items()
        }
        damaged = 0
        for block in blocks:
            damaged = block.damaged
            for modality, entry in entries.items():
                entry.append_frames(block.seconds, block.picture_types)
                if modality in block.rows:
                    entry.append_encoded(block.rows[modality])
            tick.frames += len(block.seconds)
            tick.video_bytes = sum(entry.bytes for entry in entries.values())
            tick()
        require_unchanged(path, source)
    return info, entries, damaged
