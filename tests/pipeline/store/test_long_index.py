"""The index of a very large store: found by id and by place, read line by line."""

import json
import pickle
import tracemalloc
from pathlib import Path

import pytest
from tiny_store import seal_manifest, write_store

from pipeline.store import LayoutError, Store, long_index, opening

SHARDS = [{"b": 7, "a": 1}, {"c/d": 12, "e": 2}]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(opening, "HELD_INDEX_BYTES", 0)
    return write_store(tmp_path / "store", SHARDS, modalities=["mv"], height=8, width=8)


def rewrite(folder: Path, **changes: object) -> None:
    """Change the first line, that of `a`."""
    path = folder / "index.jsonl"
    lines = path.read_text().splitlines()
    lines[0] = json.dumps(json.loads(lines[0]) | changes)
    path.write_text("\n".join(lines) + "\n")
    seal_manifest(folder)


def test_videos_are_found_by_place_and_by_id(folder, monkeypatch):
    store = Store(folder)
    monkeypatch.setattr(opening, "HELD_INDEX_BYTES", 1 << 20)
    held = Store(folder)
    assert list(store.ids()) == list(held.ids()) == ["a", "b", "c/d", "e"]
    assert tuple(store.videos()) == held.videos()
    assert store.videos()[1:3] == held.videos()[1:3]
    assert store.videos()[-1] == held.videos()[-1] == store.video("e")
    with pytest.raises(IndexError):
        store.videos()[4]


@pytest.mark.parametrize("block", [1, 40, 16 << 20])
def test_blocks_may_end_anywhere_in_a_line(folder, block, monkeypatch):
    monkeypatch.setattr(long_index, "BLOCK_BYTES", block)
    assert [video.id for video in Store(folder).videos()] == ["a", "b", "c/d", "e"]


def test_ids_are_read_as_json_has_them(folder):
    """Escaped, in another order of keys, with a split of that name, without a last break."""
    path = folder / "index.jsonl"
    names = ['"id": "a"', "A\\", "b", "\u00e9\u4e16/\U0001f3c3"]
    lines = [
        dict(reversed((json.loads(line) | {"id": name}).items()))
        for line, name in zip(path.read_text().splitlines(), names, strict=True)
    ]
    path.write_text("\n".join(map(json.dumps, lines)))
    seal_manifest(folder)
    assert [video.id for video in Store(folder).videos()] == names
    lines[1]["splits"] = {"id": "train"}
    path.write_text("\n".join(map(json.dumps, lines)))
    seal_manifest(folder)
    store = Store(folder)
    assert store.video(names[1]).splits == {"id": "train"}
    assert store.video(names[3]).id == names[3]


def test_what_is_wrong_with_the_whole_is_said_at_once(folder):
    rewrite(folder, id="b")
    with pytest.raises(LayoutError, match="expected 'b' once in the index"):
        Store(folder)
    rewrite(folder, id="z")
    with pytest.raises(LayoutError, match="sorted by id, got 'b' after 'z'"):
        Store(folder)
    path = folder / "index.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    seal_manifest(folder)
    with pytest.raises(LayoutError, match="expected 4 videos in the index, got 3"):
        Store(folder)
    path.write_text("{}\n" * 4)
    seal_manifest(folder)
    with pytest.raises(LayoutError, match="index.jsonl:1: expected a video"):
        Store(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": [2]}, "expected labels below 2, got 2"),
        ({"rows": {"mv": [2, 0, 0]}}, "a: mv: expected a shard below 2, got 2"),
        ({"frames": 0}, "index.jsonl:1: expected a video"),
        ({"rows": {}}, "index.jsonl:1: expected the video a"),
    ],
)
def test_a_wrong_line_is_named_when_it_is_read(folder, changes, message):
    rewrite(folder, **changes)
    store = Store(folder)
    assert store.video("b").frames == 7
    with pytest.raises(LayoutError, match=message):
        store.video("a")
    with pytest.raises(LayoutError, match=message):
        list(store.videos())


def test_an_index_that_was_replaced_meanwhile_is_noticed(folder):
    store = pickle.dumps(Store(folder))
    rewrite(folder, group="a group with a much longer name")
    reopened = pickle.loads(store)
    with pytest.raises(LayoutError, match=r"index.jsonl:\d"):
        list(reopened.videos())


def test_lines_of_a_half_added_modality_are_not_seen(folder):
    """More lines than the manifest admits: an interrupted run has added them."""
    rewrite(folder, rows={"rgb": [0, 0, 1]})
    seal_manifest(folder, videos=3)
    assert [video.id for video in Store(folder).videos()] == ["b", "c/d", "e"]


def test_it_takes_little_memory(folder):
    path = folder / "index.jsonl"
    record = json.loads(path.read_text().splitlines()[2])
    count = 5_000
    with path.open("w") as file:
        for k in range(count):
            file.write(json.dumps(record | {"id": f"c/video_{k:05d}"}) + "\n")
    seal_manifest(folder, videos=count)
    tracemalloc.start()
    try:
        store = Store(folder)
        held, _ = tracemalloc.get_traced_memory()
        last = store.video("c/video_04999")
        assert sum(1 for _ in store.videos()) == count
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert last == store.videos()[-1]
    assert held / count < 120 and after / count < 150  # bytes per video
