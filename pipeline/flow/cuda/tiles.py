"""Division of an image into tiles that iterate on their own for a while.

An iteration of TV-L1 looks one pixel further in every direction. A block of threads loads
a region of the image, iterates `halo` times in its registers and shared memory, and
writes only what lies `halo` pixels inside, where nothing from beyond the region has
arrived yet. Regions therefore overlap:

    region 0   |<-- writes all but the halo -->|halo|
    region 1              |halo|<-- writes the middle -->|halo|
    region 2                                 |halo|<-- all but the halo -->|
    image      |___________________________________________________________|

A larger halo means fewer trips to memory and more pixels computed twice.
"""

from dataclasses import dataclass

TRIP = 6
"""Cost of loading and storing a region, in iterations on it: on an H200 about 85 bytes
per pixel at 4 TB/s against about 50 instructions at half the peak rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TileShape:
    """The region of one block. Each thread has `rows` pixels of one column."""

    width: int
    rows: int
    strips: int
    """Threads above each other."""

    @property
    def height(self) -> int:
        return self.rows * self.strips

    @property
    def pitch(self) -> int:
        """Floats from a row to the next in shared memory: a column of zeros is added."""
        return self.width + 1

    @property
    def shared_floats(self) -> int:
        """Shared memory, in floats: u1, u2, p11, p21 of all rows, p12, p22 of each strip's last row."""
        return (4 * self.height + 2 * (self.strips + 1)) * self.pitch


LARGE = TileShape(width=64, rows=8, strips=8)
"""512 threads with 128 registers each, 71 KB of shared memory: one block takes all
registers of a multiprocessor of compute capability 8.0 and later."""

TALL = TileShape(width=64, rows=8, strips=7)
"""62 KB, for the 64 KB of compute capability 7.5, where a multiprocessor has room for one block
of any shape: 14 warps are faster than the 8 of `SMALL`."""

SMALL = TileShape(width=64, rows=8, strips=4)
"""For less shared memory, and for stopping early with 64 KB, which takes room for sums."""

SHAPES = (LARGE, TALL, SMALL)
"""The first that fits a device is used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiling:
    """Plan of a number of iterations over an image."""

    columns: int
    """Regions side by side."""
    lines: int
    """Regions above each other."""
    halo: int
    passes: tuple[int, ...]
    """Iterations of each trip, at most `halo` unless there is one region."""


def tiling(
    height: int, width: int, iterations: int, shape: TileShape, *, most: int
) -> Tiling:
    """Choose the cheapest tiling for a number of iterations.

    Args:
        most: iterations of a trip at most.
    """
    best: tuple[float, Tiling] | None = None
    for trips in range(1, iterations + 1):
        longest = -(-iterations // trips)
        if longest > most:
            continue
        columns = _regions(width, shape.width, longest)
        lines = _regions(height, shape.height, longest)
        if not columns or not lines:
            continue
        cost = columns * lines * (iterations + TRIP * trips)
        if best is None or cost < best[0]:
            passes = tuple(
                iterations // trips + (k < iterations % trips) for k in range(trips)
            )
            plan = Tiling(columns=columns, lines=lines, halo=longest, passes=passes)
            best = cost, plan
    assert best is not None, "a trip of one iteration fits every shape"
    return best[1]


def _regions(side: int, region: int, halo: int) -> int:
    """Regions along a side of the image; 0: the halo leaves nothing of a region."""
    if side <= region:
        return 1
    step = region - 2 * halo
    return -(-(side - 2 * halo) // step) if step > 0 else 0
