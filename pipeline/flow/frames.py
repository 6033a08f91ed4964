"""What every back end asks of the frames it is given."""

import numpy as np

from .errors import FlowError


def check_frames(frames: np.ndarray) -> None:
    """Check what is given to `FlowSolver.flow`.

    Raises:
        FlowError: not (F+1, H, W) uint8 with at least one frame of at least 2 x 2 px.
    """
    if frames.dtype != np.uint8 or frames.ndim != 3:
        raise FlowError(
            f"flow: expected frames (F+1, H, W) uint8, got {frames.shape} {frames.dtype}"
        )
    if frames.shape[0] < 1 or min(frames.shape[1:]) < 2:
        raise FlowError(
            f"flow: expected at least one frame of 2x2 px, got {frames.shape}"
        )
