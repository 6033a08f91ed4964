"""Stages in processes: each way of ending one is told, and the others run."""

import os
import time
from pathlib import Path

import made_stages
import pytest

from pipeline.bench.gpu import runner
from pipeline.bench.gpu.rows import Fact
from pipeline.bench.gpu.runner import StageResult, run_stage, run_stages
from pipeline.bench.gpu.settings import Settings
from pipeline.bench.gpu.stages import Stage

IMPORTS = {
    "PYTHONPATH": os.pathsep.join(
        [str(Path(made_stages.__file__).parent), os.environ.get("PYTHONPATH", "")]
    )
}
FIRST = Fact(name="first", value="row")


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(runner, "END_SECONDS", 2.0)
    monkeypatch.setattr(runner, "LEAST_SECONDS", 0.0)


def ended(name: str, seconds: float = 20.0) -> StageResult:
    settings = Settings(seconds=seconds)
    return run_stage(made_stages.stage(name), settings, environment=IMPORTS)


def test_a_stage_reports_rows_and_gets_its_settings():
    said = []
    found = run_stage(
        made_stages.stage("one_row"),
        Settings(seconds=21.5),
        environment=IMPORTS,
        say=lambda stage, row: said.append((stage, row)),
    )
    row = Fact(name="seconds", value="21.5")
    assert (found.state, found.reason, found.rows) == ("finished", "", [row])
    assert said == [("one_row", row)]
    assert found.limit_seconds == 21.5 and 0 < found.seconds < 20


@pytest.mark.parametrize(
    ("name", "state", "reason", "details"),
    [
        ("cannot", "failed", "flow back end cuda: no GPU here", ""),
        ("has_a_bug", "failed", "ZeroDivisionError: a bug shows itself", "Traceback"),
        ("crashes", "crashed", "its process died: SIGSEGV", "the last words"),
        (
            "crashes_at_its_end",
            "crashed",
            "after its last row, its process died: SIGSEGV",
            "",
        ),
    ],
)
def test_an_end_before_time_is_told_and_rows_are_kept(name, state, reason, details):
    found = ended(name)
    assert (found.state, found.reason) == (state, reason)
    assert found.rows == [FIRST]
    assert details in found.details


def test_a_hanging_stage_is_killed():
    began = time.monotonic()
    found = ended("hangs", seconds=3.0)
    assert (found.state, found.reason) == ("timed out", "stopped after 3 s")
    assert found.rows == [FIRST]
    assert time.monotonic() - began < 20


def test_an_overrun_is_asked_to_end_first():
    found = ended("takes_too_long", seconds=3.0)
    assert found.state == "timed out" and len(found.rows) > 3
    assert "ended in good order" in found.details


def test_nothing_that_a_stage_started_is_left():
    found = ended("leaves_a_child")
    assert found.state == "finished"
    status = Path(f"/proc/{found.rows[0].value}/stat")
    for _ in range(50):
        if not status.exists() or status.read_text().split()[2] == "Z":
            return
        time.sleep(0.05)
    raise AssertionError("its child runs on")


def test_a_stage_of_which_a_part_ran_has_finished():
    assert ended("is_partly_left_out").state == "finished"


def all_of(*stages: Stage, budget: float = 60.0) -> list[StageResult]:
    return list(
        run_stages(
            stages, Settings(seconds=0), budget_seconds=budget, environment=IMPORTS
        )
    )


def test_the_rest_goes_on_after_a_crash_and_a_hang():
    names = ("crashes", "hangs", "is_left_out", "one_row")
    found = all_of(*map(made_stages.stage, names), budget=16.0)
    states = [it.state for it in found]
    assert states == ["crashed", "timed out", "not run", "finished"]
    assert found[2].reason == "no torch"


def test_each_stage_has_its_share_of_the_time_that_is_left():
    stages = (made_stages.stage("one_row", 30.0), made_stages.stage("one_row", 10.0))
    first, second = all_of(*stages, budget=40.0)
    assert first.limit_seconds == pytest.approx(30, abs=0.1)
    assert second.limit_seconds == pytest.approx(40 - first.seconds, abs=0.1)


def test_without_time_a_stage_is_not_started(monkeypatch):
    monkeypatch.setattr(runner, "LEAST_SECONDS", 3.0)
    (found,) = all_of(made_stages.stage("one_row"), budget=2.9)
    assert (found.state, found.reason) == ("not run", "no time left")


def test_ctrl_c_keeps_the_rows_and_ends_the_run():
    found = all_of(*map(made_stages.stage, ("is_interrupted", "one_row")))
    assert [(it.state, it.reason) for it in found] == [
        ("interrupted", "Ctrl-C or a signal"),
        ("not run", "interrupted"),
    ]
    assert found[0].rows == [FIRST]


def test_without_a_device_no_other_stage_begins(monkeypatch):
    stage = made_stages.stage("cannot")
    monkeypatch.setattr(runner, "FACTS", stage)
    found = all_of(stage, made_stages.stage("one_row"))
    assert [it.state for it in found] == ["failed", "not run"]
    assert found[1].reason == "the GPU cannot be used"
