"""A run has one writer: others are told who, or wait for a run that they only need."""

import errno
import json
import multiprocessing
import os
import shutil
import threading
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from tiny_runs import Machine, Told, distilled, taught

from motion_shards.processes import ProcessIdentity
from pipeline.store import FolderHeld, holder_of, replacing
from training.errors import WriteError
from training.experiments.evaluate import evaluate
from training.run_files.results import Evaluation
from training.runs import identity, lifecycle, record
from training.runs.record import Run


@pytest.fixture(scope="module")
def complete(store, tmp_path_factory) -> Run:
    """A run of the tiny recipe. Read only."""
    return taught(store, tmp_path_factory.mktemp("complete") / "run")


def unfinished(complete: Run, folder: Path) -> Run:
    """The same run, as it lay there before its end."""
    shutil.copytree(complete.folder, folder)
    (folder / "results.json").unlink()
    return Run(folder)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_second_training_says_who_writes_and_changes_nothing(
    store, complete, tmp_path
):
    run = unfinished(complete, tmp_path / "run")
    with run.writing():
        before = files_of(run.folder)
        with pytest.raises(FolderHeld) as refused:
            taught(store, run.folder)
        assert files_of(run.folder) == before
    line = str(refused.value)
    assert f"{run.folder}: another run is writing here: process {os.getpid()}" in line
    assert "\n" not in line
    assert holder_of(run.folder) is None
    assert taught(store, run.folder).results() is not None


def test_several_processes_of_one_training_do_not_wait(complete, tmp_path, monkeypatch):
    """The others would wait for the first one, and give up."""

    def sleeps(seconds: float) -> None:
        raise AssertionError("waits")

    monkeypatch.setattr(lifecycle.time, "sleep", sleeps)
    run = unfinished(complete, tmp_path / "run")
    machine = SimpleNamespace(processes=SimpleNamespace(world_size=2))
    job = SimpleNamespace(out=run.folder, wait=True, machine=machine, reporter=Told())
    with run.writing(), ExitStack() as held, pytest.raises(FolderHeld):
        lifecycle._opened(run.config(), job, None, held)


def test_a_training_waits_for_a_run_that_it_needs(
    store, complete, tmp_path, monkeypatch
):
    monkeypatch.setattr(record, "WAIT_SECONDS", 0.02)
    run, reporter = unfinished(complete, tmp_path / "run"), Told()
    found: list[Run] = []

    def need() -> None:
        found.append(taught(store, run.folder, wait=True, reporter=reporter))

    with run.writing():
        needing = threading.Thread(target=need)
        needing.start()
        while not reporter.lines:
            assert needing.is_alive()
        shutil.copy(complete.path("results.json"), run.folder)
    needing.join(60)
    assert [one.folder for one in found] == [run.folder]
    assert reporter.lines[0].startswith("waiting until the run is complete: ")
    assert reporter.lines[1:] == [f"{run.folder}: complete, nothing to do"]


def test_a_run_that_was_taken_over_writes_no_more(complete, tmp_path):
    run = unfinished(complete, tmp_path / "run")
    with run.writing():
        other = replace(ProcessIdentity.this_process(), host="gpu7", pid=1)
        number = max(int(path.stem[7:]) for path in run.path("_logs").iterdir())
        follower = run.path("_logs") / f"holder-{number + 1:05d}.json"
        follower.write_text(json.dumps(asdict(other)))
        before = files_of(run.folder)
        for write in (lambda: run.log(step=1), lambda: run.finish({})):
            with pytest.raises(FolderHeld, match="another one took over.*gpu7"):
                write()
        assert files_of(run.folder) == before


def test_a_folder_where_a_run_was_about_to_begin_is_new(store, tmp_path):
    """Killed between taking the folder and writing what the run is."""
    (tmp_path / "run" / "_logs").mkdir(parents=True)
    (tmp_path / "run" / "_logs" / "holder-00001.ended").write_text("")
    assert taught(store, tmp_path / "run").results() is not None


def test_a_linked_folder_for_leases_is_refused(store, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "_logs").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="expected a folder, got a link"):
        taught(store, tmp_path / "run")
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.slow
def test_two_students_at_once_share_one_teacher(store, tmp_path):
    """Each step of the teacher is taken and recorded once, whoever comes first."""
    context = multiprocessing.get_context("fork")
    students = [
        context.Process(target=distilled, args=(store, tmp_path, sees))
        for sees in ("mv", "rgb")
    ]
    for student in students:
        student.start()
    for student in students:
        student.join(300)
    assert [student.exitcode for student in students] == [0, 0]
    names = [path.name for path in sorted(tmp_path.iterdir())]
    assert len(names) == 3
    for name in names:
        steps = [
            line["step"]
            for line in Run(tmp_path / name).metrics()
            if line["kind"] == "steps"
        ]
        assert steps == sorted(set(steps))
    runs = [distilled(store, tmp_path, sees) for sees in ("mv", "rgb")]
    teachers = {run.machine().teacher for run in runs}
    assert len(teachers) == 1


def test_a_run_that_begins_while_a_folder_is_chosen_is_found(
    complete, tmp_path, monkeypatch
):
    """Another process writes recipe.json after the folders were listed."""
    runs, wanted = tmp_path / "runs", complete.config()
    other = Run(shutil.copytree(complete.folder, tmp_path / "other"))
    runs.mkdir()

    def listed(folder: Path) -> list[Run]:
        shutil.copytree(other.folder, runs / "base")
        return []

    monkeypatch.setattr(identity, "runs_in", listed)
    assert identity.run_of(runs, "base", wanted) == runs / "base"
    shutil.rmtree(runs / "base")
    assert identity.run_of(runs, "base", replace(wanted, seed=9)) == runs / "base-2"


def test_a_folder_whose_first_file_is_being_written_is_chosen_and_waited_for(
    complete, tmp_path
):
    (tmp_path / "base" / "_logs").mkdir(parents=True)
    with replacing(tmp_path / "base" / "recipe.json") as file:
        file.write(b"{")
        assert identity.run_of(tmp_path, "base", complete.config()) == tmp_path / "base"


def judged(run: Run, store, reporter) -> Evaluation:
    return evaluate(run, store=store, machine=Machine(), reporter=reporter)


def test_an_evaluation_waits_for_another_and_then_keeps_its_result(
    store, complete, tmp_path, monkeypatch
):
    monkeypatch.setattr(record, "WAIT_SECONDS", 0.02)
    run, reporter = Run(shutil.copytree(complete.folder, tmp_path / "run")), Told()
    judging = threading.Thread(target=judged, args=(run, store, reporter))
    with run.writing():
        judging.start()
        while not any(line.startswith("waits: ") for line in reporter.lines):
            assert judging.is_alive()
        assert not run.path("evaluation_test.json").exists()
    judging.join(60)
    assert run.path("evaluation_test.json").exists()


def test_an_evaluation_of_a_run_that_cannot_be_written_gives_its_result(
    store, complete, tmp_path, monkeypatch
):
    run, reporter = Run(shutil.copytree(complete.folder, tmp_path / "run")), Told()
    before = files_of(run.folder)

    def refused(folder, **options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(folder))

    monkeypatch.setattr(record, "hold", refused)
    told = judged(run, store, reporter)
    assert told.result.top1 == run.results().test.top1
    assert reporter.lines[-1] == (
        f"not saved with the run: {run.folder}/_logs: cannot be written: read-only file"
        " system"
    )
    assert files_of(run.folder) == before
    with pytest.raises(WriteError, match="_logs: cannot be written: read-only"):
        taught(store, tmp_path / "new")
