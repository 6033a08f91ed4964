"""The coded pixels of a baseline JPEG, followed code by code to their end.

Decoders show a picture of damaged data, too. But codes that are read out of step often end
too early or too late, or meet one that no encoder writes.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from pipeline.kernels.compiled import compile_kernels, compiled

BITS = 16
"""The longest Huffman code."""
END = b"\xff\xd9"


class Component(NamedTuple):
    """One component of a scan."""

    across: int
    """Blocks of 8x8 px in each unit of the scan."""
    down: int
    dc: bytes
    """Huffman tables as the header has them: 16 counts of codes, then symbols."""
    ac: bytes


class Scan(NamedTuple):
    """The only scan of a baseline JPEG."""

    height: int
    width: int
    components: Sequence[Component]
    restart_interval: int
    """Units between two restart markers; 0: there are none."""
    begin: int
    """Its first byte in the file."""


def damaged_row(content: bytes, scan: Scan) -> int | None:
    """The row of pixels at or above which the data of a JPEG are damaged; None if they are not.

    Damage that leaves the number of blocks unchanged is not found, as in many changes of
    one bit.
    """
    compile_kernels(_follow)
    parts = scan.components
    # a scan of one component has its blocks one by one, whatever their sampling
    single = len(parts) == 1
    across = 1 if single else max(c.across for c in parts)
    down = 1 if single else max(c.down for c in parts)
    per_row = -(-scan.width // (8 * across))
    units = per_row * -(-scan.height // (8 * down))
    repeats = [1 if single else c.across * c.down for c in parts]
    blocks = np.repeat(np.arange(len(parts)), repeats)
    end = _follow(
        np.frombuffer(content, np.uint8),
        scan.begin,
        _lookups(tuple(table for c in parts for table in (c.dc, c.ac))),
        blocks,
        units,
        scan.restart_interval,
    )
    if end < 0:
        unit = -1 - end
    elif content[end : end + 2] == END:
        return None
    else:
        unit = units - 1
    return min((int(unit) // per_row + 1) * 8 * down, scan.height) - 1


@lru_cache(16)
def _lookups(tables: tuple[bytes, ...]) -> np.ndarray:
    """(tables, 65536) uint16: see `_lookup`."""
    return np.stack([_lookup(table) for table in tables])


def _lookup(table: bytes) -> np.ndarray:
    """(65536,) uint16: length << 8 | symbol of the code with which 16 bits begin; 0: none."""
    counts = np.frombuffer(table[:BITS], np.uint8)
    symbols = np.frombuffer(table[BITS:], np.uint8)[: counts.sum()]
    lengths = np.repeat(np.arange(1, BITS + 1), counts)[: len(symbols)]
    found = np.repeat(lengths << 8 | symbols, 1 << (BITS - lengths))[: 1 << BITS]
    return np.pad(found, (0, (1 << BITS) - len(found))).astype(np.uint16)


@compiled(
    "int64(Array(uint8, 1, 'C', True), int64, uint16[:, ::1], int64[::1], int64, int64)"
)
def _follow(data, begin, tables, blocks, units, interval):
    """Position of the marker behind a scan, or -1 - k for a fault in unit k.

    `tables`: for each component the look-ups of DC and AC codes. `blocks`: the components of
    the blocks of a unit.
    """
    place, bits, count, size = begin, 0, 0, data.size
    for unit in range(units):
        if interval and unit and unit % interval == 0:
            while place + 2 < size and data[place + 1] == 0xFF == data[place]:
                place += 1
            marker = 0xD0 + (unit // interval - 1) % 8
            if (
                count >= 8
                or place + 1 >= size
                or data[place] != 0xFF
                or data[place + 1] != marker
            ):
                return -unit
            place, bits, count = place + 2, 0, 0
        for block in range(blocks.size):
            table = 2 * blocks[block]
            coefficient = 0
            while coefficient < 64:
                while count <= 48 and place < size:
                    byte = np.int64(data[place])
                    if byte == 0xFF:
                        if place + 1 >= size or data[place + 1] != 0:
                            break
                        place += 1
                    place += 1
                    bits = (bits << 8 | byte) & 0xFFFFFFFFFFFFFF
                    count += 8
                if count >= 16:
                    code = bits >> (count - 16) & 0xFFFF
                else:
                    code = bits << (16 - count) & 0xFFFF
                found = np.int64(tables[table + (1 if coefficient else 0), code])
                length, run, value = found >> 8, found >> 4 & 15, found & 15
                count -= length + value
                if length == 0 or count < 0:
                    return -1 - unit
                if coefficient == 0:
                    if run or value > 11:
                        return -1 - unit
                    coefficient = 1
                elif value == 0 and run == 0:
                    break
                elif value == 0 and run < 15 or value > 10:
                    return -1 - unit
                else:
                    coefficient += run + 1
                    if coefficient > 64:
                        return -1 - unit
    while place + 2 < size and data[place + 1] == 0xFF == data[place]:
        place += 1
    return -units if count >= 8 else place
