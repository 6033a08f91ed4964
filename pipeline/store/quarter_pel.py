"""The codec of motion vectors: quarters of a pixel, compressed without loss."""

import math
import zlib
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .codec import WHOLE, Window, expect_vectors
from .errors import LayoutError
from .json_value import Json
from .schema import cells

PEL_PARTS = 4
DEFLATE_LEVEL = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarterPel:
    """Motion vectors as int16 quarters of a pixel: exact for what the streams carry.

    A row is compressed by itself: 0, -1, 1, -2, ... become 0, 1, 2, 3, ... so that small
    vectors of either sign have a high byte of 0, all low bytes precede all high bytes, and
    DEFLATE packs both.
    """

    name: ClassVar[str] = "quarter_pel"
    modality: ClassVar[str] = "mv"

    def to_dict(self) -> dict[str, Json]:
        return {"name": self.name}

    def encode(self, block: np.ndarray) -> list[np.ndarray]:
        expect_vectors("mv", block)
        quarters = np.rint(block * PEL_PARTS)
        limits = np.iinfo(np.int16)
        if quarters.size and not (
            limits.min <= quarters.min() and quarters.max() <= limits.max
        ):
            raise LayoutError(
                f"mv: expected vectors within {limits.min / PEL_PARTS} to "
                f"{limits.max / PEL_PARTS} px, got {block.min()} to {block.max()}"
            )
        signed = quarters.astype("<i2").reshape(len(block), math.prod(block.shape[1:]))
        unsigned = (signed << 1) ^ (signed >> 15)
        return [_deflated(grid.view(np.uint8).reshape(-1, 2).T) for grid in unsigned]

    def decode(
        self, row: np.ndarray, height: int, width: int, window: Window = WHOLE
    ) -> np.ndarray:
        quarters = self._quarters(row, height, width)[window]
        return quarters.astype(np.float32) / PEL_PARTS

    @property
    def level_px(self) -> np.ndarray:
        """(1,) float32: px of one level."""
        return np.array([1 / PEL_PARTS], np.float32)

    def decode_levels(
        self, row: np.ndarray, height: int, width: int, window: Window = WHOLE
    ) -> tuple[np.ndarray, np.ndarray]:
        """`decode` without its last step: int16 quarters of a pixel of u and of v."""
        quarters = self._quarters(row, height, width)[window]
        return quarters[..., 0], quarters[..., 1]

    def _quarters(self, row: np.ndarray, height: int, width: int) -> np.ndarray:
        """(M, N, 2) int16."""
        shape = (cells(height), cells(width), 2)
        planes = _inflated(row, 2 * math.prod(shape)).reshape(2, -1)
        unsigned = np.ascontiguousarray(planes.T).view("<u2")
        signed = (unsigned >> 1).view("<i2") ^ -(unsigned & 1).view("<i2")
        return signed.reshape(shape)

    def clipped(self, block: np.ndarray) -> int:
        return 0


def _deflated(planes: np.ndarray) -> np.ndarray:
    """Bytes -> a raw DEFLATE stream (RFC 1951), as uint8."""
    packer = zlib.compressobj(DEFLATE_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(planes.tobytes()) + packer.flush()
    return np.frombuffer(packed, np.uint8)


def _inflated(row: np.ndarray, size: int) -> np.ndarray:
    """A DEFLATE stream of exactly `size` bytes -> these bytes; never more memory than that.

    Raises:
        LayoutError: it is damaged, of another size, or something follows it.
    """
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        content = unpacker.decompress(row.data, size + 1)
    except zlib.error as error:
        raise LayoutError(f"mv: expected a row of {size} bytes, got {error}") from None
    if len(content) != size or not unpacker.eof or unpacker.unused_data:
        got = f"{len(content)}" if len(content) <= size else "more"
        rest = "" if unpacker.eof and not unpacker.unused_data else " of another stream"
        raise LayoutError(f"mv: expected a row of {size} bytes, got {got}{rest}")
    return np.frombuffer(content, np.uint8)
