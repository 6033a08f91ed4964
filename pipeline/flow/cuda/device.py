"""The device of a solver: memory, copies, recorded launches, and order.

Work goes to one of three queues, each done in order and beside the others: frames on
their way in, kernels, results on their way out. `mark` says when a queue has come so far,
`follow` makes another one wait for that, `wait` the host. `driver.Gpu` is the real thing,
tests have one that runs the kernels as Python threads.
"""

from collections.abc import Iterable
from typing import Any, Literal, Protocol

import numpy as np

from .kernel import Kernel, Launch

Queue = Literal["in", "work", "out"]


class Device(Protocol):
    """One device, used by one thread at a time."""

    name: str
    shared_bytes: int
    """Shared memory that one block can have."""

    def share_bytes(self, workers: int) -> int:
        """Memory for one of a number of processes that share the device equally."""
        ...

    def free_bytes(self) -> int:
        """Memory that nobody uses now."""
        ...

    def limits(self) -> tuple[float, float]:
        """(float operations, bytes to and from memory) per second that nothing exceeds."""
        ...

    def load(self, kernels: Iterable[Kernel]) -> None:
        """Make kernels ready to be launched; those that are, stay so."""
        ...

    def array(self, elements: int, dtype: type) -> Any:
        """Memory on the device; what is in it is not defined.

        Raises:
            OutOfMemory: the memory does not suffice.
        """
        ...

    def host_array(self, shape: tuple[int, ...], dtype: type) -> np.ndarray:
        """Memory of the host that the device copies from and to by itself.

        Raises:
            OutOfMemory: the memory does not suffice.
        """
        ...

    def free(self, arrays: Iterable[Any]) -> None:
        """Give back what `array` and `host_array` gave."""
        ...

    def part(self, array: Any, offset: int, elements: int, dtype: type) -> Any:
        """The elements of an array from a byte on, as an array."""
        ...

    def put(self, array: Any, values: np.ndarray, queue: Queue) -> None:
        """Copy to the beginning of an array; `values` lie in a host array."""
        ...

    def get(self, values: np.ndarray, array: Any, queue: Queue) -> None:
        """Copy from the beginning of an array; `values` lie in a host array."""
        ...

    def record(self, launches: Iterable[Launch]) -> Any:
        """Launches that `replay` does in one go; nothing runs yet."""
        ...

    def replay(self, recording: Any) -> None:
        """Do what was recorded, in the queue "work"."""
        ...

    def forget(self, recording: Any) -> None:
        """Give back what `record` gave."""
        ...

    def mark(self, queue: Queue) -> Any:
        """Something that is reached when all so far in this queue is done."""
        ...

    def follow(self, mark: Any, queue: Queue) -> None:
        """Let later work of this queue wait for a mark."""
        ...

    def wait(self, mark: Any) -> None:
        """Return when a mark is reached; it can't be used again.

        Raises:
            DeviceError: the device failed.
        """
        ...

    def drop(self, mark: Any) -> None:
        """Give a mark back that nobody will `wait` for."""
        ...

    def enter(self) -> None:
        """Called first by each method of a solver: other libraries of the same thread
        may have turned to another device since. Opens a device that was closed."""
        ...

    def close(self) -> None:
        """Give back all that was taken, kernels included; `enter` opens it again."""
        ...
