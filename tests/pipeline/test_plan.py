"""The plan: cuts, fingerprint, and what a later run may ask for."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.driver.plan import SHARD_FRAMES, StorePlan, extended, new_plan, shard_ends
from pipeline.errors import PlanError
from pipeline.extract.settings import ExtractSettings
from pipeline.shard.plan import PlannedVideo

RGB = ExtractSettings().only(["rgb"])
ALL = ExtractSettings().only(["rgb", "flow", "mv"])


def videos(count: int, size: int = 1000) -> list[PlannedVideo]:
    return [PlannedVideo(f"v{k:03d}", f"v{k:03d}.avi", size) for k in range(count)]


def plan(count: int = 10, settings=RGB) -> StorePlan:
    return new_plan("folder", videos(count), settings, bytes_per_frame=100)


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


def test_modalities_may_be_added():
    both = extended(plan(settings=RGB), plan(settings=ALL))
    assert both.modalities == ("rgb", "flow", "mv")
    assert extended(both, plan(settings=RGB)).modalities == ("rgb", "flow", "mv")


def test_another_setting_is_refused_by_name():
    changed = ExtractSettings(flow_profile="fast").only(["flow"])
    with pytest.raises(
        PlanError,
        match="--flow-profile: the store was made with default, this run asks for fast",
    ):
        extended(plan(settings=ALL), plan(settings=changed))
    smaller = ExtractSettings(short_side=128).only(["rgb"])
    with pytest.raises(
        PlanError,
        match="--short-side: the store was made with 256, this run asks for 128",
    ):
        extended(plan(settings=RGB), plan(settings=smaller))


def test_settings_of_a_modality_that_is_not_asked_for_do_not_matter():
    fast = ExtractSettings(flow_profile="fast").only(["rgb"])
    assert extended(plan(settings=ALL), plan(settings=fast)).settings == ALL


def test_gained_lost_and_changed_videos_are_named():
    old = plan(4)
    new = [*videos(3), PlannedVideo("w", "w.avi", 1)]
    new[0] = PlannedVideo("v000", "v000.avi", 5)
    asked = replace(old, videos=tuple(new))
    with pytest.raises(PlanError, match=r"gained 1 \(w\); lost 1 \(v003\); changed 1"):
        extended(old, asked)


def test_another_layout_version_is_refused():
    with pytest.raises(PlanError, match="expected layout version 1, got 7"):
        StorePlan.from_dict({**plan().to_dict(), "layout_version": 7})


def test_a_shard_plan_names_its_videos_in_order():
    whole = plan(40)
    shards = [
        whole.shard_plan(k, ["rgb"], folder=Path("x")) for k in range(whole.shards)
    ]
    assert tuple(v for shard in shards for v in shard.videos) == whole.videos
    assert {shard.shards for shard in shards} == {whole.shards}
