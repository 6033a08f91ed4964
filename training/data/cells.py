"""Motion vectors on their own grid: the cells that a view shows, without painting pixels."""

import numpy as np

from pipeline.store import CELL_PX

from .transforms import View


def with_known(cells: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Vectors with a third channel: 1 where the interval's vectors are known, else 0.

    Args:
        cells: (F, M, N, 2) px.
        known: (F,) bool.

    Returns:
        (F, M, N, 3) float32.
    """
    out = np.empty((*cells.shape[:3], 3), np.float32)
    out[..., :2] = cells
    out[..., 2] = known[:, None, None]
    return out


def cut_cells(
    cells: np.ndarray,
    view: View,
    *,
    of: tuple[int, int],
    stored: tuple[int, int],
    size: tuple[int, int],
) -> np.ndarray:
    """The view of every interval on a grid of `size`: each cell of it has the vector that
    the pixel at its centre would be painted with.

    Args:
        cells: (F, M, N, 2 or more): u, v, and further channels that a flip leaves as they
            are.
        view: in px of `of`.
        of: height and width of the net's grid, a reduced frame.
        stored: height and width of the stored frame.
        size: rows and columns.

    Returns:
        (F, *size, C). A flip mirrors the columns and negates u.
    """
    rows, columns = (
        _nearest(start, length, count, scale=whole / reduced, cells=there)
        for start, length, count, whole, reduced, there in zip(
            (view.top, view.left),
            (view.height, view.width),
            size,
            stored,
            of,
            cells.shape[1:3],
            strict=True,
        )
    )
    if view.flip:
        columns = columns[::-1]
    part = cells[:, rows[:, None], columns]
    if view.flip:
        part[..., 0] *= -1
    return part


def _nearest(
    start: int, length: int, count: int, *, scale: float, cells: int
) -> np.ndarray:
    """Cells under the centres of `count` equal parts of an axis.

    Args:
        start, length: of the view, in px of the net's grid.
        scale: stored px per px of the net's grid.
        cells: of the whole axis.
    """
    centres = (start + (np.arange(count) + 0.5) * length / count) * scale
    return np.minimum((centres // CELL_PX).astype(np.int64), cells - 1)
