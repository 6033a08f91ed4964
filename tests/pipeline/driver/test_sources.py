"""Files that are away for now: never quarantined, taken up again, the same store at last."""

import errno
import os
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from small_videos import (
    RGB_MV,
    SETTINGS,
    away_for,
    data_set,
    store_bytes,
    written_meanwhile,
)

from pipeline.driver.extraction import dry_run, extract
from pipeline.driver.plan_file import read_plan
from pipeline.driver.publish import read_commits
from pipeline.errors import ExtractionError, PlanError
from pipeline.executors.choose import Execution
from pipeline.extract.errors import DecodeError, Unavailable
from pipeline.inspection.status import info, status, verify
from pipeline.shard.isolate import IsolatedVideos
from pipeline.shard.plan import PlannedVideo
from pipeline.shard.sources import (
    available,
    open_source,
    read_source,
    require_unchanged,
)
from pipeline.store import Store
from pipeline.store.files import read_manifest

HERE = Execution(workers=0)
VICTIM = "right/v003"


@pytest.fixture
def videos(folder, tmp_path) -> Path:
    """A copy of the twelve videos that may be changed."""
    return Path(shutil.copytree(folder, tmp_path / "videos"))


def inodes(store: Path) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in store.glob("*.h5")}


def test_a_video_that_is_away_is_taken_up_again_by_the_same_command(
    videos, expected, tmp_path
):
    dataset, out = data_set(videos), tmp_path / "store"
    away = (videos / f"{VICTIM}.mp4").rename(tmp_path / "away.mp4")
    first = extract(dataset, RGB_MV, out=out, execution=HERE)
    assert (first.exit_code, first.videos, first.stored, first.bad) == (3, 12, 11, {})
    assert list(first.unavailable) == [VICTIM]
    assert "No such file" in first.unavailable[VICTIM] and VICTIM in first.text()
    assert status(out).unavailable.keys() == {VICTIM} and verify(out) == []
    assert info(out)["unavailable"] == 1
    before = inodes(out)

    still = extract(dataset, RGB_MV, out=out, execution=HERE)
    assert (still.exit_code, still.fresh_shards) == (3, 0) and inodes(out) == before

    away.rename(videos / f"{VICTIM}.mp4")
    assert dry_run(dataset, RGB_MV, out=out, execution=HERE).shards == 1
    last = extract(dataset, RGB_MV, out=out, execution=HERE)
    assert (last.exit_code, last.fresh_shards, last.stored) == (0, 1, 12)
    assert store_bytes(out) == expected
    assert sum(before[name] != ino for name, ino in inodes(out).items()) == 2


@pytest.mark.parametrize(
    "code", [errno.EACCES, errno.EIO, errno.ESTALE, errno.ETIMEDOUT]
)
def test_what_the_system_says_of_one_file_is_not_held_against_the_video(
    code, folder, tmp_path
):
    out = tmp_path / "store"
    decoder = partial(away_for, victim="v003", error=code)
    first = extract(
        data_set(folder),
        SETTINGS.only(["rgb"]),
        out=out,
        execution=replace(HERE, open_video=decoder),
    )
    assert first.exit_code == 3 and not first.bad
    assert first.unavailable.keys() == {VICTIM}
    last = extract(data_set(folder), SETTINGS.only(["rgb"]), out=out, execution=HERE)
    assert last.exit_code == 0 and last.fresh_shards == 1
    assert read_manifest(out).unavailable == {}


def test_a_file_that_another_one_replaces_has_changed(tmp_path):
    """Of the same size, and with the time of the first: a copy that keeps times."""
    path, other = tmp_path / "x.mp4", tmp_path / "y.mp4"
    path.write_bytes(b"one")
    other.write_bytes(b"two")
    for each in (path, other):
        os.utime(each, ns=(10**18, 10**18))
    source = read_source(path, PlannedVideo("x", "x.mp4", 3))
    require_unchanged(path, source)
    os.replace(other, path)
    with pytest.raises(Unavailable, match="the file changed meanwhile"):
        require_unchanged(path, source)


@pytest.mark.parametrize("size", [0, 2, 4])
def test_a_file_of_another_size_than_was_planned_is_not_the_planned_one(size, tmp_path):
    """Whether it is still being copied or was written on."""
    (tmp_path / "x.mp4").write_bytes(b"x" * size)
    planned = PlannedVideo("x", "x.mp4", 3)
    with pytest.raises(Unavailable, match=f"the 3 bytes .* planned, got {size}"):
        read_source(tmp_path / "x.mp4", planned)
    assert not available(tmp_path, planned)


@pytest.mark.parametrize("what", ["folder", "pipe"])
def test_what_is_no_file_any_more_is_unavailable(what, tmp_path):
    (os.mkfifo if what == "pipe" else Path.mkdir)(tmp_path / "x.mp4")
    planned = PlannedVideo("x", "x.mp4", 4)
    with pytest.raises(Unavailable, match="expected a readable file"):
        read_source(tmp_path / "x.mp4", planned)
    assert not available(tmp_path, planned)


def test_a_pipe_is_not_opened_ahead(tmp_path):
    os.mkfifo(tmp_path / "x.mp4")
    decoder = partial(away_for, victim="nobody", error=5)
    with (
        pytest.raises(Unavailable, match="got a pipe"),
        open_source(tmp_path / "x.mp4", open_video=decoder),
    ):
        pass


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_what_the_process_lacks_ends_the_run(code, folder, tmp_path):
    decoder = partial(away_for, victim="v003", error=code)
    execution = replace(HERE, open_video=decoder)
    with pytest.raises(ExtractionError, match="shard"):
        extract(data_set(folder), RGB_MV, out=tmp_path / "s", execution=execution)


def test_an_isolated_video_that_is_away_is_unavailable_too(tmp_path):
    (tmp_path / "a.mp4").touch()
    decoder = partial(open_source, open_video=partial(away_for, victim="a", error=5))
    with (
        IsolatedVideos(decoder, hang_seconds=60) as child,
        pytest.raises(Unavailable, match="Input/output error"),
        child.open(tmp_path / "a.mp4"),
    ):
        pass


def test_errors_of_whoever_takes_the_frames_pass(folder):
    path = folder / f"{VICTIM}.mp4"
    decoder = partial(away_for, victim="nobody", error=5)
    with (
        pytest.raises(OSError, match="No space left") as caught,
        open_source(path, open_video=decoder) as opened,
    ):
        for _ in opened:
            raise OSError(errno.ENOSPC, "No space left on device")
    assert not isinstance(caught.value, DecodeError | Unavailable)


def test_a_file_that_was_written_while_it_was_read_is_taken_up_again(
    videos, expected, tmp_path
):
    out = tmp_path / "store"
    decoder = partial(written_meanwhile, victim="v003")
    first = extract(
        data_set(videos), RGB_MV, out=out, execution=replace(HERE, open_video=decoder)
    )
    assert first.unavailable.keys() == {VICTIM}
    assert "changed meanwhile" in first.unavailable[VICTIM]
    assert extract(data_set(videos), RGB_MV, out=out, execution=HERE).exit_code == 0
    assert store_bytes(out) == expected


@pytest.mark.parametrize("gone", ["missing", "empty"])
def test_a_folder_that_is_away_as_a_whole_ends_the_run(gone, videos, tmp_path):
    dataset, out = data_set(videos), tmp_path / "store"
    videos.rename(tmp_path / "elsewhere")
    if gone == "empty":
        videos.mkdir()
    with pytest.raises(ExtractionError, match="videos"):
        extract(dataset, RGB_MV, out=out, execution=HERE)
    assert status(out).unavailable == {}


def test_a_file_that_was_still_being_copied_is_taken_up_when_it_is_whole(
    folder, videos, expected, tmp_path
):
    """Small: its size decides no cut, so even the plan is that of one run."""
    out, path = tmp_path / "store", videos / f"{VICTIM}.mp4"
    path.write_bytes(bytes(path.stat().st_size - 40))
    first = extract(data_set(videos), RGB_MV, out=out, execution=HERE)
    assert first.exit_code == 3 and first.bad.keys() == {VICTIM}
    before = inodes(out)

    shutil.copy(folder / f"{VICTIM}.mp4", path)
    assert dry_run(data_set(videos), RGB_MV, out=out, execution=HERE).shards == 1
    last = extract(data_set(videos), RGB_MV, out=out, execution=HERE)
    assert (last.exit_code, last.stored, last.fresh_shards) == (0, 12, 1)
    assert sum(before[name] != ino for name, ino in inodes(out).items()) == 2
    assert verify(out) == []
    assert read_plan(out).ends == read_plan_of(expected, tmp_path).ends
    assert store_bytes(out) == expected


def read_plan_of(content: dict[str, bytes], folder: Path):
    (folder / "_plan.json").write_bytes(content["_plan.json"])
    return read_plan(folder)


def test_an_interrupted_renewal_of_the_plan_goes_on(
    folder, videos, expected, tmp_path, monkeypatch
):
    from pipeline.driver import resume

    out, path = tmp_path / "store", videos / f"{VICTIM}.mp4"
    path.write_bytes(bytes(path.stat().st_size - 40))
    extract(data_set(videos), RGB_MV, out=out, execution=HERE)
    shutil.copy(folder / f"{VICTIM}.mp4", path)
    for after in range(7):  # six commits, then the plan
        with monkeypatch.context() as patch:
            written = iter(range(after))
            real = resume.write_sealed

            def fails(*given, written=written, real=real):
                if next(written, None) is None:
                    raise KeyboardInterrupt
                real(*given)

            def stops(*given):
                raise KeyboardInterrupt

            patch.setattr(resume, "write_sealed", fails)
            patch.setattr(resume, "write_plan", stops)
            with pytest.raises(KeyboardInterrupt):
                extract(data_set(videos), RGB_MV, out=out, execution=HERE)
    last = extract(data_set(videos), RGB_MV, out=out, execution=HERE)
    assert last.exit_code == 0 and last.fresh_shards == 1
    assert store_bytes(out) == expected


def test_a_stored_video_of_another_size_is_still_refused(videos, tmp_path):
    out = tmp_path / "store"
    (videos / "left/v000.mp4").write_bytes(b"half")
    extract(data_set(videos), RGB_MV, out=out, execution=HERE)
    with (videos / f"{VICTIM}.mp4").open("ab") as file:
        file.write(b"more")
    (videos / "left/v000.mp4").write_bytes(b"other")
    with pytest.raises(PlanError, match=rf"changed 1 \({VICTIM}\)"):
        extract(data_set(videos), RGB_MV, out=out, execution=HERE)


def test_a_video_that_was_stored_is_not_lost_while_another_is_taken_up(
    videos, expected, tmp_path
):
    """Both lie in one shard."""
    dataset, out = data_set(videos), tmp_path / "store"
    first, second = videos / "left/v000.mp4", videos / "left/v002.mp4"
    away = first.rename(tmp_path / "first.mp4")
    assert extract(dataset, RGB_MV, out=out, execution=HERE).exit_code == 3
    away.rename(first)
    away = second.rename(tmp_path / "second.mp4")
    between = extract(dataset, RGB_MV, out=out, execution=HERE)
    assert between.exit_code == 3 and between.stored == 11
    assert "left/v002" in Store(out).ids() and verify(out) == []
    assert list((out / "_tmp").iterdir() if (out / "_tmp").exists() else []) == []
    away.rename(second)
    assert extract(dataset, RGB_MV, out=out, execution=HERE).exit_code == 0
    assert store_bytes(out) == expected


def test_quarantined_videos_are_tried_again_where_that_is_asked_for(
    videos, expected, tmp_path
):
    out = tmp_path / "store"
    decoder = partial(decoder_fails, victim="v003")
    first = extract(
        data_set(videos), RGB_MV, out=out, execution=replace(HERE, open_video=decoder)
    )
    assert first.bad.keys() == {VICTIM}
    plain = extract(data_set(videos), RGB_MV, out=out, execution=HERE)
    assert plain.bad.keys() == {VICTIM} and plain.fresh_shards == 0
    assert (
        dry_run(
            data_set(videos), RGB_MV, out=out, execution=HERE, retry_bad=True
        ).shards
        == 1
    )
    again = extract(data_set(videos), RGB_MV, out=out, execution=HERE, retry_bad=True)
    assert (again.exit_code, again.fresh_shards) == (0, 1)
    assert store_bytes(out) == expected


def decoder_fails(path: Path, *, victim: str):
    from small_videos import opened

    if path.stem == victim:
        raise DecodeError("on a bad day")
    return opened(path)


def test_commits_name_what_is_unavailable(videos, tmp_path):
    out = tmp_path / "store"
    dataset = data_set(videos)
    (videos / f"{VICTIM}.mp4").unlink()
    extract(dataset, SETTINGS.only(["rgb"]), out=out, execution=HERE)
    commits = [
        commit
        for shard in range(3)
        for commit in read_commits(out, shard, read_plan(out).fingerprint).values()
    ]
    assert sorted(len(commit.unavailable) for commit in commits) == [0, 0, 1]
