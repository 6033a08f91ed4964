"""What attempts leave on scratch: removed when its owner is surely over, else left."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from motion_shards import processes
from motion_shards.processes import has_ended, process_mark
from pipeline.executors.attempt import SCRATCH_PREFIX, sweep


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
