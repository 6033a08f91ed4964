"""The plan: cuts and fingerprint."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from planned import ALL, RGB, plan, videos
from xxhash import xxh3_128_hexdigest

from pipeline.driver.plan import (
    SHARD_FRAMES,
    SMALL_SHARD_FRAMES,
    StorePlan,
    new_plan,
    shard_ends,
)
from pipeline.errors import PlanError
from pipeline.extract.settings import ExtractSettings
from pipeline.shard.plan import PlannedVideo


@pytest.mark.parametrize("count", [1, 2, 3, 7, 31, 32, 1000])
def test_every_video_is_in_exactly_one_shard(count):
    ends = shard_ends([10.0] * count)
    assert ends[-1] == count
    assert ends == sorted(set(ends)) and ends[0] > 0


def test_shards_hold_about_the_same_number_of_frames():
    frames = [float(100 + 37 * k % 211) for k in range(5000)]
    starts = [0, *(ends := shard_ends(frames))]
    loads = [sum(frames[a:b]) for a, b in zip(starts, ends, strict=False)]
    assert len(ends) > 20
    assert max(loads) <= SHARD_FRAMES + max(frames)


def test_a_long_video_has_a_shard_to_itself():
    ends = shard_ends([100.0, 5.0 * SHARD_FRAMES, 100.0])
    assert 2 in ends
    starts = [0, *ends]
    assert all(b - a <= 2 for a, b in zip(starts, ends, strict=False))


def test_a_small_data_set_spreads_over_a_few_shards():
    assert len(shard_ends([24.0] * 5)) == 1
    assert len(shard_ends([24.0] * 480)) == 8


@pytest.mark.parametrize(
    ("frames", "shards", "most"),
    [
        (9 * 1_800, 9, 1_800),  # a minute each: little is lost
        (64 * 1_800, 64, 1_800),
        (64 * 3_600, 64, 3_600),
        (64 * 18_000, 64, 18_000),
        (100 * 18_000, 100, 18_000),  # ten minutes each: files of a useful size
    ],
)
def test_shards_of_small_jobs_are_small(frames, shards, most):
    starts = [0, *(ends := shard_ends([100.0] * (frames // 100)))]
    assert len(ends) == shards
    loads = [100 * (b - a) for a, b in zip(starts, ends, strict=False)]
    assert max(loads) <= most + 100


def test_the_plan_does_not_depend_on_the_order_of_the_videos():
    forward, backward = videos(9), videos(9)[::-1]
    one = new_plan("folder", forward, RGB, bytes_per_frame=100)
    two = new_plan("folder", backward, RGB, bytes_per_frame=100)
    assert one == two and one.fingerprint == two.fingerprint


def test_a_plan_reads_back_from_its_json():
    written = plan(20, ALL)
    read = StorePlan.from_dict(json.loads(json.dumps(written.to_dict())))
    assert read.to_dict() == written.to_dict()
    assert read.fingerprint == written.fingerprint


def test_the_fingerprint_sees_names_sizes_and_common_settings_only():
    base = plan().fingerprint
    assert plan(settings=ALL).fingerprint == base
    other = new_plan("folder", videos(10, size=1001), RGB, bytes_per_frame=100)
    assert other.fingerprint != base
    smaller = ExtractSettings(short_side=128).only(["rgb"])
    assert plan(settings=smaller).fingerprint != base


def test_another_layout_version_is_refused():
    with pytest.raises(PlanError, match="expected layout version 2, got 7"):
        StorePlan.from_dict({**plan().to_dict(), "layout_version": 7})


def test_a_shard_plan_names_its_videos_in_order():
    whole = plan(40)
    shards = [
        whole.shard_plan(k, ["rgb"], folder=Path("x")) for k in range(whole.shards)
    ]
    assert tuple(v for shard in shards for v in shard.videos) == whole.videos


def test_a_shard_ends_with_the_video_that_fills_it():
    """Two shards' worth in four videos: the second video reaches the middle."""
    small = float(SMALL_SHARD_FRAMES)
    assert shard_ends([small / 2] * 4) == [2, 4]
    assert shard_ends([small, small]) == [1, 2]
    assert shard_ends([small * 2]) == [1]
    assert shard_ends([1.0, small * 2 - 1]) == [2]


@pytest.mark.parametrize(
    ("videos", "shards"), [(3, 1), (4, 1), (8, 2), (31, 7), (32, 8), (400, 8)]
)
def test_of_a_small_data_set_four_videos_are_worth_a_shard_of_their_own(videos, shards):
    """Up to eight shards, so that it spreads over the cores."""
    assert len(shard_ends([1.0] * videos)) == shards


def test_an_empty_file_counts_as_a_frame():
    """Else forty of them would weigh nothing, and lie in one shard with all others."""
    empty = new_plan("folder", videos(40, size=0), RGB, bytes_per_frame=100)
    assert empty.ends == (5, 10, 15, 20, 25, 30, 35, 40)


def test_sizes_are_turned_into_frames_by_the_bytes_of_one():
    """36 videos of 100 frames each are two shards of a minute; of 1,000 frames, twenty."""
    many = new_plan("folder", videos(36, size=10_000), RGB, bytes_per_frame=100)
    assert many.shards == 8  # it spreads anyway
    more = new_plan("folder", videos(36, size=100_000), RGB, bytes_per_frame=100)
    assert more.shards == 20


def test_the_fingerprint_sees_paths_cuts_and_the_name_of_the_data_set():
    base = plan()
    moved = [video._replace(path=f"b/{video.path}") for video in base.videos]
    assert replace(base, videos=tuple(moved)).fingerprint != base.fingerprint
    assert replace(base, ends=(4, 10)).fingerprint != base.fingerprint
    assert replace(base, dataset="other").fingerprint != base.fingerprint
    unusable = {"x.mp4": "permission denied"}
    assert replace(base, unusable=unusable).fingerprint == base.fingerprint


def test_the_fingerprint_of_a_plan_stays_what_it_is():
    """Stores on disk carry it: another one would make them those of other videos."""
    two = (PlannedVideo("a", "a.mp4", 1), PlannedVideo("b", "b.mp4", 2))
    found = StorePlan(dataset="folder", videos=two, ends=(1, 2), settings=RGB)
    text = (
        "a\0a.mp4\x001\nb\0b.mp4\x002\n('folder', (1, 2))"
        "[('enlarge', False), ('frames_per_second', None), ('short_side', 256),"
        " ('square_pixels', True)]"
    )
    assert found.fingerprint == xxh3_128_hexdigest(text.encode())


def test_shards_hold_the_videos_between_their_ends():
    whole = replace(plan(5), ends=(2, 3, 5))
    held = [
        [video.id for video in whole.shard_plan(k, ["rgb"], folder=Path("x")).videos]
        for k in range(3)
    ]
    assert held == [["v000", "v001"], ["v002"], ["v003", "v004"]]
