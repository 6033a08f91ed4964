"""A device of Python threads: the kernels' own logic, barriers and shared memory included,
where there is no GPU. For tests: a thousand times slower than a processor.

Of a block, one thread runs at a time, until the next barrier; which one is next is for
`order` to say. Where two orders give different results, a barrier is missing. An index
outside an array is an error, as is a launch that a GPU would refuse.
"""

import threading
from collections.abc import Callable, Iterable
from functools import partial
from types import FunctionType, SimpleNamespace
from typing import Any

import numpy as np

from pipeline.flow.cuda.device import Queue
from pipeline.flow.cuda.kernel import PARAMETERS, Kernel, Launch
from pipeline.flow.errors import FlowError, OutOfMemory

MOST_THREADS = 1024
MOST_BLOCKS = (2**31 - 1, 65535, 65535)


TYPES = {"float32": np.float32, "int32": int, "uint8": int, "uint64": int}
"""What numba's names for types are to a kernel here; theirs are slow to call."""


def forward(threads: list[int]) -> list[int]:
    return threads


def backward(threads: list[int]) -> list[int]:
    return threads[::-1]


class Simulator:
    """`Device` that does everything at once, in the order it is told.

    Memory is counted. What lies in it before anything was written there is nobody's flow,
    so that it shows where it is read.
    """

    def __init__(
        self,
        *,
        shared_bytes: int = 227 << 10,
        memory: int = 1 << 30,
        order: Callable[[list[int]], list[int]] = forward,
    ) -> None:
        self.name = "simulator"
        self.shared_bytes = shared_bytes
        self.memory = memory
        self.replays = 0
        """How many recordings were replayed."""
        self._order = order
        self._used = 0

    def enter(self) -> None:
        pass

    def close(self) -> None:
        """The memory that is still used is given back with all else."""
        self._used = 0

    def share_bytes(self, workers: int) -> int:
        return self.memory // workers

    def free_bytes(self) -> int:
        return self.memory - self._used

    def limits(self) -> tuple[float, float]:
        return 1e6, 1e6

    def load(self, kernels: Iterable[Kernel]) -> None:
        pass

    def array(self, elements: int, dtype: type) -> np.ndarray:
        size = max(1, elements) * np.dtype(dtype).itemsize
        array = np.full(size, 0xFF, np.uint8).view(dtype)  # NaN, as float32
        if array.nbytes > self.free_bytes():
            raise OutOfMemory("simulator: out of memory")
        self._used += array.nbytes
        return array

    def host_array(self, shape: tuple[int, ...], dtype: type) -> np.ndarray:
        return np.full(shape, 99, dtype).view(_Host)

    def free(self, arrays: Iterable[Any]) -> None:
        self._used -= sum(it.nbytes for it in arrays if not isinstance(it, _Host))

    def part(
        self, array: np.ndarray, offset: int, elements: int, dtype: type
    ) -> np.ndarray:
        size = max(1, elements) * np.dtype(dtype).itemsize
        assert 0 <= offset and offset + size <= array.nbytes
        return array[offset : offset + size].view(dtype)

    def put(self, array: np.ndarray, values: np.ndarray, queue: Queue) -> None:
        array[: values.size] = values.ravel()

    def get(self, values: np.ndarray, array: np.ndarray, queue: Queue) -> None:
        values[:] = array[: values.size].reshape(values.shape)

    def record(self, launches: Iterable[Launch]) -> list[Launch]:
        return list(launches)

    def replay(self, recording: list[Launch]) -> None:
        self.replays += 1
        for launch in recording:
            self._launch(launch)

    def forget(self, recording: Any) -> None:
        pass

    def mark(self, queue: Queue) -> None:
        pass

    def follow(self, mark: None, queue: Queue) -> None:
        pass

    def wait(self, mark: None) -> None:
        pass

    def drop(self, mark: None) -> None:
        pass

    def _launch(self, launch: Launch) -> None:
        kernel, grid, arguments = launch
        fits = all(0 < it <= most for it, most in zip(grid, MOST_BLOCKS, strict=True))
        fits = fits and kernel.threads <= MOST_THREADS
        if not fits or kernel.shared_bytes > self.shared_bytes:
            raise FlowError(
                f"simulator: {kernel.name}: {grid} blocks of {kernel.block}"
            )
        values: list[Any] = []
        for kind, argument in zip(kernel.parameters, arguments, strict=True):
            dtype = PARAMETERS[kind]
            if kind.endswith("*"):
                assert argument.dtype == dtype, (kernel.name, kind, argument.dtype)
                values.append(_Memory(argument))
            else:
                values.append(dtype.type(argument) if kind == "f32" else int(argument))
        for x, y, z in np.ndindex(*grid):
            block = _Block(kernel, grid, (x, y, z), self._order)
            with np.errstate(over="raise", invalid="raise"):
                block.run(values)


class LateSimulator(Simulator):
    """One whose queues are late: each does its work only when something waits for it, and
    of several that could go on, `choose` says which does. What a missing `follow` or a
    buffer that is used again too early would spoil, it spoils."""

    def __init__(self, *, choose: Callable[[list[str]], str], **given: Any) -> None:
        super().__init__(**given)
        self._choose = choose
        self._queues: dict[str, list[Any]] = {"in": [], "work": [], "out": []}

    def put(self, array: np.ndarray, values: np.ndarray, queue: Queue) -> None:
        self._queues[queue].append(partial(super().put, array, values, queue))

    def get(self, values: np.ndarray, array: np.ndarray, queue: Queue) -> None:
        self._queues[queue].append(partial(super().get, values, array, queue))

    def replay(self, recording: list[Launch]) -> None:
        self._queues["work"].append(partial(super().replay, recording))

    def mark(self, queue: Queue) -> Any:
        mark = SimpleNamespace(reached=False)
        self._queues[queue].append(partial(setattr, mark, "reached", True))
        return mark

    def follow(self, mark: Any, queue: Queue) -> None:
        self._queues[queue].append(mark)

    def wait(self, mark: Any) -> None:
        while not mark.reached:
            able = [name for name, queue in self._queues.items() if _can_go_on(queue)]
            queue = self._queues[self._choose(able)]
            work = queue.pop(0)
            if callable(work):
                work()


def _can_go_on(queue: list[Any]) -> bool:
    return bool(queue) and (callable(queue[0]) or queue[0].reached)


class _Host(np.ndarray):
    """Memory of the host, which a simulated device does not count."""


class _Memory:
    """An array that a kernel indexes; unlike Python's, a negative index is an error."""

    def __init__(self, values: np.ndarray) -> None:
        self._values = values

    def __getitem__(self, index: int) -> Any:
        if index < 0:
            raise IndexError(f"index {index}")
        return self._values[index]

    def __setitem__(self, index: int, value: Any) -> None:
        if index < 0:
            raise IndexError(f"index {index}")
        self._values[index] = value


class _Block:
    """One block of threads, and what the module `cuda` is to them."""

    def __init__(
        self,
        kernel: Kernel,
        grid: tuple[int, int, int],
        place: tuple[int, int, int],
        order: Callable[[list[int]], list[int]],
    ) -> None:
        self.gridDim = _dim3(*grid)
        self.blockDim = _dim3(*kernel.block, 1)
        self.blockIdx = _dim3(*place)
        self.shared = SimpleNamespace(array=self._shared_array)
        self.local = SimpleNamespace(array=_local_array)
        self._kernel = kernel
        self._order = order
        self._memory: dict[int, _Memory] = {}
        self._here = threading.local()
        self._place = _dim3(0, 0, 0)
        function = kernel.function
        names = {
            name: getattr(value, "py_func", value)  # functions of the device
            for name, value in function.__globals__.items()
        }
        self._function = FunctionType(
            function.__code__,
            names | TYPES | {"cuda": self},
            None,
            None,
            function.__closure__,
        )
        self._has_barriers = any(
            "syncthreads" in name for name in function.__code__.co_names
        )

    def run(self, arguments: list[Any]) -> None:
        numbers = list(range(self._kernel.threads))
        if not self._has_barriers:
            for number in self._order(numbers):
                self._place = _place(number, self._kernel.block)
                self._function(*arguments)
            return
        threads = [_Thread(number) for number in numbers]

        def start(thread: _Thread) -> None:
            self._here.thread = thread
            thread.may_run.acquire()
            self._place = _place(thread.number, self._kernel.block)
            try:
                self._function(*arguments)
            except BaseException as error:  # noqa: BLE001 - raised by `run`
                thread.error = error
            thread.done = True
            thread.has_run.release()

        for thread in threads:
            threading.Thread(target=start, args=(thread,), daemon=True).start()
        while waiting := [it.number for it in threads if not it.done]:
            for number in self._order(waiting):
                threads[number].may_run.release()
                threads[number].has_run.acquire()
                error = threads[number].error
                if error is not None:
                    raise error
            votes = [it.vote for it in threads if not it.done]
            for thread in threads:
                thread.count = sum(votes)

    @property
    def threadIdx(self) -> SimpleNamespace:
        return self._place

    def syncthreads(self) -> None:
        self.syncthreads_count(0)

    def syncthreads_count(self, vote: int) -> int:
        thread: _Thread = self._here.thread
        thread.vote = int(bool(vote))
        thread.has_run.release()
        thread.may_run.acquire()
        self._place = _place(thread.number, self._kernel.block)
        return thread.count

    def _shared_array(self, size: int, dtype: Any) -> _Memory:
        """One array per size: 0 is that of the launch. Full of NaN, as nobody knows."""
        if size not in self._memory:
            length = size or self._kernel.shared_bytes // 4
            self._memory[size] = _Memory(np.full(length, np.nan, np.float32))
        return self._memory[size]


class _Thread:
    """Its two locks are signals: each is released by one side and taken by the other."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.may_run = threading.Lock()
        self.has_run = threading.Lock()
        self.may_run.acquire()
        self.has_run.acquire()
        self.done = False
        self.error: BaseException | None = None
        self.vote = 0
        self.count = 0


def _place(number: int, block: tuple[int, int]) -> SimpleNamespace:
    return _dim3(number % block[0], number // block[0], 0)


def _local_array(size: int, dtype: Any) -> list[Any]:
    return [None] * size


def _dim3(x: int, y: int, z: int) -> SimpleNamespace:
    return SimpleNamespace(x=x, y=y, z=z)
