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

    rows: np.ndarray
    columns: np.ndarray
    """(M, N) cell of the source under the centre of each stored cell."""
    source_cells: tuple[int, int]
    scale: tuple[float, float]
    """Stored px per source px, right and down, before turning."""
    turned: Orientation

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
        return cls(
            rows=rows,
            columns=columns,
            source_cells=(
                -(-(source[0] + cropped[0]) // CELL_PX),
                -(-(source[1] + cropped[1]) // CELL_PX),
            ),
            scale=(flat_width / source[1], flat_height / source[0]),
            turned=turned,
        )

    @property
    def same(self) -> bool:
        """The source's cells are the stored ones."""
        return (
            self.turned.upright
            and self.scale == (1, 1)
            and self.rows.shape == self.source_cells
            and not self.rows[0].any()
            and not self.columns[:, 0].any()
        )


class Grids:
    """The grids of consecutive frames, in the source's cells until they are taken."""

    def __init__(self, geometry: Geometry) -> None:
        self._geometry = geometry
        self._quarters: list[np.ndarray] = []

    def add(self, frame: av.VideoFrame) -> None:
        """Paint the vectors of the next frame; intra-coded ones have none."""
        records = side_data(frame, "MOTION_VECTORS")
        grid = quarter_grid(records, cells=self._geometry.source_cells)
        self._quarters.append(grid)

    def take(self) -> np.ndarray:
        """(F, M, N, 2) float32 of the frames since the last call."""
        cells = self._geometry.source_cells
        quarters = np.array(self._quarters, np.int32).reshape(-1, *cells, 2)
        self._quarters.clear()
        return stored_grids(quarters, self._geometry)


def stored_grids(quarters: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Bring grids of the source's cells to the stored grid.

    Args:
        quarters: (F, rows, columns, 2) of the source; int32, or float64 where vectors
            were divided.

    Returns:
        (F, M, N, 2) float32 px of the stored grid: the block under each cell's centre,
        scaled, rounded to a quarter pixel, turned upright.
    """
    if geometry.same and quarters.dtype == np.int32:
        return quarters.astype(np.float32) / 4
    under = quarters[:, geometry.rows, geometry.columns]
    scaled = np.rint(under * np.array(geometry.scale)).astype(np.float32) / 4
    return geometry.turned.vectors(scaled) + 0  # no negative zero


def _centres(size: int) -> np.ndarray:
    """Twice the middle of each cell's part inside `size` pixels."""
    first = np.arange(0, size, CELL_PX)
    return first + np.minimum(first + CELL_PX, size)
