"""The codecs of frames and of flow as JPEG. OpenCV is imported by the first row."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np

from . import jpeg
from .codec import WHOLE, Window, expect_vectors
from .errors import LayoutError
from .fields import shown
from .json_value import Json

ZERO_LEVEL = 128
LEVELS_PER_SIDE = 127
JPEG_BLOCK_PX = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class JpegRgb:
    """A frame as one baseline JPEG, 4:2:0. Any JPEG decoder shows its colours right."""

    quality: int = 95

    name: ClassVar[str] = "jpeg_rgb"
    modality: ClassVar[str] = "rgb"

    def __post_init__(self) -> None:
        _check_quality(self.quality)

    def to_dict(self) -> dict[str, Json]:
        return {"name": self.name, "quality": self.quality}

    def encode(self, block: np.ndarray) -> list[np.ndarray]:
        if block.ndim != 4 or block.shape[3] != 3 or block.dtype != np.uint8:
            raise LayoutError(
                f"rgb: expected (F, H, W, 3) uint8, got {block.shape} {block.dtype}"
            )
        return [jpeg.encoded(frame, quality=self.quality) for frame in block]

    def decode(
        self, row: np.ndarray, height: int, width: int, window: Window = WHOLE
    ) -> np.ndarray:
        begin, end, _ = window[0].indices(height)
        return jpeg.decoded_rows(row, (height, width, 3), begin, end)[:, window[1]]

    def clipped(self, block: np.ndarray) -> int:
        return 0


@dataclass(frozen=True, kw_only=True)
class JpegFlow:
    """A flow field as one grey JPEG: u above v, each padded to whole 8x8 blocks.

    A JPEG block never holds both components, so neither leaks into the other.
    Level 128 is zero, whose blocks have no coefficients: zero survives the JPEG.

    sqrt:   level = 128 + round(127 sign(v) sqrt(min(|v| / bound, 1))), fine near zero.
    linear: level = 128 + round(127 max(-1, min(v / bound, 1))), as is usual elsewhere; like
            round(255 (v + bound) / (2 bound)) to within a level, but zero stays zero.

    Source:
        8-bit flow with a bound of 20 px: Wang et al., "Temporal Segment Networks",
        ECCV 2016, arXiv:1608.00859, and its extraction tool. The square root is ours:
        at the same size it loses a third.
    """

    curve: Literal["sqrt", "linear"] = "sqrt"
    bound_px: float = 20.0
    """Values beyond +-bound are clipped."""
    quality: int = 85

    name: ClassVar[str] = "jpeg_flow"
    modality: ClassVar[str] = "flow"

    def __post_init__(self) -> None:
        _check_quality(self.quality)
        if self.curve not in ("sqrt", "linear"):
            raise LayoutError(
                f"curve: expected sqrt or linear, got {shown(self.curve)}"
            )
        bound = self.bound_px
        if type(bound) not in (int, float) or not 0 < bound < np.inf:
            raise LayoutError(
                f"bound_px: expected a number above 0, got {shown(bound)}"
            )

    def to_dict(self) -> dict[str, Json]:
        return {
            "name": self.name,
            "curve": self.curve,
            "bound_px": self.bound_px,
            "quality": self.quality,
        }

    def encode(self, block: np.ndarray) -> list[np.ndarray]:
        expect_vectors("flow", block)
        return [
            self._packed(np.moveaxis(self.levels(field), 2, 0))
            for field in block  # one at a time: it fits the processor's cache
        ]

    def pack(self, planes: np.ndarray) -> list[np.ndarray]:
        """Rows of levels that were computed elsewhere, as `encode` makes them of `levels`.

        Args:
            planes: (F, 2, H, W) uint8, u before v.

        Raises:
            LayoutError: another shape or type.
        """
        if planes.ndim != 4 or planes.shape[1] != 2 or planes.dtype != np.uint8:
            raise LayoutError(
                f"flow: expected (F, 2, H, W) uint8 levels, "
                f"got {planes.shape} {planes.dtype}"
            )
        return [self._packed(pair) for pair in planes]

    def decode(
        self, row: np.ndarray, height: int, width: int, window: Window = WHOLE
    ) -> np.ndarray:
        import cv2  # on first use: the store itself needs numpy only

        planes = self.decode_levels(row, height, width, window)
        return cv2.merge([cv2.LUT(plane, self._table) for plane in planes])

    @property
    def level_px(self) -> np.ndarray:
        """(256,) float32: the value of each level in px."""
        return self._table

    def decode_levels(
        self, row: np.ndarray, height: int, width: int, window: Window = WHOLE
    ) -> tuple[np.ndarray, np.ndarray]:
        """`decode` without its last step: uint8 levels of u and of v."""
        tall, wide = _padded(height), _padded(width)
        begin, end, _ = window[0].indices(height)
        if 2 * (end - begin) < height:
            u, v = (
                jpeg.decoded_rows(row, (2 * tall, wide), top + begin, top + end)
                for top in (0, tall)
            )
        else:
            planes = jpeg.decoded(row, (2 * tall, wide))
            u, v = planes[begin:end], planes[tall + begin : tall + end]
        columns = slice(*window[1].indices(width))
        return u[:, columns], v[:, columns]

    def levels(self, values: np.ndarray) -> np.ndarray:
        """Values in px, any shape -> uint8 levels, before JPEG."""
        share = np.abs(values, dtype=np.float32)
        share /= np.float32(self.bound_px)
        np.minimum(share, 1, out=share)
        if self.curve == "sqrt":
            np.sqrt(share, out=share)
        np.copysign(share, values, out=share)
        share *= LEVELS_PER_SIDE
        np.rint(share, out=share)  # half to even
        share += ZERO_LEVEL
        return share.astype(np.uint8)

    def values(self, levels: np.ndarray) -> np.ndarray:
        """uint8 levels, any shape -> float32 px."""
        return self._table[levels]

    def max_error(self, values: np.ndarray) -> np.ndarray:
        """Largest error at these values in px, if within the bound. JPEG adds its own."""
        half_step = 1 / (2 * LEVELS_PER_SIDE)
        if self.curve == "linear":
            return np.full(np.shape(values), self.bound_px * half_step)
        root = np.sqrt(self.bound_px * np.abs(values))
        return 2 * root * half_step + self.bound_px * half_step**2

    def clipped(self, block: np.ndarray) -> int:
        return int(np.count_nonzero(np.abs(block) > self.bound_px))

    @cached_property
    def _table(self) -> np.ndarray:
        """(256,) float32: the value of each level."""
        share = (np.arange(256) - ZERO_LEVEL) / LEVELS_PER_SIDE
        share = np.clip(share, -1, 1)
        if self.curve == "sqrt":
            share *= np.abs(share)
        return (self.bound_px * share).astype(np.float32)

    def _packed(self, pair: np.ndarray) -> np.ndarray:
        """(2, H, W) levels -> a row: u above v, last row and column repeated up to 8."""
        _, height, width = pair.shape
        planes = np.empty((2, _padded(height), _padded(width)), np.uint8)
        planes[:, :height, :width] = pair
        planes[:, :height, width:] = pair[:, :, -1:]
        planes[:, height:] = planes[:, height - 1 : height]
        picture = planes.reshape(-1, planes.shape[2])
        return jpeg.encoded(picture, quality=self.quality)


def _check_quality(quality: object) -> None:
    if type(quality) is not int or not 1 <= quality <= 100:
        raise LayoutError(f"quality: expected 1 to 100, got {shown(quality)}")


def _padded(pixels: int) -> int:
    """Up to whole JPEG blocks."""
    return -(-pixels // JPEG_BLOCK_PX) * JPEG_BLOCK_PX
