"""Vectors of the file as it is -> `mv` of the stored grid."""

import av
import numpy as np

from .orientation import Orientation
from .references import VectorStatus
from .vectors import Geometry, Grids


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
        self._grids: Grids
        self._first = True
        self._finished: list[np.ndarray] = []
        self._valid: list[bool] = []

    def send(self, frame: av.VideoFrame, status: VectorStatus) -> None:
        """Note the vectors of the next frame, and what is known of them."""
        if self._first:  # no interval leads to the first frame
            self._first = False
            return
        source = ((frame.height, frame.width), status.cropped)
        if self._source != source:
            self._renew(*source)
        present = self._grids.add(frame)
        self._valid.append(status.known and present)

    def take(self) -> tuple[np.ndarray, np.ndarray]:
        """`mv` (F, M, N, 2) and `mv_valid` (F,) of the intervals since the last call."""
        if self._source is None:
            self._renew(self._turned.size(*self._stored), (0, 0))
        grids = np.concatenate([*self._finished, self._grids.take()])
        valid = np.array(self._valid, bool)
        self._finished.clear()
        self._valid.clear()
        return grids, valid

    def _renew(self, size: tuple[int, int], cropped: tuple[int, int]) -> None:
        if self._source is not None:
            self._finished.append(self._grids.take())
        self._source = (size, cropped)
        self._grids = Grids(
            Geometry.of(size, self._stored, turned=self._turned, cropped=cropped)
        )
