"""Kernels: flow as the host takes it, in pixels or coded one byte per value.

The coding is not compiled with `fast` arithmetic: its levels are those of the store's
codec, to the bit.
"""

import math

import numpy as np
from numba import cuda, float32, uint8

from .control import FIELDS
from .kernel import kernel

THREADS = 256

LARGEST = float(np.finfo(np.float32).max)

VALUES = 4
"""Values of one thread of `encode`."""


@kernel("f32* f32* i32* i32* i32 i32", block=(THREADS, 1))
def interleave(flow, output, control, counts, pixels, parity):
    """Flow as in `iterate` -> (B, H, W, 2) px; `pixels`: H W; `parity` as in `warp`."""
    at = cuda.blockIdx.x * THREADS + cuda.threadIdx.x
    pair = cuda.blockIdx.z
    if pair >= counts[0] or at >= pixels:
        return
    if parity < 0:
        parity = control[pair * FIELDS + 1]
    place = (pair * 2 + parity) * 2 * pixels + at
    output[(pair * pixels + at) * 2] = flow[place]
    output[(pair * pixels + at) * 2 + 1] = flow[place + pixels]


@kernel("f32* u8* i32* i32* i32* i32 i32 i32 f32", block=(THREADS, 1), fast=False)
def encode(flow, levels, clipped, control, counts, pixels, parity, companded, bound):
    """Flow as in `iterate` -> (B, 2, H, W) levels, and clipped values by pair and block.

    `pixels`: H W; `parity` as in `warp`; `companded`: 1, or 0 for linear levels; `bound`
    in px. `pipeline.store.jpeg_codecs.JpegFlow.levels` in the same order of operations. Where
    a value is not a number the count of clipped values is -1.
    """
    pair = cuda.blockIdx.z
    if pair >= counts[0]:
        return
    if parity < 0:
        parity = control[pair * FIELDS + 1]
    start = (pair * 2 + parity) * 2 * pixels
    total = 0
    unknown = 0
    for k in range(VALUES):
        at = (cuda.blockIdx.x * VALUES + k) * THREADS + cuda.threadIdx.x
        beyond = 0
        if at < 2 * pixels:
            value = flow[start + at]
            size = abs(value)
            if not size <= LARGEST:
                unknown = 1
                value = float32(0)
                size = float32(0)
            if size > bound:
                beyond = 1
            share = min(size / bound, float32(1))
            if companded:
                share = float32(math.sqrt(share))
            level = round(share * float32(127))  # half to even
            if value < float32(0):
                level = -level
            levels[pair * 2 * pixels + at] = uint8(level + 128)
        total += cuda.syncthreads_count(beyond)
    if cuda.syncthreads_count(unknown) > 0:
        total = -1
    if cuda.threadIdx.x == 0:
        clipped[pair * cuda.gridDim.x + cuda.blockIdx.x] = total


def encode_blocks(pixels: int) -> int:
    """Blocks of `encode` for each pair."""
    return -(-2 * pixels // (VALUES * THREADS))
