"""Decoded frames -> the rgb and the flow of one block."""

from typing import Protocol

import av
import numpy as np

from .colour import Painter, grey
from .orientation import Orientation

BLOCK = 16
"""Frames in one block, at most."""

CACHED_BYTES = 1_000_000
"""Bytes of rgb in one block at most, where no flow is asked for (flow gains by many frames
at once): they fit a core's cache, where the encoder that takes the block finds them."""


class Solver(Protocol):
    """A solver of optical flow; see pipeline.flow.solver."""

    def flow(self, frames: np.ndarray) -> np.ndarray:
        """(F+1, H, W) uint8 grey -> (F, H, W, 2) float32 px."""


class Postponed:
    """A solver that leaves the work to whoever takes the block: its flow is the frames.

    They are the last frame of the block before and those of this one, so that every
    block can be solved by itself.
    """

    def flow(self, frames: np.ndarray) -> np.ndarray:
        """(F+1, H, W) uint8 grey -> the same, in memory of its own."""
        return frames.copy()


class Frames:
    """The frames of a block, at the stored size; every block has memory of its own."""

    def __init__(
        self, height: int, width: int, turned: Orientation, *, most: int
    ) -> None:
        self.most = most
        self._painter = Painter(height=height, width=width, turned=turned)
        self._shape = (most, height, width, 3)
        self._frames = np.empty(self._shape, np.uint8)
        self._count = 0

    def send(self, frame: av.VideoFrame) -> np.ndarray:
        pixels = self._frames[self._count]
        self._painter.rgb(frame, pixels)
        self._count += 1
        return pixels

    def take(self) -> np.ndarray:
        taken = self._frames[: self._count]
        self._frames = np.empty(self._shape, np.uint8)
        self._count = 0
        return taken


class Flow:
    """Grey frames of a block and the last one before it, and the flow between them."""

    def __init__(self, solver: Solver, height: int, width: int) -> None:
        self._solver = solver
        self._grey = np.empty((BLOCK + 1, height, width), np.uint8)
        self._count = 0

    def send(self, rgb: np.ndarray) -> None:
        grey(rgb, self._grey[self._count])
        self._count += 1

    def take(self) -> np.ndarray:
        frames = self._grey[: self._count]
        if len(frames) < 2:
            return np.empty((0, *frames.shape[1:], 2), np.float32)
        flow = self._solver.flow(frames)
        self._grey[0] = frames[-1]
        self._count = 1
        return flow
