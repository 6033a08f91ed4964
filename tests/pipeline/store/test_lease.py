"""One run at a time writes a store, on this machine and on others, whoever dies when."""

import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from motion_shards.processes import ProcessIdentity
from pipeline.store import lease, lease_folder
from pipeline.store.errors import FolderHeld
from pipeline.store.file_names import LOGS
from pipeline.store.lease import hold, holder_of
from pipeline.store.lease_folder import FolderLeases

QUICK = {"beat_seconds": 0.05, "stale_seconds": 0.4}
THERE = {"host": "gpu7", "user": "anna", "pid": 12, "space": "another boot"}


@pytest.fixture
def store(tmp_path) -> Path:
    (tmp_path / LOGS).mkdir()
    return tmp_path


def left_behind(store: Path, number: int = 1, **changes: object) -> Path:
    """The lease of a run that is not there any more, or not here."""
    found = replace(ProcessIdentity.this_process(), **changes)
    path = store / LOGS / f"holder-{number:05d}.json"
    path.write_text(json.dumps(asdict(found)))
    return path


def test_a_second_run_is_told_who_writes_and_since_when(store):
    with hold(store):
        with pytest.raises(FolderHeld) as refused, hold(store):
            pass
        line = str(refused.value)
        assert f"process {os.getpid()} of" in line and "since 2" in line
        assert "\n" not in line
        assert holder_of(store).running
    assert holder_of(store) is None


def test_after_an_end_the_next_run_may_write_and_one_file_remains(store):
    for _ in range(3):
        with hold(store):
            pass
    assert [path.name for path in (store / LOGS).iterdir()] == ["holder-00003.ended"]


def test_an_error_inside_ends_the_lease_too(store):
    with pytest.raises(ZeroDivisionError), hold(store):
        raise ZeroDivisionError
    with hold(store):
        pass


def test_a_killed_process_of_this_machine_is_followed_at_once(store):
    code = (
        "import sys, os, pathlib; from pipeline.store.lease import hold\n"
        "with hold(pathlib.Path(sys.argv[1])): print('held', flush=True); input()"
    )
    command = [sys.executable, "-c", code, str(store)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout.readline() == "held\n"
        with pytest.raises(FolderHeld, match=f"process {run.pid}"), hold(store):
            pass
        run.kill()
        while run.poll() is None and holder_of(store).running:
            time.sleep(0.01)  # a zombie will do: nobody has waited for it yet
        assert not holder_of(store).running
        with hold(store):
            assert holder_of(store).holder.pid == os.getpid()


def test_a_number_that_another_process_has_now_does_not_hold(store):
    left_behind(store, started="1")  # we run, but did not start then
    with hold(store):
        pass


@pytest.mark.parametrize("where", [THERE, {"space": "another container"}])
def test_elsewhere_a_fresh_lease_holds_and_the_line_says_how_long(where, store):
    left_behind(store, **where)
    with (
        pytest.raises(FolderHeld, match="when it has been silent for 180 s"),
        hold(store),
    ):
        pass


def test_elsewhere_a_silent_run_is_followed_after_watching(store):
    path = left_behind(store, **THERE)
    os.utime(path, (time.time() - 1000, time.time() - 1000))
    said = []
    with hold(store, beat_seconds=0.05, say=said.append):
        assert holder_of(store).holder.pid == os.getpid()
    assert len(said) == 1 and "anna on gpu7" in said[0] and "1000 s ago" in said[0]


def test_elsewhere_a_run_that_beats_again_keeps_its_store(store, monkeypatch):
    """The file server was away: every lease looks old, the living ones as well."""
    path = left_behind(store, **THERE)
    os.utime(path, (1, 1))
    monkeypatch.setattr(lease.time, "sleep", lambda seconds: os.utime(path))
    with pytest.raises(FolderHeld), hold(store):
        pass


def test_age_is_told_by_the_clock_of_the_file_server(store, monkeypatch):
    """A client whose own clock is an hour ahead still sees a fresh lease."""
    left_behind(store, **THERE)
    now = time.time
    monkeypatch.setattr(lease.time, "time", lambda: now() + 3600)
    assert holder_of(store).silent_seconds < 60


def test_a_lease_that_was_cut_short_is_judged_by_its_age(store):
    path = store / LOGS / "holder-00007.json"
    path.write_text('{"host": "gp')
    with pytest.raises(FolderHeld, match="a run that is starting"), hold(store):
        pass
    os.utime(path, (1, 1))
    with hold(store, beat_seconds=0.05):
        pass
    assert (store / LOGS / "holder-00008.ended").exists()


def test_a_running_lease_beats(store):
    with hold(store, **QUICK):
        path = store / LOGS / "holder-00001.json"
        os.utime(path, (1, 1))
        deadline = time.monotonic() + 10
        while path.stat().st_mtime == 1:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_run_that_was_followed_notices_and_leaves_the_other_alone(store):
    with hold(store) as lease:
        lease.require()
        left_behind(store, 2, **THERE)
        with pytest.raises(FolderHeld, match="another one took over.*gpu7"):
            lease.require()
    assert holder_of(store).holder.host == "gpu7"


def test_of_many_that_follow_a_dead_run_at_once_one_succeeds(store):
    path = left_behind(store, **THERE)
    os.utime(path, (1, 1))
    over = []

    def follow(_: int) -> bool:
        try:
            with hold(store, **QUICK):
                while len(over) < 11:  # held until all the others were refused
                    time.sleep(0.01)
                return True
        except FolderHeld:
            over.append(1)
            return False

    with ThreadPoolExecutor(12) as pool:
        assert sorted(pool.map(follow, range(12))) == [False] * 11 + [True]


def test_an_old_view_of_the_folder_does_not_give_a_number_twice(store, monkeypatch):
    """As a network file system shows it: number 3 is long in use and 2 is removed."""
    left_behind(store, 3, **THERE)
    real, views = FolderLeases.newest, [1]
    monkeypatch.setattr(
        FolderLeases, "newest", lambda place: views.pop() if views else real(place)
    )
    with pytest.raises(FolderHeld, match="gpu7"), hold(store):
        pass
    assert [path.name for path in (store / LOGS).iterdir()] == ["holder-00003.json"]


def test_status_of_a_store_that_cannot_be_written_needs_no_probe(store, monkeypatch):
    left_behind(store, **THERE)
    nowhere = SimpleNamespace(hex="no/such/folder")
    monkeypatch.setattr(lease_folder, "uuid4", lambda: nowhere)
    assert holder_of(store).running


def test_a_run_whose_lease_is_gone_was_followed(store):
    """By two others, of which the last has removed what was older."""
    with hold(store) as lease:
        left_behind(store, 3, **THERE)
        (store / LOGS / "holder-00001.json").unlink()
        with pytest.raises(FolderHeld, match="another one took over.*gpu7"):
            lease.require()


def test_a_run_whose_folder_was_removed_is_not_said_to_be_followed(store):
    with hold(store) as lease:
        shutil.rmtree(store / LOGS)
        with pytest.raises(FolderHeld, match="the mark of this run is gone"):
            lease.require()


def test_a_lease_is_on_disk_before_it_can_be_seen(store, monkeypatch):
    """Else a power cut could leave one that says nothing, and holds for minutes."""
    done = []
    sync, link = os.fsync, os.link

    def flush(handle: int) -> None:
        done.append(("flushed", os.fstat(handle).st_size > 0))
        sync(handle)

    def show(part: Path, path: Path) -> None:
        done.append(("shown", path.name))
        link(part, path)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(os, "link", show)
    with hold(store):
        pass
    assert done[:2] == [("flushed", True), ("shown", "holder-00001.json")]


@pytest.fixture
def without_links(monkeypatch) -> None:
    """As some network file systems are."""

    def link(part: Path, path: Path) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)


def test_where_there_are_no_links_one_run_at_a_time_writes_too(store, without_links):
    for number in (1, 2):
        with hold(store):
            assert holder_of(store).holder.pid == os.getpid()
            with pytest.raises(FolderHeld, match=f"process {os.getpid()}"), hold(store):
                pass
        assert [path.name for path in (store / LOGS).iterdir()] == [
            f"holder-{number:05d}.ended"
        ]


def test_where_there_are_no_links_a_lease_is_not_written_over(
    store, without_links, monkeypatch
):
    """Two runs that saw an empty folder at the same time."""
    path = left_behind(store, 1, **THERE)
    text = path.read_text()
    real, views = FolderLeases.newest, [0]
    monkeypatch.setattr(
        FolderLeases, "newest", lambda place: views.pop() if views else real(place)
    )
    with pytest.raises(FolderHeld, match="gpu7"), hold(store):
        pass
    assert path.read_text() == text


def test_nothing_is_written_through_a_link_to_look_who_writes(store, monkeypatch):
    """The logs of a stranger's store may be a link to anywhere."""
    left_behind(store, **THERE)
    elsewhere = store / "elsewhere"
    (store / LOGS).rename(elsewhere)
    (store / LOGS).symlink_to(elsewhere)
    touched = elsewhere.stat().st_mtime_ns
    assert holder_of(store).holder.host == "gpu7"
    assert elsewhere.stat().st_mtime_ns == touched
