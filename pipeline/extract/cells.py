"""Kernel: vector records -> cells of 8 px. Compiled: numpy would need five times as long."""

import numpy as np

from pipeline.flow.cache import compile_kernels, compiled

CELL_PX = 8


@compiled("void(i4[:, ::1], i2[:, ::1], u1[:, ::1], i8[::1], i4[:, :, :, ::1])")
def _paint(words, halves, octets, counts, grids):
    """Three views of the same (V, 40) bytes of AVMotionVector, libavutil/motion_vector.h."""
    rows, columns = grids.shape[1], grids.shape[2]
    first = 0
    for frame in range(counts.size):
        for vector in range(first, first + counts[frame]):
            scale = halves[vector, 16]
            if words[vector, 0] >= 0 or scale <= 0:  # source: in the future
                continue
            wide, high = octets[vector, 4], octets[vector, 5]
            left, top = halves[vector, 5] - wide // 2, halves[vector, 6] - high // 2
            across = (scale - 8 * words[vector, 6]) // (2 * scale)  # rounds
            down = (scale - 8 * words[vector, 7]) // (2 * scale)
            # The cells whose middle the block covers.
            for row in range(max((top + 3) // 8, 0), min((top + high + 3) // 8, rows)):
                for column in range(
                    max((left + 3) // 8, 0), min((left + wide + 3) // 8, columns)
                ):
                    grids[frame, row, column, 0] = across
                    grids[frame, row, column, 1] = down
        first += counts[frame]


def paint(vectors: np.ndarray, counts: np.ndarray, grids: np.ndarray) -> None:
    """Paint the blocks of consecutive frames.

    Args:
        vectors: (V, 40) uint8: the records of all frames, in order.
        counts: (F,) int64: how many of them each frame has.
        grids: (F, rows, columns, 2) int32, quarters of a pixel, flow sign. Cells that
            no block from the past covers are left alone; of several the last one counts.
    """
    if not _paint.signatures:
        compile_kernels(_paint)
    _paint(vectors.view(np.int32), vectors.view(np.int16), vectors, counts, grids)
