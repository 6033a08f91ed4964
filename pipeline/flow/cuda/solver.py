"""TV-L1 on one GPU: batches of pairs, two under way, nothing waits for the host.

For each size of frames there is a room: memory for as many pairs as fit, two seats with
what goes in and comes out, and recordings of the launches for 1, 2, 4, ... pairs. A batch
takes a seat: its frames are copied in beside the kernels of the batch before it, and the
results of that one are copied out beside its own kernels.
"""

import contextlib
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..batches import (
    IN_FLIGHT,
    Coding,
    FlowBatch,
    Queue,
    Ticket,
    checked_pairs,
    consecutive,
)
from ..errors import FlowError
from ..frames import check_frames
from ..profiles import Profile
from .device import Device, OutOfMemory
from .iterate import iterate_kernel
from .schedule import Schedule, Work, kernels_of
from .tiles import LARGE, SMALL, TileShape

SHARE_OF_FREE = 0.8
"""Of the memory that is free, what a batch may take: others start on this GPU too."""

PIXELS_WORTH = 5_500_000
"""Pixels of all pairs of a batch that keep a large GPU busy: 64 pairs of 340x256, whose
finest level is 2240 tiles for the 132 multiprocessors of an H100 or H200."""

MOST_PAIRS = 512

MOST_PIXELS = 1 << 27
"""Of a frame: kernels count elements in 32 bits."""


class CudaSolver:
    """`FlowSolver` and `BatchSolver` on a `Device`."""

    backend = "cuda"

    def __init__(
        self,
        name: str,
        profile: Profile,
        device: Device,
        *,
        shape: TileShape | None = None,
    ) -> None:
        """`shape`: of tiles; None: the largest that the device has room for."""
        if profile.median not in (1, 5):
            raise FlowError(f"flow back end cuda: no median filter of {profile.median}")
        self.profile = name
        self.device = f"cuda {device.name}"
        self._settings = profile
        self._device = device
        self._shape = shape or _largest_shape(device, profile)
        self._rooms: OrderedDict[tuple[int, int], _Room] = OrderedDict()
        self._most: dict[tuple[int, int], int] = {}
        self._queue = Queue()
        self._running: deque[_Part] = deque()
        device.enter()
        iterate = iterate_kernel(self._shape, stopping=profile.epsilon > 0)
        device.load(kernels_of(iterate))

    def most(self, height: int, width: int) -> int:
        """See `BatchSolver.most`."""
        size = height, width
        if size not in self._most:
            self._device.enter()
            pixels = height * width
            if pixels > MOST_PIXELS:
                raise FlowError(
                    f"flow back end cuda: expected frames of at most {MOST_PIXELS} px, "
                    f"got {width}x{height}"
                )
            each = _bytes_per_pair(self._schedule(size), pixels)
            fit = int(self._device.free_bytes() * SHARE_OF_FREE / each)
            worth = min(MOST_PAIRS, -(-PIXELS_WORTH // pixels))
            self._most[size] = max(1, min(fit, worth))
        return self._most[size]

    def work(self, height: int, width: int) -> Work:
        """What the iterations of a pair of this size are, if none stops early."""
        return self._schedule((height, width)).work()

    def limits(self) -> tuple[float, float]:
        """See `Device.limits`."""
        return self._device.limits()

    def flow(self, frames: np.ndarray) -> np.ndarray:
        """See `FlowSolver.flow`; not while tickets are under way."""
        check_frames(frames)
        flow = np.empty((*frames.shape, 2), np.float32)[1:]
        if not len(flow):
            return flow
        self._device.enter()
        self._queue.expect_none()
        work = _Work(flow, None, None)
        self._start(frames, consecutive(len(frames)), None, work)
        self._finish(work)
        return flow

    def launch(
        self, frames: np.ndarray, pairs: np.ndarray, coding: Coding | None = None
    ) -> Ticket:
        """See `BatchSolver.launch`."""
        self._queue.expect_room()
        pairs = checked_pairs(frames, pairs)
        self._device.enter()
        count, (height, width) = len(pairs), frames.shape[1:]
        if coding is None:
            shape = (count, height, width, 2)
            work = _Work(np.empty(shape, np.float32), None, None)
        else:
            planes = np.empty((count, 2, height, width), np.uint8)
            work = _Work(planes, coding, np.empty(count, np.int64))
        self._start(frames, pairs, coding, work)
        return self._queue.put(count, work)

    def collect(self, ticket: Ticket) -> FlowBatch:
        """See `BatchSolver.collect`."""
        work = self._queue.take(ticket)
        assert isinstance(work, _Work)
        self._device.enter()
        self._finish(work)
        if work.coding is None:
            return FlowBatch(flow=work.result)
        return FlowBatch(planes=work.result, clipped=work.clipped)

    def close(self) -> None:
        """Wait for what is under way and give the device's memory back. The solver can go
        on afterwards; tickets not collected keep their results."""
        self._device.enter()
        while self._running:
            self._collect_oldest()
        while self._rooms:
            self._rooms.popitem()[1].close()

    def _start(
        self,
        frames: np.ndarray,
        pairs: np.ndarray,
        coding: Coding | None,
        work: "_Work",
    ) -> None:
        """Start on all pairs, in parts as large as fit."""
        size = frames.shape[1], frames.shape[2]
        begin = 0
        while begin < len(pairs):
            try:
                with self._room(size) as room:
                    end = min(len(pairs), begin + room.most)
                    while len(self._running) >= IN_FLIGHT:
                        self._collect_oldest()
                    part = _Part(room, room.free_seat(), work, begin, end)
                    room.start(part, frames, pairs[begin:end], coding)
            except OutOfMemory as error:
                self._shrink(size, error)
                continue
            self._running.append(part)
            begin = end

    def _finish(self, work: "_Work") -> None:
        """Until no part of it is running."""
        while any(part.work is work for part in self._running):
            self._collect_oldest()

    def _collect_oldest(self) -> None:
        part = self._running.popleft()
        part.room.finish(part)

    @contextlib.contextmanager
    def _room(self, size: tuple[int, int]) -> Iterator["_Room"]:
        """The room for frames of this size, made if there is none."""
        if size not in self._rooms:
            most = self.most(*size)
            schedule = self._schedule(size)
            self._rooms[size] = _Room(self._device, schedule, size, most)
        self._rooms.move_to_end(size)
        yield self._rooms[size]

    def _shrink(self, size: tuple[int, int], error: OutOfMemory) -> None:
        """Give memory back: that for other sizes, then half of this one's."""
        while self._running:
            self._collect_oldest()
        others = [it for it in self._rooms if it != size]
        for other in others:
            self._rooms.pop(other).close()
        if size in self._rooms:
            self._rooms.pop(size).close()
        if not others:
            height, width = size
            if self._most[size] == 1:
                free = self._device.free_bytes() >> 20
                raise FlowError(
                    f"flow back end cuda: no memory for a pair of {width}x{height} px, "
                    f"{free} MB are free"
                ) from error
            self._most[size] //= 2

    def _schedule(self, size: tuple[int, int]) -> Schedule:
        return Schedule(*size, self._settings, self._shape)


@dataclass(slots=True, eq=False)
class _Work:
    """What a ticket stands for: where the results of its parts go."""

    result: np.ndarray
    coding: Coding | None
    clipped: np.ndarray | None


@dataclass(slots=True, eq=False)
class _Part:
    """Some of a work's pairs, in a seat of a room."""

    room: "_Room"
    seat: "_Seat"
    work: _Work
    begin: int
    end: int
    done: Any = None
    """Mark of the queue "out"."""


@dataclass(slots=True, eq=False)
class _Seat:
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


class _Room:
    """Memory and recordings for frames of one size."""

    def __init__(
        self, device: Device, schedule: Schedule, size: tuple[int, int], most: int
    ) -> None:
        self.most = most
        self._device = device
        self._schedule = schedule
        self._size = size
        self._arrays: dict[str, Any] = {}
        self._owned: list[Any] = []
        self._recordings: dict[Any, Any] = {}
        self._seats: list[_Seat] = []
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

    def free_seat(self) -> _Seat:
        return next(it for it in self._seats if not it.taken)

    def start(
        self, part: _Part, frames: np.ndarray, pairs: np.ndarray, coding: Coding | None
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

    def finish(self, part: _Part) -> None:
        """Wait for a part and copy its results to where its work wants them."""
        self._device.wait(part.done)
        seat, work = part.seat, part.work
        count = part.end - part.begin
        seat.taken = False
        if work.clipped is None:
            work.result[part.begin : part.end] = seat.host_flow[:count]
        else:
            work.result[part.begin : part.end] = self._levels(seat, count)
            counts = seat.host_clipped[:count].sum(axis=1, dtype=np.int64)
            work.clipped[part.begin : part.end] = counts

    def _recording(self, seat: _Seat, count: int, coding: Coding | None) -> Any:
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

    def _seat(self) -> _Seat:
        most, (height, width) = self.most, self._size
        pixels = height * width
        clipped = self._schedule.clipped_counts
        return _Seat(
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

    def _levels(self, seat: _Seat, count: int) -> np.ndarray:
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


def _bytes_per_pair(schedule: Schedule, pixels: int) -> int:
    """Memory on the device that each pair of a batch needs, its two frames included."""
    inner = sum(
        array.elements(1, 2) * np.dtype(array.dtype).itemsize
        for array in schedule.arrays().values()
    )
    seat = 2 * pixels + 8 * pixels + 2 * pixels + 4 * schedule.clipped_counts
    return inner + IN_FLIGHT * seat


def _largest_shape(device: Device, profile: Profile) -> TileShape:
    for shape in (LARGE, SMALL):
        kernel = iterate_kernel(shape, stopping=profile.epsilon > 0)
        if kernel.shared_bytes <= device.shared_bytes:
            return shape
    raise FlowError(
        f"flow back end cuda: {device.name} has {device.shared_bytes} bytes of shared "
        f"memory per block, expected at least {kernel.shared_bytes}"
    )
