"""Kernels: which pairs still iterate. One flag per pair, so that a pair's result does not
depend on those it shares a batch with.

A trip of several iterations over the tiles finds out afterwards that one of them, not the
last, was small enough to stop. The trip has read one place in memory and written another;
so what it read is still there, and the next trip does exactly the iterations that were
wanted.
"""

from numba import cuda, float32

from .kernel import kernel

FIELDS = 4
"""Numbers per pair: status; parity (which half of its memory holds the present state);
iterations and source flags of the trip to be done again."""

RUNNING, REDO, DONE = 0, 1, 2

PAIRS_PER_BLOCK = 64


@kernel("i32* i32* i32", block=(PAIRS_PER_BLOCK, 1))
def restart(control, counts, level):
    """Let all pairs run, at the start of a warp; `level`: and of a level."""
    pair = cuda.blockIdx.x * PAIRS_PER_BLOCK + cuda.threadIdx.x
    if pair < counts[0]:
        control[pair * FIELDS] = RUNNING
        if level:
            control[pair * FIELDS + 1] = 0


@kernel("i32* f32* i32* i32 i32 i32 i32 f32", block=(32, 1))
def decide(control, errors, counts, tiles, most, iterations, source, enough):
    """After a trip: is this pair done, or is the trip to be done again in part?

    One block per pair. `errors` as `iterate` leaves them, `most` iterations per pair;
    `enough`: stop at the first iteration whose squared updates sum to no more, in px**2.
    """
    pair = cuda.blockIdx.x
    if pair >= counts[0]:
        return
    status = control[pair * FIELDS]
    if status == DONE:
        return
    sums = cuda.shared.array(32, float32)
    k = cuda.threadIdx.x
    total = float32(0)
    if k < iterations:
        for tile in range(tiles):
            total += errors[(pair * most + k) * tiles + tile]
    sums[k] = total
    cuda.syncthreads()
    if k == 0:
        wanted = 0
        if status == REDO:
            wanted = iterations
        else:
            for i in range(iterations):
                if wanted == 0 and sums[i] <= enough:
                    wanted = i + 1
        if wanted > 0 and wanted < iterations:
            control[pair * FIELDS] = REDO
            control[pair * FIELDS + 2] = wanted
            control[pair * FIELDS + 3] = source
        else:
            control[pair * FIELDS + 1] = 1 - control[pair * FIELDS + 1]
            if wanted > 0:
                control[pair * FIELDS] = DONE
