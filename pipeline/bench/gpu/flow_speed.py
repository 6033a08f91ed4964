"""Pairs per second of TV-L1 by profile and batch size, as extraction uses it."""

from collections.abc import Iterator

import numpy as np

from pipeline.bench.flow_gpu import pairs_per_second
from pipeline.flow.cuda.driver import Gpu
from pipeline.flow.cuda.solver import CudaSolver
from pipeline.flow.profiles import profile_named

from .frames import drawn_frames
from .rows import FlowSpeed, NotRun, Row
from .settings import Settings

PROFILES = ("default", "fast")
BATCHES = (1, 8, 16, 32, 64, 128, 256)
SECONDS = 2.0
"""Length of a measurement, where the stage has time for it."""
SHARE = 0.5
"""Part of the stage's time for measurements; the rest is for making solvers and plans."""

FORECAST = {"default": 7500.0, "fast": 20700.0}
"""Pairs per second that the timing model of `tests/pipeline/timed_gpu.py` gives for an
H200, frames of 340x256 and the usual batch."""
FORECAST_SIZE = (256, 340)


def flow_speed(settings: Settings) -> Iterator[Row]:
    """The usual batch of each profile first, then the other sizes."""
    clip = drawn_frames(settings.height, settings.width)
    count = len(PROFILES) * (1 + len(BATCHES))
    seconds = min(SECONDS, SHARE * settings.seconds / count)
    for profile in PROFILES:
        yield _measured(profile, clip, None, seconds)
    for profile in PROFILES:
        for batch in BATCHES:
            yield _measured(profile, clip, batch, seconds)


def _measured(profile: str, clip: np.ndarray, batch: int | None, seconds: float) -> Row:
    """The speed with batches of one size; None: the size that extraction takes."""
    size = clip.shape[1], clip.shape[2]
    settings = profile_named(profile)
    with CudaSolver(profile, settings, Gpu(), batch=batch) as solver:
        most = solver.most(*size)
        if batch is not None and most < batch:
            return NotRun(
                part=f"{profile}, batches of {batch}",
                reason=f"memory suffices for batches of {most}",
            )
        speed = pairs_per_second(solver, clip, most, seconds=seconds)
    usual = batch is None
    return FlowSpeed(
        profile=profile,
        batch=most,
        pairs_per_second=speed,
        usual=usual,
        forecast=FORECAST[profile] if usual and size == FORECAST_SIZE else None,
    )
