"""The one way in: `flow_solver(backend, profile=...)` -> something with `flow(frames)`."""

import sys
from functools import cache
from typing import TYPE_CHECKING

from motion_shards.extras import CUDA
from motion_shards.hardware import gpu_in_sight
from motion_shards.plain_text import printable

from .errors import FlowError
from .profiles import profile_named
from .protocol import FlowSolver

if TYPE_CHECKING:
    from .cuda.solver import CudaSolver

BACKENDS = ("auto", "cpu", "opencv", "cuda")


def flow_solver(
    backend: str = "auto", *, profile: str = "default", device: int | None = None
) -> FlowSolver:
    """A solver for a back end and a profile; both by name.

    Args:
        backend: "cuda" (an NVIDIA GPU), "cpu" (numba, one core), "opencv" (the reference,
            15 to 70 times slower than cpu), or "auto": cuda where it can be used, else
            cpu; where there is a GPU, a line on standard error says why not on that.
        profile: a key of `pipeline.flow.profiles.PROFILES`.
        device: which GPU, of those that CUDA_VISIBLE_DEVICES shows; None: the first.

    Raises:
        FlowError: no such name, or the back end is not available here.
    """
    settings = profile_named(profile)
    if backend == "cuda":
        return gpu_solver(profile=profile, device=device)
    if backend == "auto":
        try:
            return gpu_solver(profile=profile, device=device)
        except FlowError as error:
            if gpu_in_sight():
                _say_once(f"flow is computed on the CPU ({error})")
    if backend in ("auto", "cpu"):
        from .cpu.solver import CpuSolver  # numba takes half a second to import

        return CpuSolver(profile, settings)
    if backend == "opencv":
        from .opencv import OpenCvSolver

        return OpenCvSolver(profile, settings)
    raise FlowError(f"flow back end: expected one of {list(BACKENDS)}, got {backend!r}")


def gpu_solver(
    *, profile: str = "default", device: int | None = None, workers: int = 1
) -> "CudaSolver":
    """A solver on a GPU, which also takes batches: see `batches.BatchSolver`.

    The first one on a machine compiles for a quarter of a minute.

    Args:
        profile, device: as for `flow_solver`.
        workers: processes that share the memory of the GPU equally.

    Raises:
        FlowError: no such profile, or no GPU that can be used; the message says why.
    """
    settings = profile_named(profile)
    if not CUDA.installed:
        raise FlowError(CUDA.needed_by("flow back end cuda"))
    from .cuda.driver import Gpu  # light: without a GPU nothing more is imported

    gpu = Gpu(device or 0)
    from .cuda.solver import CudaSolver

    return CudaSolver(profile, settings, gpu, workers=workers)


@cache
def _say_once(line: str) -> None:

    print(printable(line), file=sys.stderr)
