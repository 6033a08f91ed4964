"""Exit codes, counts and remarks of a run, from an index that is written by hand."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.driver.summary import Summary, summarize
from pipeline.store.files import write_index
from pipeline.store.index import IndexRecord, Rows
from pipeline.store.manifest import FileRecord, Manifest, ModalityRecord

HASH = "ab" * 16
VIDEO = IndexRecord(
    id="a",
    path="a.mp4",
    size_bytes=100,
    xxh3=HASH,
    labels=(0,),
    splits={},
    group="g",
    segments=(),
    frames=90,
    height=240,
    width=320,
    fps=25.0,
    codec="h264",
    source_height=240,
    source_width=320,
    clipped_share=None,
    rows={"rgb": Rows(0, 0, 90)},
)


def summary_of(
    folder: Path,
    *videos: IndexRecord,
    unusable: tuple[str, ...] = (),
    shards: int = 1,
    **manifest: Any,
) -> Summary:
    write_index(folder, videos)
    files = (FileRecord("rgb-00000.h5", 3_000_000, HASH, HASH, 8, 8, 8),)
    return summarize(
        folder,
        Manifest(
            dataset="folder",
            classes=("run",),
            splits={},
            mirror_safe=True,
            settings={},
            fingerprint="f",
            shards=1,
            modalities={"rgb": ModalityRecord(codec={}, files=2 * files)},
            videos=len(videos),
            index=(HASH,),
            **manifest,
        ),
        shards=shards,
        seconds=7.0,
        unusable=unusable,
    )


def remarks(folder: Path, **changes: Any) -> set[str]:
    """Remarks about one video that differs from an ordinary one in these fields."""
    found = summary_of(folder, replace(VIDEO, **changes)).remarkable
    return {name for name, videos in found.items() if videos == ("a",)}


@pytest.mark.parametrize(
    ("stored", "bad", "unavailable", "code"),
    [
        (5, {}, {}, 0),
        (5, {"b": "no video"}, {}, 3),
        (5, {}, {"c": "no such file"}, 3),
        (0, {}, {}, 1),
        (0, {"b": "no video"}, {}, 1),
    ],
)
def test_exit_code(stored, bad, unavailable, code, tmp_path):
    videos = [replace(VIDEO, id=f"v{k}") for k in range(stored)]
    found = summary_of(tmp_path, *videos, bad=bad, unavailable=unavailable)
    assert (found.exit_code, found.to_dict()["exit_code"]) == (code, code)


def test_an_ordinary_video_is_not_remarkable(tmp_path):
    assert remarks(tmp_path) == set()
    assert remarks(tmp_path, clipped_share=0.0, known_share=1.0) == set()


@pytest.mark.parametrize(
    ("share", "named"), [(0.0, False), (0.001, False), (0.0011, True), (0.5, True)]
)
def test_more_than_a_thousandth_of_clipped_flow_is_named(share, named, tmp_path):
    assert remarks(tmp_path, clipped_share=share) == ({"clipped"} if named else set())


def test_the_limit_for_clipped_flow_is_the_one_that_is_written(tmp_path):
    text = summary_of(tmp_path, replace(VIDEO, clipped_share=0.002)).text()
    said = "1 video with more than 0.1% of the flow values clipped by the codec: a"
    assert said in text.splitlines()


def test_vectors_are_missed_where_there_could_be_some(tmp_path):
    """None: no vectors were asked for, or there is no interval."""
    assert remarks(tmp_path, known_share=0.0) == {"without_known_vectors"}
    assert remarks(tmp_path, known_share=0.01) == set()
    assert remarks(tmp_path, known_share=None) == set()


def test_damage_and_missing_ends_are_named(tmp_path):
    assert remarks(tmp_path, damaged=1) == {"damaged"}
    assert remarks(tmp_path, missing_bytes=1) == {"cut_short"}


@pytest.mark.parametrize(
    ("source", "aspect", "stored", "enlarged"),
    [
        ((240, 320), 1.0, (240, 320), False),
        ((240, 320), 1.0, (256, 340), True),
        ((240, 320), 1.0, (241, 321), False),  # rounding is no enlarging
        ((240, 320), 1.0, (120, 160), False),
        ((320, 240), 1.0, (320, 240), False),  # the short side, whichever it is
        ((576, 720), 16 / 15, (576, 768), False),  # pixels are made square: wider
        ((480, 240), 2.0, (480, 480), False),  # 240 wide pixels are 480 px
        ((480, 240), 2.0, (500, 500), True),
        ((0, 0), 1.0, (256, 340), False),  # not recorded
        ((4, 4), 1.0, (16, 16), False),  # every store's frames are at least so large
    ],
)
def test_videos_are_enlarged_where_stored_ones_are_larger(
    source, aspect, stored, enlarged, tmp_path
):
    found = remarks(
        tmp_path,
        source_height=source[0],
        source_width=source[1],
        pixel_aspect=aspect,
        height=stored[0],
        width=stored[1],
    )
    assert found == ({"enlarged"} if enlarged else set())


@pytest.mark.parametrize(
    ("stop", "named"), [(3.0, False), (3.6, False), (4.1, False), (4.2, True)]
)
def test_stretches_may_end_half_a_second_after_the_video(stop, named, tmp_path):
    """90 frames at 25 per second: 3.6 s."""
    found = remarks(tmp_path, segments=((0, 1.0, stop),))
    assert found == ({"stretches_beyond_end"} if named else set())


def test_turns_by_odd_angles_are_named(tmp_path):
    assert remarks(tmp_path, rotation=90.0) == set()
    assert remarks(tmp_path, rotation=33.0) == {"askew"}


def test_videos_are_those_stored_bad_and_away_each_once(tmp_path):
    """`c` is away in one modality and stored in another."""
    found = summary_of(
        tmp_path,
        replace(VIDEO, id="a"),
        replace(VIDEO, id="c"),
        bad={"b": "no video"},
        unavailable={"c": "no such file", "d": "no such file"},
    )
    assert (found.videos, found.stored) == (4, 2)


def test_frames_hours_and_bytes_are_summed(tmp_path):
    """An hour at 25 and half an hour at 50 frames per second; 6 MB in two files."""
    found = summary_of(
        tmp_path,
        replace(VIDEO, frames=90_000, rows={"rgb": Rows(0, 0, 90_000)}),
        replace(VIDEO, id="b", frames=90_000, fps=50.0, rows={}),
    )
    assert (found.frames, found.hours) == (180_000, 1.5)
    assert found.modalities == {"rgb": 6_000_000}
    said = "180,000 frames, 1.5 hours of video: rgb 6 MB (4 MB per video-hour)"
    assert said in found.text().splitlines()


def test_sizes_are_width_by_height_the_most_frequent_first(tmp_path):
    found = summary_of(
        tmp_path,
        replace(VIDEO, id="a", height=64, width=48),
        replace(VIDEO, id="b"),
        replace(VIDEO, id="c"),
    )
    assert list(found.sizes.items()) == [("320x240", 2), ("48x64", 1)]


def test_what_was_never_planned_is_told_apart_from_the_quarantined(tmp_path):
    found = summary_of(
        tmp_path,
        VIDEO,
        bad={"lost/": "permission denied", "odd": "no video"},
        unusable=("lost/",),
    )
    assert found.text().splitlines()[-4:] == [
        "1 unreadable when the store was planned:",
        "  lost/: permission denied",
        "1 quarantined (--retry-quarantined retries them):",
        "  odd: no video",
    ]


def test_a_run_that_built_nothing_says_so(tmp_path):
    assert "1 shard built in 7 seconds" in summary_of(tmp_path, VIDEO).text()
    again = summary_of(tmp_path, VIDEO, shards=0).text()
    assert "nothing to extract: all shards are built" in again


def test_ten_videos_of_a_remark_are_named_and_all_are_listed(tmp_path):
    videos = [replace(VIDEO, id=f"v{k:02d}", damaged=1) for k in range(11)]
    found = summary_of(tmp_path, *videos)
    assert len(found.to_dict()["damaged"]) == 11
    assert "v09, ..." in found.text() and "v10" not in found.text()
