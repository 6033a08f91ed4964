"""The interface of all back ends."""

from typing import Protocol

import numpy as np

from .errors import FlowError


class FlowSolver(Protocol):
    """Dense optical flow between consecutive frames, by one back end.

    A solver may be given frames of different sizes in turn. A pair's flow depends on its
    two frames and on nothing else: not on their block, nor on earlier frames.
    One solver serves one thread.
    """

    backend: str
    """Name of the back end: "cpu", "opencv" or "cuda"; never "auto"."""
    device: str
    """Device in words, for a report."""
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
