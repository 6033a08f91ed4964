"""Motion vectors of frames -> grids of 8 px cells."""

from typing import NamedTuple, Self

import av
import numpy as np

from pipeline.store.schema import CELL_PX

from .cells import quarter_grid
from .orientation import UPRIGHT, Orientation
from .side_data import side_data

VECTOR = np.dtype(
    {
        "names": ["source", "w", "h", "dst_x", "dst_y", "motion", "motion_scale"],
        "formats": ["<i4", "u1", "u1", "<i2", "<i2", ("<i4", 2), "<u2"],
        "offsets": [0, 4, 5, 10, 12, 24, 32],
        "itemsize": 40,
    }
)
"""Fields of AVMotionVector (libavutil/motion_vector.h) that are used here."""


class Geometry(NamedTuple):
    """Position of the grid of a source frame on the stored grid."""

    cells: np.ndarray
    """(M, N) number of the source cell under the centre of each stored cell, row by row."""
    source_cells: tuple[int, int]
    scale: np.ndarray
    """(M, N, 2) float64 stored px per source px, right and down, before turning: alike for
    all cells."""
    turned: Orientation
    same: bool
    """The source's cells are the stored ones."""

    @classmethod
    def of(
        cls,
        source: tuple[int, int],
        stored: tuple[int, int],
        *,
        turned: Orientation = UPRIGHT,
        cropped: tuple[int, int] = (0, 0),
    ) -> Self:
        """
        Args:
            source: height and width of the decoded frame, as coded.
            stored: height and width of the stored grid, upright.
            turned: how the frame is turned upright.
            cropped: rows and columns that were cut off at the top and left of what the
                vectors refer to.
        """
        height, width = stored
        down, right = _centres(height), _centres(width)  # in half px
        if turned.flip_y:
            down = 2 * height - down
        if turned.flip_x:
            right = 2 * width - right
        y, x = np.meshgrid(down, right, indexing="ij")
        if turned.transpose:
            y, x = x, y
        flat_height, flat_width = turned.size(height, width)
        rows = (y * source[0] // (2 * flat_height) + cropped[0]) // CELL_PX
        columns = (x * source[1] // (2 * flat_width) + cropped[1]) // CELL_PX
        source_cells = (
            -(-(source[0] + cropped[0]) // CELL_PX),
            -(-(source[1] + cropped[1]) // CELL_PX),
        )
        scale = (flat_width / source[1], flat_height / source[0])
        first = not rows[0].any() and not columns[:, 0].any()
        return cls(
            cells=rows * source_cells[1] + columns,
            source_cells=source_cells,
            scale=np.broadcast_to(scale, (*rows.shape, 2)).copy(),
            turned=turned,
            same=turned.upright
            and scale == (1, 1)
            and rows.shape == source_cells
            and first,
        )

    def under(self, quarters: np.ndarray) -> np.ndarray:
        """(..., rows, columns, 2) int32 of the source -> (..., M, N, 2), the vector under
        the centre of each stored cell."""
        if self.same:
            return quarters
        several = quarters.shape[:-3]
        pairs = quarters.reshape(*several, -1).view(np.int64)  # both numbers at once
        taken = pairs.take(self.cells, axis=-1)
        return taken.view(np.int32).reshape(*several, *self.cells.shape, 2)


class Grids:
    """The grids of consecutive frames."""

    def __init__(self, geometry: Geometry) -> None:
        self._geometry = geometry
        self._quarters: list[np.ndarray] = []

    def add(self, frame: av.VideoFrame) -> None:
        """Paint the vectors of the next frame; intra-coded ones have none."""
        records = side_data(frame, "MOTION_VECTORS")
        grid = quarter_grid(records, cells=self._geometry.source_cells)
        self._quarters.append(self._geometry.under(grid))

    def take(self) -> np.ndarray:
        """(F, M, N, 2) float32 of the frames since the last call."""
        cells = self._geometry.cells.shape
        quarters = np.array(self._quarters, np.int32).reshape(-1, *cells, 2)
        self._quarters.clear()
        return stored_grids(quarters, self._geometry)


def stored_grids(quarters: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Bring the vectors of stored cells from px of the source to px of the stored grid.

    Args:
        quarters: (F, M, N, 2) from `Geometry.under`; int32, or float64 where vectors were
            divided.

    Returns:
        (F, M, N, 2) float32: scaled, rounded to a quarter pixel, turned upright.
    """
    if geometry.same and quarters.dtype == np.int32:
        return quarters.astype(np.float32) / 4
    scaled = quarters * geometry.scale
    px = np.rint(scaled, out=scaled).astype(np.float32)
    px /= 4
    if not geometry.turned.upright:
        px = geometry.turned.vectors(px)
    px += 0  # no negative zero
    return px


def _centres(size: int) -> np.ndarray:
    """Twice the middle of each cell's part inside `size` pixels."""
    first = np.arange(0, size, CELL_PX)
    return first + np.minimum(first + CELL_PX, size)
