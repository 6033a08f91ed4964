"""Calibration: the build of a run, on the beginnings of some videos."""

import pickle
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from batch_solvers import LargeBatches
from small_videos import SETTINGS, draw_videos

from motion_shards.remote import run
from pipeline.driver.plan import new_plan
from pipeline.executors import on_ray
from pipeline.shard import calibration, sources
from pipeline.shard.build import build_shard
from pipeline.shard.calibration import (
    CALIBRATED_FRAMES,
    TIMED_FRAMES,
    calibrate,
    stage_times,
)
from pipeline.shard.plan import PlannedVideo
from pipeline.shard.task import Task

FRAMES = (1, 5, 60)


@pytest.fixture(scope="module")
def task(tmp_path_factory) -> Task:
    """Three videos: of one frame, of few, of more than are calibrated with."""
    folder = tmp_path_factory.mktemp("videos")
    for frames in FRAMES:
        draw_videos(folder / f"{frames:02d}", 1, frames=frames)
    videos = [
        PlannedVideo(path.parts[-3], str(path.relative_to(folder)), path.stat().st_size)
        for path in sorted(folder.rglob("*.mp4"))
    ]
    plan = new_plan("folder", videos, SETTINGS, bytes_per_frame=1e9)
    return Task(plan=plan.shard_plan(0, SETTINGS.modalities, folder=folder))


@pytest.fixture(scope="module")
def whole(task, tmp_path_factory) -> dict[str, np.ndarray]:
    """Modality -> bytes of each row in a shard of all frames."""
    report = build_shard(task, scratch=tmp_path_factory.mktemp("whole"))
    sizes = {}
    for modality, path in report.files.items():
        with h5py.File(path) as file:
            sizes[modality] = np.diff(file["offsets"][:])
    return sizes


@pytest.fixture(params=["in place", "in batches"])
def either(request, task) -> Task:
    if request.param == "in place":
        return task
    return replace(task, backend="cuda", make_solver=LargeBatches)


def test_the_first_frames_are_measured_as_the_run_stores_them(either, whole, tmp_path):
    measured = calibrate(either, scratch=tmp_path)
    assert measured.frames == 1 + 5 + CALIBRATED_FRAMES
    intervals = 4 + CALIBRATED_FRAMES - 1
    rows = {"rgb": measured.frames, "flow": intervals, "mv": intervals}
    assert measured.bytes.keys() == {"rgb", "flow", "mv"}
    for modality, count in rows.items():  # the long video is the last one
        assert measured.bytes[modality] == whole[modality][:count].sum()
    assert measured.core_seconds > 0
    assert (measured.gpu_seconds > 0) == either.on_gpu
    assert not list(tmp_path.iterdir())


def test_files_are_not_read_whole(task, tmp_path, monkeypatch):
    """The hash of a long video would take longer than its first frames."""

    def hashed(file: object) -> str:
        raise AssertionError("a whole file was read")

    monkeypatch.setattr(sources, "hash_of", hashed)
    report = build_shard(replace(task, first_frames=8), scratch=tmp_path)
    assert [video.frames for video in report.records["rgb"]] == [1, 5, 8]
    assert {video.xxh3 for video in report.records["rgb"]} == {""}


def test_videos_that_cannot_be_used_are_left_out(task, tmp_path):
    videos = (*task.plan.videos[:2], PlannedVideo("x", "nowhere.mp4", 1))
    part = replace(task, plan=replace(task.plan, videos=videos))
    assert calibrate(part, scratch=tmp_path).frames == 1 + 5
    nothing = replace(task, plan=replace(task.plan, videos=videos[2:]))
    measured = calibrate(nothing, scratch=tmp_path)
    assert (measured.frames, measured.bytes["rgb"]) == (0, 0)


def test_an_environment_that_fails_ends_it(task, tmp_path):
    plan = replace(task.plan, folder=str(tmp_path / "gone"))
    with pytest.raises(OSError, match="gone"):
        calibrate(replace(task, plan=plan), scratch=tmp_path)
    with pytest.raises(OSError, match="no scratch"):
        calibrate(task, scratch=Path("no scratch"))


def test_a_killed_calibration_leaves_nothing_that_the_next_one_keeps(task, tmp_path):
    """SIGKILL in the middle of a build: nobody else would ever remove its files."""
    code = (
        "import os, pickle, signal, sys\n"
        "from pathlib import Path\n"
        "from pipeline.shard import calibration\n"
        "def build(task, *, scratch):\n"
        "    (scratch / 'rgb.h5').write_bytes(b'rows')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "calibration.build_shard = build\n"
        "task = pickle.load(sys.stdin.buffer)\n"
        "calibration.calibrate(task, scratch=Path(sys.argv[1]))\n"
    )
    (tmp_path / "thesis").mkdir()
    ended = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        input=pickle.dumps(task),
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 2
    calibrate(task, scratch=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis"]


def test_on_a_cluster_it_is_built_on_the_same_scratch(task, tmp_path, monkeypatch):
    """Ray hands the call to a worker as it is: here, the worker is this process."""
    scratches = []
    monkeypatch.setattr(
        calibration,
        "build_shard",
        lambda task, *, scratch: (
            scratches.append(scratch.parents[1]) or build_shard(task, scratch=scratch)
        ),
    )
    worker = SimpleNamespace(
        options=lambda **needs: SimpleNamespace(remote=run), remote=run
    )
    monkeypatch.setattr(on_ray.ray, "remote", lambda **options: lambda call: worker)
    monkeypatch.setattr(on_ray.ray, "get", lambda result: result)
    monkeypatch.setattr(on_ray, "live_nodes", list)
    assert on_ray.calibrated(task, scratch=tmp_path).frames == 1 + 5 + CALIBRATED_FRAMES
    assert set(scratches) == {tmp_path}


def test_times_are_those_of_the_threads_of_a_worker(task, monkeypatch):
    """Of 1, 5 and 48 frames, with flow at no cost."""
    built = []

    def build(given: Task, *, scratch: Path):
        built.append(build_shard(given, scratch=scratch))
        return built[-1]

    monkeypatch.setattr(calibration, "build_shard", build)
    times = stage_times(task)
    report = built[-1]
    assert report.flow_made_with["backend"] == "none"
    effort, frames = report.effort, 1 + 5 + TIMED_FRAMES
    assert effort.pairs == frames - len(FRAMES)
    assert times.total * frames == pytest.approx(1e3 * effort.cpu_seconds)
    assert times.reading * frames == pytest.approx(1e3 * effort.reading_seconds)
    assert times.coding * frames == pytest.approx(1e3 * effort.coding_seconds)
    assert times.reading > times.coding > 0  # an H.264 stream, against small JPEGs
    assert times.rest > 0


def test_times_need_a_video(task):
    nothing = replace(task.plan, videos=(PlannedVideo("x", "01/none.mp4", 9),))
    with pytest.raises(ValueError, match="got none that can be used"):
        stage_times(replace(task, plan=nothing))


def test_videos_that_take_long_are_measured_with_fewer_frames(task, monkeypatch):
    built = []

    def build(given: Task, *, scratch: Path):
        report = build_shard(given, scratch=scratch)
        built.append(given.first_frames)
        report.effort = report.effort._replace(cpu_seconds=seconds)
        return report

    monkeypatch.setattr(calibration, "build_shard", build)
    for seconds in (0.9, 1.1):
        stage_times(task)
    calibrate(task)
    assert built == [16, 48, 16, 16, 16, 24]
