"""In place or in batches: the same bytes; bad videos, memory, errors in the batched path."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from batch_solvers import EVERYTHING, LargeBatches
from encoded import encode, packets_of, rgb_frames
from small_videos import draw_videos

from pipeline.driver.plan import new_plan
from pipeline.extract.blocks import DeferredFlow
from pipeline.extract.errors import DecodeError
from pipeline.extract.settings import ExtractSettings
from pipeline.extract.video import Block, Extraction, VideoInfo, open_extraction
from pipeline.flow.batches import Coding
from pipeline.shard.build import build_shard
from pipeline.shard.pipelined import Batched
from pipeline.shard.plan import PlannedVideo, ShardPlan
from pipeline.shard.prefetch import Prefetcher
from pipeline.shard.stages import CodedBlock
from pipeline.shard.task import ShardReport, Task
from pipeline.store.codecs import FLOW_CODECS
from pipeline.store.encoding import Levels
from pipeline.store.jpeg_codecs import JpegFlow

MODALITIES = ("rgb", "flow", "mv")
SIZES = [(48, 64), (64, 64), (48, 96)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Nine videos of three sizes and of 1 to 41 frames, one after the other."""
    folder = tmp_path_factory.mktemp("videos")
    for number, frames in enumerate((1, 2, 16, 17, 41, 33, 5, 18, 12)):
        draw_videos(folder / f"{number}", 1, frames=frames, size=SIZES[number % 3])
    return folder


def shard_plan(folder: Path, flow_codec: str = "companded") -> ShardPlan:
    videos = tuple(
        PlannedVideo(path.parts[-3], str(path.relative_to(folder)), path.stat().st_size)
        for path in sorted(folder.rglob("*.mp4"))
    )
    settings = ExtractSettings(short_side=32, flow_codec=FLOW_CODECS[flow_codec])
    plan = new_plan("folder", videos, settings, bytes_per_frame=1e9)
    return replace(plan.shard_plan(0, MODALITIES, folder=folder), videos=videos)


def built(task: Task, scratch: Path) -> tuple[ShardReport, dict[str, bytes]]:
    scratch.mkdir()
    report = build_shard(task, scratch=scratch)
    return report, {name: path.read_bytes() for name, path in report.files.items()}


def on_gpu(plan: ShardPlan, **changes) -> Task:
    return replace(Task(plan=plan, backend="cuda", make_solver=LargeBatches), **changes)


@pytest.mark.parametrize("codec", ["companded", "tsn"])
@pytest.mark.parametrize("coders", [1, 3])
def test_batches_give_the_bytes_of_solving_in_place(codec, coders, folder, tmp_path):
    plan = shard_plan(folder, codec)
    expected_report, expected = built(Task(plan=plan), tmp_path / "in place")
    report, files = built(on_gpu(plan, coders=coders), tmp_path / "batched")
    assert files == expected
    assert report.records == expected_report.records and not report.bad
    assert report.flow_made_with == expected_report.flow_made_with
    assert report.effort and report.effort.pairs == 145 - 9


def staged(paths: list[Path], solver: LargeBatches, **options) -> Batched:
    return Batched(
        partial(open_extraction, settings=EVERYTHING, solver=DeferredFlow()),
        paths,
        solver=solver,
        coding=Coding.of(JpegFlow()),
        encode=keep_levels,
        **options,
    )


def keep_levels(block: Block, flow: np.ndarray | Levels, size) -> CodedBlock:
    """Instead of JPEG: what came of the flow."""
    levels = flow.planes if isinstance(flow, Levels) else np.zeros((0, 2, *size), "u1")
    return CodedBlock(block.seconds, block.picture_types, {"flow": levels})  # type: ignore[dict-item]


def levels_of(stage: Batched, path: Path) -> np.ndarray:
    with stage.open(path) as video:
        return np.concatenate([block.rows["flow"] for block in video.blocks])


def test_batches_reach_across_videos_and_hold_one_size_each(folder):
    paths = [p for p in sorted(folder.rglob("*.mp4")) if p.parts[-3] in "147"]
    solver = LargeBatches("default")  # 2, 41 and 18 frames of 48 x 96 px
    with staged(paths, solver) as stage:
        rows = [len(levels_of(stage, path)) for path in paths]
    assert rows == [1, 40, 17]
    assert solver.batches == [23, 23, 12]


def test_memory_ahead_stays_within_its_limit_and_batches_with_it(tmp_path):
    draw_videos(tmp_path, 1, frames=400)
    path = next(tmp_path.rglob("*.mp4"))
    per_frame = 32 * 42 * (3 + 1 + 2)
    solver = LargeBatches("fast")
    with staged([path], solver, limit=64 * per_frame) as stage:
        assert len(levels_of(stage, path)) == 399
    assert stage.most_held <= 64 * per_frame + 4 * 16 * 100  # and a few vectors
    assert max(solver.batches) <= 16  # four of them fit in there


def test_a_video_that_is_left_does_not_reach_into_the_next(folder):
    paths = sorted(folder.rglob("*.mp4"))[3:6]
    with staged(paths, LargeBatches("default")) as stage:
        expected = [levels_of(stage, path) for path in paths]
    solver = LargeBatches("default")
    with staged(paths, solver) as stage:
        with stage.open(paths[0]) as video:
            next(video.blocks)  # the rest of it is under way
        assert (
            levels_of(stage, paths[2]) == expected[2]
        ).all()  # the second: not asked
    with pytest.raises(ValueError, match="oldest ticket"):
        solver.collect(object())  # type: ignore[arg-type]  # nothing was left with it


@contextmanager
def failing(path: Path, *, error: BaseException, at: int = 2) -> Iterator[object]:
    """So many blocks of video 4 (41 frames), then an error; -1: it does not open."""
    bad = "/4/" in str(path)
    if bad and at < 0:
        raise error
    with open_extraction(path, EVERYTHING, solver=DeferredFlow()) as extraction:
        yield _Failing(extraction, error, at if bad else 1000)


class _Failing:
    def __init__(self, extraction, error: BaseException, at: int) -> None:
        self._extraction, self._error, self._at = extraction, error, at
        self.info = extraction.info

    def __iter__(self) -> Iterator[Block]:
        for number, block in enumerate(self._extraction):
            if number == self._at:
                raise self._error
            yield block


@pytest.mark.parametrize("at", [-1, 0, 2])
def test_a_bad_video_amid_good_ones_is_left_out_alone(at, folder, tmp_path):
    plan = shard_plan(folder)
    error = DecodeError("torn in the middle")
    task = on_gpu(plan, open_video=partial(failing, error=error, at=at))
    report, files = built(task, tmp_path / "batched")
    assert report.bad == {"4": "torn in the middle"}
    without = replace(plan, videos=tuple(v for v in plan.videos if v.id != "4"))
    _, expected = built(Task(plan=without), tmp_path / "in place")
    assert files == expected


def test_a_file_that_is_not_the_planned_one_is_left_out_alone(folder, tmp_path):
    plan = shard_plan(folder)
    videos = [
        video._replace(size_bytes=video.size_bytes + (video.id == "5"))
        for video in plan.videos
    ]
    report, files = built(
        on_gpu(replace(plan, videos=tuple(videos))), tmp_path / "batched"
    )
    assert not report.bad and report.unavailable.keys() == {"5"}
    assert "bytes that were planned" in report.unavailable["5"]
    without = replace(plan, videos=tuple(v for v in plan.videos if v.id != "5"))
    _, expected = built(Task(plan=without), tmp_path / "in place")
    assert files == expected


@contextmanager
def replaced_after(path: Path) -> Iterator[Extraction]:
    """Somebody replaces the file between its decoding ahead and its turn."""
    with open_extraction(path, EVERYTHING, DeferredFlow()) as extraction:
        yield extraction
    if path.parts[-3] == "4":
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def test_a_file_that_is_replaced_after_it_was_read_ahead_is_left_out(folder, tmp_path):
    plan = shard_plan(Path(shutil.copytree(folder, tmp_path / "videos")))
    report, files = built(on_gpu(plan, open_video=replaced_after), tmp_path / "batched")
    assert not report.bad and report.unavailable.keys() == {"4"}
    without = replace(plan, videos=tuple(v for v in plan.videos if v.id != "4"))
    _, expected = built(Task(plan=without), tmp_path / "in place")
    assert files == expected


@pytest.mark.parametrize("error", [OSError(5, "broken disk"), ZeroDivisionError("bug")])
def test_other_errors_of_the_reader_reach_whoever_builds(error, folder, tmp_path):
    task = on_gpu(shard_plan(folder), open_video=partial(failing, error=error))
    with pytest.raises(type(error), match="broken disk|bug"):
        built(task, tmp_path / "batched")
    assert not list((tmp_path / "batched").glob("*.h5"))


class LostGpu(LargeBatches):
    """Fails at its third batch."""

    def collect(self, ticket):
        if len(self.batches) >= 3:
            raise RuntimeError("the GPU has fallen off the bus")
        return super().collect(ticket)


def test_errors_of_the_solver_reach_whoever_builds_and_it_is_made_anew(
    folder, tmp_path
):
    plan = shard_plan(folder)
    made = []

    def make(profile: str) -> LargeBatches:
        made.append((LostGpu if not made else LargeBatches)(profile))
        return made[-1]

    with pytest.raises(RuntimeError, match="fallen off the bus"):
        built(on_gpu(plan, make_solver=make), tmp_path / "first")
    report, _ = built(on_gpu(plan, make_solver=make), tmp_path / "second")
    assert len(made) == 2 and len(report.records["flow"]) == 9


@pytest.mark.slow
def test_isolated_videos_give_the_same_bytes(folder, tmp_path):
    plan = shard_plan(folder)
    _, expected = built(Task(plan=plan), tmp_path / "in place")
    _, files = built(on_gpu(plan, isolated=True), tmp_path / "isolated")
    assert files == expected


class _Endless:
    """A video without end, in blocks of a megabyte."""

    info = VideoInfo(height=512, width=512, fps=25.0, codec="none")
    read = 0

    def __iter__(self) -> Iterator[Block]:
        while True:
            self.read += 1
            frames = np.zeros((4, 512, 512), np.uint8)
            yield Block(np.zeros(4), np.zeros(4, np.uint8), {}, grey=frames)


def test_the_prefetcher_stops_where_its_limit_is_and_goes_on_when_there_is_room():
    video = _Endless()

    @contextmanager
    def opened(path: Path) -> Iterator[_Endless]:
        yield video

    with Prefetcher(opened, [Path("x")], limit=10 << 20, flow_bytes=1) as prefetcher:
        events = []
        for room in (0, 3):  # of 2 MB each: a block and its flow
            for _ in range(room):
                prefetcher.free(2 << 20)
            while not prefetcher.stuck:
                prefetcher.wait(for_room=True)
                events += prefetcher.take()
            blocks = [event for event in events if event.cost]
            assert len(blocks) == 5 + room and video.read == 5 + room + 1
        assert prefetcher.most_held == 10 << 20
    assert not prefetcher._thread.is_alive()


@pytest.mark.parametrize("modality", ["flow", "mv"])
@pytest.mark.parametrize("source", ["canonical", "original"])
def test_a_video_of_one_frame_has_no_interval_in_a_modality_alone(
    modality, source, folder, tmp_path
):
    """As beside other modalities; also where flow is computed apart from them."""
    plan = shard_plan(folder)
    settings = ExtractSettings(short_side=32, mv_source=source).only([modality])
    plan = replace(plan, settings=settings)
    report, files = built(Task(plan=plan), tmp_path / "in place")
    single = next(r for r in report.records[modality] if r.frames == 1)
    assert not report.bad and (single.rows, single.known) == (0, 0)
    if modality == "flow":
        batched, same = built(on_gpu(plan), tmp_path / "batched")
        assert same == files and not batched.bad


def test_damage_and_known_vectors_are_recorded_alike_in_place_and_in_batches(tmp_path):
    """The last packet of the second video does not decode: it is told with no frame."""
    draw_videos(tmp_path / "v/0", 1, frames=20)
    (tmp_path / "v/1/a").mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, (17, 48, 64, 3), np.uint8)
    frames = [frame.reformat(format="yuvj420p") for frame in rgb_frames(noise)]
    path = encode(tmp_path / "v/1/a/v.mp4", frames, codec="mjpeg", pix_fmt="yuvj420p")
    last = packets_of(path)[-1]
    path.write_bytes(path.read_bytes().replace(last, bytes(len(last))))
    plan = shard_plan(tmp_path / "v")
    in_place, _ = built(Task(plan=plan), tmp_path / "in place")
    batched, _ = built(on_gpu(plan), tmp_path / "batched")
    assert batched.records == in_place.records
    for modality in MODALITIES:
        whole, damaged = in_place.records[modality]
        assert (whole.frames, whole.damaged) == (20, 0)
        assert (damaged.frames, damaged.damaged) == (16, 1)
        known = (18, 14) if modality == "mv" else (0, 0)  # keyint 12
        assert (whole.known, damaged.known) == known
