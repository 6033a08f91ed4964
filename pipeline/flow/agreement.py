"""Agreement of a solver with the cpu back end, on one small pair of frames."""

import numpy as np

from .protocol import FlowSolver
from .solver import flow_solver

MOST_PX = {"default": 0.02, "fast": 0.02, "opencv": 0.03}
"""Mean difference to cpu. With a stop rule, cpu may go an iteration or two too far."""


def small_pair() -> np.ndarray:
    """(2, 48, 64) uint8: waves, and the same after a motion of (1.5, -1) px."""
    y, x = np.mgrid[:48, :64].astype(np.float32)
    frames = [
        128 + 50 * np.sin((x - dx) / 4) + 50 * np.cos((y - dy) / 5 + (x - dx) / 11)
        for dx, dy in ((0.0, 0.0), (1.5, -1.0))
    ]
    return np.stack(frames).round().astype(np.uint8)


def disagreement(solver: FlowSolver) -> str:
    """The reason for which a solver's flow of the small pair is wrong; empty if it is right.

    Raises:
        FlowError: the solver failed.
    """
    pair, most = small_pair(), MOST_PX[solver.profile]
    expected = flow_solver("cpu", profile=solver.profile).flow(pair)
    apart = float(np.abs(solver.flow(pair) - expected).mean())
    if apart <= most:
        return ""
    return (
        f"{solver.device} computes wrong flow: expected at most {most:g} px of mean "
        f"difference to the CPU, got {apart:.3g}"
    )
