"""Kernel: the second image and its gradient, taken where the flow says."""

import math

import numpy as np
from numba import cuda, float32, int32

from .control import FIELDS
from .images import BLOCK, BORDER, PLANES
from .kernel import kernel

KEYS = np.float32(-0.75)
"""Free parameter of Keys' cubic kernel, as in cv2.remap."""

FLAT = np.float32(1.1920929e-7)
"""Squared gradient up to which a pixel has no data term, as in OpenCV."""


@kernel("f32* f32* i32* f32* i32* i32* i32 i32 i32", block=BLOCK)
def warp(images, flow, control, data, pairs, counts, height, width, parity):
    """Linearise the difference of the two images around the flow so far.

    `images`: as in `images`; `pairs`: (B, 2) numbers of frames; `flow` and `data` as
    in `iterate`; `parity`: which half of a pair's memory holds its flow, -1: for
    `control` to say. Places further outside than any sample are drawn in: they see zeros
    all the same.
    """
    x = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    y = cuda.blockIdx.y * cuda.blockDim.y + cuda.threadIdx.y
    pair = cuda.blockIdx.z
    if pair >= counts[0] or x >= width or y >= height:
        return
    if parity < 0:
        parity = control[pair * FIELDS + 1]
    plane = int32(height * width)
    at = int32(y * width + x)
    flow_at = (pair * 2 + parity) * 2 * plane + at
    u1 = flow[flow_at]
    u2 = flow[flow_at + plane]

    to_x = min(max(float32(x) + u1, float32(-2)), float32(width + 1))
    to_y = min(max(float32(y) + u2, float32(-2)), float32(height + 1))
    whole_x = float32(math.floor(to_x))
    whole_y = float32(math.floor(to_y))
    columns = cuda.local.array(4, float32)
    rows = cuda.local.array(4, float32)
    for side in range(2):
        offset = to_x - whole_x if side == 0 else to_y - whole_y
        before = offset + float32(1)
        rest = float32(1) - offset
        weight0 = KEYS * (
            ((before - float32(5)) * before + float32(8)) * before - float32(4)
        )
        weight1 = (
            (KEYS + float32(2)) * offset - (KEYS + float32(3))
        ) * offset * offset + float32(1)
        weight2 = (
            (KEYS + float32(2)) * rest - (KEYS + float32(3))
        ) * rest * rest + float32(1)
        weight3 = float32(1) - weight0 - weight1 - weight2
        if side == 0:
            columns[0] = weight0
            columns[1] = weight1
            columns[2] = weight2
            columns[3] = weight3
        else:
            rows[0] = weight0
            rows[1] = weight1
            rows[2] = weight2
            rows[3] = weight3

    pitch = width + 2 * BORDER + 1
    image_plane = int32((height + 2 * BORDER + 1) * pitch)
    second = int32(
        pairs[pair * 2 + 1] * PLANES * image_plane
        + (int32(whole_y) + BORDER - 1) * pitch
        + int32(whole_x)
        + BORDER
        - 1
    )
    value = float32(0)
    ix = float32(0)
    iy = float32(0)
    for j in range(4):
        row_value = float32(0)
        row_ix = float32(0)
        row_iy = float32(0)
        for i in range(4):
            place = int32(second + j * pitch + i)
            row_value += columns[i] * images[place]
            row_ix += columns[i] * images[int32(place + image_plane)]
            row_iy += columns[i] * images[int32(place + 2 * image_plane)]
        value += rows[j] * row_value
        ix += rows[j] * row_ix
        iy += rows[j] * row_iy

    first = images[
        pairs[pair * 2] * PLANES * image_plane
        + int32((y + BORDER) * pitch + x + BORDER)
    ]
    square = ix * ix + iy * iy
    inverse = float32(0)
    if square > FLAT:
        inverse = float32(1) / square
    data_at = pair * 4 * plane + at
    data[data_at] = ix
    data[data_at + plane] = iy
    data[data_at + 2 * plane] = inverse
    data[data_at + 3 * plane] = value - ix * u1 - iy * u2 - first
