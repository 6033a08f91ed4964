"""How far a store is, facts of it, and names of its videos: from commits made by hand."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from made_shards import made_data_set, made_plan, published
from tiny_store import seal_manifest, write_store

from pipeline.driver.merging import merge
from pipeline.driver.plan_file import write_plan
from pipeline.inspection.status import full_id, info, known_share, lines, status, verify
from pipeline.store import Store, VideoNotFound
from pipeline.store.file_names import LOGS, commit_file, shard_file
from pipeline.store.files import read_index, write_index

PLAN = made_plan(2, 1)
BOTH = ("rgb", "mv")


@pytest.fixture
def store(tmp_path) -> Path:
    write_plan(tmp_path, PLAN)
    for shard in (0, 1):
        published(PLAN, shard, BOTH, tmp_path)
    return tmp_path


def test_a_store_is_finished_with_all_its_shards_and_its_manifest(store):
    before = status(store)
    assert before.done == {"rgb": 2, "mv": 2} and not before.finished
    merge(PLAN, made_data_set(PLAN), store)
    assert status(store).finished
    (store / commit_file("mv", 1)).unlink()
    after = status(store)
    assert after.done == {"rgb": 2, "mv": 1} and not after.finished


def test_bytes_and_videos_are_counted(store):
    """4 bytes in each file."""
    found = status(store)
    assert (found.videos, found.shards) == (3, 2)
    assert found.bytes == {"rgb": 8, "mv": 8}
    assert not found.running and found.holder is None


def test_commits_of_another_plan_and_damaged_ones_do_not_count(store):
    published(made_plan(2, 1, size_bytes=101), 0, ["rgb"], store)
    (store / commit_file("mv", 1)).write_text("{}")
    assert status(store).done == {"rgb": 1, "mv": 1}


def test_bad_videos_are_those_of_commits_and_those_never_planned(store):
    write_plan(store, replace(PLAN, unusable={"lost/": "permission denied"}))
    published(PLAN, 1, ["rgb"], store, bad={"v002": "no frame"})  # is kept out: whole
    assert status(store).bad == {"lost/": "permission denied"}
    (store / shard_file("rgb", 1)).unlink()
    published(PLAN, 1, ["rgb"], store, bad={"v002": "no frame"})
    assert status(store).bad == {"lost/": "permission denied", "v002": "no frame"}
    (store / shard_file("mv", 1)).unlink()
    published(PLAN, 1, ["mv"], store, unavailable={"v002": "no such file"})
    assert status(store).unavailable == {"v002": "no such file"}


def video(share: float | None, frames: int) -> SimpleNamespace:
    return SimpleNamespace(known_share=share, frames=frames)


def test_the_share_of_known_vectors_is_that_of_all_intervals():
    """10 intervals known by half, 30 known by all: 35 of 40. The third has none."""
    videos = [video(0.5, 11), video(1.0, 31), video(None, 500)]
    assert known_share(videos) == 0.875
    assert known_share([video(None, 9)]) is None
    assert known_share([]) is None


@pytest.fixture
def made(tmp_path) -> Path:
    """Three videos at 25 frames per second."""
    return write_store(tmp_path / "made", [{"a/run": 90, "b/run": 45}, {"c": 45}])


def test_facts_of_a_store(made):
    facts = info(made)
    assert facts["videos"] == 3 and facts["frames"] == 180
    assert facts["hours"] == round(180 / 25 / 3600, 3)
    assert facts["sizes"] == {"50x35": 3}
    assert (facts["damaged"], facts["cut_short"]) == (0, 0)
    assert facts["shards"] == 2 and facts["splits"] == {"split1": "official"}
    first, second, third = read_index(made)
    rows = [
        first,
        replace(second, splits={"split1": "test"}),
        replace(third, splits={}),
    ]
    write_index(made, rows)
    seal_manifest(made)
    assert info(made)["split_videos"] == {"split1": {"train": 1, "test": 1}}


def test_facts_count_videos_that_are_damaged_cut_short_or_without_vectors(made):
    """Not their packets, bytes or intervals."""
    first, second, third = read_index(made)
    first = replace(first, damaged=7, missing_bytes=1_000, known_share=0.0)
    second = replace(second, missing_bytes=1, known_share=0.5)
    write_index(made, [first, second, third])
    seal_manifest(made)
    facts = info(made)
    assert (facts["damaged"], facts["cut_short"]) == (1, 2)
    assert facts["without_known_vectors"] == 1
    assert facts["known_share"] == round((0.5 * 44) / (89 + 44), 4)


def test_a_video_is_named_by_its_id_or_by_its_last_parts(made):
    store = Store(made)
    assert full_id(store, "a/run") == "a/run"
    assert full_id(store, "c") == "c"
    with pytest.raises(
        VideoNotFound, match="2 videos of .* end in 'run': a/run, b/run"
    ):
        full_id(store, "run")
    for part in ("un", "/run", "a"):
        with pytest.raises(VideoNotFound, match=f"no video '{part}'"):
            full_id(store, part)
    with pytest.raises(VideoNotFound, match=r"did you mean .*a/run"):
        full_id(store, "a/rum")


def test_damage_is_noted_on_request_only(made):
    name = shard_file("rgb", 0)
    with (made / name).open("ab") as file:
        file.write(b"more")
    assert {entry.file for entry in verify(made)} == {name}
    assert not (made / LOGS).exists()
    verify(made, mark=True)
    assert (made / LOGS / "damaged.json").read_text() == f'[\n "{name}"\n]\n'


def test_a_whole_store_gets_no_note(made):
    assert verify(made, mark=True) == []
    assert not (made / LOGS).exists()


def test_facts_are_lines_and_nested_ones_are_indented():
    facts = {
        "videos": 3,
        "hours": 0.12345678,
        "cut_short": 1,
        "sizes": {"50x35": 3},
        "classes": ["jump", "run"],
    }
    assert lines(facts).splitlines() == [
        "videos: 3",
        "hours: 0.123457",
        "truncated videos: 1",
        "sizes:",
        "  50x35: 3",
        "classes: jump, run",
    ]
