"""Kernel: iterations of TV-L1 on one tile of one pair, in registers and shared memory.

Each thread keeps the ten values of `rows` pixels of a column in registers. What other
threads need of them goes through shared memory: flow to the left neighbour and to the
strip above, dual vectors to the right neighbour and to the strip below. About 50
instructions per pixel and iteration, 4 of them square roots and divisions, 8 of them
loads and stores in shared memory.

Threads outside the image take part in nothing but the barriers.
"""

import math

from numba import cuda, float32, int32, uint64

from .control import DONE, FIELDS, REDO
from .kernel import Kernel, kernel
from .tiles import TileShape

FROM_FILTER = 1
"""Flag of a trip: the flow comes from the median filter, not from the trip before."""
FROM_ZERO = 2
"""Flag of a trip: the dual vectors are 0, whatever lies in memory."""

ERROR_TRIP = 10
"""Iterations of a trip at most where the updates are summed: their sums need memory."""


@cuda.jit(device=True, inline="always")
def shrinking(right, down, slope):
    """Factor of a dual vector, from the differences of the flow."""
    length = float32(math.sqrt(right * right + down * down))
    return float32(1) / (float32(1) + slope * length)


@cuda.jit(device=True, inline="always")
def move_dual(along, across, row, right, down, shrink):
    along[row] = (along[row] + right) * shrink
    across[row] = (across[row] + down) * shrink


def iterate_kernel(shape: TileShape, *, stopping: bool) -> Kernel:
    """The kernel for tiles of this shape.

    Args:
        stopping: each pair has its own stop flag and place in memory (`control`), and
            the squared updates of each iteration are summed over each tile.
    """
    columns, rows, strips = shape.width, shape.rows, shape.strips
    region_height, pitch = shape.height, shape.pitch
    threads = columns * strips
    after_last = rows - 1
    u1_plane = 0
    u2_plane = region_height * pitch
    p1_plane = 2 * region_height * pitch  # one column to the right: column 0 is 0
    p2_plane = 3 * region_height * pitch
    edge1_plane = 4 * region_height * pitch  # row s: what lies above strip s
    edge2_plane = edge1_plane + (strips + 1) * pitch
    sums = edge2_plane + (strips + 1) * pitch
    floats = shape.shared_floats + (ERROR_TRIP * threads if stopping else 0)

    @kernel(
        "f32* f32* f32* f32* i32* f32* i32* "
        "i32 i32 i32 i32 i32 i32 f32 f32 f32 i32 i32",
        block=(columns, strips),
        shared_bytes=4 * floats,
    )
    def iterate(
        data,  # [pair][ix, iy, inverse, rho][y][x], from `warp`
        flow,  # [pair][parity][u1, u2][y][x]; one parity is read, the other written
        filtered,  # [pair][u1, u2][y][x], from `median`
        dual,  # [pair][parity][p11, p12, p21, p22][y][x]
        control,  # [pair][FIELDS]
        errors,  # [pair][iteration][tile]: sums of squared updates, if stopping
        counts,  # pairs, frames
        height,
        width,
        halo,
        iterations,  # if stopping, at most ERROR_TRIP
        parity,  # the one that is read; if stopping, `control` knows it
        source,  # flags
        limit,  # lam * theta
        tau,
        slope,  # tau / theta
        out_height,  # the same again: else the compiler keeps the addresses of all
        out_width,  # pixels in registers from the loads to the stores
    ):
        pair = cuda.blockIdx.z
        if pair >= counts[0]:
            return
        if stopping:
            status = control[pair * FIELDS]
            if status == DONE:
                return
            parity = control[pair * FIELDS + 1]
            if status == REDO:
                iterations = control[pair * FIELDS + 2]
                source = control[pair * FIELDS + 3]

        shared = cuda.shared.array(0, float32)
        tx = cuda.threadIdx.x
        strip = cuda.threadIdx.y
        top = strip * rows
        x = cuda.blockIdx.x * (columns - 2 * halo) + tx
        region_y = cuda.blockIdx.y * (region_height - 2 * halo)
        y = region_y + top
        inside = x < width and y < height

        ix = cuda.local.array(rows, float32)
        iy = cuda.local.array(rows, float32)
        inverse = cuda.local.array(rows, float32)
        rho = cuda.local.array(rows, float32)
        u1 = cuda.local.array(rows, float32)
        u2 = cuda.local.array(rows, float32)
        p11 = cuda.local.array(rows, float32)
        p12 = cuda.local.array(rows, float32)
        p21 = cuda.local.array(rows, float32)
        p22 = cuda.local.array(rows, float32)

        plane = int32(height * width)
        data_at = pair * 4 * plane
        dual_at = (pair * 2 + parity) * 4 * plane
        flow_at = (pair * 2 + parity) * 2 * plane
        filtered_at = pair * 2 * plane
        for r in range(rows):
            ix[r] = float32(0)
            iy[r] = float32(0)
            inverse[r] = float32(0)
            rho[r] = float32(0)
            u1[r] = float32(0)
            u2[r] = float32(0)
            p11[r] = float32(0)
            p12[r] = float32(0)
            p21[r] = float32(0)
            p22[r] = float32(0)
            if x < width and y + r < height:
                at = int32((y + r) * width + x)
                ix[r] = data[data_at + at]
                iy[r] = data[data_at + at + plane]
                inverse[r] = data[data_at + at + 2 * plane]
                rho[r] = data[data_at + at + 3 * plane]
                if source & FROM_FILTER:
                    u1[r] = filtered[filtered_at + at]
                    u2[r] = filtered[filtered_at + at + plane]
                else:
                    u1[r] = flow[flow_at + at]
                    u2[r] = flow[flow_at + at + plane]
                if not source & FROM_ZERO:
                    p11[r] = dual[dual_at + at]
                    p12[r] = dual[dual_at + at + plane]
                    p21[r] = dual[dual_at + at + 2 * plane]
                    p22[r] = dual[dual_at + at + 3 * plane]

        # Numbers of this thread's floats in shared memory. Unsigned, so that numba does
        # not look for negative ones.
        cell = top * pitch + tx
        above = strip * pitch + tx
        right = cell
        if tx < columns - 1 and x < width - 1:
            right = cell + 1
        below = cell + rows * pitch
        if top + rows >= region_height or y + rows >= height:
            below = cell + (rows - 1) * pitch
        last = height - 1 - y
        ends_here = 0 <= last < after_last  # the last row of the image

        if tx == 0:
            for r in range(rows):
                shared[uint64(p1_plane + cell + r * pitch)] = float32(0)
                shared[uint64(p2_plane + cell + r * pitch)] = float32(0)
        if strip == 0:
            shared[uint64(edge1_plane + tx)] = float32(0)
            shared[uint64(edge2_plane + tx)] = float32(0)
        for r in range(rows):
            shared[uint64(p1_plane + cell + r * pitch + 1)] = p11[r]
            shared[uint64(p2_plane + cell + r * pitch + 1)] = p21[r]
        shared[uint64(edge1_plane + above + pitch)] = p12[rows - 1]
        shared[uint64(edge2_plane + above + pitch)] = p22[rows - 1]

        left = 0
        if cuda.blockIdx.x > 0:
            left = halo
        end_x = columns - halo
        if cuda.blockIdx.x == cuda.gridDim.x - 1:
            end_x = columns
        first = 0
        if cuda.blockIdx.y > 0:
            first = halo
        end_y = region_height - halo
        if cuda.blockIdx.y == cuda.gridDim.y - 1:
            end_y = region_height
        writes = left <= tx < end_x and x < width
        first = max(first - top, 0)
        end_y = min(min(end_y - top, height - y), rows)
        cuda.syncthreads()

        for k in range(iterations):
            error = float32(0)
            if inside:
                up1 = shared[uint64(edge1_plane + above)]
                up2 = shared[uint64(edge2_plane + above)]
                for r in range(rows):
                    residual = rho[r] + ix[r] * u1[r] + iy[r] * u2[r]
                    pull = max(min(-residual * inverse[r], limit), -limit)
                    divergence1 = (
                        p11[r] - shared[uint64(p1_plane + cell + r * pitch)]
                    ) + (p12[r] - up1)
                    divergence2 = (
                        p21[r] - shared[uint64(p2_plane + cell + r * pitch)]
                    ) + (p22[r] - up2)
                    up1 = p12[r]
                    up2 = p22[r]
                    if stopping:
                        change1 = pull * ix[r] + tau * divergence1
                        change2 = pull * iy[r] + tau * divergence2
                        u1[r] += change1
                        u2[r] += change2
                        if first <= r < end_y:
                            error += change1 * change1 + change2 * change2
                    else:
                        u1[r] = (u1[r] + pull * ix[r]) + tau * divergence1
                        u2[r] = (u2[r] + pull * iy[r]) + tau * divergence2
                    shared[uint64(u1_plane + cell + r * pitch)] = u1[r]
                    shared[uint64(u2_plane + cell + r * pitch)] = u2[r]
            if stopping:
                if not writes:
                    error = float32(0)
                shared[uint64(sums + k * threads + strip * columns + tx)] = error
            cuda.syncthreads()

            if inside:
                below1 = shared[uint64(u1_plane + below)]
                below2 = shared[uint64(u2_plane + below)]
                if ends_here:  # the same with a test in each row
                    for r in range(rows):
                        right1 = shared[uint64(u1_plane + right + r * pitch)] - u1[r]
                        right2 = shared[uint64(u2_plane + right + r * pitch)] - u2[r]
                        down1 = float32(0)
                        down2 = float32(0)
                        if r < last and r + 1 < rows:
                            down1 = u1[min(r + 1, after_last)] - u1[r]
                            down2 = u2[min(r + 1, after_last)] - u2[r]
                        shrink1 = shrinking(right1, down1, slope)
                        shrink2 = shrinking(right2, down2, slope)
                        move_dual(p11, p12, r, right1, down1, shrink1)
                        move_dual(p21, p22, r, right2, down2, shrink2)
                        shared[uint64(p1_plane + cell + r * pitch + 1)] = p11[r]
                        shared[uint64(p2_plane + cell + r * pitch + 1)] = p21[r]
                else:
                    for r in range(rows):
                        right1 = shared[uint64(u1_plane + right + r * pitch)] - u1[r]
                        right2 = shared[uint64(u2_plane + right + r * pitch)] - u2[r]
                        if r + 1 < rows:
                            down1 = u1[min(r + 1, after_last)] - u1[r]
                            down2 = u2[min(r + 1, after_last)] - u2[r]
                        else:
                            down1 = below1 - u1[r]
                            down2 = below2 - u2[r]
                        shrink1 = shrinking(right1, down1, slope)
                        shrink2 = shrinking(right2, down2, slope)
                        move_dual(p11, p12, r, right1, down1, shrink1)
                        move_dual(p21, p22, r, right2, down2, shrink2)
                        shared[uint64(p1_plane + cell + r * pitch + 1)] = p11[r]
                        shared[uint64(p2_plane + cell + r * pitch + 1)] = p21[r]
                shared[uint64(edge1_plane + above + pitch)] = p12[rows - 1]
                shared[uint64(edge2_plane + above + pitch)] = p22[rows - 1]
            cuda.syncthreads()

        if stopping:  # sums over the threads, always in the same order
            thread = strip * columns + tx
            left = threads
            while left > 1:
                half = (left + 1) // 2
                added = left - half
                for number in range(thread, iterations * added, threads):
                    k = number // added
                    at = sums + k * threads + number - k * added
                    shared[uint64(at)] += shared[uint64(at + half)]
                cuda.syncthreads()
                left = half
            tiles = cuda.gridDim.x * cuda.gridDim.y
            tile = cuda.blockIdx.y * cuda.gridDim.x + cuda.blockIdx.x
            if thread < iterations:
                errors[(pair * ERROR_TRIP + thread) * tiles + tile] = shared[
                    uint64(sums + thread * threads)
                ]

        if writes:
            out_plane = int32(out_height * out_width)
            dual_out = (pair * 2 + 1 - parity) * 4 * out_plane
            flow_out = (pair * 2 + 1 - parity) * 2 * out_plane
            for r in range(rows):
                if first <= r < end_y:
                    at = int32((y + r) * out_width + x)
                    flow[flow_out + at] = u1[r]
                    flow[flow_out + at + out_plane] = u2[r]
                    dual[dual_out + at] = p11[r]
                    dual[dual_out + at + out_plane] = p12[r]
                    dual[dual_out + at + 2 * out_plane] = p21[r]
                    dual[dual_out + at + 3 * out_plane] = p22[r]

    return iterate
