"""Stages in processes: their order, what fails with them, and signals."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from stage_work import Stage, work

from training.errors import Interrupted
from training.reproduce import workers
from training.reproduce.workers import (
    KILLED,
    WITHOUT,
    Done,
    in_processes,
    in_this_process,
)


def stage(name: str, seed: int = 0) -> Stage:
    return Stage(name, seed, "1")


FIRST, SECOND = stage("first"), stage("second")


def needs_of(stages: list[Stage], **needed: str) -> dict[Stage, dict[str, Stage]]:
    """Recipe -> the recipe that it needs, of the same seed."""
    return {
        one: {"teacher": one._replace(recipe=needed[one.recipe])}
        if one.recipe in needed
        else {}
        for one in stages
    }


def alive() -> list[multiprocessing.process.BaseProcess]:
    """Children that run. `is_alive` alone is wrong for a moment while the thread of a pool
    waits for the same process, which the system has no more."""
    return [
        child
        for child in multiprocessing.active_children()
        if child.is_alive() and Path(f"/proc/{child.pid}").exists()
    ]


@pytest.mark.parametrize("processes", [0, 1, 2])
def test_a_stage_begins_when_what_it_needs_is_there(processes, tmp_path):
    """And one of the first seed before one of the next."""
    stages = [stage(name, seed) for seed in (0, 1) for name in ("first", "second")]
    needs = needs_of(stages, second="first")
    do = partial(work, folder=tmp_path)
    if processes:
        coming = in_processes(stages, needs, do, processes=processes)
    else:
        coming = in_this_process(stages, needs, do)
    done = list(coming)
    assert all(one.folder and not one.error for one in done)
    assert (tmp_path / "second1").read_text() == "first1"
    order = [one.stage for one in done]
    if processes < 2:
        assert order == stages
    assert sorted(order) == sorted(stages)


@pytest.mark.parametrize("processes", [0, 2])
def test_a_stage_that_fails_takes_those_that_need_it(processes, tmp_path):
    names = ("refused", "bug", "second", "third", "first")
    stages = [stage(name) for name in names]
    needs = needs_of(stages, second="bug", third="second")
    do = partial(work, folder=tmp_path)
    if processes:
        coming = in_processes(stages, needs, do, processes=processes)
    else:
        coming = in_this_process(stages, needs, do)
    done = {one.stage.recipe: one for one in coming}
    assert done["refused"].error == "no such thing"
    assert done["bug"].error.splitlines()[-1] == "ZeroDivisionError: a bug"
    assert "Traceback" in done["bug"].error
    assert done["second"].error == done["third"].error == WITHOUT
    assert Path(done["first"].folder).is_file()
    assert len(done) == 5


def test_a_killed_process_takes_its_stage_and_no_other(tmp_path):
    stages = [stage("killed"), FIRST, stage("third"), SECOND]
    needs = needs_of(stages, third="killed", second="first")
    do = partial(work, folder=tmp_path)
    done = {d.stage.recipe: d for d in in_processes(stages, needs, do, processes=2)}
    assert done["killed"].error == KILLED and "\n" not in KILLED
    assert not done["killed"].interrupted
    assert done["third"].error == WITHOUT
    assert done["first"].folder and done["second"].folder


def test_a_process_that_found_a_complete_run_goes_on(tmp_path, monkeypatch):
    """One that has trained does not, as one that has failed; and none stays."""

    def processes(*names: str) -> list[str]:
        do = partial(work, folder=tmp_path)
        stages = [stage(name, seed) for seed, name in enumerate(names)]
        done = in_processes(stages, needs_of(stages), do, processes=1)
        return [Path(one.folder).read_text() for one in done if one.folder]

    assert len({*processes("process", "process", "process")}) == 1
    assert len({*processes("process", "refused", "process")}) == 2
    monkeypatch.setattr(workers, "FOUND_SECONDS", 0)
    assert len({*processes("process", "process", "process")}) == 3
    assert not alive()


def test_an_idle_process_that_was_killed_is_replaced(tmp_path):
    stages = [stage("process", 0), stage("process", 1)]
    do = partial(work, folder=tmp_path)
    coming = in_processes(stages, needs_of(stages), do, processes=1)
    first = next(coming)
    os.kill(int(Path(first.folder).read_text()), signal.SIGKILL)
    while [one for one in threading.enumerate() if "Executor" in type(one).__name__]:
        time.sleep(0.01)  # until its pool has seen it
    (second,) = coming
    assert Path(second.folder).read_text() != Path(first.folder).read_text()


def once_begun(
    folder: Path, count: int, number: int, after: float = 0
) -> threading.Thread:
    """Sends this process a signal when so many stages have begun, or seconds later."""

    def waits() -> None:
        deadline = time.monotonic() + 120
        while len(list(folder.glob("*.begun"))) < count < deadline - time.monotonic():
            time.sleep(0.01)
        time.sleep(after)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=waits)
    thread.start()
    return thread


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_all_processes_once(number, tmp_path):
    """Each has time to save; nothing begins after it, and handlers are as before."""
    stages = [stage("saves", 0), stage("saves", 1), FIRST]
    before = signal.getsignal(number)
    do = partial(work, folder=tmp_path)
    coming = in_processes(stages, needs_of(stages), do, processes=2)
    thread = once_begun(tmp_path, 2, number)
    assert next(coming) == Done(stages[0], interrupted=True)
    coming.close()
    thread.join()
    assert {p.name for p in tmp_path.glob("*.saved")} == {
        "saves0.saved",
        "saves1.saved",
    }
    assert not (tmp_path / "first0").exists()
    assert signal.getsignal(number) == before
    assert not alive()


PARENT = f"""
import sys
from functools import partial
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from stage_work import Stage, work
from training.reproduce.workers import in_processes
if __name__ == "__main__":
    stages = [Stage("saves", 0, "1"), Stage("saves", 1, "1")]
    do = partial(work, folder=Path(sys.argv[1]))
    done = in_processes(stages, dict.fromkeys(stages, {{}}), do, processes=2)
    print(next(done).interrupted, flush=True)
"""


def wait_for(something: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 60
    while not something() and time.monotonic() < deadline:
        time.sleep(0.02)
    return something()


def members(group: int) -> Iterator[int]:
    """Processes of a group that run."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, its = path.read_text().rpartition(")")[2].split()[:3]
            if int(its) == group and state != "Z":
                yield int(path.parent.name)


@pytest.mark.parametrize(
    "number, begun",
    [(signal.SIGTERM, 2), (signal.SIGKILL, 0), (signal.SIGKILL, 2)],
    ids=["asked", "killed as they start", "killed"],
)
def test_no_process_outlives_its_parent_and_all_have_saved(number, begun, tmp_path):
    """SIGTERM comes to the whole group, to the others a second time from the parent."""
    script = tmp_path / "parent.py"
    script.write_text(PARENT, "utf-8")
    command = [sys.executable, str(script), str(tmp_path)]
    with subprocess.Popen(
        command, process_group=0, stdout=subprocess.PIPE, text=True
    ) as parent:
        group = parent.pid
        assert wait_for(
            lambda: len(list(members(group))) > 2
        )  # and one tracks resources
        assert wait_for(lambda: len(list(tmp_path.glob("*.begun"))) >= begun)
        if number == signal.SIGTERM:
            os.killpg(group, number)
            assert parent.stdout.readline() == "True\n"
        else:
            parent.send_signal(number)
    assert wait_for(lambda: not list(members(group)))
    assert len(list(tmp_path.glob("*.saved"))) >= begun


def test_a_second_signal_ends_them_at_once(tmp_path):
    """The others save for 6 s."""
    stages = [stage("saves", 4)]
    do = partial(work, folder=tmp_path)
    coming = in_processes(stages, needs_of(stages), do, processes=1)
    threads = [once_begun(tmp_path, 1, signal.SIGINT, after=s) for s in (0, 1.5)]
    assert next(coming) == Done(stages[0], interrupted=True)
    assert not list(tmp_path.glob("*.saved"))
    coming.close()
    for thread in threads:
        thread.join()


def test_a_stage_that_a_signal_ends_is_interrupted_not_failed(tmp_path):
    do = partial(work, folder=tmp_path)
    waits = stage("waits")
    coming = in_processes([waits], needs_of([waits]), do, processes=2)
    thread = once_begun(tmp_path, 1, signal.SIGTERM)
    assert next(coming) == Done(waits, interrupted=True)
    thread.join()


def test_a_signal_between_two_stages_interrupts(tmp_path):
    do = partial(work, folder=tmp_path)
    coming = in_processes([FIRST, SECOND], needs_of([FIRST, SECOND]), do, processes=1)
    assert next(coming).stage == FIRST
    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(Interrupted, match="between two stages"):
        list(coming)
    assert not (tmp_path / "second0").exists()


def test_whoever_no_longer_asks_leaves_no_process_behind(tmp_path):
    stages = [FIRST, stage("saves")]
    do = partial(work, folder=tmp_path)
    coming = in_processes(stages, needs_of(stages), do, processes=2)
    assert next(coming).stage == FIRST
    deadline = time.monotonic() + 120
    while not (tmp_path / "saves0.begun").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    coming.close()
    assert (tmp_path / "saves0.saved").exists()
    assert not alive()
