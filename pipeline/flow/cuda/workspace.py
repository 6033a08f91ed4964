"""Memory and recordings for frames of one size, and what passes through them.

A batch takes a slot: its frames are copied in beside the kernels of the batch before it,
and the results of that one are copied out beside its own kernels.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.flow.batches import IN_FLIGHT, Coding
from pipeline.flow.errors import OutOfMemory

from .device import Device
from .schedule import Arrays, Schedule


@dataclass(slots=True, eq=False)
class Results:
    """Destination of the results of a ticket, chunk by chunk."""

    values: np.ndarray
    """(pairs, H, W, 2) float32 px, or coded (pairs, 2, H, W) uint8."""
    clipped: np.ndarray | None = None
    """(pairs,) int64 values beyond the bound of the coding; None without one."""


@dataclass(slots=True, eq=False)
class Chunk:
    """Some pairs of a ticket, in a slot of a workspace."""

    workspace: "Workspace"
    slot: "Slot"
    results: Results
    begin: int
    end: int
    done: Any = None
    """Mark of the queue "out"."""


@dataclass(slots=True, eq=False)
class Slot:
    """Input and output buffers, on the device and on the host."""

    given: Any
    chosen: Any
    counts: Any
    flow: Any
    levels: Any
    clipped: Any
    host_given: np.ndarray
    host_chosen: np.ndarray
    host_counts: np.ndarray
    host_flow: np.ndarray
    """Flow as float32 on both sides; coded results use its memory as bytes."""
    host_clipped: np.ndarray
    taken: bool = False


class Workspace:
    """Memory and recordings for frames of one size."""

    def __init__(
        self, device: Device, schedule: Schedule, size: tuple[int, int], most: int
    ) -> None:
        self.most = most
        self._device = device
        self._schedule = schedule
        self._size = size
        self._arrays: Arrays = {}
        self._owned: list[Any] = []
        self._recordings: dict[Any, Any] = {}
        self._slots: list[Slot] = []
        try:
            for name, array in schedule.arrays().items():
                count = array.elements(most, 2 * most)
                self._arrays[name] = self._array(count, array.dtype)
            for name, values in schedule.tables().items():
                self._arrays[name] = self._array(values.size, values.dtype.type)
                host = self._host(values.shape, values.dtype.type)
                host[:] = values
                device.put(self._arrays[name], host, "in")
            device.wait(device.mark("in"))
            self._slots = [self._slot() for _ in range(IN_FLIGHT)]
        except OutOfMemory:
            self.close()
            raise

    def close(self) -> None:
        """Give everything back; nothing may be running."""
        for recording in self._recordings.values():
            self._device.forget(recording)
        self._device.free(self._owned)
        self._recordings.clear()
        self._owned.clear()

    def free_slot(self) -> Slot:
        return next(it for it in self._slots if not it.taken)

    def start(
        self, chunk: Chunk, frames: np.ndarray, pairs: np.ndarray, coding: Coding | None
    ) -> None:
        """Copy in, solve, copy out; returns before any of it is done."""
        device, slot = self._device, chunk.slot
        used, places = np.unique(pairs, return_inverse=True)
        count = len(pairs)
        recording = self._recording(slot, count, coding)
        given = slot.host_given[: len(used)]
        np.take(frames, used, axis=0, out=given)
        slot.host_chosen[:count] = places.reshape(count, 2)
        slot.host_counts[:] = count, len(used)
        device.put(slot.given, given, "in")
        device.put(slot.chosen, slot.host_chosen[:count], "in")
        device.put(slot.counts, slot.host_counts, "in")
        arrived = device.mark("in")
        device.follow(arrived, "work")
        device.replay(recording)
        solved = device.mark("work")
        device.follow(solved, "out")
        if coding is None:
            device.get(slot.host_flow[:count], slot.flow, "out")
        else:
            device.get(self._levels(slot, count), slot.levels, "out")
            device.get(slot.host_clipped[:count], slot.clipped, "out")
        chunk.done = device.mark("out")
        slot.taken = True
        device.drop(arrived)
        device.drop(solved)

    def finish(self, chunk: Chunk) -> None:
        """Wait for a chunk and copy its results to where they belong."""
        self._device.wait(chunk.done)
        slot, results = chunk.slot, chunk.results
        count = chunk.end - chunk.begin
        slot.taken = False
        if results.clipped is None:
            results.values[chunk.begin : chunk.end] = slot.host_flow[:count]
        else:
            results.values[chunk.begin : chunk.end] = self._levels(slot, count)
            counts = slot.host_clipped[:count].sum(axis=1, dtype=np.int64)
            results.clipped[chunk.begin : chunk.end] = counts

    def _recording(self, slot: Slot, count: int, coding: Coding | None) -> Any:
        """The launches for up to 1, 2, 4, ... pairs, as few as are enough."""
        pairs = min(self.most, 1 << (count - 1).bit_length())
        key = pairs, self._slots.index(slot), coding
        if key not in self._recordings:
            self._recordings[key] = self._device.record(
                self._schedule.launches(
                    self._arrays,
                    pairs,
                    2 * pairs,
                    given=slot.given,
                    chosen=slot.chosen,
                    counts=slot.counts,
                    result=slot.flow if coding is None else slot.levels,
                    clipped=slot.clipped,
                    coding=coding,
                )
            )
        return self._recordings[key]

    def _slot(self) -> Slot:
        most, (height, width) = self.most, self._size
        pixels = height * width
        clipped = self._schedule.clipped_counts
        return Slot(
            given=self._array(2 * most * pixels, np.uint8),
            chosen=self._array(2 * most, np.int32),
            counts=self._array(2, np.int32),
            flow=self._array(2 * most * pixels, np.float32),
            levels=self._array(2 * most * pixels, np.uint8),
            clipped=self._array(most * clipped, np.int32),
            host_given=self._host((2 * most, height, width), np.uint8),
            host_chosen=self._host((most, 2), np.int32),
            host_counts=self._host((2,), np.int32),
            host_flow=self._host((most, height, width, 2), np.float32),
            host_clipped=self._host((most, clipped), np.int32),
        )

    def _levels(self, slot: Slot, count: int) -> np.ndarray:
        height, width = self._size
        flat = slot.host_flow.reshape(-1).view(np.uint8)
        return flat[: count * 2 * height * width].reshape(count, 2, height, width)

    def _array(self, elements: int, dtype: type) -> Any:
        array = self._device.array(elements, dtype)
        self._owned.append(array)
        return array

    def _host(self, shape: tuple[int, ...], dtype: type) -> np.ndarray:
        array = self._device.host_array(shape, dtype)
        self._owned.append(array)
        return array


def bytes_per_pair(schedule: Schedule, pixels: int) -> int:
    """Memory on the device that each pair of a batch needs, its two frames included."""
    inner = sum(
        array.elements(1, 2) * np.dtype(array.dtype).itemsize
        for array in schedule.arrays().values()
    )
    slot = 2 * pixels + 8 * pixels + 2 * pixels + 4 * schedule.clipped_counts
    return inner + IN_FLIGHT * slot
