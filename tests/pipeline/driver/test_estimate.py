"""Hours and gigabytes of a run, scaled up by hand from a calibration that is given."""

from collections import Counter
from pathlib import Path

import pytest
from made_shards import made_task, planned
from small_videos import RGB_MV, draw_videos

from pipeline.driver.estimate import (
    GUESSED_BYTES_PER_FRAME,
    bytes_per_frame,
    estimate,
    stored_sizes,
)
from pipeline.driver.plan_file import read_plan
from pipeline.executors.workers import WorkerLayout
from pipeline.extract.settings import ExtractSettings
from pipeline.shard.calibration import Calibration
from pipeline.shard.plan import PlannedVideo
from pipeline.shard.task import Task
from pipeline.store.shard_file import bytes_beside_rows

FRAME = int(GUESSED_BYTES_PER_FRAME)
"""Bytes of a frame where no file is there to ask."""


def measured(task: Task) -> Calibration:
    """Ten frames: 2 s of a core, and where flow is computed on a GPU 1 s of it."""
    gpu = 1.0 if task.on_gpu else 0.0
    sizes = {"rgb": 1_000, "flow": 500, "mv": 10}
    kept = {name: sizes[name] for name in task.plan.modalities}
    return Calibration(10, 2.0, gpu, kept)


def on_cores(cores: int, workers: int) -> WorkerLayout:
    return WorkerLayout(where="pool", workers=workers, cores=cores)


def on_gpus(count: int, *, cores: int, workers: int, coders: int) -> WorkerLayout:
    gpus = tuple(f"GPU-{k}" for k in range(count))
    return WorkerLayout(
        where="pool",
        workers=workers,
        cores=cores,
        backend="cuda",
        gpus=gpus,
        coders=coders,
    )


def flow_tasks(*frames: int) -> list[Task]:
    return [
        made_task(count * FRAME, shard=k, modalities=("flow",), backend="cuda")
        for k, count in enumerate(frames)
    ]


def test_work_and_bytes_grow_with_the_frames():
    """20 frames in two videos, and 30 in one: five times what was calibrated."""
    tasks = [made_task(10 * FRAME, 10 * FRAME), made_task(30 * FRAME, shard=1)]
    found = estimate(tasks, on_cores(1, 1), measure=measured)
    assert (found.videos, found.shards, found.frames) == (3, 2, 50)
    assert found.core_seconds == pytest.approx(5 * 2.0)
    assert found.gpu_seconds == 0
    ids = [["0-v000", "0-v001"], ["1-v000"]]
    beside = {
        name: bytes_beside_rows(name, frames=20, ids=ids[0])
        + bytes_beside_rows(name, frames=30, ids=ids[1])
        for name in ("rgb", "mv")
    }
    assert found.bytes == {
        "rgb": 5 * 1_000 + beside["rgb"],
        "mv": 5 * 10 + beside["mv"],
    }
    assert found.seconds == pytest.approx(10.0)
    assert found.calibrated_frames == 10


def test_hours_are_hours():
    tasks = [made_task(18_000 * FRAME)]
    found = estimate(tasks, on_cores(1, 1), measure=measured)
    written = found.to_dict()
    assert (written["hours"], written["core_hours"]) == (1.0, 1.0)
    assert written["gpu_hours"] == 0
    assert "1.00 core-hours" in found.text()


def test_a_few_seconds_are_not_called_hours():
    found = estimate([made_task(10 * FRAME)], on_cores(1, 1), measure=measured)
    assert "; 2 core-seconds (extrapolated from 10 frames)" in found.text()
    found = estimate([made_task(1 * FRAME)], on_cores(1, 1), measure=measured)
    assert "about 1 second with" in found.text()
    assert "; 1 core-second (" in found.text()


@pytest.mark.parametrize(
    ("cores", "workers", "seconds"),
    [
        (8, 1, 16.0),  # one after the other
        (8, 2, 8.0),
        (8, 4, 4.0),
        (8, 100, 4.0),  # four shards are four at a time at most
        (2, 4, 8.0),  # two cores do not do four things at once
    ],
)
def test_without_a_gpu_a_worker_keeps_one_core_busy(cores, workers, seconds):
    """Four shards of 4 s of a core each."""
    tasks = [made_task(20 * FRAME, shard=k) for k in range(4)]
    found = estimate(tasks, on_cores(cores, workers), measure=measured)
    assert found.core_seconds == pytest.approx(16.0)
    assert found.seconds == pytest.approx(seconds)


def test_no_run_is_shorter_than_its_longest_shard():
    """1 s, 1 s and 10 s on three cores."""
    tasks = [made_task(n * FRAME, shard=k) for k, n in enumerate((5, 5, 50))]
    found = estimate(tasks, on_cores(3, 3), measure=measured)
    assert found.seconds == pytest.approx(10.0)


@pytest.mark.parametrize(("coders", "seconds"), [(1, 8.0), (3, 4.0), (7, 4.0)])
def test_beside_a_gpu_a_worker_keeps_a_reader_and_its_coders_busy(coders, seconds):
    """One shard of 16 s of a core and 4 s of a GPU, measured as 4 to 1."""
    found = estimate(
        flow_tasks(80),
        on_gpus(1, cores=8, workers=1, coders=coders),
        measure=lambda task: Calibration(10, 2.0, 0.5, {}),
    )
    assert (found.core_seconds, found.gpu_seconds) == (16.0, 4.0)
    assert found.seconds == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("gpus", "workers", "seconds"),
    [
        (1, 4, 8.0),  # all on one
        (2, 4, 4.0),
        (4, 4, 2.0),
        (4, 2, 4.0),  # two shards at a time use two of them
        (8, 8, 2.0),  # and four shards four
    ],
)
def test_work_of_gpus_is_shared_by_those_in_use(gpus, workers, seconds):
    """Four shards of 2 s of a GPU each, and next to nothing of a core."""
    layout = on_gpus(gpus, cores=64, workers=workers, coders=1)
    found = estimate(
        flow_tasks(20, 20, 20, 20),
        layout,
        measure=lambda task: Calibration(10, 0.001, 1.0, {}),
    )
    assert found.gpu_seconds == pytest.approx(8.0)
    assert found.seconds == pytest.approx(seconds)


def test_flow_and_the_rest_are_calibrated_apart_where_they_are_built_apart():
    """Their frames are the same ones, and one shard stays one."""
    asked: list[tuple[str, ...]] = []

    def measure(task: Task) -> Calibration:
        asked.append(task.plan.modalities)
        return measured(task)

    tasks = [
        made_task(20 * FRAME, modalities=("flow",), backend="cuda"),
        made_task(20 * FRAME, modalities=("rgb", "mv"), backend="cuda"),
        made_task(10 * FRAME, shard=1, modalities=("flow",), backend="cuda"),
    ]
    found = estimate(tasks, on_gpus(1, cores=4, workers=2, coders=1), measure=measure)
    assert asked == [("flow",), ("rgb", "mv")]
    assert (found.videos, found.shards, found.frames) == (2, 2, 30)
    beside = {
        name: bytes_beside_rows(name, frames=20, ids=["0-v000"])
        for name in ("flow", "mv", "rgb")
    }
    more = bytes_beside_rows("flow", frames=10, ids=["1-v000"])
    assert found.bytes == {
        "flow": 3 * 500 + beside["flow"] + more,
        "mv": 2 * 10 + beside["mv"],
        "rgb": 2 * 1_000 + beside["rgb"],
    }
    assert found.gpu_seconds == pytest.approx(3.0)
    assert found.core_seconds == pytest.approx(3 * 2.0 + 2 * 2.0)


def test_a_calibration_that_could_read_nothing_gives_no_time():
    found = estimate(
        [made_task(10 * FRAME)],
        on_cores(1, 1),
        measure=lambda task: Calibration(0, 0.0, 0.0, {}),
    )
    assert (found.frames, found.seconds, found.bytes) == (10, 0.0, {})


def test_the_sample_is_spread_evenly_over_the_plan():
    """Twelve videos of 24: the first, and every second from there."""
    sampled: list[str] = []

    def measure(task: Task) -> Calibration:
        sampled.extend(video.id for video in task.plan.videos)
        return measured(task)

    tasks = [made_task(*[FRAME] * 12, shard=shard) for shard in range(2)]
    estimate(tasks, on_cores(1, 1), measure=measure)
    assert sampled == [f"{shard}-v{k:03d}" for shard in (0, 1) for k in range(0, 12, 2)]


def test_bytes_are_those_of_the_files_of_a_run(folder: Path, finished: Path):
    """Files of small vectors are for a good part something else than rows."""
    plan = read_plan(finished)
    tasks = [
        Task(plan=plan.shard_plan(shard, RGB_MV.modalities, folder=folder))
        for shard in range(plan.shards)
    ]
    found = estimate(tasks, on_cores(1, 1))
    assert found.bytes.keys() == {"rgb", "mv"}
    for name, size in found.bytes.items():
        stored = sum(path.stat().st_size for path in finished.glob(f"{name}-*.h5"))
        assert size == pytest.approx(stored, rel=0.1)


def test_nothing_to_do_takes_nothing():
    found = estimate([], on_cores(4, 4), measure=measured)
    assert (found.videos, found.seconds, found.bytes) == (0, 0.0, {})
    assert found.text() == "nothing to extract: all shards are built"


@pytest.fixture(scope="module")
def six_frames(tmp_path_factory) -> Path:
    """Three videos of 6 frames and 48x64 px, 2.mp4 in a folder of its own."""
    folder = tmp_path_factory.mktemp("videos")
    draw_videos(folder, 3)
    return folder


def of_sizes(*sizes: int) -> list[PlannedVideo]:
    names = ("left/v000.mp4", "right/v001.mp4", "left/v002.mp4")
    return [
        PlannedVideo(name, name, size) for name, size in zip(names, sizes, strict=True)
    ]


def test_bytes_per_frame_are_the_median_of_what_headers_say(six_frames):
    """6 frames each: 100, 200 and 9,000 bytes per frame."""
    videos = of_sizes(600, 1_200, 54_000)
    assert bytes_per_frame(six_frames, videos) == 200.0


def test_a_file_without_a_header_says_nothing_of_frames(six_frames):
    videos = [*of_sizes(600, 1_200, 54_000)[:1], PlannedVideo("x", "x.mp4", 7)]
    assert bytes_per_frame(six_frames, videos) == 100.0
    assert bytes_per_frame(six_frames, planned(7)) == GUESSED_BYTES_PER_FRAME
    assert bytes_per_frame(six_frames, of_sizes(0, 1, 2)) == 1.0  # never none


@pytest.mark.parametrize(
    ("short_side", "enlarge", "sizes", "enlarged"),
    [
        (32, False, {"42x32": 3}, 0),
        (96, False, {"64x48": 3}, 0),
        (96, True, {"128x96": 3}, 3),
        (48, True, {"64x48": 3}, 0),
    ],
)
def test_stored_sizes_are_named_and_those_that_are_enlarged_counted(
    short_side, enlarge, sizes, enlarged, six_frames
):
    settings = ExtractSettings(short_side=short_side, enlarge=enlarge)
    found = stored_sizes(six_frames, of_sizes(1, 1, 1), settings)
    assert found == (Counter(sizes), enlarged)
