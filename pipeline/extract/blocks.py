"""Decoded frames -> the rgb and the grey frames of one block."""

from typing import Protocol

import av
import numpy as np

from .colour import Painter, grey
from .orientation import Orientation

BLOCK = 16
"""Frames in one block, at most."""

CACHED_BYTES = 1_000_000
"""Maximum bytes of RGB in one block without flow: they fit a core's cache until they are
encoded. With flow, blocks are larger, as flow is faster on many frames at once."""


class Solver(Protocol):
    """A solver of optical flow; see pipeline.flow.solver."""

    def flow(self, frames: np.ndarray) -> np.ndarray:
        """(F+1, H, W) uint8 grey -> (F, H, W, 2) float32 px."""


class DeferredFlow:
    """Marker instead of a solver: blocks contain grey frames, and flow is computed later.

    The grey frames of a block begin with the last frame of the block before, so that each
    block can be solved by itself.
    """


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


class GreyFrames:
    """The grey frames of a block, behind the last one of the block before."""

    def __init__(self, height: int, width: int) -> None:
        self._frames = np.empty((BLOCK + 1, height, width), np.uint8)
        self._count = 0

    def send(self, rgb: np.ndarray) -> None:
        grey(rgb, self._frames[self._count])
        self._count += 1

    def take(self) -> np.ndarray:
        """(F+1, H, W) uint8; of the first block (F, H, W). At least one was sent."""
        taken = self._frames[: self._count].copy()
        self._frames[0] = taken[-1]
        self._count = 1
        return taken


def no_flow(height: int, width: int) -> np.ndarray:
    """(0, H, W, 2) float32: the flow of a block without intervals."""
    return np.empty((0, height, width, 2), np.float32)
