"""The report: every kind of row in table and JSON, troubles and missed goals first."""

import io
import json

import pytest
from rich.console import Console

from pipeline.bench.gpu import rows as kinds
from pipeline.bench.gpu.report import COLUMNS, Report, ending, line_of, troubles
from pipeline.bench.gpu.runner import StageResult
from pipeline.bench.gpu.stages import Stage

ROWS = (
    kinds.Device(
        name="NVIDIA H200",
        capability="9.0",
        multiprocessors=132,
        memory_bytes=150 * 10**9,
        free_bytes=149 * 10**9,
    ),
    kinds.Fact(name="MIG", value="Enabled", concern="a slice"),
    kinds.Comparison(name="mean", value=0.031, unit="px", most=0.02),
    kinds.Comparison(name="largest", value=1.5, unit="px"),
    kinds.FlowSpeed(
        profile="default",
        batch=64,
        pairs_per_second=6543.2,
        usual=True,
        forecast=7500.0,
    ),
    kinds.KernelTime(
        profile="default",
        batch=64,
        kernel="iterate",
        launches=100,
        milliseconds=7.125,
        share=0.875,
    ),
    kinds.InjectedError(
        cause="GPU 999", expected="a line", found="a\ntraceback", passed=False
    ),
    kinds.ExtractionSpeed(
        modalities="flow",
        workers=8,
        pairs_per_second=4321.0,
        busy_share=0.98,
        cores=14.26,
    ),
    kinds.TrainingSpeed(
        network="r3d_18",
        memory_format="contiguous",
        batch_size=32,
        workers=14,
        network_alone=1111.0,
        loader_alone=2222.0,
        training=999.0,
        share_of_waiting=0.055,
    ),
    kinds.NotRun(part="largest batch", reason="no memory"),
)


def report(*results: StageResult) -> Report:
    return Report(
        began="2026-11-30 09:00:00",
        budget_minutes=10.0,
        frames="drawn",
        size=(256, 340),
        results=results,
    )


def result(*rows: kinds.Row, state: kinds.State = "finished") -> StageResult:
    reason = "" if state == "finished" else "stopped after 9 s"
    stage = Stage("speed", "title of speed", 1.0, "")
    return StageResult(stage=stage, state=state, reason=reason, rows=list(rows))


def shown(found: Report) -> str:
    text = io.StringIO()
    found.show(Console(file=text, width=200))
    return text.getvalue()


def test_every_kind_of_row_comes_back_from_json():
    assert {type(row) for row in ROWS} == set(kinds.KINDS.values()) == set(COLUMNS)
    for row in ROWS:
        found = json.loads(json.dumps(kinds.to_json(row)))
        assert kinds.KINDS[found["kind"]] is type(row)
        assert kinds.from_json(found) == row


def test_the_tables_have_every_value():
    text = shown(report(result(*ROWS)))
    for value in (
        "149 GB of 150 GB",
        "0.031 px",
        "6,543",
        "7,500",
        "7.125",
        "87.5%",
        "4,321",
        "98%",
        "14.3",
        "1,111",
        "2,222",
        "999",
        "5.5%",
        r"a\ntraceback",
        "no memory",
        "title of speed",
    ):
        assert value in text, value


def test_missed_goals_and_troubles_come_first():
    lines = shown(report(result(*ROWS))).splitlines()
    assert lines[0].startswith("goal")
    assert "missed" in lines[1] and "mean: 0.031 px, at most 0.02" in lines[1]
    states = [it.state for it in report(result(*ROWS)).verdicts]
    assert states == ["missed", "missed", "unknown", "met"]
    found = list(troubles([result(*ROWS, state="timed out")]))
    assert found == [
        "speed: timed out: stopped after 9 s",
        "speed: MIG Enabled: a slice",
        "speed: WRONG: mean: 0.031 px, at most 0.02",
        r"speed: WRONG: GPU 999: a\ntraceback, expected a line",
        "speed: largest batch: not run: no memory",
    ]


@pytest.mark.parametrize(
    ("found", "succeeded"),
    [
        ([result(ROWS[3])], True),
        ([result(ROWS[2])], False),
        ([result(ROWS[0], ROWS[4])], True),
        ([result(ROWS[3], state="crashed")], False),
        ([result(ROWS[3], state="timed out")], False),
        ([result(ROWS[9], state="not run")], True),
    ],
)
def test_success_needs_every_stage_that_ran_and_no_missed_goal(found, succeeded):
    made = report(*found)
    assert made.succeeded is succeeded
    assert made.to_json()["succeeded"] is succeeded


def test_the_file_has_every_stage(tmp_path):
    made = report(result(*ROWS), result(state="crashed"))
    made.write(tmp_path / "gpu.json")
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert [it["state"] for it in found["stages"]] == ["finished", "crashed"]
    assert len(found["stages"][0]["rows"]) == len(ROWS)
    assert found["stages"][0]["rows"][2]["passed"] is False
    assert len(found["verdicts"]) == 4
    assert ending(made).startswith("1 of 2 stages finished; goals: 2 missed")


def test_a_line_names_what_its_numbers_are():
    assert line_of(ROWS[4]) == (
        "profile default, batch 64 (usual), pairs/s 6,543, forecast for an H200 7,500"
    )
