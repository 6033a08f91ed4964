import json
import os
import re

import pytest
from tiny_store import write_store

from pipeline.store.errors import LayoutError, StoreNotFound
from pipeline.store.file_names import commit_file, shard_file
from pipeline.store.files import (
    committed,
    read_commit,
    read_index,
    read_manifest,
    write_index,
    write_json,
)
from pipeline.store.sealing import write_sealed


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores") / "tiny"
    return write_store(folder, [{"b": 3, "a": 1}, {"c": 2}])


@pytest.fixture
def store(built, tmp_path):
    """A copy of the texts alone."""
    folder = tmp_path / "tiny"
    (folder / "_commits").mkdir(parents=True)
    for path in [*built.glob("*.json*"), *built.glob("_commits/*")]:
        (folder / path.relative_to(built)).write_bytes(path.read_bytes())
    return folder


def edit(path, **changes):
    write_sealed(path, json.loads(path.read_text()) | changes)


def test_names_count_from_zero():
    assert shard_file("flow", 3) == "flow-00003.h5"
    assert commit_file("flow", 3) == "_commits/flow-00003.json"


def test_texts_come_back_as_they_were(store):
    manifest = read_manifest(store)
    assert manifest.from_dict(json.loads(json.dumps(manifest.to_dict()))) == manifest
    records = list(read_index(store))
    assert [record.id for record in records] == ["a", "b", "c"]
    before = (store / "index.jsonl").read_bytes()
    write_index(store, reversed(records))
    assert (store / "index.jsonl").read_bytes() == before
    commit = read_commit(store, "flow", 0)
    assert [video.id for video in commit.videos] == ["b", "a"]
    assert commit.from_dict(json.loads(json.dumps(commit.to_dict()))) == commit


def test_texts_hold_no_absolute_path(built):
    for path in [*built.glob("*.json*"), *built.glob("_commits/*")]:
        assert str(built.parent) not in path.read_text()


def test_commits_are_found_by_name(store):
    for noise in ("flow-1.json", "depth-00000.json", ".rgb-00001.json.part", "x"):
        (store / "_commits" / noise).write_text("{}")
    expected = [(m, shard) for m in ("flow", "mv", "rgb") for shard in (0, 1)]
    assert committed(store) == expected
    assert committed(store / "nowhere") == []
    assert read_commit(store, "rgb", 7) is None


def test_a_folder_that_is_no_store_says_what_it_is(tmp_path):
    def message(folder):
        with pytest.raises(StoreNotFound) as caught:
            read_manifest(folder)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert message(tmp_path / "no").endswith(
        "expected the folder of a store, got nothing"
    )
    (tmp_path / "file").write_text("")
    assert message(tmp_path / "file").endswith("got a file")
    assert message(tmp_path).endswith("got a folder of something else")
    (tmp_path / "_plan.json").write_text("{}")
    assert "run `pipeline extract` again" in message(tmp_path)


@pytest.mark.parametrize("version", [0, 1, "2", None])
def test_another_layout_is_refused(store, version):
    expected = re.escape(f"expected layout 2, got {version!r}")
    edit(store / "manifest.json", layout_version=version)
    edit(store / commit_file("mv", 1), layout_version=version)
    with pytest.raises(LayoutError, match=f"manifest.json: {expected}"):
        read_manifest(store)
    with pytest.raises(LayoutError, match=f"mv-00001.json: {expected}"):
        read_commit(store, "mv", 1)


@pytest.mark.parametrize(
    "name",
    [
        "../flow-00000.h5",
        "/etc/passwd",
        "flow-00001.h5",
        "rgb-00000.h5",
        "flow-00000.h5\0",
        "",
        None,
        7,
    ],
)
def test_no_name_leads_out_of_the_store(store, name):
    value = json.loads((store / "manifest.json").read_text())
    value["modalities"]["flow"]["files"][0]["file"] = name
    write_sealed(store / "manifest.json", value)
    with pytest.raises(LayoutError, match="expected file flow-00000.h5, got"):
        read_manifest(store)
    edit(store / commit_file("flow", 0), file=name)
    with pytest.raises(LayoutError, match="expected file flow-00000.h5, got"):
        read_commit(store, "flow", 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"modalities": {"depth": {"codec": {}, "files": []}}},
        {"modalities": {"rgb": {"codec": {}, "files": []}}},
        {"modalities": []},
        {"shards": "two"},
        {"classes": None},
        {"more": 1},
    ],
)
def test_a_manifest_that_is_none_is_refused_in_one_line(store, changes):
    edit(store / "manifest.json", **changes)
    with pytest.raises(LayoutError, match="manifest.json: expected") as caught:
        read_manifest(store)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "\xff", '{"layout_version": 2}']
)
def test_text_that_is_none_is_refused_in_one_line(store, text):
    for name in ("manifest.json", "index.jsonl", commit_file("rgb", 0)):
        (store / name).write_bytes(text.encode("latin-1") + b"\n")
    with pytest.raises(LayoutError, match="expected a manifest"):
        read_manifest(store)
    with pytest.raises(LayoutError, match="index.jsonl:1: expected a video"):
        list(read_index(store))
    with pytest.raises(LayoutError, match="rgb-00000.json: expected a commit"):
        read_commit(store, "rgb", 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"path": "/etc/passwd"},
        {"path": "a/../../b"},
        {"rows": {"depth": [0, 0, 1]}},
        {"rows": {"rgb": [0, 0]}},
        {"rows": {"rgb": [0, 0, 2]}},
        {"rows": {"rgb": [-1, 0, 1]}},
        {"rows": {"rgb": [0, -5, 1]}},
        {"rows": {"rgb": [0, 0.0, 1]}},
        {"frames": 0, "rows": {"rgb": [0, 0, 0]}},
        {"frames": "1"},
        {"height": "35"},
        {"width": 0},
        {"labels": 3},
        {"splits": ["split1"]},
        {"unheard": "of"},
    ],
)
def test_a_line_that_is_no_video_is_named(store, changes):
    lines = (store / "index.jsonl").read_text().splitlines()
    lines[0] = json.dumps(json.loads(lines[0]) | changes)
    (store / "index.jsonl").write_text("\n".join(lines) + "\n")
    with pytest.raises(LayoutError, match="index.jsonl:1: expected a video, got"):
        list(read_index(store))


def test_a_missing_index_is_named(store):
    (store / "index.jsonl").unlink()
    with pytest.raises(LayoutError, match="expected index.jsonl beside the manifest"):
        list(read_index(store))


def test_a_commit_under_another_name_is_refused(store):
    os.replace(store / commit_file("flow", 0), store / commit_file("flow", 1))
    with pytest.raises(LayoutError, match="expected its own file, got flow-00000.h5"):
        read_commit(store, "flow", 1)


def test_the_same_value_gives_the_same_bytes(tmp_path):
    write_json(tmp_path / "a", {"b": 1.5, "a": ["\u00fc", {"y": 1, "x": 2}]})
    write_json(tmp_path / "b", {"a": ["\u00fc", {"x": 2, "y": 1}], "b": 1.5})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_names_that_are_not_utf8_survive(tmp_path):
    name = b"caf\xe9".decode(errors="surrogateescape")
    write_json(tmp_path / "a", name)
    assert json.loads((tmp_path / "a").read_text()) == name


@pytest.mark.parametrize("value", [{"a": float("nan")}, {"a": object()}])
def test_a_value_that_cannot_be_written_changes_nothing(tmp_path, value):
    write_json(tmp_path / "a.json", 1)
    with pytest.raises((ValueError, TypeError)):
        write_json(tmp_path / "a.json", value)
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert json.loads((tmp_path / "a.json").read_text()) == 1


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failing_disk_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, call):
    def fail(*args):
        raise OSError(5, "Input/output error")

    write_json(tmp_path / "a.json", 1)
    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="Input/output error"):
        write_json(tmp_path / "a.json", 2)
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert json.loads((tmp_path / "a.json").read_text()) == 1


def test_file_and_folder_are_synced_in_order(tmp_path, monkeypatch):
    done = []
    real = {name: getattr(os, name) for name in ("fsync", "replace")}
    for name, call in real.items():

        def note(*args, name=name, call=call):
            done.append(name)
            return call(*args)

        monkeypatch.setattr(os, name, note)
    write_json(tmp_path / "a.json", 1)
    assert done == ["fsync", "replace", "fsync"]
