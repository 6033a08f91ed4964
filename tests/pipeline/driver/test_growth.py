"""The plan of a store that goes on: what a later run may ask for."""

from dataclasses import replace

import pytest
from planned import ALL, RGB, plan, videos

from pipeline.driver.growth import extended, renewed
from pipeline.errors import PlanError
from pipeline.extract.settings import ExtractSettings
from pipeline.shard.plan import PlannedVideo


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


def test_another_data_set_is_refused_with_the_name_to_go_on_with():
    with pytest.raises(PlanError, match="for data set 'folder', got 'my own'"):
        extended(plan(), replace(plan(), dataset="my own"))
    with pytest.raises(PlanError, match="add --name 'my own'"):
        extended(replace(plan(), dataset="my own"), plan())


def test_a_lost_video_has_its_reason_where_it_or_its_folder_cannot_be_read():
    old = replace(
        plan(3),
        videos=tuple(
            PlannedVideo(name, f"{name}.mp4", 1) for name in ("a/x", "ab", "b")
        ),
    )
    asked = replace(
        old,
        videos=(),
        unusable={"a/": "permission denied", "b.mp4": "is a pipe", "ab": "is another"},
    )
    with pytest.raises(PlanError) as refused:
        extended(old, asked)
    assert "lost 3 (a/x: a/ permission denied, ab, b: b.mp4 is a pipe)" in str(
        refused.value
    )


def test_only_three_videos_of_a_kind_are_named():
    with pytest.raises(PlanError, match=r"lost 4 \(v000, v001, v002, ...\) "):
        extended(plan(4), replace(plan(4), videos=()))


def test_sizes_are_renewed_where_nothing_of_the_video_is_stored():
    """v000 grew, v001 grew and is stored, v002 is another file now, v003 is gone."""
    old = plan(4)
    now = [
        PlannedVideo("v000", "v000.avi", 2000),
        PlannedVideo("v001", "v001.avi", 2000),
        PlannedVideo("v002", "v002.mp4", 2000),
    ]
    new = renewed(old, now, stored={"v001"})
    assert [video.size_bytes for video in new.videos] == [2000, 1000, 1000, 1000]
    assert [video.path for video in new.videos] == [v.path for v in old.videos]
    assert new.ends == old.ends
