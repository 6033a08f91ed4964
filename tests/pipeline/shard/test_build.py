"""A shard while its files change: what is the video's fault, and what is not."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from made_shards import made_task
from small_videos import draw_videos, opened, written_meanwhile

from pipeline.extract.errors import DecodeError
from pipeline.extract.video import Block, Extraction
from pipeline.shard.build import build_shard
from pipeline.shard.task import ShardReport, Task
from pipeline.store.schema import num_entries


@pytest.fixture
def task(tmp_path) -> Task:
    """Two videos of 6 frames."""
    folder = tmp_path / "videos"
    draw_videos(folder, 2)
    paths = sorted(folder.rglob("*.mp4"))
    task = made_task(*(path.stat().st_size for path in paths), folder=folder)
    for path, video in zip(paths, task.plan.videos, strict=True):
        path.rename(folder / video.path)
    return task


def built(task: Task, scratch: Path) -> ShardReport:
    scratch.mkdir()
    return build_shard(task, scratch=scratch)


@contextmanager
def broken(path: Path, *, touched: bool) -> Iterator[Extraction]:
    """The first video does not decode; maybe it is still being written."""
    if path.stem == "0-v000":
        if touched:
            os.utime(path, ns=(0, 0))
        raise DecodeError("no frame came out")
    with opened(path) as extraction:
        yield extraction


def with_decoder(task: Task, **given: bool) -> Task:
    return replace(task, open_video=partial(broken, **given))


def test_a_video_that_does_not_decode_is_bad(task, tmp_path):
    report = built(with_decoder(task, touched=False), tmp_path / "scratch")
    assert report.bad == {"0-v000": "no frame came out"}
    assert report.unavailable == {}


def test_half_a_file_that_does_not_decode_is_not_held_against_the_video(task, tmp_path):
    """It was written to meanwhile: the next run takes it up again."""
    report = built(with_decoder(task, touched=True), tmp_path / "scratch")
    assert report.bad == {}
    assert "the file changed meanwhile" in report.unavailable["0-v000"]


def test_a_file_that_was_written_while_it_was_decoded_is_not_stored(task, tmp_path):
    """Every frame came out, but whose content they are of nobody knows."""
    watched = replace(task, open_video=partial(written_meanwhile, victim="0-v000"))
    report = built(watched, tmp_path / "scratch")
    assert "the file changed meanwhile" in report.unavailable["0-v000"]
    assert [it.id for it in report.records["mv"]] == ["0-v001"]


class Counting:
    """An opened video whose first blocks say how many packets were damaged so far."""

    def __init__(self, extraction: Extraction) -> None:
        self.info, self._blocks = extraction.info, extraction

    def __iter__(self) -> Iterator[Block]:
        times, types = np.zeros(0), np.zeros(0, np.uint8)
        for so_far in (1, 1):
            yield Block(times, types, {}, so_far)  # of frames that did not come out
        for block in self._blocks:
            yield block._replace(damaged=3)


@contextmanager
def damaged(path: Path) -> Iterator[Counting]:
    with opened(path) as extraction:
        yield Counting(extraction)


def test_damage_of_a_video_is_what_its_last_block_says(task, tmp_path):
    """1, 1 and 3 packets so far: 3 of them, not 5."""
    report = built(replace(task, open_video=damaged), tmp_path / "scratch")
    for modality in ("rgb", "mv"):
        assert [it.damaged for it in report.records[modality]] == [3, 3]


def test_rows_follow_each_other_in_every_modality(task, tmp_path):
    """6 rows of rgb and 5 of vectors for each video."""
    report = built(task, tmp_path / "scratch")
    for modality in ("rgb", "mv"):
        rows = num_entries(modality, 6)
        found = [(it.first, it.rows, it.frames) for it in report.records[modality]]
        assert found == [(0, rows, 6), (rows, rows, 6)]


def test_a_folder_of_videos_that_is_away_is_not_the_fault_of_each(task, tmp_path):
    for path in Path(task.plan.folder).rglob("*.mp4"):
        path.unlink()
    (Path(task.plan.folder) / "left").rmdir()
    (Path(task.plan.folder) / "right").rmdir()
    with pytest.raises(
        OSError, match="expected the folder of videos, got an empty one"
    ):
        built(task, tmp_path / "scratch")
