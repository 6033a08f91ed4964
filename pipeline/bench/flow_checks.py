"""Checks of a batch solver against the cpu back end, on any frames.

Each check gives a number and its limit; the limit of an exact result is 0.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from pipeline.flow import PROFILES, flow_solver
from pipeline.flow.agreement import MOST_PX
from pipeline.flow.batches import BatchSolver, Coding
from pipeline.store.jpeg_codecs import JpegFlow

from .flow import end_point_errors

MOST_ERROR = 0.01
"""Difference of end-point errors, as a share."""

SHIFTS = ((2.0, -1.0), (-0.5, 0.25), (-7.5, 4.0))
"""Right and down, px."""

CODECS = (JpegFlow(), JpegFlow(curve="linear"), JpegFlow(bound_px=0.5))
"""The last one clips."""


class Check(NamedTuple):
    name: str
    value: float
    most: float

    @property
    def passed(self) -> bool:
        return self.value <= self.most


def checks(
    solver_of: Callable[[str], BatchSolver],
    pairs: list[np.ndarray],
    middlebury: Path | None,
) -> Iterator[Check]:
    """All checks, one after the other.

    Args:
        solver_of: a solver for a profile.
        pairs: (2, H, W) uint8 frames of one size.
        middlebury: the folder of its pairs, if it is there.
    """
    frames = np.concatenate(pairs)
    numbers = np.arange(len(frames), dtype=np.int32).reshape(-1, 2)
    for name in PROFILES:
        solver = solver_of(name)
        flow = solved(solver, frames, numbers)
        cpu = flow_solver("cpu", profile=name)
        expected = np.concatenate([cpu.flow(pair) for pair in pairs])
        apart = float(np.abs(flow - expected).mean())
        yield Check(f"{name}: mean px from cpu", apart, MOST_PX[name])
        yield Check(
            f"{name}: pairs that depend on their batch",
            sum(
                solved(solver, pair, numbers[:1]).tobytes() != whole.tobytes()
                for pair, whole in zip(pairs, flow, strict=True)
            ),
            0,
        )
        still = solved(solver, pairs[0][[0, 0]], numbers[:1])
        yield Check(f"{name}: px between equal frames", float(np.abs(still).max()), 0)
        yield from _coded(solver, frames, numbers, flow)
        if middlebury:
            errors = end_point_errors(_Consecutive(solver), middlebury)
            wanted = end_point_errors(cpu, middlebury)
            shares = [abs(errors[it] / wanted[it] - 1) for it in wanted]
            yield Check(
                f"{name}: Middlebury error over cpu's, less 1", max(shares), MOST_ERROR
            )
    for shift in SHIFTS:
        flow = solved(solver_of("default"), _shifted(*shift), numbers[:1])
        inner = flow[:, 40:-40, 40:-40]
        apart = float(np.abs(inner - np.array(shift, np.float32)).mean())
        yield Check(f"default: px from a motion of {shift}", apart, 0.03)


def solved(solver: BatchSolver, frames: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """(B, H, W, 2) flow of one batch."""
    flow = solver.collect(solver.launch(frames, pairs)).flow
    assert flow is not None
    return flow


def _coded(
    solver: BatchSolver, frames: np.ndarray, pairs: np.ndarray, flow: np.ndarray
) -> Iterator[Check]:
    """Levels and clipped values that are not those the store's codec has for this flow."""
    levels = clipped = 0
    for codec in CODECS:
        batch = solver.collect(solver.launch(frames, pairs, Coding.of(codec)))
        assert batch.planes is not None
        assert batch.clipped is not None
        expected = codec.levels(np.ascontiguousarray(np.moveaxis(flow, 3, 1)))
        levels += int(np.count_nonzero(batch.planes != expected))
        counts = [codec.clipped(field) for field in flow]
        clipped += int(np.count_nonzero(batch.clipped != counts))
    yield Check(f"{solver.profile}: levels that are not the codec's", levels, 0)
    yield Check(f"{solver.profile}: wrong counts of clipped values", clipped, 0)


class _Consecutive:
    """A solver of batches as `FlowSolver`."""

    def __init__(self, solver: BatchSolver) -> None:
        self.backend, self.device = solver.backend, solver.device
        self.profile = solver.profile
        self._solver = solver

    def flow(self, frames: np.ndarray) -> np.ndarray:
        first = np.arange(len(frames) - 1, dtype=np.int32)
        return solved(self._solver, frames, np.stack([first, first + 1], axis=1))


def _shifted(right: float, down: float) -> np.ndarray:
    """(2, H, W) uint8: a smooth texture, and the same after it moved."""
    noise = np.random.default_rng(1).uniform(0, 255, (160, 200)).astype(np.float32)
    image = cv2.GaussianBlur(noise, (0, 0), 6)
    image = cv2.normalize(image, np.empty_like(image), 0, 255, cv2.NORM_MINMAX)
    y, x = np.mgrid[:160, :200].astype(np.float32)
    moved = cv2.remap(
        image, x - right, y - down, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )
    return np.stack([image, moved]).clip(0, 255).round().astype(np.uint8)
