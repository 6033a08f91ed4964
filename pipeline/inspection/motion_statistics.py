"""Statistics of a field of vectors that an encoder may leave its trace in.

Encoders differ in how finely they search (quarter-pel phases), in the blocks that share
a vector, in how readily they skip (zeros) and in where they put key frames. The same
statistics of flow, averaged on the cells of the vectors, know the motion alone.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from pipeline.store import CELL_PX

RUNS, RUN_INTERVALS = 4, 8
"""Runs of consecutive intervals of a video that are read, and the length of each."""
ALIGNMENT = 4
"""Cells; blocks of 16 and 32 px begin at multiples of 2 and 4 cells."""
QUANTILES = (0.5, 0.75, 0.9, 0.99)


class Run(NamedTuple):
    """Consecutive intervals of a video."""

    vectors: np.ndarray
    """(F, M, N, 2) px: vectors, or flow on the same cells."""
    known: np.ndarray
    """(F,) bool; the others are not looked at."""


def sampled(intervals: int) -> list[range]:
    """Intervals of a video to read: a few runs, evenly spread; all of a short video."""
    if intervals <= RUNS * RUN_INTERVALS:
        return [range(intervals)] if intervals else []
    last = intervals - RUN_INTERVALS
    starts = [last * k // (RUNS - 1) for k in range(RUNS)]
    return [range(start, start + RUN_INTERVALS) for start in starts]


def on_cells(flow: np.ndarray) -> np.ndarray:
    """Average flow on cells and round it to quarter pixels, as vectors are stored.

    Args:
        flow: (F, H, W, 2) px.

    Returns:
        (F, ceil(H / 8), ceil(W / 8), 2) px. Cells at the edges may be smaller.
    """
    means = flow.astype(np.float64)
    for axis in (1, 2):
        size = flow.shape[axis]
        starts = np.arange(0, size, CELL_PX)
        lengths = np.diff(np.append(starts, size))
        shape = [-1 if k == axis else 1 for k in range(4)]
        means = np.add.reduceat(means, starts, axis=axis) / lengths.reshape(shape)
    return np.round(means * 4) / 4


def field_statistics(runs: Iterable[Run]) -> dict[str, float] | None:
    """Name -> statistic of the vectors of known intervals; None if there are none.

    Shares are given as square roots and lengths as log(1 + quarter pixels), so that a
    linear classifier can work with them.
    """
    runs = [run for run in runs if run.known.any()]
    if not runs:
        return None
    steps = np.concatenate([run.vectors[run.known] for run in runs]) * 4
    moving = steps.any(axis=-1)
    length = np.log1p(np.hypot(steps[..., 0], steps[..., 1]))
    found = {"zeros": _root(~moving), "mean length": float(length.mean())}
    for quantile, value in zip(QUANTILES, np.quantile(length, QUANTILES), strict=True):
        found[f"length, {quantile} quantile"] = float(value)
    phases = np.round(steps[moving]).astype(np.int64) % 4
    for axis, name in enumerate(("u", "v")):
        part = steps[..., axis]
        mean = float(part.mean())
        found[f"{name}, mean"] = float(np.copysign(np.log1p(abs(mean)), mean))
        found[f"|{name}|, mean"] = float(np.log1p(np.abs(part)).mean())
        found[f"{name} zero among moving"] = _root(part[moving] == 0)
        for phase in range(4):
            found[f"{name} at {phase}/4 px"] = _root(phases[:, axis] == phase)
    for axis, name in ((2, "right"), (1, "lower")):
        found |= _neighbours(steps, axis, name)
    return found | _successors(runs)


def known_statistics(known: np.ndarray) -> dict[str, float]:
    """Name -> statistic of the intervals of a video that have no known vectors.

    Args:
        known: (T - 1,) bool of all intervals.
    """
    parts = np.array_split(~known, 4)
    found = {f"unknown in quarter {k + 1}": _root(each) for k, each in enumerate(parts)}
    gaps = np.diff(np.flatnonzero(~known))
    found["unknown per interval"] = 1 / float(np.median(gaps)) if len(gaps) else 0.0
    return found


def _neighbours(steps: np.ndarray, axis: int, name: str) -> dict[str, float]:
    """Statistics of cells and their neighbours: differences, and shares of equal ones.

    Equal pairs are counted by the position of the first cell in a block of 32 px, and
    among pairs that are not both zero.
    """
    count = steps.shape[axis] - 1
    first = np.take(steps, range(count), axis)
    second = np.take(steps, range(1, count + 1), axis)
    moving = first.any(axis=-1) | second.any(axis=-1)
    equal = (first == second).all(axis=-1)
    change = np.log1p(np.hypot(*np.moveaxis(second - first, -1, 0)))
    found = {f"change to the {name}": float(change.mean()) if change.size else 0.0}
    for offset in range(ALIGNMENT):
        there = range(offset, count, ALIGNMENT)
        pairs = np.take(equal, there, axis)[np.take(moving, there, axis)]
        found[f"equal to the {name} at cell {offset}"] = _root(pairs)
    return found


def _successors(runs: Iterable[Run]) -> dict[str, float]:
    """Statistics of cells and the same cells one interval later."""
    changes, equals = [], []
    for vectors, known in runs:
        both = known[:-1] & known[1:]
        first, second = vectors[:-1][both] * 4, vectors[1:][both] * 4
        changes.append(np.log1p(np.hypot(*np.moveaxis(second - first, -1, 0))).ravel())
        moving = first.any(axis=-1) | second.any(axis=-1)
        equals.append((first == second).all(axis=-1)[moving])
    change = np.concatenate(changes)
    return {
        "change to the next": float(change.mean()) if change.size else 0.0,
        "equal to the next": _root(np.concatenate(equals)),
    }


def _root(are: np.ndarray | np.bool) -> float:
    """Square root of the share that is true; 0 of none."""
    return float(np.sqrt(np.mean(are))) if np.size(are) else 0.0
