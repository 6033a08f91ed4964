"""Kernel: the vector records of a frame -> cells of 8 px. Numpy would take ten times as long."""

import numpy as np

from pipeline.kernels.compiled import compile_kernels, compiled


@compiled(
    "void(Array(int32, 1, 'C', True), Array(int16, 1, 'C', True),"
    " Array(uint8, 1, 'C', True), int32, int32[:, :, ::1])"
)
def _paint(words, halves, octets, sign, grid):
    """Three views of the same records of 40 bytes: AVMotionVector, libavutil/motion_vector.h."""
    rows, columns = grid.shape[0], grid.shape[1]
    for vector in range(words.size // 10):
        word, half, octet = 10 * vector, 20 * vector, 40 * vector
        scale = halves[half + 16]
        if sign * words[word] <= 0 or scale <= 0:  # source: of the other kind
            continue
        wide, high = octets[octet + 4], octets[octet + 5]
        left, top = halves[half + 5] - wide // 2, halves[half + 6] - high // 2
        across = (scale - 8 * words[word + 6]) // (2 * scale)  # rounds
        down = (scale - 8 * words[word + 7]) // (2 * scale)
        # The cells whose middle the block covers.
        for row in range(max((top + 3) // 8, 0), min((top + high + 3) // 8, rows)):
            for column in range(
                max((left + 3) // 8, 0), min((left + wide + 3) // 8, columns)
            ):
                grid[row, column, 0] = across
                grid[row, column, 1] = down


def quarter_grid(
    records: bytes | memoryview, *, cells: tuple[int, int], future: bool = False
) -> np.ndarray:
    """Paint the blocks of one frame.

    FFmpeg's vectors point from a block to where the encoder copied it from. They are
    turned around, so that like optical flow they say where content went: x grows to the
    right, y grows downward.

    Args:
        records: AVMotionVector of every block. May be empty: intra-coded frames have none.
        cells: rows and columns of the grid.
        future: paint the blocks copied from the future (FFmpeg's source +1: reference
            list 1) instead of those from the past (-1: list 0).

    Returns:
        (rows, columns, 2) int32, (dx, dy) in quarters of a pixel from the reference frame
        to this one. Zero where no such block covers a cell; of several the last
        one counts.

    Note:
        FFmpeg says that the reference is in the past, not how far. `references.py` knows
        the rules of the codecs.

    Source:
        Motion vectors as a network's input: Zhang et al., "Real-time Action Recognition
        with Enhanced Motion Vector CNNs", CVPR 2016, arXiv:1604.07669. Meaning of the
        fields: AVMotionVector in libavutil/motion_vector.h.
    """
    grid = np.zeros((*cells, 2), np.int32)
    if len(records):
        if not _paint.signatures:
            compile_kernels(_paint)
        views = (
            np.frombuffer(records, kind) for kind in (np.int32, np.int16, np.uint8)
        )
        _paint(*views, 1 if future else -1, grid)
    return grid
