"""Every kind of damage to a store: `verify` finds it, `extract` repairs it or says how."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small_videos import RGB_MV, SETTINGS, data_set, store_bytes

from pipeline.driver import merging
from pipeline.driver.extraction import extract
from pipeline.driver.merging import merge
from pipeline.driver.plan_file import read_plan
from pipeline.errors import ExtractionError, PlanError
from pipeline.executors.choose import Execution
from pipeline.executors.reporter import ProgressReporter
from pipeline.inspection.status import info, status, verify
from pipeline.store import LayoutError, Store, StoreError
from pipeline.store.sealing import write_sealed

HERE = Execution(workers=0)
COMMIT = "_commits/mv-00001.json"
SHARD = "rgb-00001.h5"


class Told(ProgressReporter):
    """Keeps what a run says."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def store(finished, tmp_path) -> Path:
    target = tmp_path / "store"
    for name, content in store_bytes(finished).items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (target / "_logs").mkdir(exist_ok=True)
    return target


def write(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda store: (store / name).write_bytes(content) and None


def change(name: str, old: bytes, new: bytes) -> Callable[[Path], None]:
    def damage(store: Path) -> None:
        content = (store / name).read_bytes()
        assert old in content
        (store / name).write_bytes(content.replace(old, new, 1))

    return damage


def flip(name: str, share: float) -> Callable[[Path], None]:
    def damage(store: Path) -> None:
        content = bytearray((store / name).read_bytes())
        content[int(share * len(content))] ^= 4
        (store / name).write_bytes(content)

    return damage


def remove(*names: str) -> Callable[[Path], None]:
    return lambda store: [(store / name).unlink() for name in names] and None


def copy(source: str, target: str) -> Callable[[Path], None]:
    return lambda store: shutil.copy(store / source, store / target) and None


def into_folder(name: str) -> Callable[[Path], None]:
    def damage(store: Path) -> None:
        (store / name).unlink()
        (store / name).mkdir()
        (store / name / "precious.txt").write_text("keep")

    return damage


def reseal(name: str, **changes: object) -> Callable[[Path], None]:
    def damage(store: Path) -> None:
        value = json.loads((store / name).read_text())
        write_sealed(store / name, value | changes)

    return damage


def other_frames(store: Path) -> None:
    value = json.loads((store / COMMIT).read_text())
    value["videos"][0]["frames"] += 1
    write_sealed(store / COMMIT, value)


def both(*damages: Callable[[Path], None]) -> Callable[[Path], None]:
    return lambda store: [damage(store) for damage in damages] and None


def every_commit(store: Path) -> None:
    for path in (store / "_commits").iterdir():
        path.write_bytes(b"")


DEEP = b"[" * 100_000 + b"]" * 100_000
REPAIRED = {
    "manifest emptied": write("manifest.json", b""),
    "manifest flipped": flip("manifest.json", 0.5),
    "manifest of something else": write("manifest.json", b'{"modalities": []}'),
    "manifest of depth": write("manifest.json", DEEP),
    "manifest missing": remove("manifest.json"),
    "class renamed": change("manifest.json", b'"left"', b'"lift"'),
    "index emptied": write("index.jsonl", b""),
    "index of depth": write("index.jsonl", DEEP),
    "label changed": change("index.jsonl", b'"labels": [0]', b'"labels": [1]'),
    "split changed": change("index.jsonl", b'"test"', b'"trai"'),
    "group changed": flip("index.jsonl", 0.3),
    "index missing": remove("index.jsonl"),
    "index and manifest missing": remove("index.jsonl", "manifest.json"),
    "plan emptied": write("_plan.json", b""),
    "plan flipped": flip("_plan.json", 0.7),
    "plan of other ends": change("_plan.json", b'"ends": [5', b'"ends": [4'),
    "plan of other settings": change("_plan.json", b'"crf": 18', b'"crf": 19'),
    "plan missing": remove("_plan.json"),
    "plan and manifest emptied": both(
        write("_plan.json", b""), write("manifest.json", b"")
    ),
    "plan and a commit missing": remove("_plan.json", COMMIT),
    "commit emptied": write(COMMIT, b""),
    "commit flipped": flip(COMMIT, 0.4),
    "commit missing": remove(COMMIT),
    "commit of another shard": copy("_commits/mv-00002.json", COMMIT),
    "commit of another modality": copy("_commits/rgb-00001.json", COMMIT),
    "commit of another store": reseal(COMMIT, fingerprint="beef"),
    "commit of other settings": reseal(COMMIT, settings={}),
    "commit of other frames": other_frames,
    "every commit emptied": every_commit,
    "shard missing": remove(SHARD),
    "shard truncated": change(SHARD, b"\xff\xd9", b""),
    "shard of another number": copy("rgb-00002.h5", SHARD),
    "shard of another modality": copy("mv-00001.h5", SHARD),
}


@pytest.mark.parametrize("kind", REPAIRED)
def test_damage_is_found_and_repaired(kind, folder, finished, store):
    REPAIRED[kind](store)
    assert verify(store, mark=True) or kind == "plan missing"
    told = Told()
    summary = extract(
        data_set(folder), RGB_MV, out=store, execution=HERE, reporter=told
    )
    assert summary.exit_code == 0
    after = store_bytes(store)
    assert after.keys() == store_bytes(finished).keys()
    assert {n for n in after if after[n] != store_bytes(finished)[n]} == set()
    assert verify(store) == []
    assert all("\n" not in line for line in told.lines)
    if "missing" not in kind and not kind.startswith(("shard", "commit of")):
        assert told.lines, "repaired without a word"


REFUSED = {
    "manifest is a folder": (into_folder("manifest.json"), "manifest.json: expected a"),
    "index is a folder": (into_folder("index.jsonl"), "index.jsonl: expected a file"),
    "plan is a folder": (into_folder("_plan.json"), "_plan.json: expected a file"),
    "commit is a folder": (into_folder(COMMIT), "mv-00001.json: expected a file"),
    "shard is a folder": (into_folder(SHARD), f"{SHARD}: expected a file, got a fol"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_folder_in_the_place_of_a_file_is_left_alone(kind, folder, store):
    damage, message = REFUSED[kind]
    damage(store)
    assert verify(store)
    with pytest.raises((PlanError, StoreError), match=message) as caught:
        extract(data_set(folder), RGB_MV, out=store, execution=HERE)
    assert "\n" not in str(caught.value)
    assert [path.read_text() for path in store.rglob("precious.txt")] == ["keep"]


def test_commits_that_disagree_are_refused(folder, store):
    value = json.loads((store / COMMIT).read_text())
    value["videos"][0]["fps"] += 1
    write_sealed(store / COMMIT, value)
    with pytest.raises(LayoutError, match="fps: expected .* rgb-00001.* mv-00001"):
        extract(data_set(folder), RGB_MV, out=store, execution=HERE)


def test_a_plan_of_other_videos_is_not_guessed(folder, store):
    (store / "_plan.json").write_bytes(b"")
    dataset = data_set(folder)
    fewer = replace(dataset, videos=dataset.videos[1:])
    before = store_bytes(store)
    with pytest.raises(PlanError, match="it cannot be made again.*another --out"):
        extract(fewer, RGB_MV, out=store, execution=HERE)
    other = replace(SETTINGS, mv_crf=30).only(["rgb", "mv"])
    with pytest.raises(
        PlanError, match="--mv-crf: the store was made with .*, this run asks for 30"
    ):
        extract(dataset, other, out=store, execution=HERE)
    assert store_bytes(store) == before


def test_a_lost_plan_is_told_with_the_way_on(store, tmp_path):
    (store / "_plan.json").unlink()
    with pytest.raises(PlanError, match="the same `pipeline extract` makes the plan"):
        status(store)
    with pytest.raises(PlanError, match=r"expected a store \(_plan.json\), got none$"):
        status(tmp_path / "nothing")


def test_a_lost_plan_keeps_modalities_that_are_not_asked_for(folder, finished, store):
    (store / "_plan.json").unlink()
    rgb = SETTINGS.only(["rgb"])
    extract(data_set(folder), rgb, out=store, execution=HERE)
    assert store_bytes(store) == store_bytes(finished)


def test_a_split_that_only_a_damaged_index_knows_is_not_lost_silently(folder, store):
    dataset = data_set(folder)
    bare = replace(
        dataset,
        splits={"mine": "seeded"},
        videos=tuple(replace(v, splits={"mine": "train"}) for v in dataset.videos),
    )
    flip("index.jsonl", 0.3)(store)
    with pytest.raises(
        LayoutError, match="it alone says which videos belong to 1: give the"
    ):
        extract(bare, RGB_MV, out=store, execution=HERE)


def nonsense_in_logs(store: Path) -> None:
    logs = store / "_logs"
    (logs / "damaged.json").write_bytes(b"\xff[")
    (logs / "attempts-00000-rgb").mkdir()
    (logs / "holder-00003.json").write_text('{"pid": []}')
    (logs / "holder-00007.json").mkdir()
    os.mkfifo(logs / "holder-00009.json")
    (logs / "holder-00011.json").symlink_to("/etc/hostname")
    (logs / "holder-00013.json").write_bytes(DEEP)
    (logs / "noise").write_bytes(os.urandom(50))


def test_nonsense_in_logs_never_stops_a_run(folder, finished, store):
    nonsense_in_logs(store)
    (store / SHARD).unlink()
    assert not status(store).running
    extract(data_set(folder), RGB_MV, out=store, execution=HERE)
    (store / SHARD).unlink()
    (store / "_logs/damaged.json").write_text('{"a": [1]}')
    extract(data_set(folder), RGB_MV, out=store, execution=HERE)
    assert {n: c for n, c in store_bytes(store).items() if "noise" not in n}.keys() >= (
        store_bytes(finished).keys()
    )
    assert Store(store).video("left/v000").frames == 6


@pytest.mark.parametrize("name", ["_logs", "_tmp", "_commits"])
def test_linked_service_folders_are_refused(name, folder, store, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    for path in (store / "_commits").iterdir():
        shutil.copy(path, mine)
    (mine / "holder-00001.json").write_text("mine")
    before = {path.name: path.read_bytes() for path in mine.iterdir()}
    shutil.rmtree(store / name, ignore_errors=True)
    (store / name).symlink_to(mine)
    with pytest.raises(StoreError, match=f"{name}: expected a folder, got a link"):
        extract(data_set(folder), RGB_MV, out=store, execution=HERE)
    flip("manifest.json", 0.5)(store)
    found = verify(store)
    assert name != "_commits" or name in {entry.file for entry in found}
    if name == "_logs":
        with pytest.raises(StoreError, match="expected a folder, got a link"):
            verify(store, mark=True)
    status(store)
    assert {path.name: path.read_bytes() for path in mine.iterdir()} == before


def test_looking_at_a_store_writes_nothing_and_follows_no_link(store, tmp_path):
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    for name in (
        ".manifest.json.part",
        "_logs/.damaged.json.part",
        "_logs/damaged.json",
    ):
        (store / name).symlink_to(mine)
    flip(SHARD, 0.5)(store)
    before = {path: path.lstat().st_mtime_ns for path in store.rglob("*")}
    assert {entry.file for entry in verify(store)} == {SHARD}
    info(store)
    assert {path: path.lstat().st_mtime_ns for path in store.rglob("*")} == before
    verify(store, mark=True)
    assert json.loads((store / "_logs/damaged.json").read_text()) == [SHARD]
    assert mine.read_text() == "mine"


@pytest.mark.parametrize("name", ["mv-00001.h5", COMMIT])
def test_what_is_removed_while_a_run_is_on_is_noticed(name, folder, store):
    dataset = data_set(folder)
    before = (store / "manifest.json").read_bytes()
    (store / name).unlink()
    with pytest.raises(LayoutError, match="expected .*(mv|of every shard of mv)"):
        merge(read_plan(store), dataset, store, ["rgb", "mv"])
    assert (store / "manifest.json").read_bytes() == before


@pytest.fixture
def read_only(monkeypatch):
    """As a mount that may only be read: nothing under this folder is written."""

    def protect(folder: Path) -> None:
        real_open, real_mkdir = os.open, os.mkdir
        inside = str(folder)

        def refuse(path):
            if str(path).startswith(inside):
                raise OSError(30, "Read-only file system", str(path))

        def guarded_open(path, flags, *given, **named):
            if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                refuse(path)
            return real_open(path, flags, *given, **named)

        def guarded_mkdir(path, *given, **named):
            refuse(path)
            return real_mkdir(path, *given, **named)

        monkeypatch.setattr(os, "open", guarded_open)
        monkeypatch.setattr(os, "mkdir", guarded_mkdir)
        monkeypatch.setattr(
            os, "access", lambda path, mode: not str(path).startswith(inside)
        )

    return protect


def test_a_finished_store_that_cannot_be_written_has_nothing_to_do(
    folder, store, read_only
):
    read_only(store)
    before = {path: path.lstat().st_mtime_ns for path in store.rglob("*")}
    summary = extract(data_set(folder), RGB_MV, out=store, execution=HERE)
    assert summary.exit_code == 0 and summary.fresh_shards == 0
    assert summary.stored == 12
    assert verify(store) == [] and status(store).finished
    assert info(store)["videos"] == 12
    assert Store(store).read("left/v000", "rgb").shape[0] == 6
    assert {path: path.lstat().st_mtime_ns for path in store.rglob("*")} == before


def test_a_store_that_cannot_be_written_says_what_is_missing(folder, store, read_only):
    (store / SHARD).unlink()
    read_only(store)
    with pytest.raises(
        ExtractionError, match="cannot be written, and it lacks 1 shard"
    ):
        extract(data_set(folder), RGB_MV, out=store, execution=HERE)
    grown = SETTINGS.only(["rgb", "mv", "flow"])
    with pytest.raises(
        ExtractionError, match="cannot be written, and it lacks 3 shards"
    ):
        extract(data_set(folder), grown, out=store, execution=HERE)


def test_damage_of_a_modality_that_is_not_asked_for_is_told(folder, finished, store):
    (store / COMMIT).write_bytes(b"")
    told = Told()
    rgb = SETTINGS.only(["rgb"])
    with pytest.raises(LayoutError, match="shard 1 of mv has no commit: extract mv ag"):
        extract(data_set(folder), rgb, out=store, execution=HERE, reporter=told)
    assert not told.lines
    extract(data_set(folder), RGB_MV, out=store, execution=HERE)
    assert store_bytes(store) == store_bytes(finished)


@pytest.mark.parametrize("written", [0, 1])
def test_killed_between_index_and_manifest_a_store_stays_readable(
    written, folder, finished, tmp_path, monkeypatch
):
    out = tmp_path / "grown"
    extract(data_set(folder), SETTINGS.only(["rgb"]), out=out, execution=HERE)
    before = (out / "index.jsonl").read_bytes()
    calls = iter(range(written))

    def stops(*given: Any) -> None:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        write_sealed(*given)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(merging, "write_sealed", stops)
        extract(data_set(folder), SETTINGS.only(["mv"]), out=out, execution=HERE)
    assert ((out / "index.jsonl").read_bytes() == before) == (written == 0)
    opened = Store(out)
    assert opened.modalities == ("rgb", "mv")[: 1 + written]
    assert len(opened.videos()) == 12
    assert opened.read("left/v000", "rgb").shape[0] == 6
    extract(data_set(folder), RGB_MV, out=out, execution=HERE)
    assert store_bytes(out) == store_bytes(finished)
