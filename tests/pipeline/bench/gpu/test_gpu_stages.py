"""The stages themselves, on a stand-in for NVIDIA's driver or with a solver of the CPU."""

import re
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import stub_machine
from stub_gpu import NOTHING, Counts, compiler, counts
from timed_gpu import TimedGpu

from pipeline.bench.gpu import faults
from pipeline.bench.gpu.flow_speed import FORECAST, FORECAST_SIZE
from pipeline.bench.gpu.rows import FlowSpeed, InjectedError, NotRun, Row
from pipeline.bench.gpu.runner import run_stage
from pipeline.bench.gpu.settings import Settings
from pipeline.bench.gpu.stages import STAGES
from pipeline.flow.batches import Coding, consecutive
from pipeline.flow.cuda.solver import CudaSolver
from pipeline.flow.errors import FlowError
from pipeline.flow.profiles import PROFILES

SMALL = {"height": 32, "width": 40}


def rows_of(name: str, **settings: Any) -> tuple[list[Row], Counts]:
    """The rows of a stage, and what it leaves on the device."""
    module, function = next(it.function for it in STAGES if it.name == name).split(":")
    found = getattr(import_module(module), function)
    return list(found(Settings(**SMALL, **settings))), counts()


def speeds(**settings: Any) -> tuple[list[Row], Counts]:
    return rows_of("speed", seconds=0.1, **settings)


def test_speeds_are_measured_for_every_batch_size(gpu):
    rows, left = gpu.run(speeds)
    assert left == NOTHING
    assert all(isinstance(row, FlowSpeed) and row.pairs_per_second > 0 for row in rows)
    assert [(row.profile, row.usual) for row in rows[:2]] == [
        ("default", True),
        ("fast", True),
    ]
    batches = [row.batch for row in rows if row.profile == "fast" and not row.usual]
    assert batches == [1, 8, 16, 32, 64, 128, 256]
    assert {row.forecast for row in rows} == {None}  # another size than the model's


def test_a_batch_that_memory_has_no_room_for_is_not_measured(gpu):
    rows, _ = gpu.run(speeds, memory=(500 << 20) + (16 << 20))
    left_out = [row for row in rows if isinstance(row, NotRun)]
    assert "default, batches of 256" in [row.part for row in left_out]
    assert all("memory suffices for batches of" in row.reason for row in left_out)
    batches = [row.batch for row in rows if isinstance(row, FlowSpeed)]
    assert 1 in batches and 256 not in batches


def kernels() -> tuple[list[Row], Counts]:
    return rows_of("kernels", seconds=1.0)


def test_each_kernel_is_timed_by_events(gpu):
    rows, left = gpu.run(kernels)
    assert left == NOTHING
    default = {row.kernel: row for row in rows if row.profile == "default"}
    iterate, everything = default["iterate"], default["all kernels"]
    assert iterate.milliseconds == 0.25 * iterate.launches
    assert iterate.share == pytest.approx(iterate.launches / everything.launches)
    parts = [row for name, row in default.items() if name != "all kernels"]
    assert sum(row.launches for row in parts) == everything.launches > 20
    assert default["encode"].launches == 1 and everything.batch == 512
    times = [row.milliseconds for row in parts]
    assert times == sorted(times, reverse=True)  # the longest first


def memory_faults() -> tuple[list[Row], Counts]:
    from pipeline.bench.gpu import faults

    faults._ctrl_c = lambda *given: iter(())
    return rows_of("errors", seconds=5.0)


def test_memory_runs_out_and_comes_back(gpu):
    rows, left = gpu.run(memory_faults, memory=1 << 30)
    assert left == NOTHING
    found = {row.cause: row for row in rows}
    assert all(row.passed for row in rows)
    assert found["GPU 999"].found.endswith("expected a GPU from 0 to 0, got 999")
    taken = found["memory for 512 pairs taken away"].found
    assert re.fullmatch("the same flow in batches of 1[23].", taken)  # a quarter
    assert "no memory for a pair of 40x32 px" in found["memory for no pair"].found
    assert found["solver closed"].found == "0 MB"


def test_memory_of_others_is_left_alone(gpu):
    rows, _ = gpu.run(memory_faults, memory=1 << 30, used=1 << 28)
    (left_out,) = [row for row in rows if isinstance(row, NotRun)]
    assert left_out.reason == "others use 0.3 GB of the GPU's memory"
    assert [row.cause for row in rows if isinstance(row, InjectedError)] == [
        "GPU 999",
        "frames of 16384x16384 px",
    ]


def test_an_error_must_be_a_line_about_its_cause():
    def fails(text: str) -> None:
        raise FlowError(text)

    for text, passed in (("GPU 9 is missing", True), ("no", False), ("9\n9", False)):
        row = faults._told("GPU 9", lambda text=text: fails(text), "9")
        assert (row.passed, row.found) == (passed, text)
    assert not faults._told("GPU 9", lambda: None, "9").passed


@pytest.mark.slow
def test_ctrl_c_ends_a_process_at_work(tmp_path):
    """In processes that have the stand-in by name, as a real driver is found."""
    if compiler() is None:
        pytest.skip("no C compiler: the stand-in for the driver cannot be built")
    variables = stub_machine.environment(tmp_path)
    stage = next(it for it in STAGES if it.name == "errors")
    found = run_stage(
        stage,
        Settings(seconds=60.0, **SMALL),
        environment={**variables, "STUB_MEMORY": str(1 << 30)},
    )
    assert found.state == "finished", found.details
    (row,) = [it for it in found.rows if it.cause.startswith("Ctrl-C")]
    assert row.passed and row.found.startswith("exit code 130"), row


@pytest.mark.parametrize("profile", sorted(FORECAST))
def test_the_forecast_is_that_of_the_timing_model(profile):
    device = TimedGpu(100 << 30)
    solver = CudaSolver(profile, PROFILES[profile], device)
    most = solver.most(*FORECAST_SIZE)
    frames = np.broadcast_to(np.zeros((), np.uint8), (most + 1, *FORECAST_SIZE))
    waiting, began = [], 0.0
    for turn in range(13):
        coding = Coding("companded", 20.0)
        waiting.append(solver.launch(frames, consecutive(most + 1), coding))
        if len(waiting) == 2:
            solver.collect(waiting.pop(0))
        if turn == 2:
            began = device.host
    speed = 10 * most / (device.host - began)
    assert FORECAST[profile] == pytest.approx(speed, rel=0.15)
