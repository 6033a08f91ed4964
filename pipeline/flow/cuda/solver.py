"""TV-L1 on one GPU: batches of pairs, two under way, nothing waits for the host.

Frames of all sizes use the same memory in turn (`arena`). For each size there is a workspace
with recordings of the launches for 1, 2, 4, ... pairs; those of the sizes that were used last
are there to be replayed.
"""

from collections import OrderedDict, deque
from typing import Self

import numpy as np

from pipeline.flow.batches import (
    IN_FLIGHT,
    Coding,
    FlowBatch,
    Queue,
    Ticket,
    checked_pairs,
    consecutive,
)
from pipeline.flow.errors import DeviceError, FlowError, OutOfMemory
from pipeline.flow.profiles import Profile
from pipeline.flow.protocol import check_frames

from .arena import Arena
from .device import Device
from .iterate import iterate_kernel
from .schedule import Schedule, Work, kernels_of
from .tiles import SHAPES, TileShape
from .workspace import Chunk, Plan, Results, Workspace, bytes_per_pair

SHARE_OF_FREE = 0.9
"""Share of the free memory that is taken at most: others may need a little, too."""

PIXELS_WORTH = 5_500_000
"""Pixels of all pairs of a batch that keep a large GPU busy: 64 pairs of 340x256, whose
finest level is 2240 tiles for the 132 multiprocessors of an H100 or H200."""

MOST_PAIRS = 512

SIZES = 96
"""Sizes of frames whose recordings are there at a time."""

TRY_AGAIN = 200
"""Batches of a size after which one that memory has made small is planned anew."""

MOST_PIXELS = 1 << 27
"""Limit of a frame: kernels count elements in 32 bits."""


class CudaSolver:
    """`FlowSolver` and `BatchSolver` on a `Device`."""

    backend = "cuda"

    def __init__(
        self,
        name: str,
        profile: Profile,
        device: Device,
        *,
        workers: int = 1,
        batch: int | None = None,
        shape: TileShape | None = None,
    ) -> None:
        """Take the device.

        Args:
            workers: processes that share the device's memory equally.
            batch: pairs of a batch, as far as memory allows; None: as many as keep a
                large GPU busy.
            shape: of tiles; None: the largest that the device has room for.

        Raises:
            DeviceError: the device cannot be used.
        """
        if profile.median not in (1, 5):
            raise FlowError(f"flow back end cuda: no median filter of {profile.median}")
        self.profile = name
        self.device = f"cuda {device.name}"
        self._settings = profile
        self._device = device
        self._workers = workers
        self._batch = batch
        self._shape = shape or _largest_shape(device, profile)
        self._kernels = kernels_of(
            iterate_kernel(self._shape, stopping=profile.epsilon > 0)
        )
        self._arena = Arena(device)
        self._workspaces: OrderedDict[tuple[int, int], Workspace] = OrderedDict()
        self._most: dict[tuple[int, int], int] = {}
        self._limit: int | None = None
        """Bytes that the arena must not exceed, since memory ran out."""
        self._queue = Queue()
        self._running: deque[Chunk] = deque()
        self._enter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def most(self, height: int, width: int) -> int:
        """See `BatchSolver.most`."""
        size = height, width
        if size not in self._most:
            self._enter()
            pixels = height * width
            if pixels > MOST_PIXELS:
                raise DeviceError(
                    f"flow back end cuda: expected frames of at most {MOST_PIXELS} px, "
                    f"got {width}x{height}"
                )
            schedule, room = self._schedule(size), self._room()
            wanted = self._wanted(pixels)
            most = min(room // bytes_per_pair(schedule, pixels), wanted)
            while most > 1 and Plan(schedule, size, most).bytes > room:
                most -= 1
            self._most[size] = max(1, most)
        return self._most[size]

    def work(self, height: int, width: int) -> Work:
        """Work of the iterations of a pair of this size, if none stops early."""
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
        self._enter()
        self._queue.expect_none()
        results = Results(flow)
        self._start(frames, consecutive(len(frames)), None, results)
        self._finish(results)
        return flow

    def launch(
        self, frames: np.ndarray, pairs: np.ndarray, coding: Coding | None = None
    ) -> Ticket:
        """See `BatchSolver.launch`."""
        self._queue.expect_room()
        pairs = checked_pairs(frames, pairs)
        self._enter()
        count, (height, width) = len(pairs), frames.shape[1:]
        if coding is None:
            shape = (count, height, width, 2)
            results = Results(np.empty(shape, np.float32))
        else:
            planes = np.empty((count, 2, height, width), np.uint8)
            results = Results(planes, clipped=np.empty(count, np.int64))
        self._start(frames, pairs, coding, results)
        return self._queue.put(count, results)

    def collect(self, ticket: Ticket) -> FlowBatch:
        """See `BatchSolver.collect`."""
        results = self._queue.take(ticket)
        assert isinstance(results, Results)
        self._enter()
        self._finish(results)
        if results.clipped is None:
            return FlowBatch(flow=results.values)
        return FlowBatch(planes=results.values, clipped=results.clipped)

    def close(self) -> None:
        """Wait for what is under way and give back all that was taken of the device. The
        solver can go on afterwards; tickets not collected keep their results.

        Raises:
            DeviceError: the device failed. All is given back that still can be.
        """
        try:
            if self._running:
                self._enter()
            while self._running:
                self._collect_oldest()
        except DeviceError as error:
            for chunk in self._running:
                chunk.results.error = error
            raise
        finally:
            self._running.clear()
            self._workspaces.clear()
            self._most.clear()
            self._arena = Arena(self._device)
            self._device.close()

    def _enter(self) -> None:
        """Before anything else: open the device where it is closed."""
        self._device.enter()
        self._device.load(self._kernels)

    def _start(
        self,
        frames: np.ndarray,
        pairs: np.ndarray,
        coding: Coding | None,
        results: Results,
    ) -> None:
        """Start on all pairs, in chunks as large as fit."""
        size = frames.shape[1], frames.shape[2]
        begin = 0
        while begin < len(pairs):
            try:
                workspace = self._workspace(size)
                end = min(len(pairs), begin + workspace.most)
                while len(self._running) >= IN_FLIGHT:
                    self._collect_oldest()
                chunk = Chunk(workspace, workspace.free_slot(), results, begin, end)
                workspace.start(chunk, frames, pairs[begin:end], coding)
            except OutOfMemory as error:
                self._shrink(size, error)
                continue
            self._running.append(chunk)
            begin = end

    def _finish(self, results: Results) -> None:
        """Until no chunk of them is under way.

        Raises:
            DeviceError: the device failed, now or when another ticket was launched.
        """
        while any(chunk.results is results for chunk in self._running):
            self._collect_oldest()
        if results.error:
            raise results.error

    def _collect_oldest(self) -> None:
        chunk = self._running.popleft()
        chunk.workspace.finish(chunk)

    def _workspace(self, size: tuple[int, int]) -> Workspace:
        """The workspace for frames of this size, made if there is none."""
        if size in self._workspaces:
            workspace = self._workspaces[size]
            wanted = self._wanted(size[0] * size[1])
            if workspace.most < wanted and workspace.batches >= TRY_AGAIN:
                self._limit = None
                self._most.pop(size, None)
                workspace.batches = 0
        most = self.most(*size)
        if size in self._workspaces and self._workspaces[size].most != most:
            self._forget(size)
        if size not in self._workspaces:
            plan = Plan(self._schedule(size), size, most)
            if not self._arena.holds(plan.work, plan.slot):
                self._forget_all()
                self._arena.grow(plan.work, plan.slot, room=self._room())
            while len(self._workspaces) >= SIZES:
                self._forget(next(iter(self._workspaces)))
            self._workspaces[size] = Workspace(self._device, plan, self._arena)
        self._workspaces.move_to_end(size)
        return self._workspaces[size]

    def _wanted(self, pixels: int) -> int:
        """Pairs of a batch, were there memory enough."""
        return self._batch or _worth(pixels)

    def _room(self) -> int:
        """Bytes of the device that the arena may have: an equal share, of what is free."""
        free = int(self._device.free_bytes() * SHARE_OF_FREE) + self._arena.bytes
        room = min(self._device.share_bytes(self._workers), free)
        return room if self._limit is None else min(room, self._limit)

    def _shrink(self, size: tuple[int, int], error: OutOfMemory) -> None:
        """Give all memory back, and want half as much of it for this size and others."""
        most = self._most[size]
        self._forget_all()
        self._arena.close()
        self._most.clear()
        if most == 1:
            self._limit = None
            height, width = size
            free = self._device.free_bytes() >> 20
            raise OutOfMemory(
                f"flow back end cuda: no memory for a pair of {width}x{height} px, "
                f"{free} MB are free"
            ) from error
        self._limit = Plan(self._schedule(size), size, most // 2).bytes

    def _forget(self, size: tuple[int, int]) -> None:
        """Give the workspace of a size back."""
        while self._running:
            self._collect_oldest()
        self._workspaces.pop(size).close()

    def _forget_all(self) -> None:
        while self._workspaces:
            self._forget(next(iter(self._workspaces)))

    def _schedule(self, size: tuple[int, int]) -> Schedule:
        return Schedule(*size, self._settings, self._shape)


def _worth(pixels: int) -> int:
    """Pairs of a batch that keep a large GPU busy."""
    return min(MOST_PAIRS, -(-PIXELS_WORTH // pixels))


def _largest_shape(device: Device, profile: Profile) -> TileShape:
    for shape in SHAPES:
        kernel = iterate_kernel(shape, stopping=profile.epsilon > 0)
        if kernel.shared_bytes <= device.shared_bytes:
            return shape
    raise DeviceError(
        f"flow back end cuda: {device.name} has {device.shared_bytes} bytes of shared "
        f"memory per block, expected at least {kernel.shared_bytes}"
    )
