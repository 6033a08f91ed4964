"""Errors that are caused where that is harmless: memory, GPUs that are not there, Ctrl-C.

An illegal address is not among them: it would be logged as a fault of the GPU, and under
MPS end the work of others.
"""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np

from motion_shards.processes import follow_parent
from pipeline.flow import gpu_solver
from pipeline.flow.batches import consecutive
from pipeline.flow.cuda.driver import Gpu
from pipeline.flow.cuda.solver import CudaSolver
from pipeline.flow.errors import FlowError, OutOfMemory
from pipeline.flow.profiles import profile_named

from .frames import drawn_frames
from .rows import InjectedError, NotRun, Row
from .settings import Settings

PROFILE = "fast"
NO_SUCH_GPU = 999
TOO_LARGE = (1 << 14, 1 << 14)
"""Height and width of frames beyond what kernels can count."""
LEAST_FREE = 0.9
"""Share of the memory that must be free for all of it to be taken for a moment."""
SMALLER = 4
"""One over the part of the needed memory that is left."""
PIECE_BYTES = 1 << 20
"""Smallest piece in which memory is taken."""
LOST_BYTES = 256 << 20
"""Memory that may be missing when all is given back: what the driver keeps."""
END_SECONDS = 10.0
"""Time for a process to end after Ctrl-C."""


def faults(settings: Settings) -> Iterator[Row]:
    """One error after the other, and whether the flow is right afterwards."""
    yield _told(
        f"GPU {NO_SUCH_GPU}", lambda: gpu_solver(device=NO_SUCH_GPU), str(NO_SUCH_GPU)
    )
    clip = drawn_frames(settings.height, settings.width)
    with _solver() as solver:
        height, width = TOO_LARGE
        yield _told(
            f"frames of {width}x{height} px",
            lambda: solver.most(height, width),
            f"{width}x{height}",
        )
        expected = solver.flow(clip)
    yield from _memory(clip, expected)
    yield from _ctrl_c(settings, clip, expected)


def _solver() -> CudaSolver:
    return CudaSolver(PROFILE, profile_named(PROFILE), Gpu())


def _told(cause: str, call: Callable[[], object], named: str) -> InjectedError:
    """Whether a call ends in an error of one line that names what is wrong."""
    try:
        call()
        found, passed = "no error", False
    except FlowError as error:
        found = str(error)
        passed = named in found and "\n" not in found
    return InjectedError(
        cause=cause, expected=f"a line about {named}", found=found, passed=passed
    )


def _memory(clip: np.ndarray, expected: np.ndarray) -> Iterator[Row]:
    """Memory that runs out: first for a large batch, then for any."""
    others = Gpu()
    try:
        free, total = others.free_bytes(), others.total_bytes()
        if free < LEAST_FREE * total:
            reason = f"others use {(total - free) / 1e9:.1f} GB of the GPU's memory"
            yield NotRun(part="memory that runs out", reason=reason)
            return
        with _solver() as solver:
            yield _too_large_batch(solver, others, clip, expected)
            others.close()
            others.enter()
            yield _no_memory(solver, others, clip)
            others.close()
            found = "the same flow" if _same(solver, clip, expected) else "another flow"
            yield InjectedError(
                cause="memory is there again",
                expected="the same flow",
                found=found,
                passed=found == "the same flow",
            )
        others.enter()
        lost = free - others.free_bytes()
        yield InjectedError(
            cause="solver closed",
            expected=f"at most {LOST_BYTES >> 20} MB fewer are free than before",
            found=f"{lost / (1 << 20):.0f} MB",
            passed=lost <= LOST_BYTES,
        )
    finally:
        others.close()


def _too_large_batch(
    solver: CudaSolver, others: Gpu, clip: np.ndarray, expected: np.ndarray
) -> InjectedError:
    """A batch for which there was memory when it was planned, and is none any more."""
    height, width = clip.shape[1:]
    frames = np.concatenate([clip] * (-(-solver.most(height, width) // len(clip))))
    planned = solver.most(height, width)
    needed = _bytes_of(planned, height, width)
    _take(others, keep=needed // SMALLER)
    flow = solver.flow(frames)[: len(expected)]
    most = solver.most(height, width)
    same = flow.tobytes() == expected.tobytes()
    return InjectedError(
        cause=f"memory for {planned} pairs taken away",
        expected="the same flow in smaller batches",
        found=f"{'the same' if same else 'another'} flow in batches of {most}",
        passed=same and most < planned,
    )


def _bytes_of(pairs: int, height: int, width: int) -> int:
    """Memory that a batch takes on the device, measured on a solver of its own."""
    gpu = Gpu()
    with CudaSolver(PROFILE, profile_named(PROFILE), gpu, batch=pairs) as solver:
        before = gpu.free_bytes()
        solver.flow(np.zeros((2, height, width), np.uint8))
        return before - gpu.free_bytes()


def _no_memory(solver: CudaSolver, others: Gpu, clip: np.ndarray) -> InjectedError:
    height, width = clip.shape[1:]
    solver.close()
    needed = _bytes_of(1, height, width)
    solver.most(height, width)
    _take(others, keep=needed // SMALLER)
    try:
        solver.flow(clip)
        found, passed = "no error", False
    except FlowError as error:
        found = str(error)
        passed = isinstance(error, OutOfMemory) and "\n" not in found
    return InjectedError(
        cause="memory for no pair",
        expected="a line that memory is used up",
        found=found,
        passed=passed,
    )


def _take(gpu: Gpu, *, keep: int) -> None:
    """Take all memory of the device but some bytes."""
    piece = gpu.free_bytes() - keep
    while piece >= PIECE_BYTES:
        try:
            gpu.array(piece, np.uint8)
        except OutOfMemory:  # there is no such piece, but smaller ones
            piece //= 2
        else:
            piece = min(piece, gpu.free_bytes() - keep)


def _same(solver: CudaSolver, clip: np.ndarray, expected: np.ndarray) -> bool:
    return solver.flow(clip).tobytes() == expected.tobytes()


def _ctrl_c(
    settings: Settings, clip: np.ndarray, expected: np.ndarray
) -> Iterator[Row]:
    """SIGINT for a process at work, and the GPU after it."""
    code = f"from {__name__} import work_until_interrupted as work; work"
    code += f"({settings.height}, {settings.width}, {os.getpid()})"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            ready = select.select([process.stdout], [], [], settings.seconds / 2)[0]
            if not ready or process.stdout.readline() != b"running\n":
                reason = "the process that was to be interrupted did not start"
                yield NotRun(part="Ctrl-C", reason=reason)
                return
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            code_of_end = process.wait(END_SECONDS)
            found = f"exit code {code_of_end} after {time.monotonic() - began:.1f} s"
        except subprocess.TimeoutExpired:
            code_of_end, found = None, f"it still runs after {END_SECONDS:.0f} s"
        finally:
            process.kill()
    with _solver() as solver:
        same = _same(solver, clip, expected)
    found += f", then {'the same' if same else 'another'} flow"
    yield InjectedError(
        cause="Ctrl-C while batches are under way",
        expected="exit code 130, and the GPU works",
        found=found,
        passed=code_of_end == 130 and same,
    )


def work_until_interrupted(height: int, width: int, parent: int) -> None:
    """Batches without end; "running" on standard output after the first one. Ctrl-C gives
    all back, and the exit code is 130."""
    follow_parent(parent)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    frames = drawn_frames(height, width)
    pairs = consecutive(len(frames))
    try:
        with _solver() as solver:
            solver.flow(frames)
            print("running", flush=True)
            waiting = [solver.launch(frames, pairs)]
            while True:
                waiting.append(solver.launch(frames, pairs))
                solver.collect(waiting.pop(0))
    except KeyboardInterrupt:
        sys.exit(130)
