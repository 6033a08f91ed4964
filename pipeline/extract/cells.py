"""Kernel: the vector records of a frame -> cells of 8 px. Numpy would take ten times as long."""

import numpy as np

from pipeline.kernels.compiled import compile_kernels, compiled


@compiled("int64(Array(int32, 1, 'C', True), int64[:, ::1], int64, int64)")
def _paint(words, grids, rows, columns):
    """Paint the vectors from the past into the first grid, from the future into the second.

    `words`: records of 40 bytes, AVMotionVector in libavutil/motion_vector.h. A cell of the
    grids is one number of 64 bits: dx in its lower half, dy in its upper half. Returns the
    kinds that there are: 1 past, 2 future, 3 both.
    """
    kinds = 0
    for vector in range(words.size // 10):
        first = 10 * vector
        source = words[first]
        if source == 0:
            continue
        later = 1 if source > 0 else 0
        kinds |= 1 + later
        scale = words[first + 8] & 0xFFFF
        if scale == 0 or scale > 0x7FFF:
            continue
        size, x, y = words[first + 1], words[first + 2], words[first + 3]
        wide, high = size & 255, size >> 8 & 255
        left = (x >> 16) - (wide >> 1)
        top = ((y & 0xFFFF) ^ 0x8000) - 0x8000 - (high >> 1)  # the lower half, signed
        across, down = words[first + 6], words[first + 7]
        if scale == 4:
            across, down = -across, -down
        else:
            across = (scale - 8 * across) // (2 * scale)  # rounds
            down = (scale - 8 * down) // (2 * scale)
        pair = (across & 0xFFFFFFFF) | (down << 32)
        # The cells whose middle the block covers.
        upper, lower = max(top + 3 >> 3, 0), min(top + high + 3 >> 3, rows) - 1
        near, far = max(left + 3 >> 3, 0), min(left + wide + 3 >> 3, columns) - 1
        if upper > lower or near > far:
            continue
        if lower - upper < 2 and far - near < 2:  # four stores are faster than loops
            grids[later, upper * columns + near] = pair
            grids[later, upper * columns + far] = pair
            grids[later, lower * columns + near] = pair
            grids[later, lower * columns + far] = pair
            continue
        for row in range(upper, lower + 1):
            for column in range(near, far + 1):
                grids[later, row * columns + column] = pair
    return kinds


def quarter_grids(
    records: bytes | memoryview, *, cells: tuple[int, int]
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Paint the blocks of one frame.

    FFmpeg's vectors point from a block to where the encoder copied it from. They are
    turned around, so that like optical flow they say where content went: x grows to the
    right, y grows downward.

    Args:
        records: AVMotionVector of every block. May be empty: intra-coded frames have none.
        cells: rows and columns of the grid.

    Returns:
        Grids of the blocks copied from the past (FFmpeg's source -1: reference list 0) and
        from the future (+1: list 1), None where there are none: (rows, columns, 2) int32,
        (dx, dy) in quarters of a pixel from the reference frame to this one. Zero where
        no such block covers a cell; of several the last one counts.

    Note:
        FFmpeg says that the reference is in the past, not how far. `references.py` knows
        the rules of the codecs.

    Source:
        Motion vectors as a network's input: Zhang et al., "Real-time Action Recognition
        with Enhanced Motion Vector CNNs", CVPR 2016, arXiv:1604.07669. Meaning of the
        fields: AVMotionVector in libavutil/motion_vector.h.
    """
    if not len(records):
        return None, None
    if not _paint.overloads:
        compile_kernels(_paint)
    rows, columns = cells
    pairs = np.zeros((2, rows * columns), np.int64)
    kinds = _paint(np.frombuffer(records, np.int32), pairs, rows, columns)
    grids = pairs.view(np.int32).reshape(2, rows, columns, 2)
    return grids[0] if kinds & 1 else None, grids[1] if kinds & 2 else None


def quarter_grid(records: bytes | memoryview, *, cells: tuple[int, int]) -> np.ndarray:
    """The grid of the blocks copied from the past, see `quarter_grids`; zeros if none."""
    past, _ = quarter_grids(records, cells=cells)
    return np.zeros((*cells, 2), np.int32) if past is None else past
