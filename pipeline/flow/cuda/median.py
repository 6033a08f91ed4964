"""Kernel: the median filter of 5 x 5 on both components of the flow."""

from numba import cuda, float32, int32

from .control import FIELDS, RUNNING
from .images import BLOCK
from .kernel import kernel
from .networks import SIDE, medians_function

ROWS = 8
"""Medians below each other that one thread finds."""

WINDOW = (ROWS + SIDE - 1) * SIDE
"""Values that it reads for them."""

medians = cuda.jit(device=True, inline="always")(medians_function(ROWS))


@kernel("f32* f32* i32* i32* i32 i32 i32", block=BLOCK)
def median(flow, filtered, control, counts, height, width, parity):
    """`filtered` = medians of `flow`, both as in `iterate`; borders are repeated.

    `parity` -1: where the flow lies is for `control` to say, and pairs that are done
    keep what they have.
    """
    x = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    y = (cuda.blockIdx.y * cuda.blockDim.y + cuda.threadIdx.y) * ROWS
    pair = cuda.blockIdx.z // 2
    component = cuda.blockIdx.z - 2 * pair
    if pair >= counts[0] or x >= width or y >= height:
        return
    if parity < 0:
        if control[pair * FIELDS] != RUNNING:
            return
        parity = control[pair * FIELDS + 1]
    plane = int32(height * width)
    start = ((pair * 2 + parity) * 2 + component) * plane
    window = cuda.local.array(WINDOW, float32)
    result = cuda.local.array(ROWS, float32)
    columns = cuda.local.array(SIDE, int32)
    for k in range(SIDE):
        columns[k] = int32(min(max(int32(x + k - 2), 0), int32(width - 1)))
    for row in range(ROWS + SIDE - 1):
        place_y = int32(min(max(int32(y + row - 2), 0), int32(height - 1)))
        line = int32(start + place_y * width)
        for k in range(SIDE):
            window[row * SIDE + k] = flow[int32(line + columns[k])]
    medians(window, result)
    start = (pair * 2 + component) * plane
    for row in range(ROWS):
        if y + row < height:
            filtered[start + int32((y + row) * width) + x] = result[row]


def blocks(width: int, height: int, pairs: int) -> tuple[int, int, int]:
    """The grid of `median`."""
    return median.grid(width, -(-height // ROWS), 2 * pairs)
