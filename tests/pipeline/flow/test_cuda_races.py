"""The kernels' PTX does nothing that is right by luck only: on the processor, watched."""

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from checked_gpu import CheckedGpu, without_barrier
from default_codecs import default_codec
from stub_gpu import compiler
from textures import moving

from pipeline.flow.batches import Coding, consecutive
from pipeline.flow.cpu.solver import CpuSolver
from pipeline.flow.cuda.solver import CudaSolver
from pipeline.flow.cuda.tiles import TileShape
from pipeline.flow.errors import DeviceError
from pipeline.flow.opencv import OpenCvSolver
from pipeline.flow.profiles import Profile

TINY = TileShape(width=16, rows=4, strips=4)
FIXED = Profile(step=0.5, scales=2, outer=2, inner=5, epsilon=0.0, warps=2)
STOPPING = Profile(scales=2, outer=2, inner=7, warps=2, epsilon=0.02)
SIZES = [(40, 45), (3, 35), (17, 16)]
CODEC = default_codec("flow")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if compiler() is None:
        pytest.skip("no C compiler: the kernels cannot be run on the processor")
    return tmp_path_factory.mktemp("kernels")


def solver(profile: Profile, gpu: CheckedGpu) -> CudaSolver:
    device = CudaSolver("test", profile, gpu, shape=TINY)
    device._most |= dict.fromkeys(SIZES, 3)
    return device


@pytest.mark.parametrize("profile", [FIXED, STOPPING])
def test_no_kernel_races_or_leaves_its_arrays(profile, folder):
    ways = [CheckedGpu(folder, backward=it) for it in (False, True)]
    solvers = [solver(profile, it) for it in ways]
    cpu = (OpenCvSolver if profile.epsilon else CpuSolver)("test", profile)
    for size in SIZES:
        frames = moving(1, *size, 1.2, -0.7, count=4)
        flow, other = (it.flow(frames) for it in solvers)
        assert flow.tobytes() == other.tobytes()
        assert np.abs(flow - cpu.flow(frames)).max() < 1e-3
        for each in solvers:
            ticket = each.launch(frames, consecutive(4), Coding.of(CODEC))
            levels = CODEC.levels(flow.transpose(0, 3, 1, 2))
            np.testing.assert_array_equal(each.collect(ticket).planes, levels)
    for gpu in ways:
        assert gpu.faults == []
        expected = {it.name for it in solvers[0]._kernels}
        only_stopping = set() if profile.epsilon else {"restart", "decide"}
        assert set(gpu.launched) == expected - only_stopping


def faults(
    folder: Path, change: Callable[[str, str], str], profile: Profile = STOPPING
) -> list[str]:
    """Found in a small run of changed kernels."""
    gpu = CheckedGpu(folder, change=change)
    with suppress(DeviceError):  # the changed kernel gives no numbers
        solver(profile, gpu).flow(moving(2, *SIZES[0], 1.2, -0.7, count=4))
    return gpu.faults


@pytest.mark.parametrize(
    ("kernel", "number"),
    [("iterate", 0), ("iterate", 1), ("iterate", 2), ("iterate", 3), ("decide", 0)],
)
def test_a_barrier_that_is_missing_is_found(kernel, number, folder):
    found = faults(folder, without_barrier(kernel, number))
    assert any(
        re.match(rf"{kernel}: line \d+ of its PTX \w+ where another thread", it)
        for it in found
    )
    assert {it.split(":")[0] for it in found} == {kernel}


def test_all_barriers_were_tried(folder):
    gpu = CheckedGpu(folder)
    solver(STOPPING, gpu)
    assert {name: n for name, n in gpu.barriers.items() if n and name != "encode"} == {
        "iterate": 4,
        "decide": 1,
    }


def changed(kernel: str, pattern: str, to: str) -> Callable[[str, str], str]:
    def change(name: str, text: str) -> str:
        if name != kernel:
            return text
        text, count = re.subn(pattern, to, text)
        assert count
        return text

    return change


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (  # the number of pixels, one too large
            changed(
                "interleave",
                r"ld\.param\.s32\s+(%rd\d+), \[interleave_param_4\];",
                r"\g<0> add.s64 \1, \1, 1;",
            ),
            "interleave: line .* writes outside all arrays",
        ),
        (  # the zeros around an image are forgotten
            changed("shrink_image", r"st\.global\.u32.*;", ""),
            "warp: line .* reads what nobody has written",
        ),
        (  # all threads write the flow of one
            changed("no_flow", r"%ctaid\.x", "0"),
            "no_flow: line .* writes where another thread writes",
        ),
    ],
)
def test_a_wrong_index_is_found(change, found, folder):
    assert any(re.match(found, it) for it in faults(folder, change, FIXED))
