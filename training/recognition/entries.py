"""The latest entries of a video, as they come, for one network."""

from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np

from ..data.cells import with_known
from ..data.clip_arrays import FrameSize
from ..data.clip_config import ClipConfig
from ..data.transforms import grid_size, painted, resized

PEL_PARTS = 4
"""Vectors are whole quarters of a pixel: int16 keeps them exactly."""


class EntryBuffer:
    """Entries of a video, numbered from 0; the oldest may be dropped.

    They equal those that `training.data.frames.Frames` reads from a store of the same
    video, except for the errors of that store's codecs.
    """

    def __init__(
        self, modality: str, config: ClipConfig, *, height: int, width: int
    ) -> None:
        """
        Args:
            height, width: of the video's frames as they are extracted, px.
        """
        self.modality, self.config = modality, config
        stored = (height, width)
        self.size = FrameSize(grid_size(height, width, config.grid_short_px), stored)
        self.count = 0
        """Entries so far, forgotten ones included."""
        self.known = 0
        """Intervals with known motion vectors, of `count`."""
        self.nbytes = 0
        self._first = 0
        self._entries: deque[np.ndarray] = deque()
        self._known: deque[bool] = deque()
        self._last: np.ndarray | None = None
        """The last known vectors."""

    def send(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Append the entries of a block (`pipeline.extract.video.Block.arrays`)."""
        if self.modality == "mv":
            quarters = (arrays["mv"] * PEL_PARTS).astype(np.int16)
            for grid, valid in zip(quarters, arrays["mv_valid"].tolist(), strict=True):
                self._append(self._filled(grid, valid))
                self._known.append(valid)
                self.known += valid
        else:
            reduced = resized(arrays[self.modality], self.size.grid)
            for entry in reduced:
                self._append(entry)

    def read(self, entries: Sequence[int] | np.ndarray) -> np.ndarray:
        """Entries in any order: (F, h, w, C), as `Frames.read` returns them."""
        wanted = [int(entry) - self._first for entry in entries]
        if min(wanted) < 0:
            raise IndexError(f"entries before {self._first} are forgotten")
        stack = np.stack([self._entries[each] for each in wanted])
        if self.modality != "mv":
            return stack
        cells = stack.astype(np.float32) / PEL_PARTS
        if self.config.cells is not None:
            return with_known(cells, np.array([self._known[each] for each in wanted]))
        return resized(painted(cells, *self.size.stored), self.size.grid)

    def forget(self, before: int) -> None:
        """Drop the entries before this one."""
        while self._first < min(before, self.count):
            self.nbytes -= self._entries.popleft().nbytes
            if self._known:
                self._known.popleft()
            self._first += 1

    def _append(self, entry: np.ndarray) -> None:
        self._entries.append(entry)
        self.nbytes += entry.nbytes
        self.count += 1

    def _filled(self, grid: np.ndarray, valid: bool) -> np.ndarray:
        """The vectors of an interval, or the replacement of unknown ones."""
        if valid:
            self._last = grid
            return grid
        if self.config.fill == "zero" or self._last is None:
            return np.zeros_like(grid)
        return self._last
