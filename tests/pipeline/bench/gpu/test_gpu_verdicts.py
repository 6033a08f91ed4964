"""The goals, with numbers on both sides of each."""

import math

import pytest

from pipeline.bench.gpu.rows import (
    Comparison,
    Device,
    FlowSpeed,
    InjectedError,
    Row,
    State,
    TrainingSpeed,
)
from pipeline.bench.gpu.runner import StageResult
from pipeline.bench.gpu.stages import Stage
from pipeline.bench.gpu.verdicts import Verdict, is_h200, verdicts

ANSWERS, ERRORS, SPEED, WAITING = range(4)


def result(
    name: str, *rows: Row, state: State = "finished", reason: str = ""
) -> StageResult:
    stage = Stage(name, name, 1.0, "")
    return StageResult(stage=stage, state=state, reason=reason, rows=list(rows))


def verdict(number: int, *results: StageResult) -> Verdict:
    return verdicts(results)[number]


def device(name: str = "NVIDIA H200") -> StageResult:
    row = Device(
        name=name, capability="9.0", multiprocessors=132, memory_bytes=1, free_bytes=1
    )
    return result("facts", row)


def speed(pairs: float, profile: str = "default", *, usual: bool = True) -> FlowSpeed:
    return FlowSpeed(profile=profile, batch=64, pairs_per_second=pairs, usual=usual)


def training(waiting: float, network: str = "r3d_18", clips: float = 900.0) -> Row:
    return TrainingSpeed(
        network=network,
        memory_format="contiguous",
        batch_size=32,
        workers=14,
        network_alone=1000.0,
        loader_alone=2000.0,
        training=clips,
        share_of_waiting=waiting,
    )


@pytest.mark.parametrize(
    ("pairs", "state"), [(4999.9, "missed"), (5000.0, "met"), (7500.0, "met")]
)
def test_flow_on_an_h200_is_held_against_5000_pairs_per_second(pairs, state):
    found = verdict(SPEED, device(), result("speed", speed(pairs)))
    assert found.state == state
    assert found.found == f"{pairs:,.0f} pairs/s in batches of 64"


def test_only_the_default_profile_with_the_usual_batch_counts():
    rows = speed(4000.0), speed(9000.0, "fast"), speed(6000.0, usual=False)
    assert verdict(SPEED, device(), result("speed", *rows)).state == "missed"


@pytest.mark.parametrize("name", ["NVIDIA A100", "NVIDIA GH200 480GB", "Stub"])
def test_another_gpu_is_not_judged_by_the_goal_of_an_h200(name):
    found = verdict(SPEED, device(name), result("speed", speed(4000.0)))
    assert found.state == "unknown" and name in found.found


def test_an_h200_is_known_by_its_name():
    names = ("NVIDIA H200", "NVIDIA H200 NVL", "NVIDIA H200 MIG 3g.71gb", "GH200")
    assert [is_h200(name) for name in names] == [True, True, False, False]


@pytest.mark.parametrize(
    ("waiting", "state"),
    [(0.0, "met"), (0.1, "met"), (0.101, "missed"), (math.nan, "missed")],
)
def test_a_training_may_wait_a_tenth_of_its_time(waiting, state):
    assert verdict(WAITING, result("training", training(waiting))).state == state


def test_the_network_that_waits_most_decides_in_its_fastest_training():
    rows = (
        training(0.3, clips=900.0),
        training(0.05, clips=950.0),
        training(0.08, "resnext3d_101", clips=300.0),
        training(0.02, "resnext3d_101", clips=200.0),
    )
    found = verdict(WAITING, result("training", *rows))
    assert found.state == "met"
    assert found.found == "resnext3d_101 waits 8.0% at 300 clips/s with 14 workers"
    slow = result("training", *rows, training(0.3, "s3d"))
    assert verdict(WAITING, slow).state == "missed"


def test_half_a_stage_can_miss_a_goal_and_not_meet_it():
    cut = {"state": "timed out", "reason": "stopped after 9 s"}
    good = verdict(WAITING, result("training", training(0.05), **cut))
    assert good.state == "unknown"
    assert good.found.endswith("then: stage training timed out: stopped after 9 s")
    assert verdict(WAITING, result("training", training(0.5), **cut)).state == "missed"
    right = Comparison(name="mean", value=0.01, unit="px", most=0.02)
    found = verdict(ANSWERS, result("answers", right, **cut))
    assert found.state == "unknown" and found.found.startswith("1 check passed, then")


@pytest.mark.parametrize(
    ("value", "state"), [(0.02, "met"), (0.0201, "missed"), (math.nan, "missed")]
)
def test_one_wrong_answer_misses_the_goal(value, state):
    rows = (
        Comparison(name="mean", value=value, unit="px", most=0.02),
        Comparison(name="max", value=9.0, unit="px"),
        Comparison(name="levels", value=0.0, most=0.0),
    )
    found = verdict(ANSWERS, result("answers", *rows))
    assert found.state == state
    if state == "missed":
        assert found.found.startswith("1 of 2 checks failed; mean: ")


@pytest.mark.parametrize(("passed", "state"), [(True, "met"), (False, "missed")])
def test_one_error_that_is_not_survived_misses_the_goal(passed, state):
    row = InjectedError(cause="GPU 999", expected="a line", found="x", passed=passed)
    assert verdict(ERRORS, result("errors", row)).state == state


@pytest.mark.parametrize("number", [ANSWERS, ERRORS, SPEED, WAITING])
def test_without_its_stage_a_goal_is_unknown(number):
    names = ("answers", "errors", "speed", "training")
    assert verdict(number).found == f"stage {names[number]} was not chosen"
    failed = result(names[number], state="failed", reason="no room")
    found = verdict(number, failed)
    assert (found.state, found.found) == (
        "unknown",
        f"stage {names[number]} failed: no room",
    )
