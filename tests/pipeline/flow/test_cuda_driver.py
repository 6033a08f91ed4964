"""What surrounds the kernels, on a stand-in for NVIDIA's driver: memory, errors, ends."""

import gc
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_shards import made_task
from stub_gpu import (
    NOTHING,
    Counts,
    counts,
    most_bytes,
    setting,
)

from pipeline.flow.batches import Coding, consecutive
from pipeline.flow.cuda.driver import Gpu
from pipeline.flow.cuda.solver import CudaSolver
from pipeline.flow.errors import DeviceError, FlowError, LostDevice, OutOfMemory
from pipeline.flow.profiles import Profile
from pipeline.shard.build import build_shard
from pipeline.shard.plan import PlannedVideo
from pipeline.shard.task import Task

SHORT = Profile(step=0.5, scales=2, outer=1, inner=3, epsilon=0.0, warps=1)
FRAMES = np.zeros((4, 24, 32), np.uint8)
CODING = Coding("companded", 20.0)


def solver(**options: int) -> CudaSolver:
    return CudaSolver("test", SHORT, Gpu(0), **options)


def error_of(function, *arguments) -> tuple[str, str]:
    """Type and message of the FlowError that a call raises."""
    try:
        function(*arguments)
    except FlowError as error:
        return type(error).__name__, str(error)
    return "", ""


def forgotten() -> tuple[Counts, Counts]:
    device = solver()
    device.flow(FRAMES)
    device.launch(FRAMES, consecutive(4), CODING)
    before = counts()
    del device
    gc.collect()
    return before, counts()


def test_a_forgotten_solver_gives_everything_back(gpu):
    before, after = gpu.run(forgotten)
    assert min(before[:5]) > 0 and before.execs > 0 and before.events > 0
    assert after == NOTHING


def closed() -> tuple[Counts, bool, Counts]:
    with solver() as device:
        device.flow(FRAMES)
        first = device.launch(FRAMES, consecutive(4), CODING)
        second = device.launch(FRAMES, consecutive(4), CODING)
    between = counts()
    device.collect(first)
    device.collect(second)
    works = device.flow(FRAMES).shape == (3, 24, 32, 2)
    device.close()
    device.close()
    return between, works, counts()


def test_a_closed_solver_has_given_everything_back_and_opens_again(gpu):
    between, works, after = gpu.run(closed)
    assert between == after == NOTHING
    assert works


def fails_to_start(function: str) -> tuple[tuple[str, str], Counts]:
    found = error_of(solver)
    gc.collect()
    return found, counts()


@pytest.mark.parametrize(
    "function",
    ["cuStreamCreate", "cuModuleLoadData", "cuModuleGetFunction", "cuFuncLoad"],
)
def test_a_solver_that_cannot_be_made_leaves_nothing(function, gpu):
    (kind, said), after = gpu.run(fails_to_start, function, fail=f"{function}:2:801")
    assert kind == "DeviceError" and f"{function}: CUDA_ERROR_NOT_SUPPORTED" in said
    assert after == NOTHING


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"driver": 12020}, "driver for CUDA 1.* or later .*, got one for CUDA 12.2"),
        ({"missing": "cuFuncLoad"}, "cuFuncLoad.*update the NVIDIA driver"),
        ({"devices": 0}, "no GPU, or CUDA_VISIBLE_DEVICES shows none"),
        ({"capability": 70}, "compute capability 7.0, expected 7.5 or later"),
        ({"mode": 3}, "compute mode EXCLUSIVE_PROCESS.*nvidia-smi -c DEFAULT"),
        ({"fail": "cuInit:1:802"}, "is nvidia-fabricmanager running"),
        ({"fail": "cuInit:1:803"}, "different versions: reboot"),
        ({"fail": "cuDevicePrimaryCtxRetain:1:805"}, "MPS daemon .* does not answer"),
    ],
)
def test_a_gpu_that_cannot_be_used_is_one_line(settings, said, gpu):
    kind, found = gpu.run(error_of, solver, **settings)
    assert kind == "DeviceError" and re.search(said, found), found
    assert "\n" not in found


def capture_fails() -> tuple[list[tuple[str, str]], Counts]:
    device = solver()
    setting(fail="cuLaunchKernel:3:701")
    said = [error_of(device.flow, FRAMES)]
    setting(fail="cuGraphInstantiate:1:801")
    said.append(error_of(device.flow, FRAMES))
    setting(fail=None)
    said.append(error_of(device.flow, FRAMES))
    device.close()
    return said, counts()


def test_an_error_while_launches_are_recorded_is_the_launchs_own_and_leaks_nothing(gpu):
    said, after = gpu.run(capture_fails)
    assert "cuLaunchKernel: CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES" in said[0][1]
    assert "cuGraphInstantiate: CUDA_ERROR_NOT_SUPPORTED" in said[1][1]
    assert said[2] == ("", "")
    assert after == NOTHING


def dies_under_way() -> list[tuple[str, str]]:
    device = solver()
    first = device.launch(FRAMES, consecutive(4), CODING)
    second = device.launch(FRAMES, consecutive(4), CODING)
    setting(fail="cuEventSynchronize:1:700")
    said = [error_of(device.collect, first)]
    setting(fail=None)
    said.append(error_of(device.collect, second))
    said.append(error_of(device.flow, FRAMES))
    said.append(error_of(device.close))
    said.append(error_of(device.close))
    said.append(error_of(solver))
    return said


def test_after_an_illegal_address_every_call_says_that_the_device_is_lost(gpu):
    said = gpu.run(dies_under_way)
    assert [kind for kind, _ in said] == ["LostDevice"] * 4 + ["", "LostDevice"]
    assert "CUDA_ERROR_ILLEGAL_ADDRESS" in said[0][1]
    assert issubclass(LostDevice, DeviceError)


def fails_in_anothers_launch() -> list[tuple[str, str]]:
    device = solver()
    device._most[24, 32] = 1
    first = device.launch(FRAMES, consecutive(3), CODING)
    setting(fail="cuEventSynchronize:1:801")
    said = [error_of(device.launch, FRAMES, consecutive(3), CODING)]
    setting(fail=None)
    said.append(error_of(device.collect, first))
    return said


def test_results_that_were_lost_while_others_were_launched_are_not_given_out(gpu):
    launched, collected = gpu.run(fails_in_anothers_launch)
    assert launched == collected and collected[0] == "DeviceError"


def no_number() -> list[tuple[str, str]]:
    """The stub's kernels do nothing, so that what lies in memory is copied out."""
    device = solver()
    workspace = device._workspace((24, 32))
    flow, counted = (workspace._inside[0][name] for name in ("flow", "clipped"))
    outside = workspace._outside[0]
    outside["flow"][:] = np.nan
    device._device.put(flow, outside["flow"], "in")
    outside["clipped"][:] = -1
    device._device.put(counted, outside["clipped"], "in")
    said = [error_of(device.flow, FRAMES)]
    ticket = device.launch(FRAMES, consecutive(4), CODING)
    said.append(error_of(device.collect, ticket))
    return said


def test_what_is_no_number_is_not_given_out(gpu):
    for kind, said in gpu.run(no_number):
        assert kind == "DeviceError" and "computed flow that is no number" in said


SIZES = [(240 + 2 * k, 320 + 4 * (k % 9)) for k in range(12)]


def many_sizes(workers: int) -> tuple[list[int], Counts]:
    device = solver(workers=workers)
    most = []
    for size in SIZES * 2:
        device.flow(np.zeros((3, *size), np.uint8))
        most.append(device.most(*size))
    return most, counts()


def test_sizes_that_come_one_after_the_other_all_get_an_equal_share(gpu):
    memory = (1 << 30) + (500 << 20)
    most, now = gpu.run(many_sizes, 1, memory=memory)
    assert min(most) >= 56  # of 64 pairs of 340x256 that a large GPU wants
    assert most[: len(SIZES)] == most[len(SIZES) :]
    assert now.bytes < 1 << 30
    half, now = gpu.run(many_sizes, 2, memory=2 * memory, used=memory // 2)
    assert half == most
    little, now = gpu.run(many_sizes, 4, memory=memory - (1 << 28) + (3 << 29))
    assert 1 < max(little) < min(most)


def shards_of_one_and_of_three(task: Task, scratch: Path) -> list[int]:
    """Bytes at most on the device by a worker that shares it with two others, and alone."""
    most = []
    for per_gpu in (3, 1):
        scratch.joinpath(f"{per_gpu}").mkdir()
        report = build_shard(
            replace(task, per_gpu=per_gpu), scratch=scratch / f"{per_gpu}"
        )
        assert report.flow_made_with["device"] == "cuda Stub" and not report.bad
        most.append(most_bytes())
    return most


def test_a_worker_takes_its_share_of_the_gpu_at_most(gpu, folder, tmp_path):
    """Each process takes 500 MB besides, which the stub does not count."""
    video = next((folder / "left").iterdir())
    planned = PlannedVideo("v", f"left/{video.name}", video.stat().st_size)
    task = made_task(1, modalities=("flow",), folder=folder, backend="cuda")
    task = replace(task, plan=replace(task.plan, videos=(planned,)))
    share = 20 << 20
    shared, alone = gpu.run(
        shards_of_one_and_of_three, task, tmp_path, memory=3 * ((500 << 20) + share)
    )
    assert share // 2 < shared <= share < 2 * share < alone


def short_of_memory() -> tuple[list[int], list[tuple[str, str]], Counts]:
    """Another process takes memory and gives it back."""
    device = solver()
    most = [device.most(240, 320)]
    setting(used=(1 << 30) - (100 << 20))
    device.flow(np.zeros((3, 240, 320), np.uint8))
    most.append(device.most(240, 320))
    setting(used=(1 << 30) - (1 << 20))
    said = [error_of(device.flow, np.zeros((3, 480, 640), np.uint8))]
    setting(used=0)
    for _ in range(201):
        device.flow(np.zeros((3, 240, 320), np.uint8))
    most.append(device.most(240, 320))
    device.close()
    return most, said, counts()


def test_batches_grow_again_when_memory_is_back(gpu):
    most, said, after = gpu.run(short_of_memory, memory=1 << 30)
    assert 1 <= most[1] < most[0] // 2
    assert (
        said[0][0] == "OutOfMemory" and "no memory for a pair of 640x480" in said[0][1]
    )
    assert most[2] == most[0]
    assert after == NOTHING
    assert issubclass(OutOfMemory, DeviceError)
