"""A delivered shard becomes part of a store: in which order, and when it does not."""

import errno
import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
from made_shards import made_plan, made_report, published
from tiny_store import write_store
from xxhash import xxh3_128_hexdigest

from pipeline.driver import publish as publishing
from pipeline.driver.publish import (
    clear_arriving,
    intact,
    prepare,
    publish,
    read_commits,
)
from pipeline.errors import SourceChanged
from pipeline.executors.deliver import deliver
from pipeline.shard.task import ShardReport
from pipeline.store import LayoutError
from pipeline.store.file_names import COMMITS, LOGS, commit_file, shard_file
from pipeline.store.files import read_commit
from pipeline.store.sealing import write_sealed

PLAN = made_plan(2, 1)
RGB = shard_file("rgb", 0)


@pytest.fixture
def steps(monkeypatch) -> list[tuple[str, str]]:
    """What becomes of files and folders, in order; each step is really done."""
    done: list[tuple[str, str]] = []

    def noted(name, real):
        def note(first, *others, **named):
            last = Path(os.fsdecode(others[-1] if others else first))
            done.append((name, last.name))
            return real(first, *others, **named)

        return note

    monkeypatch.setattr(os, "unlink", noted("unlink", os.unlink))
    monkeypatch.setattr(os, "replace", noted("rename", os.replace))
    monkeypatch.setattr(
        publishing, "sync_folder", noted("sync", publishing.sync_folder)
    )
    monkeypatch.setattr(publishing, "write_sealed", noted_commit(done))
    return done


def noted_commit(done: list[tuple[str, str]]):
    def write(path: Path, value: dict) -> None:
        done.append(("commit", path.name))
        length = len(done)
        write_sealed(path, value)
        del done[length:]  # how it writes is told elsewhere

    return write


def test_a_file_gets_its_name_is_flushed_and_then_committed(steps, tmp_path):
    report = made_report(PLAN, 0, ["rgb"], tmp_path)
    publish(report, tmp_path)
    assert [step for step in steps if step[0] != "unlink"] == [
        ("rename", RGB),
        ("sync", tmp_path.name),
        ("commit", "rgb-00000.json"),
    ]
    assert (tmp_path / RGB).read_bytes() == b"rows"
    assert list((tmp_path / "_tmp").iterdir()) == []


def test_the_commit_of_a_damaged_file_goes_before_the_file_is_replaced(steps, tmp_path):
    """storage_layout.md: "To replace a damaged file its commit is removed first"."""
    published(PLAN, 0, ["rgb"], tmp_path)
    (tmp_path / RGB).write_bytes(b"rotten")
    steps.clear()
    published(PLAN, 0, ["rgb"], tmp_path)
    assert steps == [
        ("unlink", "rgb-00000.json"),
        ("rename", RGB),
        ("sync", tmp_path.name),
        ("commit", "rgb-00000.json"),
    ]


def test_a_run_that_dies_over_the_replacement_leaves_no_commit(tmp_path, monkeypatch):
    published(PLAN, 0, ["rgb"], tmp_path)
    (tmp_path / RGB).write_bytes(b"rotten")

    def dies(source: Path, target: Path) -> None:
        raise KeyboardInterrupt

    report = made_report(PLAN, 0, ["rgb"], tmp_path)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "replace", dies)
        publish(report, tmp_path)
    assert read_commits(tmp_path, 0, PLAN.fingerprint) == {}


def test_a_commit_says_what_was_delivered(tmp_path):
    plan = made_plan(2, 1, modalities=("rgb", "flow"))
    report = made_report(plan, 1, ["flow", "rgb"], tmp_path, bad={"v002": "no video"})
    report.flow_made_with = {"backend": "cpu", "device": "x86", "profile": "default"}
    publish(report, tmp_path)
    flow, rgb = (read_commit(tmp_path, name, 1) for name in ("flow", "rgb"))
    assert flow.made_with == report.flow_made_with and rgb.made_with == {}
    assert (rgb.shard, rgb.fingerprint) == (1, plan.fingerprint)
    assert rgb.record == report.delivered["rgb"]
    assert rgb.codec == plan.settings.codec("rgb").to_dict()
    assert (rgb.bad, rgb.videos) == ({"v002": "no video"}, ())
    assert "numpy" in rgb.versions


def test_a_whole_file_is_kept_where_the_new_one_lacks_a_video_of_it(tmp_path):
    """Its source is away now; the other modality is published all the same."""
    published(PLAN, 0, ["rgb"], tmp_path, content=b"old rows")
    away = {"v001": "no such file"}
    published(PLAN, 0, ["rgb", "mv"], tmp_path, content=b"fewer", unavailable=away)
    commits = read_commits(tmp_path, 0, PLAN.fingerprint)
    assert [video.id for video in commits["rgb"].videos] == ["v000", "v001"]
    assert (tmp_path / RGB).read_bytes() == b"old rows"
    assert [video.id for video in commits["mv"].videos] == ["v000"]
    assert list((tmp_path / "_tmp").iterdir()) == []


def test_a_damaged_file_is_replaced_by_one_that_lacks_a_video_of_it(tmp_path):
    """Of the same size: only its content shows the damage."""
    published(PLAN, 0, ["rgb"], tmp_path, content=b"old rows")
    (tmp_path / RGB).write_bytes(b"odd rows")
    away = {"v001": "no such file"}
    published(PLAN, 0, ["rgb"], tmp_path, content=b"fewer", unavailable=away)
    commit = read_commits(tmp_path, 0, PLAN.fingerprint)["rgb"]
    assert [video.id for video in commit.videos] == ["v000"]
    assert (tmp_path / RGB).read_bytes() == b"fewer"


def test_a_file_with_more_videos_takes_the_place_of_a_whole_one(tmp_path):
    bad = {"v001": "no video"}
    published(PLAN, 0, ["rgb"], tmp_path, content=b"fewer", bad=bad)
    published(PLAN, 0, ["rgb"], tmp_path, content=b"all rows")
    assert (tmp_path / RGB).read_bytes() == b"all rows"
    assert read_commits(tmp_path, 0, PLAN.fingerprint)["rgb"].bad == {}


@pytest.mark.parametrize("change", [{"xxh3": "cd" * 16}, {"frames": 11}])
def test_a_source_that_differs_from_that_of_another_modality_is_refused(
    change, tmp_path
):
    published(PLAN, 0, ["rgb"], tmp_path)
    report = made_report(PLAN, 0, ["mv"], tmp_path, changes={"mv": change})
    with pytest.raises(SourceChanged, match="v000: expected the content of its rgb"):
        publish(report, tmp_path)
    assert read_commits(tmp_path, 0, PLAN.fingerprint).keys() == {"rgb"}


def test_commits_of_another_plan_do_not_count(tmp_path):
    published(PLAN, 0, ["rgb"], tmp_path)
    other = made_plan(2, 1, size_bytes=101)
    assert read_commits(tmp_path, 0, other.fingerprint) == {}
    assert read_commits(tmp_path, 1, PLAN.fingerprint) == {}
    assert read_commits(tmp_path, 0, PLAN.fingerprint).keys() == {"rgb"}


def test_commits_that_cannot_be_read_are_named_and_the_others_kept(tmp_path):
    published(PLAN, 0, ["rgb", "mv"], tmp_path)
    (tmp_path / commit_file("rgb", 0)).write_text("{}")
    named: dict[str, str] = {}
    commits = read_commits(tmp_path, 0, PLAN.fingerprint, damaged=named.__setitem__)
    assert commits.keys() == {"mv"}
    assert named.keys() == {"rgb"} and "expected a commit" in named["rgb"]


def test_a_file_is_intact_by_its_size_or_by_its_content_where_that_is_asked(tmp_path):
    published(PLAN, 0, ["rgb"], tmp_path)
    record = read_commit(tmp_path, "rgb", 0).record
    assert intact(record, tmp_path, hashed=True)
    (tmp_path / RGB).write_bytes(b"swor")
    assert intact(record, tmp_path, hashed=False)
    assert not intact(record, tmp_path, hashed=True)
    (tmp_path / RGB).write_bytes(b"longer")
    assert not intact(record, tmp_path, hashed=False)
    (tmp_path / RGB).unlink()
    assert not intact(record, tmp_path, hashed=False)


@pytest.fixture
def built(tmp_path) -> ShardReport:
    """A shard on scratch, with a real file."""
    scratch = write_store(tmp_path / "scratch", [{"v000": 3}], modalities=["rgb"])
    plan = made_plan(1).shard_plan(0, ["rgb"], folder=Path("/nowhere"))
    files = {"rgb": scratch / shard_file("rgb", 0)}
    return ShardReport(plan=plan, files=files)


@pytest.fixture
def store(tmp_path) -> Path:
    prepare(tmp_path / "store")
    return tmp_path / "store"


def test_a_delivered_file_is_a_flushed_copy_with_its_hash(built, store, monkeypatch):
    source = built.files["rgb"]
    content = source.read_bytes()
    flushed: list[int] = []
    real = os.fsync
    monkeypatch.setattr(
        os,
        "fsync",
        lambda handle: flushed.append(os.fstat(handle).st_size) or real(handle),
    )
    report = deliver(built, store)
    arrived = report.files["rgb"]
    assert arrived.parent == store / "_tmp" and arrived.read_bytes() == content
    assert source.read_bytes() == content
    delivered = report.delivered["rgb"]
    assert delivered.file == shard_file("rgb", 0)
    assert (delivered.bytes, delivered.xxh3) == (
        len(content),
        xxh3_128_hexdigest(content),
    )
    assert flushed == [len(content)]


def test_a_store_without_room_is_refused_before_anything_is_copied(
    built, store, monkeypatch
):
    size = built.files["rgb"].stat().st_size
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, size - 1))
    with pytest.raises(
        OSError, match="no space left: expected .* free, got"
    ) as refused:
        deliver(built, store)
    assert refused.value.errno == errno.ENOSPC
    assert list((store / "_tmp").iterdir()) == []
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, size))
    assert deliver(built, store).delivered["rgb"].bytes == size


def test_half_a_copy_is_removed(built, store, monkeypatch):
    def fails(handle: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="Input/output error"):
        deliver(built, store)
    assert list((store / "_tmp").iterdir()) == []


def test_what_dead_attempts_left_is_cleared_and_nothing_else(store):
    part = f".rgb-00000.json.{'0f' * 8}.part"
    for folder in (store, store / COMMITS, store / LOGS, store / "_tmp"):
        (folder / part).write_text("half")
        (folder / "mine").write_text("keep")
    clear_arriving(store)
    left = sorted(
        path.relative_to(store).as_posix()
        for path in store.rglob("*")
        if path.is_file()
    )
    assert left == [f"{COMMITS}/mine", f"{LOGS}/mine", "mine"]


def test_folders_of_a_store_are_made_and_links_refused(tmp_path):
    prepare(tmp_path / "new")
    prepare(tmp_path / "new")
    made = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert made == sorted([COMMITS, LOGS, "_tmp"])
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / COMMITS).symlink_to(tmp_path / "new")
    with pytest.raises(LayoutError, match="got a link"):
        prepare(tmp_path / "odd")
