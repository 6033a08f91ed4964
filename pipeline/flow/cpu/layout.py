"""Memory layout of an image while the solver works on it.

The solver keeps ten values per pixel. The image is cut into vertical strips of `STRIP`
columns; a strip is a run of rows; a row of a strip holds its ten values as ten planes, one
after the other, each with 16 floats of margin before it:

    strip 0: row -1 | row 0 | ... | row H        strip 1: row -1 | row 0 | ... | row H
                     \\__ |margin|ix 0..511|margin|iy 0..511| ... |margin|p22 0..511|

So whatever the size of the image, the distance from one value to another of the same
pixel, or of the pixel above, is a number known when the kernels are compiled. The
compiler can then see that stores do not touch later loads and makes vector code, and one
compilation serves all sizes. (LLVM wants 2048 bytes between a store and an unaligned load
from elsewhere: that is why strips are so wide.) The margins hold the neighbours from the strips to the
left (p11, p21) and right (u1, u2). Vectors of `LANES` columns are worked on whole, so the
last one reaches beyond the image; what lies there is 0 and stays so, except that the
first column outside repeats the flow at the border. Rows -1 and H stand for the border
rules above and below.
"""

import numpy as np
from numpy.lib.stride_tricks import as_strided

from pipeline.kernels.compiled import compiled

STRIP = 512
LANES = 16
MARGIN = 16
PLANE = STRIP + MARGIN
IX, IY, INVERSE, RHO, U1, U2, P11, P12, P21, P22 = (
    MARGIN + PLANE * plane for plane in range(10)
)
"""First positions of the planes of a row: gradient of the warped image, one over its square (0
where flat), constant part of the residual, flow, the two dual vectors times theta / tau."""
ROW = 10 * PLANE


def empty_state(height: int, width: int) -> np.ndarray:
    """Flat float32 memory for an image of this size, all 0, aligned to 64 bytes."""
    strips = -(-width // STRIP)
    size = strips * (height + 2) * ROW + MARGIN
    raw = np.zeros(size + 15, np.float32)
    start = -(raw.ctypes.data // 4) % 16
    return raw[start : start + size]


def planes(state: np.ndarray, height: int, width: int) -> list[np.ndarray]:
    """The flow's two components as they lie in memory, each (H, W + 1): the last column is
    the margin, which repeats the one before it. None for an image of several strips."""
    if width > STRIP:
        return []
    steps = (4 * ROW, 4)
    return [
        as_strided(state[ROW + plane :], (height, width + 1), steps)
        for plane in (U1, U2)
    ]


@compiled("void(float32[:, ::1], float32[:, ::1], float32[::1])")
def put_flow(right, down, state):
    """Write a flow's components, each (H, W); the dual vectors are kept."""
    height, width = right.shape
    for y in range(height):
        for left in range(0, width, STRIP):
            used = min(STRIP, width - left)
            start = (left // STRIP * (height + 2) + y + 1) * ROW
            row = state[start : start + ROW]
            copy(right[y, left:], used, row[U1:])
            copy(down[y, left:], used, row[U2:])


@compiled(cache=False)
def copy(source, used, target):
    """Copy one row of a strip, and to the right of it the pixel that comes there: that
    of the next strip, or at the border of the image the last one once more."""
    for x in range(used):
        target[x] = source[x]
    target[used] = source[min(used, len(source) - 1)]


@compiled("void(float32[::1], float32[:, ::1], float32[:, ::1])")
def take_flow(state, right, down):
    """Read the flow's components, each (H, W)."""
    height, width = right.shape
    for y in range(height):
        for left in range(0, width, STRIP):
            start = (left // STRIP * (height + 2) + y + 1) * ROW
            row = state[start : start + ROW]
            target = right[y, left:]
            for x in range(min(STRIP, width - left)):
                target[x] = row[U1 + x]
            target = down[y, left:]
            for x in range(min(STRIP, width - left)):
                target[x] = row[U2 + x]


@compiled("void(float32[::1])")
def clear_dual(state):
    """Set the dual vectors to 0 everywhere."""
    for start in range(0, len(state) - MARGIN, ROW):
        row = state[start : start + ROW]
        for x in range(P11 - MARGIN, ROW):
            row[x] = 0
