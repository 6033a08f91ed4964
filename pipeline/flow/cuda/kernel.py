"""Kernels: Python functions for one thread, and their launch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

PARAMETERS: dict[str, np.dtype[Any]] = {
    "u8*": np.dtype(np.uint8),
    "i32*": np.dtype(np.int32),
    "f32*": np.dtype(np.float32),
    "i32": np.dtype(np.int32),
    "f32": np.dtype(np.float32),
}
"""Types of parameters; those with a star are arrays in the device's memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """One function of the device.

    Arrays are plain pointers on the device, so a kernel only indexes them, with numbers
    of elements that it works out itself; in the simulator they are flat numpy arrays.
    """

    name: str
    function: Callable[..., None]
    parameters: tuple[str, ...]
    """Keys of `PARAMETERS`."""
    block: tuple[int, int]
    """Threads of a block in x and y."""
    shared_bytes: int = 0
    """Shared memory of a block, one array that all its threads see."""
    fast: bool = True
    """Divisions and square roots may be off by the last digit, denormals are 0."""

    @property
    def threads(self) -> int:
        return self.block[0] * self.block[1]

    def grid(self, width: int, height: int = 1, depth: int = 1) -> tuple[int, int, int]:
        """Blocks in x, y and z for one thread per element."""
        x, y = self.block
        return -(-width // x), -(-height // y), depth


class Launch(NamedTuple):
    """One kernel, the blocks of its grid in x, y and z, and its arguments."""

    kernel: Kernel
    grid: tuple[int, int, int]
    arguments: tuple[Any, ...]


def kernel(
    parameters: str,
    *,
    block: tuple[int, int],
    shared_bytes: int = 0,
    fast: bool = True,
) -> Callable[[Callable[..., Any]], Kernel]:
    """Decorator: makes a `Kernel` of a function.

    Args:
        parameters: their types in order, such as "f32* i32".
    """

    def decorate(function: Callable[..., Any]) -> Kernel:
        return Kernel(
            name=function.__name__,
            function=function,
            parameters=tuple(parameters.split()),
            block=block,
            shared_bytes=shared_bytes,
            fast=fast,
        )

    return decorate
