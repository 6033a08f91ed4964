"""Copies of a store, whole and in part: equal rows, whatever happens on the way."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from managed import killed_at, one_line, require_same_video, shard_files
from small_videos import SETTINGS, data_set, store_bytes

from pipeline.adapters.subset import select_classes
from pipeline.driver.extraction import extract
from pipeline.driver.plan_file import read_plan
from pipeline.executors.choose import Execution
from pipeline.management import destination, making
from pipeline.management.errors import ManagementError
from pipeline.management.selection import listed_videos
from pipeline.management.source import Source
from pipeline.store import FolderHeld, LayoutError, Store, hold, verify
from pipeline.store.file_names import MANIFEST


def listed(folder: Path, *names: str) -> Path:
    path = folder / "list.txt"
    path.write_text("\n".join(names) + "\n\n")
    return path


def test_a_whole_copy_has_the_same_bytes(original, tmp_path):
    outcome = making.copy(original, tmp_path / "new")
    assert store_bytes(tmp_path / "new") == store_bytes(original)
    assert outcome.copied_bytes == outcome.bytes > 0
    again = making.copy(original, tmp_path / "new")
    assert again.copied_bytes == 0 and "nothing to copy" in again.text()


def test_a_copy_of_some_modalities_has_their_files(original, tmp_path):
    new = tmp_path / "new"
    making.copy(original, new, modalities=["rgb", "mv"])
    for start in ("rgb", "mv"):
        assert shard_files(new, start) == shard_files(original, start)
    store, old = Store(new), Store(original)
    assert store.modalities == ("rgb", "mv") and store.fingerprint == old.fingerprint
    assert set(store.settings) == {"common", "rgb", "mv"}
    assert store.manifest.bad == old.manifest.bad
    for video in store.videos():
        assert video.clipped_share is None
        require_same_video(store, video.id, old, video.id, ("rgb", "mv", "mv_valid"))
    assert not verify(new)
    making.copy(original, new, modalities=["flow"])  # the rest, later
    assert store_bytes(new) == store_bytes(original)


def test_a_copy_of_some_classes_is_a_store_of_its_own(original, clips, tmp_path):
    new = tmp_path / "new"
    outcome = making.copy(original, new, classes=["right"])
    store, old = Store(new), Store(original)
    assert store.classes == ("right",) and outcome.videos == 5
    for video in store.videos():
        assert (video.labels, video.class_names) == ((0,), ("right",))
        assert video.splits == old.video(video.id).splits
        assert video.group == old.video(video.id).group
        require_same_video(store, video.id, old, video.id)
    assert not verify(new, decode=True)
    assert outcome.passed_over == 1 and "1 quarantined" in outcome.text()
    here = Execution(workers=0)
    part = select_classes(data_set(clips), ["right"])
    summary = extract(part, SETTINGS, out=new, execution=here)
    assert summary.fresh_shards == 0 and summary.exit_code == 0


def test_a_modality_is_added_to_a_part_later(original, clips, tmp_path):
    new = tmp_path / "new"
    making.copy(original, new, modalities=["flow"], classes=["left"])
    part = select_classes(data_set(clips), ["left"])
    part_videos = tuple(v for v in part.videos if v.id != "left/broken")
    here = Execution(workers=0)
    extract(
        replace(part, videos=part_videos),
        SETTINGS.only(["mv"]),
        out=new,
        execution=here,
    )
    store, old = Store(new), Store(original)
    assert store.modalities == ("flow", "mv")
    for video in store.videos():
        arrays = ("flow", "mv", "mv_valid")
        require_same_video(store, video.id, old, video.id, arrays)


def test_a_part_keeps_all_classes_unless_they_are_narrowed(original, tmp_path):
    names = listed(tmp_path, "right/v001", "v003.mp4", "v003")
    making.copy(original, tmp_path / "new", videos=names)
    store = Store(tmp_path / "new")
    assert store.classes == ("left", "right")
    assert [(v.id, v.labels) for v in store.videos()] == [
        ("right/v001", (1,)),
        ("right/v003", (1,)),
    ]


def test_a_copy_of_a_split_has_this_split_alone(original, tmp_path):
    old = Store(original)
    making.copy(original, tmp_path / "new", splits=["1"])
    store = Store(tmp_path / "new")
    assert store.splits == {"1": "lists"}
    assert {v.id for v in store.videos()} == {v.id for v in old.videos() if v.splits}


def test_quarantined_videos_can_be_named(original, tmp_path):
    names = listed(tmp_path, "left/broken", "left/v002")
    making.copy(original, tmp_path / "new", videos=names)
    manifest = Store(tmp_path / "new").manifest
    assert manifest.bad == Store(original).manifest.bad
    assert [v.id for v in read_plan(tmp_path / "new").videos] == [
        "left/broken",
        "left/v002",
    ]
    assert not verify(tmp_path / "new")


def test_removed_videos_are_gone_and_all_others_equal(original, tmp_path):
    new = tmp_path / "new"
    making.remove(original, new, videos=listed(tmp_path, "left/v000", "right/v005"))
    store, old = Store(new), Store(original)
    gone = {"left/v000", "right/v005"}
    assert set(store.ids()) == set(old.ids()) - gone
    assert store.classes == old.classes and store.splits == old.splits
    assert store.manifest.bad == old.manifest.bad
    for video in store.videos():
        require_same_video(store, video.id, old, video.id)
    assert not verify(new, decode=True)


@pytest.mark.parametrize("part", [{}, {"classes": ["left"]}], ids=["whole", "part"])
def test_killed_at_any_file_it_resumes_to_the_same_bytes(part, original, tmp_path):
    making.copy(original, tmp_path / "expected", **part)
    expected = store_bytes(tmp_path / "expected")
    files = sum(name.endswith(".h5") for name in expected)
    new = tmp_path / "new"
    for at in (0, 1, 1):  # files that each call publishes
        killed_at(at, lambda: making.copy(original, new, **part))
        assert not (new / MANIFEST).exists()
    there = len(shard_files(new))
    assert 0 < there < files
    outcome = making.copy(original, new, **part)
    assert store_bytes(new) == expected
    assert 0 < outcome.copied_bytes < outcome.bytes


@pytest.mark.parametrize("part", [{}, {"classes": ["left"]}], ids=["whole", "part"])
def test_a_rotten_source_is_not_copied(part, original, tmp_path):
    rotten = tmp_path / "rotten"
    shutil.copytree(original, rotten)
    source = Source(rotten)
    rows = source.store.video("left/v004").rows["rgb"]
    with source.rows("rgb", rows.shard) as shard:
        path, row = Path(shard.name), bytes(shard.stored(rows.first, rows.first + 1)[0])
    content = path.read_bytes()
    assert content.count(row) == 1
    path.write_bytes(content.replace(row, row[:-9] + b"x" + row[-8:]))
    with pytest.raises(LayoutError) as error:
        making.copy(rotten, tmp_path / "new", **part)
    assert path.name in one_line(error)
    assert not (tmp_path / "new" / MANIFEST).exists()
    assert not shard_files(tmp_path / "new", path.name)


def test_a_damaged_file_of_a_copy_is_copied_again(original, tmp_path):
    new = tmp_path / "new"
    making.copy(original, new)
    min(new.glob("mv-*.h5")).write_bytes(b"short")
    outcome = making.copy(original, new)
    assert 0 < outcome.copied_bytes < outcome.bytes
    assert store_bytes(new) == store_bytes(original)


def test_what_is_something_else_is_refused(original, tmp_path):
    full = tmp_path / "full"
    full.mkdir()
    (full / "thesis.txt").write_text("mine")
    with pytest.raises(ManagementError, match="something else"):
        making.copy(original, full)
    assert [path.name for path in full.iterdir()] == ["thesis.txt"]
    making.copy(original, tmp_path / "part", classes=["left"])
    with pytest.raises(ManagementError, match="a store of others"):
        making.copy(original, tmp_path / "part", classes=["right"])
    with pytest.raises(ManagementError, match="apart from"):
        making.copy(original, original)
    with pytest.raises(ManagementError, match="apart from"):
        making.copy(original, original / "inside")
    with pytest.raises(ManagementError, match="no 'lefft': did you mean left"):
        making.copy(original, tmp_path / "new", classes=["lefft"])
    with pytest.raises(ManagementError, match="no 'split9'"):
        making.copy(original, tmp_path / "new", splits=["split9"])
    with pytest.raises(ManagementError) as error:
        names = listed(tmp_path, "left/v000", "left/nobody", "left/v999")
        making.copy(original, tmp_path / "new", videos=names)
    assert "left/nobody, left/v999 (2 of 3 names)" in one_line(error)
    with pytest.raises(ManagementError) as error:
        making.copy(original, tmp_path / "new", videos=listed(tmp_path, "left/v00"))
    assert "list.txt: no video 'left/v00' in" in one_line(error)
    assert "did you mean left/v00" in one_line(error)
    with pytest.raises(ManagementError, match="no video '001'"):  # no whole name
        making.copy(original, tmp_path / "new", videos=listed(tmp_path, "001"))
    assert not (tmp_path / "new").exists()


def test_the_end_of_several_videos_is_refused(original, tmp_path, monkeypatch):
    source = Source(original)
    found = listed_videos(listed(tmp_path, "broken", "v000.mp4"), source)
    assert found == {"left/broken", "left/v000"}
    bad = dict(source.manifest.bad) | {"right/v000": "damaged"}
    monkeypatch.setattr(source, "manifest", replace(source.manifest, bad=bad))
    with pytest.raises(ManagementError) as error:
        listed_videos(listed(tmp_path, "v000", "v001"), source)
    assert f"2 videos of {original} end in 'v000': left/v000, right/v000" in one_line(
        error
    )


def test_a_full_disk_is_named_before_anything_is_copied(
    original, tmp_path, monkeypatch
):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(
        destination.shutil, "disk_usage", lambda path: usage._replace(free=1000)
    )
    new = tmp_path / "not" / "there"
    for part in ({}, {"classes": ["left"]}):
        with pytest.raises(ManagementError, match=f"{new}: .*of free space, got 1"):
            making.copy(original, new, **part)
        assert not list(tmp_path.iterdir())


def test_another_run_that_writes_there_is_named(original, tmp_path):
    new = tmp_path / "new"
    making.copy(original, new)
    with hold(new), pytest.raises(FolderHeld, match="another run is writing"):
        making.copy(original, new)
