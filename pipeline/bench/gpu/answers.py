"""Flow of the GPU against that of the CPU, and against itself: repeated and in other batches.

The CPU's flow of the same frames is computed here: there is no file to trust.
"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from pipeline.bench.flow_checks import checks, solved
from pipeline.flow import flow_solver, gpu_solver
from pipeline.flow.agreement import MOST_PX
from pipeline.flow.batches import BatchSolver
from pipeline.store.jpeg_codecs import JpegFlow

from .frames import frame_pairs
from .rows import Comparison, Row
from .settings import Settings

PROFILES = ("default", "fast")
PAIRS = 6
PERCENTILES = (99.0, 99.9)
MOST_LEVELS = 0.1
"""Share of the stored levels that may differ. On real frames 2 to 4 % differ by one, as
much as by one rounding of the square roots more or less on the CPU."""
MOST_FAR_LEVELS = 0.01
"""Share of those that may differ by more than one."""
REPEATS = 5
BATCHES = (1, 3, 8, 64, 100)
"""Pairs of a batch; the last one is worked on in parts where it is more than usual."""


def answers(settings: Settings) -> Iterator[Row]:
    """The profiles of extraction first, then all checks of `pipeline bench flow`."""
    pairs = frame_pairs(settings, PAIRS)
    for profile in PROFILES:
        began = time.monotonic()
        with gpu_solver(profile=profile) as solver:
            solver.flow(pairs[0])
            ready = time.monotonic() - began
            name = f"{profile}: first flow, compiled if not cached"
            yield Comparison(name=name, value=ready, unit="s")
            cpu = flow_solver("cpu", profile=profile)
            expected = np.concatenate([cpu.flow(pair) for pair in pairs])
            flow = solved(solver, np.concatenate(pairs), _numbers(len(pairs)))
            yield from differences(profile, flow, expected)
            yield from same_answers(solver, pairs, flow)
    yield from _all_checks(settings, pairs)


def differences(
    profile: str, flow: np.ndarray, expected: np.ndarray
) -> Iterator[Comparison]:
    """Distances of two flows (B, H, W, 2), in px and in levels of the store."""
    apart = np.abs(flow - expected)
    mean = float(apart.mean())
    yield Comparison(
        name=f"{profile}: mean difference to the CPU",
        value=mean,
        unit="px",
        most=MOST_PX[profile],
    )
    for percentile in PERCENTILES:
        yield Comparison(
            name=f"{profile}: difference below which {percentile:g} % are",
            value=float(np.percentile(apart, percentile)),
            unit="px",
        )
    yield Comparison(
        name=f"{profile}: largest difference", value=float(apart.max()), unit="px"
    )
    codec = JpegFlow()
    levels, wanted = (
        codec.levels(np.ascontiguousarray(np.moveaxis(it, 3, 1))).astype(np.int16)
        for it in (flow, expected)
    )
    steps = np.abs(levels - wanted)
    yield Comparison(
        name=f"{profile}: share of stored levels that differ",
        value=float((steps > 0).mean()),
        most=MOST_LEVELS,
    )
    yield Comparison(
        name=f"{profile}: share that differs by more than one",
        value=float((steps > 1).mean()),
        most=MOST_FAR_LEVELS,
    )


def same_answers(
    solver: BatchSolver, pairs: Sequence[np.ndarray], flow: np.ndarray
) -> Iterator[Comparison]:
    """Numbers of runs and of pairs whose flow is not, to the bit, what it was.

    Args:
        pairs: (2, H, W) uint8 frames.
        flow: (B, H, W, 2), their flow in one batch.
    """
    frames = np.concatenate(list(pairs))
    again = [solved(solver, frames, _numbers(len(pairs))) for _ in range(REPEATS)]
    yield Comparison(
        name=f"{solver.profile}: repeated runs with another answer",
        value=float(sum(it.tobytes() != flow.tobytes() for it in again)),
        most=0.0,
    )
    for batch in BATCHES:
        places = np.arange(batch) % len(pairs)
        found = solved(solver, frames, _numbers(len(pairs))[places])
        differing = sum(
            it.tobytes() != flow[place].tobytes()
            for it, place in zip(found, places, strict=True)
        )
        yield Comparison(
            name=f"{solver.profile}: pairs with another answer in batches of {batch}",
            value=float(differing),
            most=0.0,
        )


def _numbers(pairs: int) -> np.ndarray:
    """(B, 2) int32: numbers of the frames of pairs that lie one after the other."""
    return np.arange(2 * pairs, dtype=np.int32).reshape(-1, 2)


def _all_checks(settings: Settings, pairs: list[np.ndarray]) -> Iterator[Row]:
    """The checks of `flow_checks`, with Middlebury's pairs where they are there."""
    solvers = {}

    def solver_of(profile: str) -> BatchSolver:
        if profile not in solvers:
            solvers[profile] = gpu_solver(profile=profile)
        return solvers[profile]

    try:
        for check in checks(solver_of, pairs, middlebury(settings.clips_folder)):
            yield Comparison(name=check.name, value=check.value, most=check.most)
    finally:
        for solver in solvers.values():
            solver.close()


def middlebury(clips_folder: Path | None) -> Path | None:
    """The folder of Middlebury's pairs below that of the clips, if it is there."""
    if clips_folder is None:
        return None
    folder = clips_folder / "flow" / "middlebury"
    return folder if folder.is_dir() else None
