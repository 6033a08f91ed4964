"""Entries of a video, reduced to the net's grid, read from the store or from memory."""

from collections.abc import Callable, Sequence
from functools import partial
from threading import Lock
from typing import Any

import numpy as np

from motion_shards.choices import MOTION
from pipeline.store import CELL_PX, Levels, Store, StoredVideo

from .cells import with_known
from .motion_input import Fill, filled_from
from .transforms import Box, grid_size, painted, painted_box, resized

_KEEPING = Lock()


class Memory:
    """Bytes for decoded videos, which the `Frames` of several stores may share.

    A copy in another process has as many of its own.
    """

    def __init__(self, total: int) -> None:
        self.total = self.free = total

    def __getstate__(self) -> dict:
        return {"total": self.total, "free": self.total}


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
        cells: bool = False,
        memory_bytes: int = 0,
        memory: Memory | None = None,
    ) -> None:
        """
        Args:
            short_px: short side of the net's grid; None is as stored.
            cells: leave motion vectors on their own grid.
            memory_bytes: of the cache.
            memory: of the cache, instead, where others share it.
        """
        self.store, self.short_px, self.fill, self.cells = store, short_px, fill, cells
        self.memory = Memory(memory_bytes) if memory is None else memory
        self._kept: dict[tuple[str, str], Any] = {}
        self._sources: dict[str, np.ndarray] = {}

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_kept": {}, "_sources": {}}

    def of_store(self, store: Store) -> "Frames":
        """Entries of another store, prepared alike, in the same memory."""
        return Frames(
            store,
            short_px=self.short_px,
            fill=self.fill,
            cells=self.cells,
            memory=self.memory,
        )

    def read(
        self,
        video: StoredVideo,
        modality: str,
        entries: Sequence[int] | np.ndarray,
        *,
        box: Box | None = None,
    ) -> np.ndarray:
        """Entries of one modality in any order, read-only.

        Args:
            box: a part of the net's grid; the rest is not decoded where frames are stored
                at the size of the grid. None: all. Cells are never cut.

        Returns:
            (F, h, w, 3) uint8 for rgb, (F, h, w, 2) float32 px of the stored grid for
            flow and mv, at the size of the net's grid or of the box. Cells of mv are
            painted, and invalid intervals filled. With `cells`, mv is (F, M, N, 3) float32:
            u, v, and 1 where the interval's vectors are known, 0 where they were filled.
        """
        entries = np.asarray(entries)
        first, last = int(entries.min()), int(entries.max())
        if modality == "mv" and self.cells:
            box = None
        whole = self._whole(video, modality)
        if whole is not None:
            return _taken(whole if box is None else box.of(whole), entries)
        steps = np.unique(np.diff(entries))
        step = int(steps[0]) if len(steps) == 1 and steps[0] > 0 else 1
        stored = self._stored(video, modality, first, last + 1, step, box)
        return _taken(stored, (entries - first) // step)

    def read_levels(
        self,
        video: StoredVideo,
        modality: str,
        entries: Sequence[int] | np.ndarray,
        *,
        box: Box,
    ) -> Levels:
        """Motion as it is stored, in any order, read-only; invalid intervals are filled.

        Args:
            box: a part of the stored frame, px of flow or cells of mv.

        Returns:
            (F, 2, box.height, box.width) uint8 levels of flow or int16 of mv, and their px.
        """
        entries = np.asarray(entries)
        first, last = int(entries.min()), int(entries.max())
        steps = np.unique(np.diff(entries))
        step = int(steps[0]) if len(steps) == 1 and steps[0] > 0 else 1
        whole = self._whole_levels(video, modality)
        if whole is not None:
            first, step = 0, 1
            rows = slice(box.top, box.top + box.height)
            columns = slice(box.left, box.left + box.width)
            read = Levels(whole.values[:, :, rows, columns], whole.px)
        else:
            read = self._levels(video, modality, first, last + 1, step, box)
        return Levels(_taken(read.values, (entries - first) // step), read.px)

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
        if modality == "mv" and self.cells:
            height, width = -(-video.height // CELL_PX), -(-video.width // CELL_PX)
            pixel_bytes = 12
        needed = count * height * width * pixel_bytes
        if needed > self.memory.free:
            return None
        kept = self._stored(video, modality, 0, count)
        self._keep((video.id, modality), kept, needed)
        return kept

    def _whole_levels(self, video: StoredVideo, modality: str) -> Levels | None:
        """All stored motion of a video, if it is in memory or there is room for it."""
        name = f"{modality} levels"
        kept = self._kept.get((video.id, name))
        if kept is not None:
            return kept
        count, needed = video.frames - 1, 2 * video.height * video.width
        if modality == "mv":
            needed = 4 * -(-video.height // CELL_PX) * -(-video.width // CELL_PX)
        if count * needed > self.memory.free:
            return None
        kept = self._levels(video, modality, 0, count)
        self._keep((video.id, name), kept, count * needed)
        return kept

    def _keep(self, name: tuple[str, str], values: Any, size: int) -> None:
        with _KEEPING:  # threads may read several clips of a video at once
            if name not in self._kept:
                self.memory.free -= size
                self._kept[name] = values

    def _stored(
        self,
        video: StoredVideo,
        modality: str,
        start: int,
        stop: int,
        step: int = 1,
        box: Box | None = None,
    ) -> np.ndarray:
        size = self.size(video)
        early = box if size == (video.height, video.width) else None
        if modality == "mv":
            cells = self._cells(video, start, stop)[::step]
            if self.cells:
                known = self.store.read(video.id, "mv_valid", start=start, stop=stop)
                return with_known(cells, known[::step])
            if early is not None:
                return painted_box(cells, early)
            fields = painted(cells, video.height, video.width)
        else:
            fields = self.store.read(
                video.id, modality, start=start, stop=stop, step=step, crop=early
            )
        if early is not None:
            return fields
        whole = resized(fields, size)
        return whole if box is None else box.of(whole)

    def _levels(
        self,
        video: StoredVideo,
        modality: str,
        start: int,
        stop: int,
        step: int = 1,
        box: Box | None = None,
    ) -> Levels:
        read = partial(self.store.read_levels, video.id, modality, crop=box)
        if modality != "mv":
            return read(start=start, stop=stop, step=step)
        px: list[np.ndarray] = []

        def values(start: int, stop: int) -> np.ndarray:
            found = read(start=start, stop=stop)
            px.append(found.px)
            return found.values

        filled = self._filled(video, start, stop, values)
        return Levels(filled[::step], px[0])

    def _cells(self, video: StoredVideo, start: int, stop: int) -> np.ndarray:
        """Motion vectors of intervals, (F, M, N, 2) px, invalid ones filled."""

        def cells(start: int, stop: int) -> np.ndarray:
            return self.store.read(video.id, "mv", start=start, stop=stop)

        return self._filled(video, start, stop, cells)

    def _filled(
        self,
        video: StoredVideo,
        start: int,
        stop: int,
        read: Callable[[int, int], np.ndarray],
    ) -> np.ndarray:
        """Vectors of intervals as `read` gives them, invalid ones filled."""
        if video.id not in self._sources:
            valid = self.store.read(video.id, "mv_valid")
            self._sources[video.id] = filled_from(valid, self.fill)
        source = self._sources[video.id][start:stop]
        cells = read(start, stop)
        filled = cells.copy()
        for place, entry in enumerate(source):
            if entry < 0:
                filled[place] = 0
            elif entry >= start:
                filled[place] = cells[entry - start]
            else:  # before this range: one and the same field for all of these
                if place == 0:
                    earlier = read(int(entry), int(entry) + 1)[0]
                filled[place] = earlier
        return filled


def _taken(frames: np.ndarray, places: np.ndarray) -> np.ndarray:
    """frames[places], without a copy where the places are consecutive."""
    first = int(places[0])
    if np.array_equal(places, np.arange(first, first + len(places))):
        return frames[first : first + len(places)]
    return frames[places]
