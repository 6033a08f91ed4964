"""Memory and recordings for frames of one size, and what passes through them.

A batch takes a seat: its frames are copied in beside the kernels of the batch before it,
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
    """Where the results of a ticket go, part by part."""

    values: np.ndarray
    """(pairs, H, W, 2) float32 px, or coded (pairs, 2, H, W) uint8."""
    clipped: np.ndarray | None = None
    """(pairs,) int64 values beyond the bound of the coding; None without one."""


@dataclass(slots=True, eq=False)
class Part:
    """Some pairs of a ticket, in a seat of a room."""

    room: "Room"
    seat: "Seat"
    results: Results
    begin: int
    end: int
    done: Any = None
    """Mark of the queue "out"."""


@dataclass(slots=True, eq=False)
class Seat:
    """What goes in and comes out, on the device and beside it on the host."""

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
    """As float32 on both sides; coded results use its memory as bytes."""
    host_clipped: np.ndarray
    taken: bool = False


class Room:
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
        self._seats: list[Seat] = []
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
            self._seats = [self._seat() for _ in range(IN_FLIGHT)]
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

    def free_seat(self) -> Seat:
        return next(it for it in self._seats if not it.taken)

    def start(
        self, part: Part, frames: np.ndarray, pairs: np.ndarray, coding: Coding | None
    ) -> None:
        """Copy in, solve, copy out; returns before any of it is done."""
        device, seat = self._device, part.seat
        used, places = np.unique(pairs, return_inverse=True)
        count = len(pairs)
        recording = self._recording(seat, count, coding)
        given = seat.host_given[: len(used)]
        np.take(frames, used, axis=0, out=given)
        seat.host_chosen[:count] = places.reshape(count, 2)
        seat.host_counts[:] = count, len(used)
        device.put(seat.given, given, "in")
        device.put(seat.chosen, seat.host_chosen[:count], "in")
        device.put(seat.counts, seat.host_counts, "in")
        arrived = device.mark("in")
        device.follow(arrived, "work")
        device.replay(recording)
        solved = device.mark("work")
        device.follow(solved, "out")
        if coding is None:
            device.get(seat.host_flow[:count], seat.flow, "out")
        else:
            device.get(self._levels(seat, count), seat.levels, "out")
            device.get(seat.host_clipped[:count], seat.clipped, "out")
        part.done = device.mark("out")
        seat.taken = True
        device.drop(arrived)
        device.drop(solved)

    def finish(self, part: Part) -> None:
        """Wait for a part and copy its results to where they belong."""
        self._device.wait(part.done)
        seat, results = part.seat, part.results
        count = part.end - part.begin
        seat.taken = False
        if results.clipped is None:
            results.values[part.begin : part.end] = seat.host_flow[:count]
        else:
            results.values[part.begin : part.end] = self._levels(seat, count)
            counts = seat.host_clipped[:count].sum(axis=1, dtype=np.int64)
            results.clipped[part.begin : part.end] = counts

    def _recording(self, seat: Seat, count: int, coding: Coding | None) -> Any:
        """The launches for up to 1, 2, 4, ... pairs, as few as are enough."""
        pairs = min(self.most, 1 << (count - 1).bit_length())
        key = pairs, self._seats.index(seat), coding
        if key not in self._recordings:
            self._recordings[key] = self._device.record(
                self._schedule.launches(
                    self._arrays,
                    pairs,
                    2 * pairs,
                    given=seat.given,
                    chosen=seat.chosen,
                    counts=seat.counts,
                    result=seat.flow if coding is None else seat.levels,
                    clipped=seat.clipped,
                    coding=coding,
                )
            )
        return self._recordings[key]

    def _seat(self) -> Seat:
        most, (height, width) = self.most, self._size
        pixels = height * width
        clipped = self._schedule.clipped_counts
        return Seat(
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

    def _levels(self, seat: Seat, count: int) -> np.ndarray:
        height, width = self._size
        flat = seat.host_flow.reshape(-1).view(np.uint8)
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
    seat = 2 * pixels + 8 * pixels + 2 * pixels + 4 * schedule.clipped_counts
    return inner + IN_FLIGHT * seat
