"""What attempts leave behind: on scratch until their owner is over, and how many there were."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from made_shards import made_task

from motion_shards import processes
from motion_shards.processes import has_ended, process_mark
from pipeline.driver.publish import prepare
from pipeline.errors import DeviceGone, NoDevice
from pipeline.executors import attempt as trying
from pipeline.executors.attempt import Failure, attempt, attempts, forget_attempts
from pipeline.shard.isolate import ChildError
from pipeline.shard.scratch import SCRATCH_PREFIX, sweep
from pipeline.shard.task import ShardReport, Task


def dead_process_mark() -> str:
    code = "from motion_shards.processes import process_mark; print(process_mark())"
    return subprocess.check_output([sys.executable, "-c", code], text=True).strip()


@pytest.fixture(scope="module")
def over() -> str:
    """The mark of a process of this machine that has ended."""
    return dead_process_mark()


def test_a_living_process_is_not_over_and_a_dead_one_is(over):
    assert not has_ended(process_mark())
    assert has_ended(over)


def test_a_number_that_another_process_has_now_has_ended():
    neighbours, pid, started = process_mark().split("-")
    assert has_ended(f"{neighbours}-{pid}-{int(started) - 1}")


@pytest.mark.parametrize(
    "strange",
    ["{pid}", "{pid}-0", "unknown-{pid}-0", "0123456789ab-{pid}-7", "", "a-b-c"],
)
def test_whatever_cannot_be_judged_is_left(strange, over):
    """Another container, another machine, an older version, somebody's own folder."""
    assert not has_ended(strange.format(pid=over.split("-")[1]))


def test_a_process_of_another_container_is_left_though_its_number_is_free_here(
    over, monkeypatch
):
    monkeypatch.setattr(processes.socket, "gethostname", lambda: "another container")
    assert not has_ended(over)


def test_sweeping_leaves_the_living_and_the_unknown(over, tmp_path):
    names = {
        "mine": f"{SCRATCH_PREFIX}-{process_mark()}-abc_1",
        "dead": f"{SCRATCH_PREFIX}-{over}-abc_1",
        "foreign": f"{SCRATCH_PREFIX}-0123456789ab-{os.getpid()}-7-abc",
        "old": f"{SCRATCH_PREFIX}-999999-abc",
        "other": "thesis",
    }
    for name in names.values():
        (tmp_path / name).mkdir()
        (tmp_path / name / "rgb.h5").write_bytes(b"rows")
    sweep(tmp_path)
    left = {Path(path).name for path in tmp_path.iterdir()}
    assert left == set(names.values()) - {names["dead"]}


@pytest.fixture
def store(tmp_path) -> Path:
    prepare(tmp_path / "store")
    return tmp_path / "store"


@pytest.fixture
def scratch(tmp_path) -> Path:
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


def test_every_attempt_is_counted_before_it_can_crash(store, scratch):
    """The folder of videos is away: an attempt each, and nothing stays on scratch."""
    task = made_task(100)
    for count in (1, 2, 3):
        outcome = attempt(task, store=store, scratch=scratch)
        assert isinstance(outcome, Failure) and outcome.kind == "environment"
        assert "/nowhere" in outcome.text
        assert attempts(store, task.plan) == count
    assert list(scratch.iterdir()) == []
    assert list((store / "_tmp").iterdir()) == []


def test_a_store_that_is_gone_is_no_bug(store, scratch):
    """Removed, or its disk unmounted, while the run was on."""
    shutil.rmtree(store)
    outcome = attempt(made_task(1), store=store, scratch=scratch)
    assert isinstance(outcome, Failure) and outcome.kind == "environment"
    assert outcome.text.startswith(f"{store}/") and "No such file" in outcome.text


def test_attempts_are_those_of_the_modality_that_was_tried_most(store, scratch):
    both = made_task(100)
    for modalities in (("rgb",), ("mv",), ("mv",)):
        task = made_task(100, modalities=modalities)
        attempt(task, store=store, scratch=scratch)
    assert attempts(store, both.plan) == 2
    assert attempts(store, made_task(100, modalities=("rgb",)).plan) == 1
    assert attempts(store, made_task(100, modalities=("flow",)).plan) == 0
    assert attempts(store, made_task(100, shard=1).plan) == 0


def test_attempts_at_what_is_published_are_forgotten_and_no_others(store, scratch):
    first, second = made_task(100), made_task(100, shard=1)
    for task in (first, second):
        attempt(task, store=store, scratch=scratch)
    forget_attempts(store, made_task(100, modalities=("rgb",)).plan)
    assert attempts(store, made_task(100, modalities=("rgb",)).plan) == 0
    assert attempts(store, made_task(100, modalities=("mv",)).plan) == 1
    assert attempts(store, second.plan) == 1
    forget_attempts(store)
    assert attempts(store, first.plan) == attempts(store, second.plan) == 0


def test_attempts_are_not_counted_in_what_is_no_file_of_ours(store, scratch, tmp_path):
    """A link, a pipe and a folder under such names: left alone, and no attempt fails."""
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    logs = store / "_logs"
    (logs / "attempts-00000-rgb").symlink_to(mine)
    os.mkfifo(logs / "attempts-00000-mv")
    (logs / "attempts-00001-rgb").mkdir()
    for shard in (0, 1):
        task = made_task(100, shard=shard)
        outcome = attempt(task, store=store, scratch=scratch)
        assert isinstance(outcome, Failure) and "/nowhere" in outcome.text
    assert attempts(store, made_task(100).plan) == 0
    assert attempts(store, task.plan) == 1  # of its vectors
    assert mine.read_text() == "mine"
    forget_attempts(store)
    assert [path.name for path in logs.iterdir()] == ["attempts-00001-rgb"]


def test_an_attempt_sweeps_scratch_first(over, store, scratch):
    dead = scratch / f"{SCRATCH_PREFIX}-{over}-abc_1"
    dead.mkdir()
    attempt(made_task(100), store=store, scratch=scratch)
    assert not dead.exists()


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (
            OSError(28, "No space left", "store"),
            "environment",
            "^store: No space left$",
        ),
        (ChildError("Traceback ...\nZeroDivisionError"), "error", "ZeroDivisionError"),
        (NoDevice("the driver is too old"), "device", "GPU of .*: the driver is too"),
        (DeviceGone("an illegal\naddress"), "gone", "GPU of .*: an illegal address"),
    ],
)
def test_what_ends_an_attempt_says_whose_fault_it_is(
    error, kind, said, store, scratch, monkeypatch
):
    """Half a file is on scratch by then; nothing of it stays."""

    def fails(task: Task, *, scratch: Path, **given: object) -> None:
        (scratch / "rgb.h5").write_bytes(b"half")
        raise error

    monkeypatch.setattr(trying, "build_shard", fails)
    task = made_task(100)
    outcome = attempt(task, store=store, scratch=scratch)
    assert isinstance(outcome, Failure)
    assert (outcome.task, outcome.kind) == (task, kind)
    assert bool(outcome.gpu) == (kind in ("device", "gone"))
    assert re.search(said, outcome.text)
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize(
    ("visible", "line", "gpu"),
    [
        ("3", "GPU 3 of here: no", "here:3"),
        ("GPU-a, GPU-b", "GPU-a of here: no", "here:GPU-a"),
        (None, "GPU of here: no", "here:"),
    ],
)
def test_the_gpu_of_a_failure_and_of_a_shard_is_named(
    visible, line, gpu, store, scratch, monkeypatch
):
    monkeypatch.setattr(trying.socket, "gethostname", lambda: "here")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    def fails(task: Task, **given: object) -> ShardReport:
        if task.attempt == 1:
            raise NoDevice("no")
        return ShardReport(plan=task.plan)

    monkeypatch.setattr(trying, "build_shard", fails)
    task = made_task(100, modalities=("flow",), backend="cuda")
    failure = attempt(task, store=store, scratch=scratch)
    assert isinstance(failure, Failure)
    assert (failure.text, failure.gpu) == (line, gpu)
    for backend, named in (("cuda", gpu), ("cpu", "")):
        again = replace(task, attempt=2, backend=backend)
        report = attempt(again, store=store, scratch=scratch)
        assert isinstance(report, ShardReport) and report.gpu == named


def test_a_bug_passes_through_an_attempt(store, scratch, monkeypatch):
    def bug(task: Task, **given: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(trying, "build_shard", bug)
    with pytest.raises(ZeroDivisionError):
        attempt(made_task(100), store=store, scratch=scratch)
    assert list(scratch.iterdir()) == []
