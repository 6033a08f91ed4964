"""TV-L1 on one GPU: batches of pairs, two under way, nothing waits for the host.

For each size of frames there is a workspace: memory for as many pairs as fit, two slots with
what goes in and comes out, and recordings of the launches for 1, 2, 4, ... pairs.
"""

from collections import OrderedDict, deque

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
from pipeline.flow.errors import FlowError, OutOfMemory
from pipeline.flow.profiles import Profile
from pipeline.flow.protocol import check_frames

from .device import Device
from .iterate import iterate_kernel
from .schedule import Schedule, Work, kernels_of
from .tiles import LARGE, SMALL, TileShape
from .workspace import Chunk, Results, Workspace, bytes_per_pair

SHARE_OF_FREE = 0.8
"""Share of the free memory that a batch may take: others start on this GPU too."""

PIXELS_WORTH = 5_500_000
"""Pixels of all pairs of a batch that keep a large GPU busy: 64 pairs of 340x256, whose
finest level is 2240 tiles for the 132 multiprocessors of an H100 or H200."""

MOST_PAIRS = 512

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
        self._workspaces: OrderedDict[tuple[int, int], Workspace] = OrderedDict()
        self._most: dict[tuple[int, int], int] = {}
        self._queue = Queue()
        self._running: deque[Chunk] = deque()
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
            each = bytes_per_pair(self._schedule(size), pixels)
            fit = int(self._device.free_bytes() * SHARE_OF_FREE / each)
            worth = min(MOST_PAIRS, -(-PIXELS_WORTH // pixels))
            self._most[size] = max(1, min(fit, worth))
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
        self._device.enter()
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
        self._device.enter()
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
        self._device.enter()
        self._finish(results)
        if results.clipped is None:
            return FlowBatch(flow=results.values)
        return FlowBatch(planes=results.values, clipped=results.clipped)

    def close(self) -> None:
        """Wait for what is under way and give the device's memory back. The solver can go
        on afterwards; tickets not collected keep their results."""
        self._device.enter()
        while self._running:
            self._collect_oldest()
        while self._workspaces:
            self._workspaces.popitem()[1].close()

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
        """Until no chunk of them is under way."""
        while any(chunk.results is results for chunk in self._running):
            self._collect_oldest()

    def _collect_oldest(self) -> None:
        chunk = self._running.popleft()
        chunk.workspace.finish(chunk)

    def _workspace(self, size: tuple[int, int]) -> Workspace:
        """The workspace for frames of this size, made if there is none."""
        if size not in self._workspaces:
            most = self.most(*size)
            schedule = self._schedule(size)
            self._workspaces[size] = Workspace(self._device, schedule, size, most)
        self._workspaces.move_to_end(size)
        return self._workspaces[size]

    def _shrink(self, size: tuple[int, int], error: OutOfMemory) -> None:
        """Give memory back: that for other sizes, then half of this one's."""
        while self._running:
            self._collect_oldest()
        others = [it for it in self._workspaces if it != size]
        for other in others:
            self._workspaces.pop(other).close()
        if size in self._workspaces:
            self._workspaces.pop(size).close()
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


def _largest_shape(device: Device, profile: Profile) -> TileShape:
    for shape in (LARGE, SMALL):
        kernel = iterate_kernel(shape, stopping=profile.epsilon > 0)
        if kernel.shared_bytes <= device.shared_bytes:
            return shape
    raise FlowError(
        f"flow back end cuda: {device.name} has {device.shared_bytes} bytes of shared "
        f"memory per block, expected at least {kernel.shared_bytes}"
    )
