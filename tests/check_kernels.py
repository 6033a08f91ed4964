"""Check of the GPU's kernels at their real size, on the processor. Run by hand:

    python tests/check_kernels.py [--capability 9.0] [--quick]

Runs the PTX of all kernels, translated to C, with all shapes of tiles, fixed and stopping
profiles and several sizes of frames, and reports for each kernel its launches and what is
wrong: races, missing or uneven barriers, indices outside an array, reads of memory that
nobody has written. Flow is compared with the CPU's, and has the same bytes in either order of
threads. At last each barrier is removed in turn: a fault must be found each time. Needs a C
compiler, no GPU; some 6 minutes of one core, --quick one. Exits with 1 if anything is wrong.
"""

import argparse
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # tests/ has folders of these names
sys.path[1:1] = [str(Path(__file__).parent / "pipeline"), str(Path(__file__).parent)]

from checked_gpu import CheckedGpu, without_barrier
from default_codecs import default_codec
from stub_gpu import compiler
from textures import moving

from pipeline.flow.batches import Coding, consecutive
from pipeline.flow.cpu.solver import CpuSolver
from pipeline.flow.cuda.solver import CudaSolver
from pipeline.flow.cuda.tiles import LARGE, SMALL, TALL
from pipeline.flow.errors import DeviceError
from pipeline.flow.opencv import OpenCvSolver
from pipeline.flow.profiles import PROFILES, Profile

SHAPES = {"64x64": LARGE, "64x56": TALL, "64x32": SMALL}
CASES = {
    "default": PROFILES["default"],
    "fast": PROFILES["fast"],
    "opencv, shorter": Profile(scales=3, outer=3, inner=30, warps=2, epsilon=0.01),
}
SIZES = [
    (2, 2),
    (2, 3),
    (3, 2),
    (7, 5),
    (5, 35),
    (17, 16),
    (31, 33),
    (66, 65),
    (70, 131),
]
QUICK = [(2, 3), (17, 16), (66, 65)]
BARRIERS = Profile(step=0.5, scales=1, outer=1, inner=3, epsilon=1e-3, warps=1)
CODEC = default_codec("flow")
APART = 1e-3
"""Pixels between the flow of the two, on average."""


class Check:
    def __init__(self, folder: Path, capability: tuple[int, int]) -> None:
        self._folder, self._capability = folder, capability
        self.launched: dict[str, int] = {}
        self.faults: dict[str, list[str]] = {}
        self.wrong = 0

    def device(self, **given) -> CheckedGpu:
        return CheckedGpu(
            self._folder, capability=self._capability, optimise=1, **given
        )

    def run(self, name: str, profile: Profile, shape: str, size: tuple[int, int]):
        """One size of frames with one profile and shape of tiles."""
        began = time.process_time()
        frames = moving(3, *size, 1.2, -0.7, count=4)
        flows, same = [], True
        for backward in (False, True):
            gpu = self.device(backward=backward)
            solver = CudaSolver(name, profile, gpu, shape=SHAPES[shape])
            solver._most[size] = 3
            flows.append(solver.flow(frames))
            ticket = solver.launch(frames, consecutive(4), Coding.of(CODEC))
            levels = CODEC.levels(flows[0].transpose(0, 3, 1, 2))
            same &= np.array_equal(solver.collect(ticket).planes, levels)
            for kernel, count in gpu.launched.items():
                self.launched[kernel] = self.launched.get(kernel, 0) + count
            for fault in gpu.faults:
                self.faults.setdefault(fault.split(":")[0], []).append(fault)
        same &= flows[0].tobytes() == flows[1].tobytes()
        cpu = (OpenCvSolver if profile.epsilon else CpuSolver)(name, profile)
        apart = np.abs(flows[0] - cpu.flow(frames))
        self.wrong += not same or not apart.mean() <= APART
        print(
            f"{name:16} {shape} {size[1]:4}x{size[0]:<4} {apart.mean():.6f} px from the CPU "
            f"(at most {apart.max():.4f}), "
            f"{'' if same else 'NOT '}the same in either order, "
            f"{time.process_time() - began:.1f} s",
            flush=True,
        )

    def barriers(self, shape: str) -> None:
        """Each barrier removed in turn."""
        frames = moving(4, 70, 66, 1.2, -0.7)
        complete = self.device()
        complete.load(CudaSolver("", BARRIERS, complete, shape=SHAPES[shape])._kernels)
        for kernel in ("iterate", "decide"):
            for number in range(complete.barriers[kernel]):
                gpu = self.device(change=without_barrier(kernel, number))
                with suppress(DeviceError):  # of what is no number
                    solver = CudaSolver("", BARRIERS, gpu, shape=SHAPES[shape])
                    solver._most[70, 66] = 1
                    solver.flow(frames)
                found = sum(it.startswith(kernel) for it in gpu.faults)
                self.wrong += not found
                print(
                    f"{kernel} {shape} without barrier {number}: {found} faults found",
                    flush=True,
                )

    def summary(self) -> None:
        for kernel, count in self.launched.items():
            faults = self.faults.pop(kernel, [])
            print(f"{kernel:14} {count:6} launches, {len(faults)} faults")
            for fault in sorted(set(faults)):
                print(f"  {fault}")
            self.wrong += bool(faults)
        for others in self.faults.values():
            print("\n".join(others))
            self.wrong += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--capability", default="9.0", help="of the device: 7.5 to 12.0"
    )
    parser.add_argument("--quick", action="store_true", help="fewer sizes of frames")
    given = parser.parse_args()
    if compiler() is None:
        parser.error("expected a C compiler (cc, gcc or clang), found none")
    major, _, minor = given.capability.partition(".")
    if not (major.isdecimal() and minor.isdecimal()):
        parser.error(f"--capability: expected a number as 9.0, got {given.capability}")
    with tempfile.TemporaryDirectory() as scratch:
        check = Check(Path(scratch), (int(major), int(minor)))
        for shape in SHAPES:
            for name, profile in CASES.items():
                for size in QUICK if given.quick else SIZES:
                    check.run(name, profile, shape, size)
            check.barriers(shape)
        check.summary()
    print("all as it should be" if not check.wrong else f"{check.wrong} wrong")
    sys.exit(bool(check.wrong))


if __name__ == "__main__":
    main()
