import errno
import shutil
import time
from collections import namedtuple
from pathlib import Path

import h5py
import numpy as np
import pytest
from default_codecs import default_codec
from tiny_store import arrays, shard_at

from pipeline.store import MODALITIES
from pipeline.store import shard as shard_module
from pipeline.store.encoding import Levels, encoded
from pipeline.store.errors import LayoutError
from pipeline.store.jpeg_codecs import JpegRgb
from pipeline.store.quarter_pel import QuarterPel
from pipeline.store.shard import SPARE_BYTES, ShardWriter

HEIGHT, WIDTH = 35, 50


def add(writer: ShardWriter, video_id: str, frames: int, *, block: int = 99) -> None:
    """One video, in blocks of so many frames; entries come as late as they can."""
    made = arrays(frames, height=HEIGHT, width=WIDTH, seed=len(video_id))
    with writer.video(video_id, height=HEIGHT, width=WIDTH) as entry:
        for start in range(0, frames, block):
            stop = min(start + block, frames)
            first, last = start, stop
            if writer.modality != "rgb":
                first, last = max(start - 1, 0), stop - 1
            valid = made["mv_valid"][first:last] if writer.modality == "mv" else None
            entry.append(made[writer.modality][first:last], valid)
            entry.append_frames(
                np.arange(start, stop) / 25, np.full(stop - start, ord("P"), np.uint8)
            )


def written(path: Path, modality: str, videos: dict[str, int], **how: int) -> bytes:
    with ShardWriter(path, modality=modality, codec=default_codec(modality)) as writer:
        for video_id, frames in videos.items():
            add(writer, video_id, frames, **how)
    return path.read_bytes()


VIDEOS = {"one": 5, "c/länger": 12, "single": 1, "last": 3}


@pytest.mark.parametrize("modality", MODALITIES)
def test_rows_lie_end_to_end_with_an_index(tmp_path, modality):
    path = tmp_path / "shard.h5"
    written(path, modality, VIDEOS)
    fewer = 0 if modality == "rgb" else 1
    with shard_at(path, modality=modality) as shard:
        index = shard.index()
        assert list(index) == list(VIDEOS)
        first = frames_first = 0
        for video_id, frames in VIDEOS.items():
            assert index[video_id] == {
                "first": first,
                "rows": frames - fewer,
                "frames_first": frames_first,
                "frames": frames,
                "height": HEIGHT,
                "width": WIDTH,
            }
            seconds = shard.seconds(frames_first, frames_first + frames)
            assert np.array_equal(seconds, np.arange(frames) / 25)
            first, frames_first = first + frames - fewer, frames_first + frames
        assert shard.num_rows == first
        assert (shard.picture_types(0, frames_first) == ord("P")).all()


@pytest.mark.parametrize("modality", MODALITIES)
def test_what_was_written_is_read(tmp_path, modality):
    path = tmp_path / "shard.h5"
    written(path, modality, VIDEOS)
    made = arrays(12, height=HEIGHT, width=WIDTH, seed=len("c/länger"))
    codec = default_codec(modality)
    with shard_at(path, modality=modality) as shard:
        assert shard.codec == codec
        first = shard.index()["c/länger"]["first"]
        flat, bounds = shard.stored(first, first + 11)
        for row, stored in enumerate(codec.encode(made[modality][:11])):
            assert np.array_equal(flat[bounds[row] : bounds[row + 1]], stored)
        if modality == "mv":
            assert np.array_equal(shard.valid(first, first + 11), made["mv_valid"])


@pytest.mark.parametrize("modality", MODALITIES)
def test_bytes_depend_on_finished_videos_alone(tmp_path, modality):
    expected = written(tmp_path / "a.h5", modality, VIDEOS)
    assert written(tmp_path / "b.h5", modality, VIDEOS, block=2) == expected

    path = tmp_path / "c.h5"
    with ShardWriter(path, modality=modality, codec=default_codec(modality)) as writer:
        for video_id, frames in VIDEOS.items():
            with pytest.raises(ValueError, match="the decoder gave up"):
                fail_in_the_middle(writer)
            add(writer, video_id, frames, block=3)
    assert path.read_bytes() == expected
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.h5", "b.h5", "c.h5"]


def fail_in_the_middle(writer: ShardWriter) -> None:
    made = arrays(9, height=HEIGHT, width=WIDTH, seed=3)
    with writer.video("bad", height=HEIGHT, width=WIDTH) as entry:
        valid = made["mv_valid"] if writer.modality == "mv" else None
        entry.append(made[writer.modality], valid)
        entry.append_frames(np.zeros(9), np.zeros(9, np.uint8))
        raise ValueError("the decoder gave up")


def test_rows_of_many_pieces_lie_end_to_end(tmp_path, monkeypatch):
    monkeypatch.setattr(shard_module, "PIECE_BYTES", 256)
    for modality in MODALITIES:
        whole = written(tmp_path / "a.h5", modality, VIDEOS)
        assert written(tmp_path / "b.h5", modality, VIDEOS, block=1) == whole
        with shard_at(tmp_path / "a.h5", modality=modality) as shard:
            flat, _ = shard.stored(0, shard.num_rows)
        codec = default_codec(modality)
        rows = [
            row
            for video_id, frames in VIDEOS.items()
            for row in codec.encode(
                arrays(frames, height=HEIGHT, width=WIDTH, seed=len(video_id))[modality]
            )
        ]
        assert np.array_equal(flat, np.concatenate(rows))


def test_bytes_hold_no_clock(tmp_path):
    early = written(tmp_path / "a.h5", "mv", {"v": 3})
    time.sleep(1.1)  # HDF5 counts in seconds
    assert written(tmp_path / "b.h5", "mv", {"v": 3}) == early


def test_a_shard_without_a_video_can_be_read(tmp_path):
    for modality in MODALITIES:
        written(tmp_path / "empty.h5", modality, {})
        with shard_at(tmp_path / "empty.h5", modality=modality) as shard:
            assert shard.index() == {}
            assert shard.num_rows == 0


def test_an_entry_counts_what_is_stored_and_what_is_clipped(tmp_path):
    codec = default_codec("flow")
    flow = np.zeros((2, 8, 8, 2), np.float32)
    flow[1, 0, :3, 0] = 25
    with (
        ShardWriter(tmp_path / "s.h5", modality="flow", codec=codec) as writer,
        writer.video("v", height=8, width=8) as entry,
    ):
        entry.append(flow)
        entry.append_frames(np.arange(3.0), np.zeros(3, np.uint8))
    assert (entry.rows, entry.frames) == (2, 3)
    assert (entry.clipped, entry.values) == (3, flow.size)
    assert entry.bytes == sum(row.nbytes for row in codec.encode(flow))


@pytest.mark.parametrize(
    ("values", "valid", "message"),
    [
        (np.zeros((1, 8, 9, 3), np.uint8), None, r"expected entries of \(8, 8, 3\)"),
        (np.zeros((1, 8, 8, 3), np.float32), None, "expected .* uint8, got .* float32"),
        (np.zeros((1, 8, 8, 3), np.uint8), np.ones(1, bool), "expected valid with mv"),
    ],
)
def test_entries_of_another_kind_are_refused(tmp_path, values, valid, message):
    with ShardWriter(tmp_path / "s.h5", modality="rgb", codec=JpegRgb()) as writer:
        with (
            pytest.raises(LayoutError, match=message),
            writer.video("v", height=8, width=8) as entry,
        ):
            entry.append(values, valid)
        add(writer, "good", 2)
    with shard_at(tmp_path / "s.h5", modality="rgb") as shard:
        assert list(shard.index()) == ["good"]


@pytest.mark.parametrize("valid", [None, np.ones(2, bool), np.ones(1, np.uint8)])
def test_vectors_need_one_bool_each(tmp_path, valid):
    with (
        ShardWriter(tmp_path / "s.h5", modality="mv", codec=QuarterPel()) as writer,
        pytest.raises(LayoutError, match="expected"),
        writer.video("v", height=8, width=8) as entry,
    ):
        entry.append(np.zeros((1, 1, 1, 2), np.float32), valid)


@pytest.mark.parametrize(
    ("modality", "entries", "frames"),
    [("rgb", 3, 2), ("rgb", 0, 0), ("flow", 3, 3), ("flow", 1, 0), ("mv", 0, 2)],
)
def test_entries_and_frames_must_belong_together(tmp_path, modality, entries, frames):
    made = arrays(max(entries, 1) + 1, height=8, width=8, seed=0)
    codec = default_codec(modality)
    with (
        ShardWriter(tmp_path / "s.h5", modality=modality, codec=codec) as writer,
        pytest.raises(LayoutError, match=f"{entries} entries and {frames} frames"),
        writer.video("v", height=8, width=8) as entry,
    ):
        valid = made["mv_valid"][:entries] if modality == "mv" else None
        entry.append(made[modality][:entries], valid)
        entry.append_frames(np.zeros(frames), np.zeros(frames, np.uint8))


def test_seconds_and_picture_types_come_together(tmp_path):
    with (
        ShardWriter(tmp_path / "s.h5", modality="rgb", codec=JpegRgb()) as writer,
        pytest.raises(LayoutError, match="of one length"),
        writer.video("v", height=8, width=8) as entry,
    ):
        entry.append_frames(np.zeros(2), np.zeros(3, np.uint8))


def test_a_video_comes_once_and_has_a_plain_name(tmp_path):
    with ShardWriter(tmp_path / "s.h5", modality="rgb", codec=JpegRgb()) as writer:
        add(writer, "v", 1)
        for wrong in ("v", "", "nul\0"):
            with pytest.raises(LayoutError, match="expected a new, plain video id"):
                add(writer, wrong, 1)
        with (
            pytest.raises(LayoutError, match="expected a grid, got 0x8"),
            writer.video("w", height=0, width=8),
        ):
            pass
        with (
            pytest.raises(LayoutError, match="expected one video at a time"),
            writer.video("w", height=8, width=8),
        ):
            add(writer, "x", 1)


def test_a_name_that_is_not_utf8_comes_back(tmp_path):
    name = b"caf\xe9".decode(errors="surrogateescape")
    written(tmp_path / "s.h5", "mv", {name: 2})
    with shard_at(tmp_path / "s.h5", modality="mv") as shard:
        assert list(shard.index()) == [name]


def test_a_modality_needs_its_codec(tmp_path):
    with pytest.raises(
        LayoutError, match="flow: expected its codec, got .*quarter_pel"
    ):
        ShardWriter(tmp_path / "s.h5", modality="flow", codec=QuarterPel())


def test_no_file_is_left_by_an_error(tmp_path):
    with (
        pytest.raises(ValueError, match="a bug"),
        ShardWriter(tmp_path / "s.h5", modality="rgb", codec=JpegRgb()) as writer,
    ):
        add(writer, "v", 3)
        raise ValueError("a bug")
    assert list(tmp_path.iterdir()) == []


Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("checks", [0, 1, 2])
def test_a_full_disk_is_an_error_and_leaves_nothing(
    tmp_path, modality, checks, monkeypatch
):
    """It fills up after the writer looked so many times: opening, append, closing."""
    looks = iter([True] * checks)
    monkeypatch.setattr(
        shutil,
        "disk_usage",
        lambda folder: Usage(0, 0, SPARE_BYTES + (1 << 30) * next(looks, False)),
    )
    with pytest.raises(OSError, match="no space left: expected .* free, got") as caught:
        written(tmp_path / "s.h5", modality, {"v": 5})
    assert caught.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


def test_the_file_says_what_it_is(tmp_path):
    written(tmp_path / "s.h5", "flow", {"v": 2})
    with h5py.File(tmp_path / "s.h5") as file:
        assert file.attrs["layout_version"] == 2
        assert file.attrs["modality"] == b"flow"
        assert file.attrs["codec"] == (
            b'{"bound_px": 20.0, "curve": "sqrt", "name": "jpeg_flow", "quality": 85}'
        )


def test_flow_may_come_as_levels(tmp_path):
    flow = arrays(5, height=HEIGHT, width=WIDTH, seed=0)["flow"] * 30
    codec = default_codec("flow")
    planes = codec.levels(np.ascontiguousarray(np.moveaxis(flow, 3, 1)))
    contents = []
    for values in (flow, Levels(planes, codec.clipped(flow))):
        path = tmp_path / "shard.h5"
        with ShardWriter(path, modality="flow", codec=codec) as writer:
            with writer.video("v", height=HEIGHT, width=WIDTH) as entry:
                entry.append(values)
                entry.append_frames(np.zeros(5), np.zeros(5, np.uint8))
            assert entry.values == flow.size
            assert entry.clipped == np.count_nonzero(np.abs(flow) > 20) > 0
        contents.append(path.read_bytes())
    assert contents[0] == contents[1]


@pytest.mark.parametrize(("modality", "size"), [("rgb", (35, 50)), ("flow", (35, 51))])
def test_levels_of_another_size_or_modality_are_refused(modality, size):
    levels = Levels(np.zeros((1, 2, 35, 50), np.uint8), 0)
    with pytest.raises(LayoutError, match=f"{modality}: expected levels of flow"):
        encoded(levels, codec=default_codec(modality), size=size)
