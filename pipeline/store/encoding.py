"""Entries of a video in physical units -> rows for a file, on whatever thread."""

import math
from typing import NamedTuple

import numpy as np

from .codec import Codec
from .errors import LayoutError
from .jpeg_codecs import JpegFlow
from .schema import entry_shape


class Levels(NamedTuple):
    """Flow that was brought to 8 bits where it was computed."""

    planes: np.ndarray
    """(F, 2, H, W) uint8, the levels of the codec, u before v."""
    clipped: int
    """Number of values beyond the bound."""


class Encoded(NamedTuple):
    """Entries as rows, not yet in a file."""

    rows: list[np.ndarray]
    values: int
    clipped: int
    valid: np.ndarray | None


def encoded(
    values: np.ndarray | Levels,
    valid: np.ndarray | None = None,
    *,
    codec: Codec,
    size: tuple[int, int],
) -> Encoded:
    """Entries of a video of this size -> rows for `Entry.append_encoded`.

    Args:
        values: rgb (F, H, W, 3) uint8; flow (F, H, W, 2) float32, px, or its levels;
            mv (F, M, N, 2) float32, px. F may be 0.
        valid: (F,) bool, for mv and for nothing else.
        size: H and W.

    Raises:
        LayoutError: another shape or type, NaN, infinity, or vectors out of range.
    """
    if isinstance(values, Levels):
        return _packed(values, codec, size)
    modality = codec.modality
    shape = entry_shape(modality, height=size[0], width=size[1])
    if values.shape[1:] != shape:
        raise LayoutError(
            f"{modality}: expected entries of {shape} for {size[0]}x{size[1]} "
            f"px, got {values.shape}"
        )
    if (valid is not None) != (modality == "mv"):
        raise LayoutError(f"{modality}: expected valid with mv and only there")
    if valid is not None and (valid.shape != values.shape[:1] or valid.dtype != bool):
        raise LayoutError(
            f"mv_valid: expected {values.shape[:1]} bool, "
            f"got {valid.shape} {valid.dtype}"
        )
    return Encoded(
        rows=codec.encode(values),
        values=values.size,
        clipped=codec.clipped(values),
        valid=None if valid is None else valid.astype(np.uint8),
    )


def given(rows: list[np.ndarray], *, codec: Codec, size: tuple[int, int]) -> Encoded:
    """Rows that the codec's encoder made elsewhere, one per frame -> rows for a file.

    Args:
        rows: F flat rows of uint8.
        size: H and W of the frames.

    Raises:
        LayoutError: rows of another shape or type.
    """
    for row in rows:
        if row.ndim != 1 or row.dtype != np.uint8:
            raise LayoutError(
                f"{codec.modality}: expected flat rows of uint8, got {row.shape} "
                f"{row.dtype}"
            )
    shape = entry_shape(codec.modality, height=size[0], width=size[1])
    return Encoded(rows, len(rows) * math.prod(shape), 0, None)


def _packed(levels: Levels, codec: Codec, size: tuple[int, int]) -> Encoded:
    planes = levels.planes
    if not isinstance(codec, JpegFlow) or planes.shape[2:] != size:
        raise LayoutError(
            f"{codec.modality}: expected levels of flow of {size[0]}x{size[1]} px, "
            f"got {planes.shape}"
        )
    return Encoded(codec.pack(planes), planes.size, levels.clipped, None)
