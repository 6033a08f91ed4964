"""Kernels: the pyramid of each frame, its gradient, and flow from level to level.

A level of a frame is three planes, image, d/dx and d/dy, each with `BORDER` pixels of
zeros around it, so that the interpolation of `warp` reads zeros outside without a test.
The zeros are written with each frame: frames of other sizes use the same memory in turn.
What the tables say of columns and rows is worked out by `resizing`.
"""

import numpy as np
from numba import cuda, float32, int32

from .control import FIELDS
from .kernel import kernel

BORDER = 3
"""Pixels of zeros before the image; `padded` has as many and one more after it."""

PLANES = 3

BLOCK = (32, 8)


def padded(side: int) -> int:
    """Pixels of a plane along a side of the image."""
    return side + 2 * BORDER + 1


def resizing(source: int, target: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Sampling positions of bilinear resizing along one side, exactly those of cv2.resize.

    Args:
        source: pixels of the side.
        target: pixels it is to have.
        scale: source pixels per target pixel; cv2.resize takes 1 / fx where it is given
            fx, and source / target where it is given the size.

    Returns:
        (target,) int32 first of two pixels, and float32 share of the second.
    """
    place = ((np.arange(target) + 0.5) * scale - 0.5).astype(np.float32)
    first = np.floor(place)
    share = place - first
    outside = (first < 0) | (first >= source - 1)
    first = np.clip(first, 0, source - 1)
    share[outside] = 0
    return first.astype(np.int32), share.astype(np.float32)


@kernel("u8* f32* i32* i32 i32", block=BLOCK)
def grey_to_float(frames, images, counts, height, width):
    """Frames (n, H, W) as they came -> image planes of the finest level; a thread for each
    pixel of a plane, its border included."""
    x = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x - BORDER
    y = cuda.blockIdx.y * cuda.blockDim.y + cuda.threadIdx.y - BORDER
    frame = cuda.blockIdx.z
    pitch = width + 2 * BORDER + 1
    if frame >= counts[1] or x > width + BORDER or y > height + BORDER:
        return
    plane = (height + 2 * BORDER + 1) * pitch
    place = frame * PLANES * plane + (y + BORDER) * pitch + x + BORDER
    value = float32(0)
    if 0 <= x < width and 0 <= y < height:
        value = float32(frames[frame * height * width + y * width + x])
    images[place] = value


@kernel("f32* f32* i32* i32* f32* i32* f32* i32 i32 i32 i32", block=BLOCK)
def shrink_image(
    finer,
    images,
    counts,
    columns,
    column_shares,
    rows,
    row_shares,
    finer_height,
    finer_width,
    height,
    width,
):
    """Image planes of a level -> those of the next coarser one, bilinear; threads as in
    `grey_to_float`."""
    x = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x - BORDER
    y = cuda.blockIdx.y * cuda.blockDim.y + cuda.threadIdx.y - BORDER
    frame = cuda.blockIdx.z
    pitch = width + 2 * BORDER + 1
    if frame >= counts[1] or x > width + BORDER or y > height + BORDER:
        return
    plane = (height + 2 * BORDER + 1) * pitch
    target = frame * PLANES * plane + (y + BORDER) * pitch + x + BORDER
    if not (0 <= x < width and 0 <= y < height):
        images[target] = float32(0)
        return
    finer_pitch = finer_width + 2 * BORDER + 1
    finer_plane = (finer_height + 2 * BORDER + 1) * finer_pitch
    place = (
        frame * PLANES * finer_plane
        + (rows[y] + BORDER) * finer_pitch
        + columns[x]
        + BORDER
    )
    share = column_shares[x]
    rest = float32(1) - share
    above = finer[place] * rest + finer[place + 1] * share
    place += finer_pitch
    below = finer[place] * rest + finer[place + 1] * share
    share = row_shares[y]
    images[target] = above * (float32(1) - share) + below * share


@kernel("f32* i32* i32 i32", block=BLOCK)
def gradient(images, counts, height, width):
    """The planes d/dx and d/dy of a level in grey levels per px: centred differences, at
    a border half the one-sided one. Threads as in `grey_to_float`."""
    x = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x - BORDER
    y = cuda.blockIdx.y * cuda.blockDim.y + cuda.threadIdx.y - BORDER
    frame = cuda.blockIdx.z
    pitch = width + 2 * BORDER + 1
    if frame >= counts[1] or x > width + BORDER or y > height + BORDER:
        return
    plane = (height + 2 * BORDER + 1) * pitch
    corner = frame * PLANES * plane + BORDER * pitch + BORDER
    place = corner + y * pitch + x
    if not (0 <= x < width and 0 <= y < height):
        images[place + plane] = float32(0)
        images[place + 2 * plane] = float32(0)
        return
    right = images[corner + y * pitch + min(x + 1, width - 1)]
    left = images[corner + y * pitch + max(x - 1, 0)]
    below = images[corner + min(y + 1, height - 1) * pitch + x]
    above = images[corner + max(y - 1, 0) * pitch + x]
    images[place + plane] = float32(0.5) * (right - left)
    images[place + 2 * plane] = float32(0.5) * (below - above)


@kernel("f32* i32* i32", block=(256, 1))
def no_flow(flow, counts, floats):
    """Flow 0 at the coarsest level, where a pair begins (parity 0); `floats`: 2 H W."""
    at = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    pair = cuda.blockIdx.z
    if pair < counts[0] and at < floats:
        flow[pair * 2 * floats + at] = float32(0)


@kernel("f32* f32* i32* i32* i32* f32* i32* f32* i32 i32 i32 i32 f32 i32", block=BLOCK)
def enlarge_flow(
    coarse,
    flow,
    control,
    counts,
    columns,
    column_shares,
    rows,
    row_shares,
    coarse_height,
    coarse_width,
    height,
    width,
    factor,
    parity,
):
    """Flow of the coarser level -> where the next finer one begins (parity 0).

    `parity`: which half of the coarser level's memory holds its flow; -1: for `control`
    to say.
    """
    x = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    y = cuda.blockIdx.y * cuda.blockDim.y + cuda.threadIdx.y
    pair = cuda.blockIdx.z
    if pair >= counts[0] or x >= width or y >= height:
        return
    if parity < 0:
        parity = control[pair * FIELDS + 1]
    coarse_plane = int32(coarse_height * coarse_width)
    plane = int32(height * width)
    share_x = column_shares[x]
    share_y = row_shares[y]
    right = columns[x] + min(1, coarse_width - 1 - columns[x])
    down = min(1, coarse_height - 1 - rows[y]) * coarse_width
    for component in range(2):
        start = ((pair * 2 + parity) * 2 + component) * coarse_plane
        start += rows[y] * coarse_width
        left = columns[x]
        above = (
            coarse[start + left] * (float32(1) - share_x)
            + coarse[start + right] * share_x
        )
        start += down
        below = (
            coarse[start + left] * (float32(1) - share_x)
            + coarse[start + right] * share_x
        )
        value = above * (float32(1) - share_y) + below * share_y
        place = (pair * 4 + component) * plane + y * width + x
        flow[place] = value * factor
