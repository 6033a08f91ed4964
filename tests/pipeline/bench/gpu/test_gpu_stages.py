"""The stages themselves, on a stand-in for NVIDIA's driver or with a solver of the CPU."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from stub_gpu import NOTHING, Counts, StubGpu, build, compiler, counts
from timed_gpu import TimedGpu

from pipeline.bench.gpu.flow_speed import FORECAST, FORECAST_SIZE
from pipeline.bench.gpu.rows import FlowSpeed, NotRun, Row
from pipeline.bench.gpu.settings import Settings
from pipeline.bench.gpu.stages import STAGES
from pipeline.flow.batches import Coding, consecutive
from pipeline.flow.cuda.solver import CudaSolver
from pipeline.flow.profiles import PROFILES

SMALL = {"height": 32, "width": 40}


@pytest.fixture(scope="module")
def gpu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StubGpu]:
    if compiler() is None:
        pytest.skip("no C compiler: the stand-in for the driver cannot be built")
    with StubGpu(build(tmp_path_factory.mktemp("stub"))) as stub:
        yield stub


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
