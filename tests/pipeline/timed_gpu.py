"""A device that computes nothing and says how long an H200 and its host would take.

The times of kernels come from a model of one multiprocessor that runs the machine code of
`iterate`; those of the driver's calls are typical ones. Only ratios should be believed.
"""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from pipeline.flow.cuda.device import Queue
from pipeline.flow.cuda.kernel import Kernel, Launch
from pipeline.flow.errors import OutOfMemory

CLOCK = 1.75e9
MULTIPROCESSORS = 132
ITERATION = 2130
"""Cycles of an iteration of a tile of 64x64 px; then to begin and end, and a byte of it."""
TILE, BYTE = 3560, 1 / 40
GAP = 2500
"""Cycles between two launches."""
PIXEL = {"warp": 312 / 0.55, "median": 2 * 149 / 0.7}
"""Instructions per pixel over what a scheduler issues per cycle."""

RECORD = 15e-6
"""Seconds of the host to record one launch, and for each of the calls below."""
CALL = 5e-6
PINNED_BYTE = 0.3e-9


class TimedGpu:
    """`Device` with a clock for the host and one for the queue of kernels."""

    name = "timed"
    shared_bytes = 227 << 10

    def __init__(self, memory: int) -> None:
        self.memory, self.used = memory, 0
        self.host = self.device = 0.0
        """Seconds: the host's clock, and when the device is done."""
        self._pairs = 0

    def enter(self) -> None:
        pass

    def close(self) -> None:
        self.used = 0

    def share_bytes(self, workers: int) -> int:
        return self.memory // workers

    def free_bytes(self) -> int:
        return self.memory - self.used

    def limits(self) -> tuple[float, float]:
        return 1.0, 1.0

    def load(self, kernels: Iterable[Kernel]) -> None:
        pass

    def array(self, elements: int, dtype: type) -> "_Bytes":
        size = elements * np.dtype(dtype).itemsize
        if size > self.free_bytes():
            raise OutOfMemory("timed: out of memory")
        self.used += size
        self._idle(CALL)
        return _Bytes(size)

    def host_array(self, shape: tuple[int, ...], dtype: type) -> np.ndarray:
        values: np.ndarray = np.zeros(shape, dtype)
        self._idle(CALL + values.nbytes * PINNED_BYTE)
        return values

    def free(self, arrays: Iterable[Any]) -> None:
        for array in arrays:
            if isinstance(array, _Bytes):
                self.used -= array.size
            self._idle(CALL)

    def part(self, array: Any, offset: int, elements: int, dtype: type) -> Any:
        return array

    def put(self, array: Any, values: np.ndarray, queue: Queue) -> None:
        self.host += CALL
        if values.size == 2:
            self._pairs = int(values.flat[0])

    def get(self, values: np.ndarray, array: Any, queue: Queue) -> None:
        self.host += CALL

    def record(self, launches: Iterable[Launch]) -> list[Launch]:
        recorded = list(launches)
        self.host += RECORD * len(recorded)
        return recorded

    def replay(self, recording: list[Launch]) -> None:
        self.host += CALL
        cycles = sum(_cycles(launch, self._pairs) for launch in recording)
        self.device = max(self.device, self.host) + cycles / CLOCK

    def forget(self, recording: Any) -> None:
        self.host += CALL

    def mark(self, queue: Queue) -> float:
        return self.device

    def follow(self, mark: float, queue: Queue) -> None:
        pass

    def wait(self, mark: float) -> None:
        self.host = max(self.host, mark)

    def drop(self, mark: float) -> None:
        pass

    def _idle(self, seconds: float) -> None:
        """Of a call that waits for all that is under way."""
        self.host = max(self.host, self.device) + seconds


class _Bytes:
    def __init__(self, size: int) -> None:
        self.size = size


def _cycles(launch: Launch, pairs: int) -> float:
    """Cycles of a launch in which blocks of `pairs` pairs have something to do."""
    kernel, grid, arguments = launch
    empty = grid[2] - min(pairs, grid[2])
    if kernel.name == "iterate":
        pixels, iterations = arguments[7] * arguments[8], arguments[10]
        tiles = grid[0] * grid[1]
        moved = 10 * 4 * min(4096, pixels) + 6 * 4 * pixels / tiles
        each = iterations * ITERATION + TILE + moved * BYTE
        waves = math.ceil(tiles * (grid[2] - empty) / MULTIPROCESSORS)
        nothing = tiles * empty / MULTIPROCESSORS * 300
        return waves * each + nothing + GAP
    threads = kernel.threads * grid[0] * grid[1] * (grid[2] - empty)
    each = PIXEL.get(kernel.name, 20) * (8 if kernel.name == "median" else 1)
    return threads * each / 32 / (4 * MULTIPROCESSORS) + GAP
