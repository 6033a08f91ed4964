"""Kernels: the second image and its gradient, taken where the flow says.

Three passes over each row: where each pixel goes and with which weights, the weighted
sums (`taps`), and what the iterations need of them.
"""

import numpy as np

from pipeline.kernels.compiled import compiled

from .interpolation import BORDER, CHANNELS, weighted_taps
from .layout import INVERSE, IX, IY, MARGIN, RHO, ROW, STRIP, U1, U2

KEYS = np.float32(-0.75)
"""Free parameter of Keys' cubic kernel, as in cv2.remap."""

FLAT = np.float32(1.1920929e-7)
"""Squared gradient up to which a pixel has no data term, as in OpenCV."""

RUN = STRIP + MARGIN
"""Floats from one weight of a pixel to the next in the scratch memory of `warp`."""


@compiled(cache=False)
def cubic(offset):
    """Weights of the samples at -1, 0, 1 and 2, for a place at `offset` of 0 to 1."""
    one = np.float32(1)
    before = offset + one
    rest = one - offset
    first = KEYS * (((before - 5) * before + 8) * before - 4)
    second = ((KEYS + 2) * offset - (KEYS + 3)) * offset * offset + one
    third = ((KEYS + 2) * rest - (KEYS + 3)) * rest * rest + one
    return first, second, third, one - first - second - third


@compiled(cache=False)
def places(row, left, y, used, height, width, corners, weights):
    """Positions of the pixels of one row of a strip after warping, as corners of 4 x 4 samples.

    Places further outside than any sample are drawn in: they see zeros all the same.
    """
    lowest = np.float32(-2)
    last_x = np.float32(width + 1)
    last_y = np.float32(height + 1)
    line = np.int32(width + 2 * BORDER + 1)
    for i in range(used):
        x = np.float32(np.int32(left + i)) + row[U1 + i]
        x = min(max(x, lowest), last_x)
        whole_x = np.floor(x)
        down = np.float32(np.int32(y)) + row[U2 + i]
        down = min(max(down, lowest), last_y)
        whole_y = np.floor(down)
        corner_x = np.int32(whole_x) + np.int32(BORDER - 1)
        corner_y = np.int32(whole_y) + np.int32(BORDER - 1)
        corners[i] = np.int32(corner_y * line + corner_x) * np.int32(CHANNELS)
        a0, a1, a2, a3 = cubic(x - whole_x)
        weights[i] = a0
        weights[RUN + i] = a1
        weights[2 * RUN + i] = a2
        weights[3 * RUN + i] = a3
        b0, b1, b2, b3 = cubic(down - whole_y)
        weights[4 * RUN + i] = b0
        weights[5 * RUN + i] = b1
        weights[6 * RUN + i] = b2
        weights[7 * RUN + i] = b3


@compiled(cache=False)
def sample(taps, line, corners, weights, used, row):
    """Image and gradient at the places, into the planes rho, ix and iy."""
    for i in range(used):
        value, ix, iy = weighted_taps(
            taps,
            corners[i],
            line,
            weights[i],
            weights[RUN + i],
            weights[2 * RUN + i],
            weights[3 * RUN + i],
            weights[4 * RUN + i],
            weights[5 * RUN + i],
            weights[6 * RUN + i],
            weights[7 * RUN + i],
        )
        row[RHO + i] = value
        row[IX + i] = ix
        row[IY + i] = iy


@compiled(cache=False)
def linearise(row, first, used):
    """From the samples to the constant part of the residual and the inverse square."""
    for i in range(used):
        ix = row[IX + i]
        iy = row[IY + i]
        square = ix * ix + iy * iy
        row[INVERSE + i] = np.float32(1) / square if square > FLAT else np.float32(0)
        row[RHO + i] = row[RHO + i] - ix * row[U1 + i] - iy * row[U2 + i] - first[i]


@compiled("void(float32[:, ::1], float32[::1], float32[::1])")
def warp(first, taps, state):
    """Linearise the difference of the two images around the flow so far.

    Args:
        first: (H, W) the first image.
        taps: the second image, from `interpolation.image_and_gradient`.
        state: as in `layout`; the flow is read; ix, iy, inverse and rho are written.
    """
    height, width = first.shape
    line = (width + 2 * BORDER + 1) * CHANNELS
    corners = np.empty(STRIP, np.int32)
    weights = np.empty(8 * RUN, np.float32)
    for y in range(height):
        for left in range(0, width, STRIP):
            start = (left // STRIP * (height + 2) + y + 1) * ROW
            row = state[start : start + ROW]
            used = min(STRIP, width - left)
            places(row, left, y, used, height, width, corners, weights)
            sample(taps, line, corners, weights, used, row)
            linearise(row, first[y, left : left + used], used)
