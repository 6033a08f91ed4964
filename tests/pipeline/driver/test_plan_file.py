"""`_plan.json`: written as it is read, and nothing else is taken for one."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_shards import made_plan

from pipeline.driver.plan import StorePlan
from pipeline.driver.plan_file import read_plan, write_plan
from pipeline.errors import DamagedPlan, NoPlan, PlanError
from pipeline.store.file_names import COMMITS, MANIFEST, PLAN
from pipeline.store.sealing import write_sealed

WHOLE = made_plan(2, 1, modalities=("rgb", "flow", "mv"))


def resealed(store: Path, **changes: Any) -> Path:
    """A plan with these changes, and a checksum that fits them."""
    write_plan(store, WHOLE)
    value = json.loads((store / PLAN).read_text()) | changes
    write_sealed(store / PLAN, value)
    return store


def test_a_plan_is_read_as_it_was_written_and_written_as_before(tmp_path):
    write_plan(tmp_path, WHOLE)
    text = (tmp_path / PLAN).read_bytes()
    read = read_plan(tmp_path)
    assert read == WHOLE and read.fingerprint == WHOLE.fingerprint
    write_plan(tmp_path, read)
    assert (tmp_path / PLAN).read_bytes() == text
    lines = text.decode().splitlines()
    assert lines[1:4] == [
        '["v000", "v000.mp4", 100],',
        '["v001", "v001.mp4", 100],',
        '["v002", "v002.mp4", 100]',
    ]


def test_a_plan_without_videos_is_whole_too(tmp_path):
    empty = StorePlan(dataset="x", videos=(), ends=(0,), settings=WHOLE.settings)
    write_plan(tmp_path, empty)
    assert read_plan(tmp_path) == empty


@pytest.mark.parametrize(
    "changes",
    [
        {"ends": [2, 2, 3]},  # a shard of nothing
        {"ends": [3, 2]},
        {"ends": [2]},  # videos in no shard
        {"ends": [2, 4]},
        {"ends": []},
        {"ends": [2.0, 3]},
        {"videos": [["v000", "v000.mp4", -1]], "ends": [1]},
        {"videos": [["v000", 7, 100]], "ends": [1]},
        {"videos": [["v000", "v000.mp4"]], "ends": [1]},
        {"settings": {"rgb": {}}},
        {"settings": {"common": {}, "sound": {}}},
        {"settings": {"common": {}, "rgb": 3}},
        {"unusable": {"a": 1}},
        {"dataset": "another"},  # not what the fingerprint is of
        {"ends": [1, 3]},
    ],
)
def test_another_shape_is_a_damaged_plan_though_its_checksum_fits(changes, tmp_path):
    with pytest.raises(DamagedPlan, match=f"{PLAN}: "):
        read_plan(resealed(tmp_path, **changes))


@pytest.mark.parametrize("ends", [(2,), (2, 4), (2, 2, 3)])
def test_cuts_that_are_none_are_damage_though_the_fingerprint_fits(ends, tmp_path):
    """Videos in no shard, shards of nothing, ends beyond the last video."""
    write_plan(tmp_path, replace(WHOLE, ends=ends))
    with pytest.raises(DamagedPlan, match=f"{PLAN}: expected a plan, got"):
        read_plan(tmp_path)


def test_a_changed_byte_is_damage_and_another_layout_is_another_layout(tmp_path):
    write_plan(tmp_path, WHOLE)
    text = (tmp_path / PLAN).read_text()
    (tmp_path / PLAN).write_text(text.replace("v001.mp4", "v0O1.mp4"))
    with pytest.raises(DamagedPlan):
        read_plan(tmp_path)
    with pytest.raises(PlanError, match="expected layout 2, got 7") as refused:
        read_plan(resealed(tmp_path, layout_version=7))
    assert not isinstance(refused.value, DamagedPlan | NoPlan)


@pytest.mark.parametrize("left", [MANIFEST, COMMITS])
def test_of_a_lost_plan_it_is_told_how_to_get_another(left, tmp_path):
    with pytest.raises(NoPlan, match="got none$"):
        read_plan(tmp_path)
    with pytest.raises(NoPlan, match="got none$"):
        read_plan(tmp_path / "nowhere")
    (tmp_path / left).write_text("") if left == MANIFEST else (tmp_path / left).mkdir()
    with pytest.raises(NoPlan, match="got none: the same `pipeline extract` makes the"):
        read_plan(tmp_path)
