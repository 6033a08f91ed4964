"""Clips as a worker sends them: bytes of frames and levels of motion, cut but not scaled.

`packed.py` makes of them, on the network's device, what `clip_arrays.py` makes in numpy.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .clip_config import ClipConfig
from .transforms import Box, View, resize_way, rgb_scale

_CACHED = 256
"""Matrices kept in a process: one for each size of crop, or place of it in cells."""


class PackedRgb(NamedTuple):
    """A clip of frames at the size of the network's input."""

    frames: np.ndarray
    """(F, H, W, 3) uint8, not mirrored."""
    flip: bool
    gain: np.ndarray
    """(3,) float32: of red, green and blue, of bytes."""
    shift: np.ndarray
    """(3,) float32: added after it."""
    bgr: bool
    """Blue comes first in the input."""


class PackedMotion(NamedTuple):
    """A clip of motion as it is stored, and the way to the network's input."""

    levels: np.ndarray
    """(F, 2, h, w): u and v, uint8 of flow or int16 of vectors."""
    px: np.ndarray
    """(256,) float32 px of each level, or (1,) of one level."""
    rows: np.ndarray | None
    """(H, h) float32: the rows of the input as sums of rows; None where they are the same."""
    columns: np.ndarray | None
    """(w, W) float32: the same for columns."""
    flip: bool
    growth: np.ndarray
    """(2,) float32: factor of u and v, negative where a flip turns u."""
    speed: float
    size: tuple[int, int]
    """H and W."""
    gain: float
    """Input value of 20 px."""


PackedClip = PackedRgb | PackedMotion


def pack_rgb(
    frames: np.ndarray,
    flip: bool,
    config: ClipConfig,
    *,
    contrast: float = 1.0,
    brightness: float = 0.0,
) -> PackedRgb:
    """Frames at the size of the input, not mirrored yet -> what is sent of them."""
    gain, shift = rgb_scale(
        mean=config.rgb_mean,
        std=config.rgb_std,
        contrast=contrast,
        brightness=brightness,
    )
    bgr = config.rgb_order == "bgr"
    return PackedRgb(np.ascontiguousarray(frames), flip, gain, shift, bgr)


class Axis(NamedTuple):
    """One axis of the way from stored motion to the network's input, px."""

    stored: int
    grid: int
    start: int
    """First row or column of the view, on the grid."""
    length: int
    size: int
    """Rows or columns of the input."""


def axes_of(
    view: View, stored: tuple[int, int], grid: tuple[int, int], crop_px: tuple[int, int]
) -> tuple[Axis, Axis]:
    """Rows and columns of a view."""
    return (
        Axis(stored[0], grid[0], view.top, view.height, crop_px[0]),
        Axis(stored[1], grid[1], view.left, view.width, crop_px[1]),
    )


class Sums(NamedTuple):
    """The part of an axis that is needed, and the weights that make the input of it."""

    first: int
    stop: int
    weights: np.ndarray | None
    """(size, stop - first) float32, of columns (stop - first, size); None where nothing is
    resampled."""


def sums_of(axes: tuple[Axis, Axis], *, cell_px: int = 1) -> tuple[Sums, Sums]:
    """The rows and the columns of stored motion that a view is made of.

    Args:
        cell_px: px that one stored row or column is painted to.
    """
    reduced = resize_way((axes[0].stored, axes[1].stored), (axes[0].grid, axes[1].grid))
    cut = resize_way((axes[0].length, axes[1].length), (axes[0].size, axes[1].size))
    rows = _sums(axes[0], reduced, cut, cell_px)
    return rows, _transposed(axes[1], reduced, cut, cell_px)


@lru_cache(_CACHED)
def _transposed(axis: Axis, reduced: int | None, cut: int | None, cell_px: int) -> Sums:
    found = _sums(axis, reduced, cut, cell_px)
    if found.weights is None:
        return found
    return found._replace(weights=np.ascontiguousarray(found.weights.T))


@lru_cache(_CACHED)
def _sums(axis: Axis, reduced: int | None, cut: int | None, cell_px: int) -> Sums:
    stop = axis.start + axis.length
    if reduced is None and cut is None and cell_px == 1:
        return Sums(axis.start, stop, None)
    # Where nothing is resampled, sums are of one summand: exact.
    weights = _matrix(axis.length, axis.size, cut)
    if reduced is not None:
        weights = weights @ _matrix(axis.stored, axis.grid, reduced)[axis.start : stop]
    first = axis.start if reduced is None else 0
    if cell_px > 1:
        cells = (first + np.arange(weights.shape[1])) // cell_px
        first = int(cells[0])
        painted = np.zeros((len(weights), int(cells[-1]) - first + 1), np.float32)
        np.add.at(painted.T, cells - first, weights.T)
        weights = painted
    used = np.flatnonzero(weights.any(axis=0))
    begin, end = int(used[0]), int(used[-1]) + 1
    found = np.ascontiguousarray(weights[:, begin:end])
    found.flags.writeable = False
    return Sums(first + begin, first + end, found)


def _matrix(before: int, after: int, way: int | None) -> np.ndarray:
    """(after, before) float32: the weights with which OpenCV resizes one axis.

    With two channels, as motion has: it rounds weights of one channel differently.
    """
    if way is None or before == after:
        return np.eye(before, dtype=np.float32)
    import cv2

    one = np.eye(before, dtype=np.float32)
    both = np.stack((one, one), axis=2)
    return cv2.resize(both, (before, after), interpolation=way)[..., 0]


def source_box(sums: Sequence[Sums]) -> Box:
    """The part of what is stored that rows and columns need."""
    rows, columns = sums
    return Box(
        rows.first,
        columns.first,
        rows.stop - rows.first,
        columns.stop - columns.first,
    )
