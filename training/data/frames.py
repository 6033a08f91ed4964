"""Entries of a video, reduced to the net's grid, read from the store or from memory."""

from collections.abc import Sequence

import numpy as np

from motion_shards.choices import MOTION
from pipeline.store import Store, StoredVideo

from .motion_input import Fill, filled_from
from .transforms import grid_size, painted, resized


class Frames:
    """Reads entries of a video, and caches what fits into its memory.

    Small data sets are read from the store once and then come from memory, with the
    same values. A copy in another process starts with an empty cache.
    """

    def __init__(
        self,
        store: Store,
        *,
        short_px: int | None,
        fill: Fill,
        memory_bytes: int = 0,
    ) -> None:
        self.store, self.short_px, self.fill = store, short_px, fill
        self.memory_bytes = memory_bytes
        self._kept: dict[tuple[str, str], np.ndarray] = {}
        self._free = memory_bytes
        self._sources: dict[str, np.ndarray] = {}

    def __getstate__(self) -> dict:
        fresh = {"_kept": {}, "_free": self.memory_bytes, "_sources": {}}
        return self.__dict__ | fresh

    def read(
        self, video: StoredVideo, modality: str, entries: Sequence[int] | np.ndarray
    ) -> np.ndarray:
        """Entries of one modality in any order, read-only.

        Returns:
            (F, h, w, 3) uint8 for rgb, (F, h, w, 2) float32 px of the stored grid for
            flow and mv, at the size of the net's grid. Cells of mv are painted, and
            invalid intervals filled.
        """
        entries = np.asarray(entries)
        first, last = int(entries.min()), int(entries.max())
        whole = self._whole(video, modality)
        if whole is not None:
            return _taken(whole, entries)
        steps = np.unique(np.diff(entries))
        step = int(steps[0]) if len(steps) == 1 and steps[0] > 0 else 1
        stored = self._stored(video, modality, first, last + 1, step)
        return _taken(stored, (entries - first) // step)

    def size(self, video: StoredVideo) -> tuple[int, int]:
        """Height and width of the net's grid for this video."""
        return grid_size(video.height, video.width, self.short_px)

    def _whole(self, video: StoredVideo, modality: str) -> np.ndarray | None:
        """All of a video, if it is in memory or there is room for it."""
        kept = self._kept.get((video.id, modality))
        if kept is not None:
            return kept
        height, width = self.size(video)
        count, pixel_bytes = video.frames, 3
        if modality in MOTION:
            count, pixel_bytes = video.frames - 1, 8
        needed = count * height * width * pixel_bytes
        if needed > self._free:
            return None
        kept = self._stored(video, modality, 0, count)
        self._free -= needed
        self._kept[video.id, modality] = kept
        return kept

    def _stored(
        self, video: StoredVideo, modality: str, start: int, stop: int, step: int = 1
    ) -> np.ndarray:
        if modality == "mv":
            cells = self._cells(video, start, stop)[::step]
            fields = painted(cells, video.height, video.width)
        else:
            fields = self.store.read(
                video.id, modality, start=start, stop=stop, step=step
            )
        return resized(fields, self.size(video))

    def _cells(self, video: StoredVideo, start: int, stop: int) -> np.ndarray:
        """Motion vectors of intervals, (F, M, N, 2) px, invalid ones filled."""
        if video.id not in self._sources:
            valid = self.store.read(video.id, "mv_valid")
            self._sources[video.id] = filled_from(valid, self.fill)
        source = self._sources[video.id][start:stop]
        cells = self.store.read(video.id, "mv", start=start, stop=stop)
        filled = cells.copy()
        for place, entry in enumerate(source):
            if entry < 0:
                filled[place] = 0
            elif entry >= start:
                filled[place] = cells[entry - start]
            else:  # before this range: one and the same field for all of these
                if place == 0:
                    earlier = self.store.read(
                        video.id, "mv", start=int(entry), stop=int(entry) + 1
                    )[0]
                filled[place] = earlier
        return filled


def _taken(frames: np.ndarray, places: np.ndarray) -> np.ndarray:
    """frames[places], without a copy where the places are consecutive."""
    first = int(places[0])
    if np.array_equal(places, np.arange(first, first + len(places))):
        return frames[first : first + len(places)]
    return frames[places]
