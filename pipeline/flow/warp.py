"""Kernels: the second image and its gradient, taken where the flow says."""

import numpy as np

from .cache import compiled
from .strips import INVERSE, IX, IY, RHO, ROW, STRIP, U1, U2

BORDER = 3
"""Zeros around `image_and_gradient`, so that no tap of the interpolation falls outside."""

FLAT = np.float32(1.1920929e-7)
"""Squared gradient up to which a pixel has no data term, as in OpenCV."""


def empty_taps(height: int, width: int) -> np.ndarray:
    """Memory for `image_and_gradient` of an image of this size."""
    return np.zeros((height + 2 * BORDER + 1, width + 2 * BORDER + 1, 4), np.float32)


@compiled("void(float32[:, ::1], float32[:, :, ::1])")
def image_and_gradient(image, taps):
    """Lay an image (H, W) and its two gradients side by side, with a border of zeros.

    Args:
        image: (H, W).
        taps: from `empty_taps`; filled with image, d/dx and d/dy in grey levels per px:
            centred differences, half the one-sided one at a border. The fourth stays 0.
    """
    half = np.float32(0.5)
    height, width = image.shape
    for y in range(height):
        above = max(y - 1, 0)
        below = min(y + 1, height - 1)
        for x in range(width):
            to_right = image[y, min(x + 1, width - 1)] - image[y, max(x - 1, 0)]
            taps[y + BORDER, x + BORDER, 0] = image[y, x]
            taps[y + BORDER, x + BORDER, 1] = half * to_right
            taps[y + BORDER, x + BORDER, 2] = half * (image[below, x] - image[above, x])


@compiled(cache=False)
def bicubic(offset):
    """The four weights of Keys' kernel (a = -0.75) at -1, 0, 1, 2 for 0 <= offset < 1."""
    a = np.float32(-0.75)
    one = np.float32(1)
    t = offset + one
    first = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
    t = offset
    second = ((a + 2) * t - (a + 3)) * t * t + one
    t = one - offset
    third = ((a + 2) * t - (a + 3)) * t * t + one
    return first, second, third, one - first - second - third


@compiled("void(float32[:, ::1], float32[:, :, ::1], float32[::1])")
def warp(first, taps, state):
    """Linearise the difference of the two images around the flow so far.

    Args:
        first: (H, W) the first image.
        taps: the second image, from `image_and_gradient`; zero outside, as in cv2.remap.
        state: as in `strips`; the flow is read, ix, iy, inverse and rho are written.
    """
    one = np.float32(1)
    height, width = first.shape
    for y in range(height):
        for strip in range((width + STRIP - 1) // STRIP):
            start = (strip * (height + 2) + y + 1) * ROW
            row = state[start : start + ROW]
            left = strip * STRIP
            for column in range(min(STRIP, width - left)):
                u1 = row[U1 + column]
                u2 = row[U2 + column]
                x = np.float32(left + column) + u1
                x = min(max(x, np.float32(-2)), np.float32(width + 1))
                y2 = min(
                    max(np.float32(y) + u2, np.float32(-2)), np.float32(height + 1)
                )
                whole_x = int(np.floor(x))
                whole_y = int(np.floor(y2))
                a0, a1, a2, a3 = bicubic(x - np.float32(whole_x))
                b0, b1, b2, b3 = bicubic(y2 - np.float32(whole_y))
                value = np.float32(0)
                gx = np.float32(0)
                gy = np.float32(0)
                near_y = np.uint64(whole_y + BORDER - 1)
                near_x = np.uint64(whole_x + BORDER - 1)
                for j in range(4):
                    b = b0 if j == 0 else (b1 if j == 1 else (b2 if j == 2 else b3))
                    line = taps[near_y + np.uint64(j)]
                    t0 = line[near_x]
                    t1 = line[near_x + np.uint64(1)]
                    t2 = line[near_x + np.uint64(2)]
                    t3 = line[near_x + np.uint64(3)]
                    value += b * (a0 * t0[0] + a1 * t1[0] + a2 * t2[0] + a3 * t3[0])
                    gx += b * (a0 * t0[1] + a1 * t1[1] + a2 * t2[1] + a3 * t3[1])
                    gy += b * (a0 * t0[2] + a1 * t1[2] + a2 * t2[2] + a3 * t3[2])
                square = gx * gx + gy * gy
                row[IX + column] = gx
                row[IY + column] = gy
                row[INVERSE + column] = one / square if square > FLAT else np.float32(0)
                row[RHO + column] = value - gx * u1 - gy * u2 - first[y, left + column]
