"""Kernels: an image laid out so that bicubic interpolation reads whole vectors.

Value, d/dx, d/dy and a zero of a pixel lie side by side (`CHANNELS`). Then the four
neighbours of a row that one interpolation needs are one vector of 16 floats, and the
interpolation of image and gradient together is four loads, four multiply-adds by the
weights of the rows, one multiplication by the weights of the columns, and a sum.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from pipeline.kernels.compiled import compiled

BORDER = 3
"""Pixels of zeros around the image: outside it is zero, as in cv2.remap."""

CHANNELS = 4

TAPS = 4
"""Samples per direction of a bicubic interpolation."""


def empty_taps(height: int, width: int) -> np.ndarray:
    """Flat float32 memory for `image_and_gradient` of an image of this size, all 0."""
    lines = height + 2 * BORDER + 1
    return np.zeros(lines * (width + 2 * BORDER + 1) * CHANNELS, np.float32)


@compiled("void(float32[:, ::1], float32[::1])")
def image_and_gradient(image, taps):
    """Lay an image and its gradient side by side.

    Args:
        image: (H, W) in grey levels.
        taps: from `empty_taps`; filled with image, d/dx and d/dy in grey levels per px:
            centred differences, at a border half the one-sided one.
    """
    half = np.float32(0.5)
    height, width = image.shape
    line = (width + 2 * BORDER + 1) * CHANNELS
    for y in range(height):
        start = (y + BORDER) * line + BORDER * CHANNELS
        target = taps[start : start + width * CHANNELS]
        row = image[y]
        above = image[max(y - 1, 0)]
        below = image[min(y + 1, height - 1)]
        for x in range(width):
            target[x * CHANNELS] = row[x]
            target[x * CHANNELS + 1] = half * (
                row[min(x + 1, width - 1)] - row[max(x - 1, 0)]
            )
            target[x * CHANNELS + 2] = half * (below[x] - above[x])


@intrinsic
def weighted_taps(typing, taps, corner, line, a0, a1, a2, a3, b0, b1, b2, b3):
    """(value, d/dx, d/dy): weighted sums over the 4 x 4 pixels that begin at `corner`.

    Written as vector instructions because the compiler finds them by itself only in
    loops over neighbours, and each pixel reads elsewhere; six times as fast.

    Args:
        taps: from `image_and_gradient`.
        corner: number of the first of the 4 x 4 pixels' floats.
        line: floats from a pixel to the one below.
        a0, a1, a2, a3: weights of the columns.
        b0, b1, b2, b3: weights of the rows.
    """
    single = types.float32
    signature = types.UniTuple(single, 3)(taps, corner, line, *[single] * 8)
    return signature, _generate_weighted_taps


def _generate_weighted_taps(context, builder, signature, arguments):
    """LLVM code of `weighted_taps`, at the place of a call."""
    data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
    corner = context.cast(builder, arguments[1], signature.args[1], types.int64)
    line = context.cast(builder, arguments[2], signature.args[2], types.int64)
    columns, rows = arguments[3:7], arguments[7:11]
    size = TAPS * CHANNELS

    total = None
    for j in range(TAPS):
        place = builder.add(corner, builder.mul(line, ir.Constant(line.type, j)))
        address = builder.bitcast(
            builder.gep(data, [place]), ir.VectorType(ir.FloatType(), size).as_pointer()
        )
        pixels = builder.load(address, align=4)
        part = builder.fmul(pixels, _spread(builder, rows, [j] * size), flags=["fast"])
        total = part if total is None else builder.fadd(total, part, flags=["fast"])

    by_column = [lane // CHANNELS for lane in range(size)]
    total = builder.fmul(total, _spread(builder, columns, by_column), flags=["fast"])
    while size > CHANNELS:  # fold the upper half onto the lower one
        size //= 2
        halves = (
            _lanes(builder, total, range(k * size, (k + 1) * size)) for k in (0, 1)
        )
        total = builder.fadd(*halves, flags=["fast"])

    sums = [builder.extract_element(total, _number(channel)) for channel in range(3)]
    return context.make_tuple(builder, signature.return_type, sums)


def _spread(builder, scalars, pattern):
    """A vector whose lane k is `scalars[pattern[k]]`."""
    vector = ir.Constant(ir.VectorType(ir.FloatType(), len(scalars)), ir.Undefined)
    for lane, scalar in enumerate(scalars):
        vector = builder.insert_element(vector, scalar, _number(lane))
    return _lanes(builder, vector, pattern)


def _lanes(builder, vector, pattern):
    """A vector whose lane k is lane `pattern[k]` of the given one."""
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), len(pattern)), list(pattern))
    return builder.shuffle_vector(vector, vector, lanes)


def _number(value):
    return ir.Constant(ir.IntType(32), value)
