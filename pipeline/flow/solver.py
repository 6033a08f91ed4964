"""The one way in: `flow_solver(backend, profile=...)` -> something with `flow(frames)`."""

import sys
from functools import cache
from typing import TYPE_CHECKING, Protocol

import numpy as np

from .errors import FlowError
from .profiles import profile_named

if TYPE_CHECKING:
    from .cuda.solver import CudaSolver

BACKENDS = ("auto", "cpu", "opencv", "cuda")


class FlowSolver(Protocol):
    """Dense optical flow between consecutive frames, by one back end.

    A solver may be given frames of different sizes in turn. A pair's flow depends on its
    two frames and on nothing else: not on the block it came in, nor on what came before.
    One solver serves one thread.
    """

    backend: str
    """What computes: "cpu", "opencv" or "cuda"; never "auto"."""
    device: str
    """Where, in words for a report."""
    profile: str

    def flow(self, frames: np.ndarray) -> np.ndarray:
        """Forward flow from each frame to the next.

        Args:
            frames: (F+1, H, W) uint8 grey, 0.299 R + 0.587 G + 0.114 B in full range;
                at least 2 x 2 px.

        Returns:
            (F, H, W, 2) float32 in px per frame, (right, down): the point at (x, y) of
            frame k is at (x + flow[k, y, x, 0], y + flow[k, y, x, 1]) of frame k + 1.
            Equal frames give exactly 0.

        Raises:
            FlowError: frames of another type or shape.
        """
        ...


def flow_solver(
    backend: str = "auto", *, profile: str = "default", device: int | None = None
) -> FlowSolver:
    """A solver for a back end and a profile; both by name.

    Args:
        backend: "cuda" (an NVIDIA GPU), "cpu" (numba, one core), "opencv" (the reference,
            15 to 70 times slower than cpu), or "auto": cuda where it can be used, else
            cpu, and then a line on standard error says why.
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
            _say_once(f"flow is computed on the CPU ({error})")
    if backend in ("auto", "cpu"):
        from .cpu import CpuSolver  # numba takes half a second to import

        return CpuSolver(profile, settings)
    if backend == "opencv":
        from .opencv import OpenCvSolver

        return OpenCvSolver(profile, settings)
    raise FlowError(f"flow back end: expected one of {list(BACKENDS)}, got {backend!r}")


def gpu_solver(*, profile: str = "default", device: int | None = None) -> "CudaSolver":
    """A solver on a GPU, which also takes batches: see `batches.BatchSolver`.

    The first one on a machine compiles for a quarter of a minute.

    Args:
        profile, device: as for `flow_solver`.

    Raises:
        FlowError: no such profile, or no GPU that can be used; the message says why.
    """
    settings = profile_named(profile)
    from .cuda.driver import Gpu  # light: without a GPU nothing more is imported

    gpu = Gpu(device or 0)
    from .cuda.solver import CudaSolver

    return CudaSolver(profile, settings, gpu)


@cache
def _say_once(line: str) -> None:
    print(line, file=sys.stderr)
