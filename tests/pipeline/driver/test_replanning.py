"""A plan that is lost: found again from commits, or refused."""

from dataclasses import replace
from pathlib import Path

import pytest
from made_shards import SETTINGS, made_data_set, made_plan, planned, published

from pipeline.driver.merging import merge
from pipeline.driver.plan import StorePlan, new_plan
from pipeline.driver.replanning import recorded, replanned
from pipeline.errors import PlanError
from pipeline.store.file_names import MANIFEST, commit_file
from pipeline.store.sealing import write_sealed

PLAN = made_plan(2, 1, 3)
"""Cut as nobody would cut these videos today."""


def again(store: Path, plan: StorePlan = PLAN, **given) -> StorePlan:
    """The plan that is found for the videos of a plan."""
    wanted = {
        "settings": plan.settings,
        "bytes_per_frame": 10.0,
        "unusable": {},
        "reason": "_plan.json: gone",
    }
    return replanned(plan.dataset, plan.videos, store=store, **wanted | given)


def every_shard(store: Path, plan: StorePlan = PLAN, **given) -> Path:
    for shard in range(plan.shards):
        published(plan, shard, plan.modalities, store, **given)
    return store


def test_of_an_empty_folder_nothing_is_known_and_the_plan_is_new(tmp_path):
    assert recorded(tmp_path) is None
    fresh = new_plan(
        PLAN.dataset, PLAN.videos, PLAN.settings, bytes_per_frame=10.0, unusable={}
    )
    assert again(tmp_path) == fresh
    assert fresh.fingerprint != PLAN.fingerprint


def test_cuts_are_found_again_from_the_commits_of_all_shards(tmp_path):
    found = again(every_shard(tmp_path))
    assert (found.ends, found.fingerprint) == ((2, 3, 6), PLAN.fingerprint)


def test_videos_without_rows_are_in_their_shard_too(tmp_path):
    """v000 is quarantined and v001 away: both stand in the commit, if not in its rows."""
    bad, away = {"v000": "no video"}, {"v001": "no such file"}
    published(PLAN, 0, ["rgb"], tmp_path, bad=bad, unavailable=away)
    for shard in (1, 2):
        published(PLAN, shard, ["rgb"], tmp_path)
    assert recorded(tmp_path).shards[0] == {"v000", "v001"}
    assert again(tmp_path).ends == (2, 3, 6)


def test_one_modality_of_each_shard_is_enough(tmp_path):
    for shard, modality in enumerate(("rgb", "mv", "rgb")):
        published(PLAN, shard, [modality], tmp_path)
    assert again(tmp_path).ends == (2, 3, 6)


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_without_the_commits_of_a_shard_cuts_that_are_not_todays_are_lost(
    missing, tmp_path
):
    every_shard(tmp_path)
    for modality in ("rgb", "mv"):
        (tmp_path / commit_file(modality, missing)).unlink()
    with pytest.raises(PlanError, match="_plan.json: gone; it cannot be made again"):
        again(tmp_path)


def test_todays_cuts_need_no_commit_of_every_shard(tmp_path):
    plan = new_plan("folder", planned(*[100] * 40), PLAN.settings, bytes_per_frame=1.0)
    assert plan.shards > 2
    published(plan, 1, ["rgb"], tmp_path)
    assert again(tmp_path, plan, bytes_per_frame=1.0) == plan


@pytest.mark.parametrize(
    "videos",
    [
        planned(*[100] * 5),
        planned(*[100] * 7),
        planned(*[100] * 5, 101),
        (*planned(*[100] * 5), planned(100)[0]._replace(id="w", path="w.mp4")),
    ],
)
def test_other_videos_are_refused(videos, tmp_path):
    every_shard(tmp_path)
    with pytest.raises(PlanError, match="of other videos or settings"):
        again(tmp_path, replace(PLAN, videos=videos))


def test_modalities_that_are_not_asked_for_keep_their_settings(tmp_path):
    every_shard(tmp_path)
    rgb = SETTINGS.only(["rgb"])
    assert again(tmp_path, settings=rgb).settings.modality_record(
        "mv"
    ) == PLAN.settings.modality_record("mv")


def test_settings_of_the_store_win_over_those_of_the_run(tmp_path):
    """So that the run is then told which option differs."""
    every_shard(tmp_path)
    other = replace(SETTINGS, mv_crf=30).only(["rgb", "mv"])
    assert again(tmp_path, settings=other).settings == PLAN.settings


def test_a_commit_of_another_store_is_outvoted(tmp_path):
    other = made_plan(2, 1, 3, size_bytes=101)
    every_shard(tmp_path)
    published(other, 0, ["mv"], tmp_path)
    known = recorded(tmp_path)
    assert known.fingerprint == PLAN.fingerprint
    assert again(tmp_path).ends == (2, 3, 6)


def test_cuts_and_settings_of_another_store_are_not_mixed_in(tmp_path):
    """Its shard 0 has three videos, and its vectors another quality."""
    every_shard(tmp_path)
    other = replace(made_plan(3, 3), settings=replace(PLAN.settings, mv_crf=30))
    published(other, 0, ["mv", "rgb"], tmp_path)
    known = recorded(tmp_path)
    assert known.fingerprint == PLAN.fingerprint
    assert known.shards.keys() == {1, 2}
    assert known.settings["mv"]["crf"] == 18


def test_the_manifest_is_believed_where_a_commit_is_of_its_fingerprint(tmp_path):
    """More commits of another store do not count against it."""
    other = made_plan(2, 1, 3, size_bytes=101)
    every_shard(tmp_path)
    merge(PLAN, made_data_set(PLAN), tmp_path)
    for shard in range(3):
        published(other, shard, ["rgb"], tmp_path)
    published(other, 0, ["mv"], tmp_path)
    assert recorded(tmp_path).fingerprint == PLAN.fingerprint


def test_commits_are_believed_where_none_is_of_the_manifest(tmp_path):
    """A renewed plan: commits follow it first, and the manifest at the end."""
    renewed = made_plan(2, 1, 3, size_bytes=101)
    every_shard(tmp_path)
    merge(PLAN, made_data_set(PLAN), tmp_path)
    every_shard(tmp_path, renewed)
    assert recorded(tmp_path).fingerprint == renewed.fingerprint


def test_a_manifest_alone_has_the_settings_and_no_cuts(tmp_path):
    every_shard(tmp_path)
    merge(PLAN, made_data_set(PLAN), tmp_path)
    for shard in range(3):
        for modality in ("rgb", "mv"):
            (tmp_path / commit_file(modality, shard)).unlink()
    known = recorded(tmp_path)
    assert (known.fingerprint, known.shards) == (PLAN.fingerprint, {})
    assert known.settings == PLAN.settings.to_record()


def test_texts_that_cannot_be_read_are_passed_over(tmp_path):
    every_shard(tmp_path)
    (tmp_path / commit_file("rgb", 1)).write_text("{}")
    write_sealed(tmp_path / MANIFEST, {"layout_version": 2})
    assert again(tmp_path).ends == (2, 3, 6)
