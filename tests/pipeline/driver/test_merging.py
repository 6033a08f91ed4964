"""Index and manifest from commits that were written by hand."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_shards import made_data_set, made_plan, published

from pipeline.adapters.videos import Segment, Video
from pipeline.driver import merging
from pipeline.driver.merging import earlier_manifest, merge, merged_already
from pipeline.driver.plan import StorePlan
from pipeline.store import LayoutError
from pipeline.store.file_names import INDEX, MANIFEST, commit_file, shard_file
from pipeline.store.files import (
    content_hash,
    current_manifest,
    read_index,
    read_manifest,
)
from pipeline.store.index import IndexRecord, Rows
from pipeline.store.manifest import Manifest
from pipeline.store.sealing import write_sealed

PLAN = made_plan(2, 1)
BOTH = ("rgb", "mv")


def merged(store: Path, plan: StorePlan = PLAN, **changes: Any) -> Manifest:
    """The manifest of the data set of a plan, with changes."""
    asked = plan.modalities
    return merge(plan, made_data_set(plan, **changes), store, asked)


def changed(**changes: Any) -> tuple[Video, ...]:
    """The videos of the data set, each with these changes."""
    return tuple(replace(video, **changes) for video in made_data_set(PLAN).videos)


def line(store: Path, name: str) -> IndexRecord:
    return next(record for record in read_index(store) if record.id == name)


@pytest.fixture
def store(tmp_path) -> Path:
    """Two shards, of v000 and v001 and of v002, whole in both modalities."""
    for shard in (0, 1):
        published(PLAN, shard, BOTH, tmp_path)
    return tmp_path


def test_rows_are_where_the_commits_have_them(store):
    """10 frames each: 10 rows of rgb and 9 of mv."""
    assert merged(store).videos == 3
    assert {record.id: record.rows for record in read_index(store)} == {
        "v000": {"rgb": Rows(0, 0, 10), "mv": Rows(0, 0, 9)},
        "v001": {"rgb": Rows(0, 10, 10), "mv": Rows(0, 9, 9)},
        "v002": {"rgb": Rows(1, 0, 10), "mv": Rows(1, 0, 9)},
    }


def test_the_manifest_names_the_files_and_the_index(store):
    manifest = merged(store)
    assert read_manifest(store) == manifest
    assert manifest.index == (content_hash(store / INDEX),)
    files = manifest.modalities["mv"].files
    assert [file.file for file in files] == [shard_file("mv", k) for k in (0, 1)]
    assert manifest.settings.keys() == {"common", "rgb", "mv"}


def test_labels_groups_and_stretches_are_those_of_the_data_set(store):
    videos = list(made_data_set(PLAN).videos)
    videos[1] = replace(
        videos[1],
        labels=(1, 0),
        splits={"1": "test"},
        group="film 7",
        segments=(Segment(1, 0.5, 1.5),),
    )
    merged(store, videos=tuple(videos))
    record = line(store, "v001")
    assert (record.labels, record.group) == ((1, 0), "film 7")
    assert record.splits == {"1": "test"}
    assert record.segments == ((1, 0.5, 1.5),)


def test_a_video_bad_in_one_modality_and_stored_in_another_is_not_quarantined(tmp_path):
    """It can be used as far as it goes; one that is bad in all of them cannot."""
    published(PLAN, 0, ["rgb"], tmp_path, bad={"v001": "no frame"})
    published(PLAN, 0, ["mv"], tmp_path)
    published(PLAN, 1, BOTH, tmp_path, bad={"v002": "no video"})
    manifest = merged(tmp_path)
    assert manifest.bad == {"v002": "no video"}
    assert manifest.videos == 2
    assert line(tmp_path, "v001").rows.keys() == {"mv"}


def test_a_video_that_is_away_is_not_called_bad(tmp_path):
    """Bad when its rgb was built, away when its vectors were: it is tried again."""
    published(PLAN, 0, ["rgb"], tmp_path, bad={"v001": "no frame"})
    published(PLAN, 0, ["mv"], tmp_path, unavailable={"v001": "no such file"})
    published(PLAN, 1, BOTH, tmp_path)
    manifest = merged(tmp_path)
    assert manifest.bad == {}
    assert manifest.unavailable == {"v001": "no such file"}


def test_what_could_not_be_planned_is_bad_too(store):
    manifest = merged(store, unusable={"lost/": "permission denied"})
    assert manifest.bad == {"lost/": "permission denied"}


def test_nothing_stored_gives_no_store(tmp_path):
    bad = {"v000": "no video", "v001": "no video"}
    published(PLAN, 0, BOTH, tmp_path, bad=bad)
    published(PLAN, 1, BOTH, tmp_path, unavailable={"v002": "no such file"})
    manifest = merged(tmp_path)
    assert (manifest.videos, manifest.bad) == (0, bad)
    assert not (tmp_path / MANIFEST).exists() and not (tmp_path / INDEX).exists()


def test_shares_are_of_values_and_of_intervals(tmp_path):
    """12 of 48,000 values beyond the bound; 6 of 9 intervals known."""
    plan = made_plan(1, modalities=("flow", "mv"))
    flow, mv = {"clipped": 12, "values": 48_000}, {"known": 6}
    published(plan, 0, ("flow", "mv"), tmp_path, changes={"flow": flow, "mv": mv})
    merged(tmp_path, plan)
    record = line(tmp_path, "v000")
    assert record.clipped_share == 12 / 48_000
    assert record.known_share == 6 / 9


def test_a_single_frame_has_no_share_of_anything(tmp_path):
    plan = made_plan(1, modalities=("flow", "mv"))
    still = {"frames": 1}
    published(plan, 0, ("flow", "mv"), tmp_path, changes={"flow": still, "mv": still})
    merged(tmp_path, plan)
    record = line(tmp_path, "v000")
    assert (record.clipped_share, record.known_share) == (0.0, None)


def test_without_flow_and_vectors_their_shares_are_not_known(tmp_path):
    plan = made_plan(1, modalities=("rgb",))
    published(plan, 0, ["rgb"], tmp_path)
    merged(tmp_path, plan)
    record = line(tmp_path, "v000")
    assert (record.clipped_share, record.known_share) == (None, None)


def test_damage_is_that_of_the_modality_that_met_most_of_it(tmp_path):
    plan = made_plan(1)
    damaged = {"rgb": {"damaged": 2}, "mv": {"damaged": 5}}
    published(plan, 0, BOTH, tmp_path, changes=damaged)
    merged(tmp_path, plan)
    assert line(tmp_path, "v000").damaged == 5


def test_splits_that_a_run_does_not_bring_are_kept_and_those_it_brings_replaced(store):
    two = {"1": "lists", "mine": "seeded"}
    merged(store, splits=two, videos=changed(splits={"1": "train", "mine": "test"}))
    manifest = merged(store, splits={"1": "official"})
    assert manifest.splits == {"mine": "seeded", "1": "official"}
    assert line(store, "v001").splits == {"mine": "test", "1": "train"}
    assert "1" not in merged(store, splits={"2": "lists"}).settings
    assert read_manifest(store).splits == {
        "mine": "seeded",
        "1": "official",
        "2": "lists",
    }


def test_a_modality_that_is_not_whole_is_left_out_unless_it_is_asked_for(store):
    (store / commit_file("mv", 1)).unlink()
    manifest = merge(PLAN, made_data_set(PLAN), store, ["rgb"])
    assert manifest.modalities.keys() == {"rgb"}
    assert manifest.settings.keys() == {"common", "rgb"}
    assert line(store, "v000").rows.keys() == {"rgb"}
    with pytest.raises(LayoutError, match="a commit of every shard of mv, got fewer"):
        merged(store)


def test_a_file_that_is_gone_or_of_another_size_stops_the_merge(store):
    path = store / shard_file("mv", 1)
    path.write_bytes(b"more than rows")
    with pytest.raises(LayoutError, match="expected the file of its commit, got none"):
        merged(store)
    path.unlink()
    with pytest.raises(LayoutError, match="it was removed or changed; extract mv aga"):
        merged(store)


def test_a_video_of_nobody_in_a_commit_stops_the_merge(store):
    known = made_data_set(PLAN).videos[:2]
    with pytest.raises(LayoutError, match="shard 1: expected videos of the plan, got"):
        merged(store, videos=known)


@pytest.mark.parametrize(
    "change", [{"frames": 11}, {"fps": 30.0}, {"width": 40}, {"codec": "mpeg4"}]
)
def test_commits_that_say_different_things_of_a_video_stop_the_merge(change, tmp_path):
    plan = made_plan(1)
    published(plan, 0, ["rgb"], tmp_path)
    published(plan, 0, ["mv"], tmp_path)
    path = tmp_path / commit_file("mv", 0)
    value = json.loads(path.read_text())
    value["videos"][0] |= change
    value["videos"][0]["rows"] = value["videos"][0]["frames"] - 1
    write_sealed(path, value)
    (name,) = change
    with pytest.raises(
        LayoutError, match=f"v000: {name}: expected .* as in the commit"
    ):
        merged(tmp_path, plan)


def test_while_the_index_is_replaced_the_manifest_has_the_next_one(store, monkeypatch):
    """So that a reader finds the manifest of either index at every moment."""
    first = merged(store)
    seen: list[tuple[str, ...]] = []

    def written(path: Path, value: dict[str, Any]) -> None:
        follows = value["next"] or {"index": ()}
        here = content_hash(store / INDEX)
        seen.append((*value["index"], *follows["index"], here))
        write_sealed(path, value)
        current = first if here in first.index else last_of(value)
        assert current_manifest(store) == current

    def last_of(value: dict[str, Any]) -> Manifest:
        return Manifest.from_dict(json.loads(json.dumps(value["next"] or value)))

    monkeypatch.setattr(merging, "write_sealed", written)
    last = merged(
        store, splits={"1": "lists", "2": "lists"}, videos=changed(group="one")
    )
    (old,), (new,) = first.index, last.index
    assert seen == [(old, new, old), (new, new)]
    assert old != new
    seen.clear()
    merged(store, splits={"1": "lists", "2": "lists"}, videos=changed(group="one"))
    assert seen == [(new, new)]  # nothing changes: nothing is announced


def test_merged_already_only_where_nothing_would_change(store):
    dataset = made_data_set(PLAN)
    assert merged_already(PLAN, dataset, store, BOTH) is None
    manifest = merged(store)
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*")}
    assert merged_already(PLAN, dataset, store, BOTH) == manifest
    other = made_data_set(PLAN, classes=("jump", "walk"))
    assert merged_already(PLAN, other, store, BOTH) is None
    regrouped = made_data_set(PLAN, videos=changed(group="one"))
    assert merged_already(PLAN, regrouped, store, BOTH) is None
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*")} == before
    with (store / INDEX).open("ab") as file:
        file.write(b"\n")
    assert merged_already(PLAN, dataset, store, BOTH) is None


def test_a_manifest_that_cannot_be_read_is_as_good_as_none(store):
    assert earlier_manifest(store) is None
    manifest = merged(store)
    assert earlier_manifest(store) == manifest
    (store / MANIFEST).write_text("{}")
    assert earlier_manifest(store) is None
