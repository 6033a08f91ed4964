"""Stores whose frames are packets of H.264: built everywhere alike, read, verified, repaired."""

import json
import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from batch_solvers import LargeBatches
from small_videos import data_set, draw_videos, store_bytes

from pipeline.driver.extraction import extract
from pipeline.driver.plan import new_plan
from pipeline.executors.choose import Execution
from pipeline.extract.settings import ExtractSettings
from pipeline.extract.video import open_extraction
from pipeline.shard.build import build_shard
from pipeline.shard.plan import PlannedVideo
from pipeline.shard.task import Task
from pipeline.store import MODALITIES, LayoutError, Store
from pipeline.store.h264_rgb import H264Rgb
from pipeline.store.verify import verify

EXAMPLE = Path(__file__).parents[3] / "examples" / "read_store.py"
SETTINGS = ExtractSettings(
    short_side=32, rgb_codec=H264Rgb(), mv_source="stored", mv_crf=20
)
RGB_MV = SETTINGS.only(["rgb", "mv"])
RGB = "rgb-00000.h5"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    draw_videos(folder, 2, frames=30)
    return folder


@pytest.fixture(scope="module")
def store(folder, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("stores") / "packets"
    summary = extract(data_set(folder), RGB_MV, out=out, execution=Execution(workers=0))
    assert summary.exit_code == 0
    return out


@pytest.fixture(scope="module")
def true_frames(folder) -> dict[str, np.ndarray]:
    found = {}
    for path in sorted(folder.rglob("*.mp4")):
        with open_extraction(path, RGB_MV) as extraction:
            blocks = [block.arrays["rgb"] for block in extraction]
        found[path.stem] = np.concatenate(blocks)
    return found


def test_every_part_of_a_video_is_the_same_part_of_the_whole(store, true_frames):
    opened = Store(store)
    for video in opened.videos():
        whole = opened.read(video.id, "rgb")
        true = true_frames[Path(video.id).name]
        error = whole.astype(float) - true
        assert 10 * np.log10(255**2 / (error**2).mean()) > 28  # dB
        for start, stop, step, crop in (
            (0, 1, 1, (3, 5, 8, 9)),
            (11, 13, 1, (0, 0, 32, 42)),
            (13, 30, 1, (1, 0, 31, 17)),
            (5, 30, 13, (2, 1, 7, 30)),
        ):
            top, left, height, width = crop
            part = whole[start:stop:step, top : top + height, left : left + width]
            found = opened.read(
                video.id, "rgb", start=start, stop=stop, step=step, crop=crop
            )
            assert np.array_equal(found, part)


def test_what_iterates_a_store_gives_the_frames_of_one_reading(store):
    opened = Store(store)
    blocks: dict[str, list[np.ndarray]] = {}
    for block in opened.iterate(["rgb", "mv"], block=7):
        blocks.setdefault(block.video.id, []).append(block.arrays["rgb"])
    for name, parts in blocks.items():
        assert np.array_equal(np.concatenate(parts), opened.read(name, "rgb"))


def test_the_example_reads_packets(store):
    example = runpy.run_path(str(EXAMPLE))["read"]
    for line in (store / "index.jsonl").read_text().splitlines():
        video = json.loads(line)
        for modality in ("rgb", "mv"):
            expected = Store(store).read(video["id"], modality)
            assert np.array_equal(example(store, video, modality), expected)


def built(task: Task, scratch: Path) -> dict[str, bytes]:
    scratch.mkdir()
    report = build_shard(task, scratch=scratch)
    assert not report.bad
    return {name: path.read_bytes() for name, path in report.files.items()}


def test_a_gpu_and_a_child_give_the_same_packets(folder, tmp_path):
    videos = tuple(
        PlannedVideo(path.stem, str(path.relative_to(folder)), path.stat().st_size)
        for path in sorted(folder.rglob("*.mp4"))
    )
    plan = new_plan("folder", videos, SETTINGS, bytes_per_frame=1e9)
    plan = replace(plan.shard_plan(0, MODALITIES, folder=folder), videos=videos)
    expected = built(Task(plan=plan), tmp_path / "here")
    gpu = Task(plan=plan, backend="cuda", make_solver=LargeBatches)
    assert built(gpu, tmp_path / "gpu") == expected
    isolated = Task(plan=replace(plan, settings=RGB_MV), isolated=True)
    child = built(isolated, tmp_path / "child")
    assert child == {name: expected[name] for name in ("rgb", "mv")}


def test_what_a_hash_does_not_show_is_found_by_decoding(store):
    assert verify(store, decode=True) == []
    opened = Store(store)
    video = next(iter(opened.videos()))
    rows = video.rows["rgb"]
    reader = opened.shard("rgb", rows.shard)
    stored, bounds = reader.stored(rows.first, rows.first + rows.num_rows)
    wrong = stored.copy()
    wrong[bounds[14] + 8 : bounds[15]] = 0
    reader.stored = lambda first, stop, step=1: (
        wrong[bounds[first - rows.first] : bounds[stop - rows.first]],
        [b - bounds[first - rows.first] for b in bounds[first - rows.first :]],
    )
    with pytest.raises(LayoutError, match=rf"{RGB}: row {rows.first + 14}: expected a"):
        opened.read(video.id, "rgb", start=16, stop=18)
    opened.read(video.id, "rgb", start=2, stop=14)
    opened.read(video.id, "rgb", start=24)


def test_damage_is_found_and_repaired_to_the_byte(store, folder, tmp_path):
    before = store_bytes(store)
    path = store / RGB
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    path.write_bytes(content)
    assert [damage.file for damage in verify(store)] == [RGB]
    path.unlink()
    (store / "_commits" / "rgb-00000.json").unlink()
    extract(data_set(folder), RGB_MV, out=store, execution=Execution(workers=0))
    assert store_bytes(store) == before
