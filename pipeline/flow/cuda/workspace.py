"""Layout and recordings for frames of one size, and what passes through them.

A batch takes a slot: its frames are copied in beside the kernels of the batch before it,
and the results of that one are copied out beside its own kernels.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.flow.batches import IN_FLIGHT, Coding
from pipeline.flow.errors import DeviceError, OutOfMemory

from .arena import Arena, Layout, host_arrays
from .device import Device
from .schedule import Arrays, Schedule


@dataclass(slots=True, eq=False)
class Results:
    """Destination of the results of a ticket, chunk by chunk."""

    values: np.ndarray
    """(pairs, H, W, 2) float32 px, or coded (pairs, 2, H, W) uint8."""
    clipped: np.ndarray | None = None
    """(pairs,) int64 values beyond the bound of the coding; None without one."""
    error: Exception | None = None
    """Reason for which some of them are missing."""


@dataclass(slots=True, eq=False)
class Chunk:
    """Some pairs of a ticket, in a slot of the arena."""

    workspace: "Workspace"
    slot: int
    results: Results
    begin: int
    end: int
    done: Any = None
    """Mark of the queue "out"."""


class Plan:
    """Layouts in the arena for batches of up to `most` pairs of one size."""

    def __init__(self, schedule: Schedule, size: tuple[int, int], most: int) -> None:
        self.schedule, self.size, self.most = schedule, size, most
        pixels = size[0] * size[1]
        self.work = Layout(
            {
                name: (array.elements(most, 2 * most), array.dtype)
                for name, array in schedule.arrays().items()
            }
        )
        self.slot = Layout(
            {
                "given": (2 * most * pixels, np.uint8),
                "chosen": (2 * most, np.int32),
                "counts": (2, np.int32),
                "flow": (2 * most * pixels, np.float32),
                "clipped": (most * schedule.clipped_counts, np.int32),
            }
        )

    @property
    def bytes(self) -> int:
        """Memory on the device."""
        return self.work.bytes + IN_FLIGHT * self.slot.bytes


class Workspace:
    """Recordings for frames of one size, in an arena that holds its plan."""

    def __init__(self, device: Device, plan: Plan, arena: Arena) -> None:
        self.most = plan.most
        self.batches = 0
        """Batches since it was made."""
        self._device = device
        self._plan = plan
        self._slots = arena.slots
        self._recordings: dict[Any, Any] = {}
        self._owned: list[Any] = []
        self._arrays: Arrays = arena.arrays(arena.work, plan.work)
        self._inside = [arena.arrays(it.device, plan.slot) for it in arena.slots]
        for number, inside in enumerate(self._inside):  # levels where flow would be
            block, flow = arena.slots[number].device, plan.slot.parts["flow"]
            inside["levels"] = device.part(block, flow.offset, flow.elements, np.uint8)
        self._outside = [host_arrays(it.host, plan.slot) for it in arena.slots]
        try:
            self._put_tables(plan.schedule.tables())
        except OutOfMemory:
            self.close()
            raise

    def close(self) -> None:
        """Give everything back; nothing may be running."""
        recordings, owned = list(self._recordings.values()), self._owned
        self._recordings, self._owned = {}, []
        for recording in recordings:
            self._device.forget(recording)
        self._device.free(owned)

    def free_slot(self) -> int:
        """Number of a slot that no batch has."""
        return next(k for k, it in enumerate(self._slots) if not it.taken)

    def start(
        self, chunk: Chunk, frames: np.ndarray, pairs: np.ndarray, coding: Coding | None
    ) -> None:
        """Copy in, solve, copy out; returns before any of it is done."""
        device, slot = self._device, self._slots[chunk.slot]
        inside, outside = self._inside[chunk.slot], self._outside[chunk.slot]
        used, places = np.unique(pairs, return_inverse=True)
        count = len(pairs)
        recording = self._recording(chunk.slot, count, coding)
        given = outside["given"][: len(used) * frames[0].size]
        taken = given.reshape(len(used), *frames.shape[1:])
        np.take(frames, used, axis=0, out=taken, mode="clip")  # else by way of a buffer
        outside["chosen"][: 2 * count] = places.ravel()
        outside["counts"][:] = count, len(used)
        device.put(inside["given"], given, "in")
        device.put(inside["chosen"], outside["chosen"][: 2 * count], "in")
        device.put(inside["counts"], outside["counts"], "in")
        arrived = device.mark("in")
        device.follow(arrived, "work")
        device.replay(recording)
        solved = device.mark("work")
        device.follow(solved, "out")
        if coding is None:
            device.get(self._flow(chunk.slot, count), inside["flow"], "out")
        else:
            device.get(self._levels(chunk.slot, count), inside["levels"], "out")
            counts = self._clipped(chunk.slot, count)
            device.get(counts, inside["clipped"], "out")
        chunk.done = device.mark("out")
        slot.taken = True
        self.batches += 1
        device.drop(arrived)
        device.drop(solved)

    def finish(self, chunk: Chunk) -> None:
        """Wait for a chunk and copy its results to where they belong.

        Raises:
            DeviceError: the device failed, or computed what is not a number.
        """
        results = chunk.results
        try:
            self._device.wait(chunk.done)
            count = chunk.end - chunk.begin
            self._slots[chunk.slot].taken = False
            if results.clipped is None:
                flow = self._flow(chunk.slot, count)
                _require_finite(math.isfinite(float(flow.sum())))
                results.values[chunk.begin : chunk.end] = flow
            else:
                counts = self._clipped(chunk.slot, count)
                _require_finite(counts.min() >= 0)
                levels = self._levels(chunk.slot, count)
                results.values[chunk.begin : chunk.end] = levels
                sums = counts.sum(axis=1, dtype=np.int64)
                results.clipped[chunk.begin : chunk.end] = sums
        except Exception as error:
            results.error = error
            raise

    def _recording(self, slot: int, count: int, coding: Coding | None) -> Any:
        """The launches for up to 1, 2, 4, ... pairs, as few as are enough."""
        pairs = min(self.most, 1 << (count - 1).bit_length())
        key = pairs, slot, coding
        if key not in self._recordings:
            inside = self._inside[slot]
            self._recordings[key] = self._device.record(
                self._plan.schedule.launches(
                    self._arrays,
                    pairs,
                    2 * pairs,
                    given=inside["given"],
                    chosen=inside["chosen"],
                    counts=inside["counts"],
                    result=inside["flow" if coding is None else "levels"],
                    clipped=inside["clipped"],
                    coding=coding,
                )
            )
        return self._recordings[key]

    def _put_tables(self, tables: dict[str, np.ndarray]) -> None:
        """Constant tables of this size, all in one array."""
        if not tables:
            return
        layout = Layout({name: (it.size, it.dtype.type) for name, it in tables.items()})
        block = self._device.array(layout.bytes, np.uint8)
        self._owned.append(block)
        host = self._device.host_array((layout.bytes,), np.uint8)
        self._owned.append(host)
        for name, values in host_arrays(host, layout).items():
            values[:] = tables[name].ravel()
        self._device.put(block, host, "in")
        self._device.wait(self._device.mark("in"))
        self._device.free([self._owned.pop()])
        for name, part in layout.parts.items():
            self._arrays[name] = self._device.part(block, *part)

    def _flow(self, slot: int, count: int) -> np.ndarray:
        """(count, H, W, 2) float32 on the host."""
        height, width = self._plan.size
        flat = self._outside[slot]["flow"][: count * height * width * 2]
        return flat.reshape(count, height, width, 2)

    def _levels(self, slot: int, count: int) -> np.ndarray:
        """(count, 2, H, W) uint8 on the host."""
        height, width = self._plan.size
        flat = self._outside[slot]["flow"].view(np.uint8)
        return flat[: count * 2 * height * width].reshape(count, 2, height, width)

    def _clipped(self, slot: int, count: int) -> np.ndarray:
        """(count, blocks) int32 on the host."""
        blocks = self._plan.schedule.clipped_counts
        return self._outside[slot]["clipped"][: count * blocks].reshape(count, blocks)


def _require_finite(finite: bool) -> None:
    if not finite:
        raise DeviceError("flow back end cuda: the GPU computed flow that is no number")


def bytes_per_pair(schedule: Schedule, pixels: int) -> int:
    """Memory on the device that each pair of a batch needs, its two frames included."""
    inner = sum(
        array.elements(1, 2) * np.dtype(array.dtype).itemsize
        for array in schedule.arrays().values()
    )
    slot = 2 * pixels + 8 * pixels + 4 * schedule.clipped_counts
    return inner + IN_FLIGHT * slot
