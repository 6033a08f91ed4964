"""Kernel: iterations of TV-L1 on one level, several on their way over the image at once.

An iteration needs of the one before it only the rows up to its own: row y of iteration k
can follow as soon as row y + 1 of iteration k - 1 is done. So up to `len(errors)`
iterations sweep down together, one row apart, and the rows they work on stay in the
processor's cache. The next ones sweep back up, beginning with the rows that are still
there; which way makes no difference to the result.
"""

import numpy as np

from pipeline.kernels.compiled import compiled

from .layout import INVERSE, IX, IY, LANES, P11, P12, P21, P22, RHO, ROW, STRIP, U1, U2

TOGETHER = 15
"""Iterations that sweep together at most: their rows should fit a megabyte of cache."""

FIRST = 3
"""Iterations that sweep together before anything is known of their convergence."""

SLOWEST = 1.05
"""Least factor by which the sum of squared updates shrinks per iteration."""


@compiled(cache=False)
def update_flow(rows, columns, limit, tau):
    """Flow of one row of a strip from its dual vectors; the sum of squared updates.

    `rows` begins with the row above: that one is at 0, this one at ROW.
    """
    error = np.float32(0)
    for x in range(columns):
        u1 = rows[ROW + U1 + x]
        u2 = rows[ROW + U2 + x]
        ix = rows[ROW + IX + x]
        iy = rows[ROW + IY + x]
        rho = rows[ROW + RHO + x] + ix * u1 + iy * u2
        pull = max(min(-rho * rows[ROW + INVERSE + x], limit), -limit)
        divergence1 = (rows[ROW + P11 + x] - rows[ROW + P11 - 1 + x]) + (
            rows[ROW + P12 + x] - rows[P12 + x]
        )
        divergence2 = (rows[ROW + P21 + x] - rows[ROW + P21 - 1 + x]) + (
            rows[ROW + P22 + x] - rows[P22 + x]
        )
        change1 = pull * ix + tau * divergence1
        change2 = pull * iy + tau * divergence2
        rows[ROW + U1 + x] = u1 + change1
        rows[ROW + U2 + x] = u2 + change2
        error += change1 * change1 + change2 * change2
    return error


@compiled(cache=False)
def update_dual(rows, columns, slope):
    """Dual vectors of one row of a strip from its flow and that of the row below.

    `rows` begins with this row; the one below is at ROW.
    """
    one = np.float32(1)
    for x in range(columns):
        u1 = rows[U1 + x]
        u2 = rows[U2 + x]
        right1 = rows[U1 + 1 + x] - u1
        right2 = rows[U2 + 1 + x] - u2
        down1 = rows[ROW + U1 + x] - u1
        down2 = rows[ROW + U2 + x] - u2
        shrink1 = one / (one + slope * np.sqrt(right1 * right1 + down1 * down1))
        shrink2 = one / (one + slope * np.sqrt(right2 * right2 + down2 * down2))
        rows[P11 + x] = (rows[P11 + x] + right1) * shrink1
        rows[P12 + x] = (rows[P12 + x] + down1) * shrink1
        rows[P21 + x] = (rows[P21 + x] + right2) * shrink2
        rows[P22 + x] = (rows[P22 + x] + down2) * shrink2


@compiled(cache=False)
def flow_row(state, height, width, y, limit, tau):
    """`update_flow` along a whole row, with the margins that neighbours look into."""
    error = np.float32(0)
    for left in range(0, width, STRIP):
        start = (left // STRIP * (height + 2) + y) * ROW
        used = min(STRIP, width - left)
        padded = (used + LANES - 1) // LANES * LANES
        rows = state[start : start + 2 * ROW]
        error += update_flow(rows, padded, limit, tau)
        if left > 0:
            before = state[start - (height + 1) * ROW : start - height * ROW]
            before[U1 + STRIP] = rows[ROW + U1]
            before[U2 + STRIP] = rows[ROW + U2]
        if left + STRIP >= width:  # the gradient of the flow is 0 at the right border
            rows[ROW + U1 + used] = rows[ROW + U1 + used - 1]
            rows[ROW + U2 + used] = rows[ROW + U2 + used - 1]
    return error


@compiled(cache=False)
def dual_row(state, height, width, y, slope):
    """`update_dual` along a whole row, with the margins that neighbours look into."""
    for left in range(0, width, STRIP):
        start = (left // STRIP * (height + 2) + y + 1) * ROW
        used = min(STRIP, width - left)
        padded = (used + LANES - 1) // LANES * LANES
        rows = state[start : start + 2 * ROW]
        update_dual(rows, padded, slope)
        if left + STRIP < width:
            after = state[start + (height + 2) * ROW : start + (height + 3) * ROW]
            after[P11 - 1] = rows[P11 + STRIP - 1]
            after[P21 - 1] = rows[P21 + STRIP - 1]
        else:  # the column outside stays without dual: it must not move, nor count
            rows[P11 + used] = 0
            rows[P12 + used] = 0
            rows[P21 + used] = 0
            rows[P22 + used] = 0


@compiled(cache=False)
def copy_last_row(state, height, width):
    """Row H takes the flow of row H - 1: its gradient is 0 at the lower border."""
    for left in range(0, width, STRIP):
        start = (left // STRIP * (height + 2) + height) * ROW
        rows = state[start : start + 2 * ROW]
        for x in range(min(STRIP, width - left)):
            rows[ROW + U1 + x] = rows[U1 + x]
            rows[ROW + U2 + x] = rows[U2 + x]


@compiled(cache=False)
def sweep(state, height, width, limit, tau, slope, upward, errors):
    """Iterate `len(errors)` times; `errors` takes the sum of squared updates of each."""
    iterations = len(errors)
    errors[:] = 0
    last = height - 1
    for step in range(height + iterations - 1):
        first = max(0, step - last)
        for k in range(first, min(iterations - 1, step) + 1):
            y = last - step + k if upward else step - k
            errors[k] += flow_row(state, height, width, y, limit, tau)
            if y == last:
                copy_last_row(state, height, width)
            # the dual of a row wants the new flow below it, and the flow of that row
            # wanted the old dual here
            begin = y if upward else max(0, y - 1)
            end = y + 1 if upward or y == last else y
            for row in range(begin, end):
                dual_row(state, height, width, row, slope)


@compiled(cache=False)
def likely_iterations(error, rate, enough):
    """Estimate the number of further iterations that can run together without one too many.

    The sum of squared updates shrinks ever more slowly, so its present rate leads to
    `enough` too early.
    """
    needed = np.log(error / enough) / np.log(max(rate, SLOWEST))
    return max(1, min(TOGETHER, 1 + int(needed)))


@compiled(
    "boolean(float32[::1], int64, int64, float32, float32, float32, int64, float64)"
)
def iterate(state, height, width, limit, tau, slope, iterations, enough):
    """One round of iterations; whether the updates became small enough to stop.

    Args:
        state: an image as in `layout`; planes ix, iy, inverse, rho are read, the flow and
            the dual vectors updated.
        limit: lam * theta.
        tau: as in `Profile`.
        slope: tau / theta.
        iterations: how many at most.
        enough: stop when the sum of squared updates is not above it, in px**2; 0: never.
    """
    errors = np.empty(TOGETHER, np.float64)
    together = TOGETHER if enough == 0 else FIRST
    upward = True
    error = 0.0
    while iterations > 0:
        together = min(together, iterations)
        sweep(state, height, width, limit, tau, slope, upward, errors[:together])
        upward = not upward
        iterations -= together
        if enough > 0:
            if errors[:together].min() <= enough:
                return True
            if error > 0:
                rate = (error / errors[together - 1]) ** (1 / together)
            else:
                rate = (errors[0] / errors[together - 1]) ** (1 / max(1, together - 1))
            error = errors[together - 1]
            together = likely_iterations(error, rate, enough)
    return False
