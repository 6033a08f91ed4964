"""Memory on the device and the host that frames of all sizes use in turn.

One block is for what kernels work on: they run in the order of one queue, so a batch may
take it over from the batch before it, whatever their sizes. Each slot has a block for what
goes in and comes out, in the same layout on the device and on the host.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pipeline.flow.batches import IN_FLIGHT
from pipeline.flow.errors import OutOfMemory

from .device import Device

ALIGNMENT = 256
SPARE = 8
"""A block is made larger by this part than is needed now: the next size may need more."""


class Part(NamedTuple):
    """An array in a block."""

    offset: int
    """Bytes from the block's beginning."""
    elements: int
    dtype: type


class Layout:
    """Arrays one behind the other in a block.

    Args:
        arrays: name -> number of elements and their type.
    """

    def __init__(self, arrays: Mapping[str, tuple[int, type]]) -> None:
        self.parts: dict[str, Part] = {}
        self.bytes = 0
        for name, (elements, dtype) in arrays.items():
            self.parts[name] = Part(self.bytes, elements, dtype)
            size = max(1, elements) * np.dtype(dtype).itemsize
            self.bytes += -(-size // ALIGNMENT) * ALIGNMENT


@dataclass(slots=True, eq=False)
class Slot:
    """Blocks for what one batch takes in and gives back."""

    device: Any
    host: np.ndarray
    taken: bool = False


class Arena:
    """The blocks. They only grow, until they are given back."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self.work: Any = None
        self.slots: list[Slot] = []
        self._work_bytes = self._slot_bytes = 0

    @property
    def bytes(self) -> int:
        """Memory on the device."""
        return self._work_bytes + len(self.slots) * self._slot_bytes

    def holds(self, work: Layout, slot: Layout) -> bool:
        """Whether the blocks are as large as these layouts need."""
        fits = work.bytes <= self._work_bytes and slot.bytes <= self._slot_bytes
        return bool(self.slots) and fits

    def grow(self, work: Layout, slot: Layout, *, room: int) -> None:
        """Make the blocks as large as layouts need, and larger where `room` bytes allow it.

        Nothing may be under way. All addresses change.

        Raises:
            OutOfMemory: there is not so much; the blocks are given back.
        """
        needed = max(work.bytes, self._work_bytes), max(slot.bytes, self._slot_bytes)
        self.close()
        spare = [it + it // SPARE // ALIGNMENT * ALIGNMENT for it in needed]
        if spare[0] + IN_FLIGHT * spare[1] > room:
            spare = [work.bytes, slot.bytes]
        try:
            self._work_bytes = spare[0]
            self.work = self._device.array(spare[0], np.uint8)
            self._slot_bytes = spare[1]
            for _ in range(IN_FLIGHT):
                block = self._device.array(spare[1], np.uint8)
                self.slots.append(Slot(block, np.empty(0, np.uint8)))
                host = self._device.host_array((spare[1],), np.uint8)
                self.slots[-1].host = host
        except OutOfMemory:
            self.close()
            raise

    def close(self) -> None:
        """Give the blocks back; nothing may be under way."""
        blocks = [it.device for it in self.slots]
        blocks += [it.host for it in self.slots if it.host.size]
        if self.work is not None:
            blocks.append(self.work)
        self.work, self.slots = None, []
        self._work_bytes = self._slot_bytes = 0
        self._device.free(blocks)

    def arrays(self, block: Any, layout: Layout) -> dict[str, Any]:
        """The arrays of a layout in a block of the device."""
        return {
            name: self._device.part(block, *part) for name, part in layout.parts.items()
        }


def host_arrays(block: np.ndarray, layout: Layout) -> dict[str, np.ndarray]:
    """The same in a block of the host."""
    arrays: dict[str, np.ndarray] = {}
    for name, (offset, elements, dtype) in layout.parts.items():
        size = elements * np.dtype(dtype).itemsize
        arrays[name] = block[offset : offset + size].view(dtype)
    return arrays
