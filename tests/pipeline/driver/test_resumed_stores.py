"""Work that is still missing of a store, told from plan, commits and files alone."""

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_shards import made_data_set, made_plan, published

from pipeline.driver.missing import DAMAGED, missing_tasks
from pipeline.driver.plan import StorePlan
from pipeline.driver.plan_file import read_plan, write_plan
from pipeline.driver.publish import prepare, read_commits
from pipeline.driver.resume import (
    as_planned,
    damages,
    interruption_message,
    is_new,
    readable_plan,
    require_files,
    store_plan,
    write_if_new,
)
from pipeline.errors import PlanError
from pipeline.executors.choose import Execution
from pipeline.shard.task import Task
from pipeline.store.file_names import COMMITS, LOGS, PLAN, commit_file, shard_file
from pipeline.store.lease import hold
from pipeline.store.sealing import write_sealed

BOTH = ("rgb", "mv")
PLAN_OF = made_plan(2, 1)
SETTINGS = PLAN_OF.settings


@pytest.fixture
def store(tmp_path) -> Path:
    """Both shards whole in both modalities."""
    out = tmp_path / "store"
    for shard in (0, 1):
        published(PLAN_OF, shard, BOTH, out)
    write_plan(out, PLAN_OF)
    return out


@pytest.fixture
def videos(tmp_path) -> Path:
    """The folder of videos: 100 bytes each."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for video in PLAN_OF.videos:
        (folder / video.path).write_bytes(b"x" * video.size_bytes)
    return folder


def missing(
    store: Path,
    *,
    modalities: Sequence[str] = BOTH,
    plan: StorePlan = PLAN_OF,
    folder: Path = Path("/nowhere"),
    **given: Any,
) -> list[Task]:
    return missing_tasks(plan, modalities, folder, store, Execution(workers=0), **given)


def parts(tasks: list[Task]) -> list[tuple[int, tuple[str, ...]]]:
    return [(task.plan.shard, task.plan.modalities) for task in tasks]


def test_a_whole_store_lacks_nothing_and_an_empty_one_everything(store, tmp_path):
    assert missing(store) == []
    prepare(tmp_path / "new")
    tasks = missing(tmp_path / "new")
    assert parts(tasks) == [(0, BOTH), (1, BOTH)]
    assert [len(task.plan.videos) for task in tasks] == [2, 1]
    assert {task.attempt for task in tasks} == {1}


def test_a_missing_file_or_commit_is_work_of_its_shard_and_modality(store):
    (store / commit_file("mv", 1)).unlink()
    (store / shard_file("rgb", 0)).unlink()
    assert parts(missing(store)) == [(0, ("rgb",)), (1, ("mv",))]
    assert parts(missing(store, modalities=["rgb"])) == [(0, ("rgb",))]


def test_a_file_of_another_size_is_missing_and_of_other_content_where_it_is_suspect(
    store,
):
    """Every file is not read at every start: only those that `verify` has named."""
    name = shard_file("mv", 1)
    (store / name).write_bytes(b"swor")
    assert missing(store) == []
    (store / DAMAGED).write_text(json.dumps([name]))
    assert parts(missing(store)) == [(1, ("mv",))]
    (store / DAMAGED).write_text(json.dumps([shard_file("rgb", 1)]))
    assert missing(store) == []
    (store / name).write_bytes(b"longer")
    assert parts(missing(store)) == [(1, ("mv",))]


@pytest.mark.parametrize("note", ["", "{}", "[1]", '["a"', "[" * 100_000])
def test_a_note_that_cannot_be_read_makes_every_file_suspect(note, store):
    (store / shard_file("mv", 1)).write_bytes(b"swor")
    (store / DAMAGED).write_text(note)
    assert parts(missing(store)) == [(1, ("mv",))]


@pytest.mark.parametrize(
    "changes",
    [
        {"settings": {}},
        {"fingerprint": "f00d"},
        {"videos": []},
        {"unavailable": {"w": "no such file"}},
    ],
)
def test_a_commit_of_something_else_is_missing(changes, store):
    path = store / commit_file("mv", 1)
    write_sealed(path, json.loads(path.read_text()) | changes)
    (store / shard_file("mv", 1)).write_bytes(b"rows")
    assert parts(missing(store)) == [(1, ("mv",))]


def test_commits_that_cannot_be_read_are_told_if_they_are_asked_for(store):
    (store / commit_file("mv", 1)).write_text("{}")
    told: list[str] = []
    assert parts(missing(store, say=told.append)) == [(1, ("mv",))]
    assert len(told) == 1 and "mv-00001.json" in told[0]
    assert missing(store, modalities=["rgb"], say=told.append) == []
    assert len(told) == 1


def test_quarantined_videos_are_taken_up_on_request_only(tmp_path, store):
    out = tmp_path / "other"
    published(PLAN_OF, 0, BOTH, out, bad={"v001": "no video"})
    published(PLAN_OF, 1, BOTH, out)
    assert missing(out) == []
    assert parts(missing(out, retry_bad=True)) == [(0, BOTH)]
    assert missing(store, retry_bad=True) == []


def test_a_video_that_was_away_is_taken_up_when_it_is_there(tmp_path, videos):
    out = tmp_path / "store"
    away = {"v001": "no such file"}
    published(PLAN_OF, 0, BOTH, out, unavailable=away)
    published(PLAN_OF, 1, BOTH, out)
    assert missing(out) == []  # there is no such folder
    (videos / "v001.mp4").rename(tmp_path / "v001.mp4")
    assert missing(out, folder=videos) == []  # v000 and v002 are not awaited
    (videos / "v001.mp4").write_bytes(b"half")
    assert missing(out, folder=videos) == []
    (videos / "v001.mp4").write_bytes(b"x" * 100)
    assert parts(missing(out, folder=videos)) == [(0, BOTH)]


def test_attempts_of_runs_before_count_and_the_third_isolates(store):
    (store / commit_file("mv", 1)).unlink()
    (store / LOGS / "attempts-00001-mv").write_bytes(b"x")
    assert [(t.attempt, t.isolated) for t in missing(store)] == [(2, False)]
    (store / LOGS / "attempts-00001-mv").write_bytes(b"xx")
    assert [(t.attempt, t.isolated) for t in missing(store)] == [(3, True)]


def test_a_task_has_the_folder_whole_and_what_the_execution_says(store, monkeypatch):
    (store / commit_file("mv", 1)).unlink()
    monkeypatch.chdir(store.parent)
    (task,) = missing_tasks(
        PLAN_OF,
        BOTH,
        Path("videos"),
        store,
        Execution(hang_seconds=7.0, open_video=print),
    )
    assert task.plan.folder == str(store.parent / "videos")
    assert (task.hang_seconds, task.open_video) == (7.0, print)


@pytest.mark.parametrize("name", [shard_file("mv", 1), commit_file("mv", 1)])
def test_a_folder_where_a_file_must_go_is_refused(name, store):
    (store / name).unlink()
    (store / name).mkdir()
    with pytest.raises(PlanError, match="expected a file, got a folder: move it away"):
        missing(store)


def test_files_of_a_store_are_no_folders(tmp_path):
    require_files(tmp_path)
    (tmp_path / PLAN).mkdir()
    with pytest.raises(PlanError, match=f"{PLAN}: expected a file, got a folder"):
        require_files(tmp_path)


GROWN = replace(
    PLAN_OF, videos=(*PLAN_OF.videos[:2], PLAN_OF.videos[2]._replace(size_bytes=7))
)
"""v002 was still being copied when the store was planned."""


@pytest.fixture
def half(tmp_path) -> Path:
    """A store in which v002 was bad, as only half of it was there."""
    out = tmp_path / "store"
    published(PLAN_OF, 0, BOTH, out, bad={"v001": "no video"})
    published(PLAN_OF, 1, BOTH, out, bad={"v002": "cut short"})
    write_plan(out, PLAN_OF)
    return out


def test_commits_follow_a_plan_that_was_renewed(half):
    """Only the video that is another file now waits to be taken up."""
    write_if_new(GROWN, half)
    assert read_plan(half) == GROWN
    assert read_commits(half, 0, PLAN_OF.fingerprint) == {}
    for modality in BOTH:
        first = read_commits(half, 0, GROWN.fingerprint)[modality]
        assert (first.bad, first.unavailable) == ({"v001": "no video"}, {})
        second = read_commits(half, 1, GROWN.fingerprint)[modality]
        waiting = {"v002": "the file has another size now"}
        assert (second.bad, second.unavailable) == ({}, waiting)


def test_the_same_plan_is_not_written_again(half):
    before = {path: path.stat().st_mtime_ns for path in half.rglob("*")}
    write_if_new(PLAN_OF, half)
    assert {path: path.stat().st_mtime_ns for path in half.rglob("*")} == before


def test_a_plan_that_only_grows_leaves_its_commits_alone(half):
    more = replace(
        PLAN_OF, settings=made_plan(1, modalities=("rgb", "flow", "mv")).settings
    )
    assert more.fingerprint == PLAN_OF.fingerprint
    before = {path: path.read_bytes() for path in (half / COMMITS).iterdir()}
    write_if_new(more, half)
    assert read_plan(half) == more
    assert {path: path.read_bytes() for path in (half / COMMITS).iterdir()} == before


def test_a_plan_that_is_renewed_can_be_looked_at_before_it_is_written(half, videos):
    """As `--dry-run` does: commits of the plan before count, and v002 is taken up."""
    (videos / "v002.mp4").write_bytes(b"x" * 7)
    tasks = missing(half, plan=GROWN, folder=videos, before=PLAN_OF)
    assert parts(tasks) == [(1, BOTH)]
    assert parts(missing(half, plan=GROWN, folder=videos)) == [(0, BOTH), (1, BOTH)]


def test_a_store_is_planned_anew_and_goes_on_as_it_was_planned(tmp_path, videos):
    dataset = made_data_set(PLAN_OF, folder=videos)
    fresh = store_plan(dataset, SETTINGS, out=tmp_path / "new")
    assert fresh.videos == PLAN_OF.videos and fresh.ends == (3,)
    assert not (tmp_path / "new").exists()
    prepare(tmp_path / "old")
    write_plan(tmp_path / "old", PLAN_OF)
    assert store_plan(dataset, SETTINGS, out=tmp_path / "old") == PLAN_OF
    rgb = SETTINGS.only(["rgb"])
    assert store_plan(dataset, rgb, out=tmp_path / "old").modalities == BOTH


def test_a_size_is_renewed_unless_something_of_the_video_is_stored(half, store, videos):
    dataset = made_data_set(GROWN, folder=videos)
    published(PLAN_OF, 1, ["rgb"], half)
    with pytest.raises(PlanError, match=r"changed 1 \(v002\)"):
        store_plan(dataset, SETTINGS, out=half)
    published(PLAN_OF, 1, ["rgb"], half, bad={"v002": "cut short"})


def test_a_size_of_a_bad_video_is_renewed(half, videos):
    dataset = made_data_set(GROWN, folder=videos)
    assert store_plan(dataset, SETTINGS, out=half) == GROWN


def test_something_else_is_refused(tmp_path, videos):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/draft.tex").write_text("...")
    dataset = made_data_set(PLAN_OF, folder=videos)
    with pytest.raises(
        PlanError, match="expected a store, an empty folder or a new on"
    ):
        store_plan(dataset, SETTINGS, out=tmp_path / "thesis")


def test_what_could_not_be_read_when_a_store_was_planned_stays_out(tmp_path, videos):
    dataset = made_data_set(PLAN_OF, folder=videos)
    assert as_planned(dataset, tmp_path) == dataset
    write_plan(tmp_path, replace(made_plan(2), unusable={"v002.mp4": "a pipe"}))
    assert [video.id for video in as_planned(dataset, tmp_path).videos] == [
        "v000",
        "v001",
    ]


def test_a_store_can_be_begun_in_what_a_run_leaves_that_has_no_plan_yet(tmp_path):
    assert is_new(tmp_path) and is_new(tmp_path / "nothing")
    prepare(tmp_path)
    assert is_new(tmp_path)
    (tmp_path / f".{PLAN}.{'0f' * 8}.part").write_text("half")
    (tmp_path / COMMITS / f".x.{'0f' * 8}.part").write_text("half")
    with hold(tmp_path):
        assert is_new(tmp_path)
    assert is_new(tmp_path)  # and its lease, ended
    (tmp_path / LOGS / "notes.txt").write_text("mine")
    assert not is_new(tmp_path)


@pytest.mark.parametrize(
    "name", ["notes.txt", f"{COMMITS}/rgb-00000.json", "_tmp/x.h5"]
)
def test_a_store_cannot_be_begun_among_other_files(name, tmp_path):
    prepare(tmp_path)
    (tmp_path / name).write_text("")
    assert not is_new(tmp_path)
    assert not is_new(tmp_path / name)


def test_a_store_cannot_be_begun_where_a_folder_of_it_is_something_else(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / LOGS).symlink_to(tmp_path / "there")
    assert not is_new(tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / COMMITS).write_text("")
    assert not is_new(tmp_path / "b")


def test_videos_are_kept_where_their_shard_is_whole_in_all_modalities(store):
    """Two videos in shard 0, one in shard 1."""
    assert interruption_message(store).startswith(
        "interrupted: 3 of 3 videos are finished"
    )
    (store / commit_file("mv", 0)).unlink()
    assert interruption_message(store).startswith(
        "interrupted: 1 of 3 videos are finished"
    )
    (store / commit_file("rgb", 1)).unlink()
    assert interruption_message(store).startswith(
        "interrupted: 0 of 3 videos are finished"
    )
    (store / PLAN).unlink()
    assert "run the same command to start again" in interruption_message(store)


def test_texts_that_will_be_made_again_are_told(store):
    assert damages(store) == []
    (store / PLAN).write_text("{}")
    (store / "manifest.json").write_text("{}")
    told = damages(store)
    assert [line.partition(":")[0] for line in told] == ["rebuilt"] * 2
    assert readable_plan(store) is None
    os.unlink(store / PLAN)
    assert len(damages(store)) == 1
