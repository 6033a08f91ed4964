"""The steps of a very large data set, on a small one: same code, and memory per video."""

import json
import os
import tracemalloc

import pytest
from bench_scale import (
    SETTINGS,
    Steps,
    fake_data_set,
    manage,
    publish_all,
    read,
    write,
)

from pipeline.driver.merging import merge
from pipeline.driver.missing import missing_tasks
from pipeline.driver.plan import StorePlan
from pipeline.driver.plan_file import read_plan, write_plan
from pipeline.driver.publish import prepare
from pipeline.driver.resume import store_plan
from pipeline.executors.choose import Execution
from pipeline.shard.plan import PlannedVideo
from pipeline.store import MODALITIES, Store, opening

COUNT = 2_000


@pytest.fixture
def no_power_cut(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def test_two_thousand_videos_are_planned_published_merged_and_read(
    tmp_path, monkeypatch, no_power_cut
):
    monkeypatch.setattr(opening, "HELD_INDEX_BYTES", 0)
    steps = []
    step = Steps(steps.append)
    write(COUNT, tmp_path / "store", step)
    store = read(COUNT, tmp_path / "store", step)
    assert {"plan", "publish", "merge", "open"} <= {row.get("step") for row in steps}
    lines = (store.folder / "index.jsonl").read_text().splitlines()
    ids = [json.loads(line)["id"] for line in lines]
    assert ids == sorted(ids) == list(store.ids()) and len(ids) == COUNT
    assert ids == [video.id for video in fake_data_set(COUNT, tmp_path).videos]


def test_eight_hundred_videos_grow_are_relabelled_and_copied(tmp_path, no_power_cut):
    steps = []
    step = Steps(steps.append)
    write(800, tmp_path / "store", step)
    manage(800, tmp_path / "store", step)
    assert {"merge a growth", "relabel", "copy"} <= {row.get("step") for row in steps}
    copied = Store(tmp_path / "copy")
    assert len(copied.ids()) == 880 and "holdout-0.2-seed0" in copied.splits


def test_merging_holds_no_index(tmp_path, no_power_cut):
    store = tmp_path / "store"
    count = 1_000
    dataset = fake_data_set(count, tmp_path)
    plan = store_plan(dataset, SETTINGS, out=store)
    prepare(store)
    publish_all(missing_tasks(plan, MODALITIES, tmp_path, store, Execution()), store)
    tracemalloc.start()
    try:
        merge(plan, dataset, store)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak / count < 600  # bytes per video; its line alone has 450


def test_a_plan_is_read_as_it_was_written_and_its_text_depends_on_nothing_else(
    tmp_path,
):
    videos = tuple(PlannedVideo(f'é"{k}', f'é"{k}.mp4', k) for k in range(3))
    plan = StorePlan(dataset="list", videos=videos, ends=(1, 3), settings=SETTINGS)
    write_plan(tmp_path, plan)
    text = (tmp_path / "_plan.json").read_bytes()
    assert read_plan(tmp_path) == plan
    assert len(text.splitlines()) == 1 + 3 + 1
    value = json.loads(text)
    assert value == plan.to_dict() | {
        "checksum": value["checksum"],
        "ends": [1, 3],
        "videos": [list(video) for video in videos],
    }
    write_plan(tmp_path, read_plan(tmp_path))
    assert (tmp_path / "_plan.json").read_bytes() == text
