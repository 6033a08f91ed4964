"""Vectors of the file as it is -> `mv` of the stored grid.

The interval that ends with a frame has the vectors of that frame from the past and those
of the frame before from the future, each divided by its distance in frames: motion between
a frame and its reference is taken to be even.
"""

from collections import deque
from itertools import groupby
from typing import NamedTuple

import av
import numpy as np

from pipeline.store.schema import CELL_PX

from .cells import quarter_grids
from .distances import VectorStatus
from .orientation import Orientation
from .side_data import side_data
from .vectors import Geometry, stored_grids

LAST_RESORT = 1000
"""More frames than any span: added where a vector does not span the interval."""


class _Frame(NamedTuple):
    """The vectors of one frame, in stored cells and px of the source."""

    past: np.ndarray | None
    future: np.ndarray | None
    """(M, N, 2) int32 quarters of a pixel from the reference to the frame, of the vectors
    that FFmpeg marks as from the past and from the future; None: it has none."""
    status: VectorStatus
    geometry: Geometry

    @property
    def vectors(self) -> list[tuple[np.ndarray, int | None]]:
        """The grids that there are, and the distance to the reference of each."""
        both = zip((self.past, self.future), self.status.distances, strict=True)
        return [(grid, distance) for grid, distance in both if grid is not None]

    @property
    def backward(self) -> list[tuple[np.ndarray, int]]:
        """The grids whose reference comes later, and the distance to it, below 0."""
        if self.future is None and (self.status.distances[0] or 1) > 0:
            return []
        return [(grid, d) for grid, d in self.vectors if d is not None and d < 0]

    def per_interval(self, before: "_Frame | None") -> tuple[np.ndarray, bool]:
        """Quarters of a pixel over the interval that ends with this frame -> and whether
        they are known. Unknown vectors stay as they are.

        A vector of this frame from the past, and one of the frame before from the future,
        span the interval; that over fewer frames counts. A vector of this frame from the
        future counts where there is no other. A zero gives way: FFmpeg exports one for
        each part of an H.264 macroblock that has no vector of a kind that another part has.

        Args:
            before: the frame before, if it has vectors.
        """
        if before is not None and before.geometry is not self.geometry:
            before = None
        backward = before.backward if before is not None else []
        alone = self.future is None and not backward
        if alone and self.past is not None and self.status.distances == [1, None]:
            return self.past, True  # most often
        found: list[tuple[float, np.ndarray, int]] = []
        for grid, distance in self.vectors:
            if distance is None:
                found.clear()
                break
            span = distance if distance > 0 else LAST_RESORT - distance
            found.append((span, grid, distance))
        if not found:
            nothing = np.zeros((*self.geometry.cells.shape, 2), np.int32)
            return nothing if self.past is None else self.past, False
        for grid, distance in backward:
            found.append((0.5 - distance, grid, distance))
        found.sort(key=lambda one: one[0])
        divided = [grid if over == 1 else grid / over for _, grid, over in found]
        result = divided[0]
        for other in divided[1:]:
            moves = (result[..., 0] != 0) | (result[..., 1] != 0)
            result = np.where(moves[..., None], result, other)
        return result, True


class OriginalVectors:
    """Collects the vectors of a video's own stream, frame by frame."""

    def __init__(self, *, height: int, width: int, turned: Orientation) -> None:
        """
        Args:
            height, width: of the stored grid, upright.
            turned: how frames are turned upright.
        """
        self._stored, self._turned = (height, width), turned
        self._source: tuple[tuple[int, int], tuple[int, int]] | None = None
        self._geometry: Geometry
        self._first = True
        self._frames: deque[_Frame] = deque()
        self._before: _Frame | None = None
        """The last frame that was taken."""

    def send(self, frame: av.VideoFrame, status: VectorStatus) -> None:
        """Note the vectors of the next frame; later ones may settle their status."""
        if self._first:  # no interval leads to the first frame
            self._first = False
            return
        source = ((frame.height, frame.width), status.cropped)
        if self._source != source:
            self._source = source
            self._geometry = Geometry.of(
                source[0], self._stored, turned=self._turned, cropped=source[1]
            )
        records = side_data(frame, "MOTION_VECTORS")
        geometry = self._geometry
        past, future = (
            None if grid is None else geometry.under(grid)
            for grid in quarter_grids(records, cells=geometry.source_cells)
        )
        self._frames.append(_Frame(past, future, status, geometry))

    def finish(self) -> None:
        """Wait for no more frames."""
        for frame in self._frames:
            frame.status.settled = True

    def take(self) -> tuple[np.ndarray, np.ndarray]:
        """`mv` (F, M, N, 2) and `mv_valid` (F,) of the intervals settled since the last call."""
        frames: list[_Frame] = []
        while self._frames and self._frames[0].status.settled:
            frames.append(self._frames.popleft())
        cells = tuple(-(-side // CELL_PX) for side in self._stored)
        grids, valid = [np.empty((0, *cells, 2), np.float32)], []
        for _, alike in groupby(frames, key=lambda frame: id(frame.geometry)):
            group = list(alike)
            quarters = []
            for frame in group:
                quarter, known = frame.per_interval(self._before)
                quarters.append(quarter)
                valid.append(known)
                self._before = frame
            grids.append(stored_grids(np.stack(quarters), group[0].geometry))
        return np.concatenate(grids), np.array(valid, bool)
