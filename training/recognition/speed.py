"""Speed of a model on files: frames per second of each stage, on one core and on all."""

import platform
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import av
import cv2
import numpy as np

from motion_shards.cores import processor_name, worker_cores

from ..errors import DataError
from .answers import Prediction
from .many import Asked, predictions
from .recognizer import Recognizer
from .speed_passes import StageSpeed, check_answers, count_frames, passes, stages


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictSpeed:
    """Speed of a model from file to answer."""

    model: str
    runtime: str
    mv_source: str | None
    """Source of the vectors; None where the model sees none."""
    files: int
    frames: int
    height: int
    width: int
    """Size of the frames of the first file as the model sees them, px."""
    stages: tuple[StageSpeed, ...]
    total: float
    """Frames per CPU second of one core."""
    total_range: tuple[float, float]
    """The slowest and the fastest pass."""
    all_cores: float | None
    """Frames per second of all cores, by the clock; None where there is one core only."""
    cores: int
    clips: tuple[int | None, ...]
    """Clips of a video that each network scores; None: all that stand in a row."""
    batch: float
    """Inputs per run of the network, on average."""
    first_frames: int
    """Entries of the first window: frames, or intervals of motion."""
    first_ms: float
    """CPU time from opening a file to the scores of its first window."""
    peak_mb: int
    """Peak of the process's memory (resident set), models and libraries included."""
    machine: dict[str, str]


def measure(
    model: Path,
    files: Sequence[Path],
    *,
    seconds: float = 20.0,
    **options: Any,
) -> PredictSpeed:
    """Measure a model on files, after a check that all passes give the same answers.

    Args:
        seconds: CPU time to spend on one core, roughly, at least three passes; and the
            time of the measurement on all cores, which starts as long before.
        options: of `Recognizer`.

    Raises:
        RunError: it is no model.
        VideoError, OSError: a file cannot be used.
        DataError: no files, or answers differ.
    """
    if not files:
        raise DataError("expected videos, got none")
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        recognizer = Recognizer(model, **options, threads=1)
        expected = [recognizer(path) for path in files]  # also warms up
        frames = sum(count_frames(path, recognizer.settings) for path in files)
        spent, batch = passes(recognizer, files, expected, seconds)
        delays = [_first_window(recognizer, path) for path in files[:5]]
    finally:
        cv2.setNumThreads(threads)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    cores = worker_cores()
    asked = Asked(model=model, options={**options, "threads": 1})
    totals = [frames / each.total for each in spent]
    all_cores = None
    if cores > 1:
        enough = 8 * cores * median(totals) * seconds
        all_cores = _all_cores(
            asked,
            files,
            expected,
            cores=cores,
            times=max(round(enough / frames), 2),
            seconds=seconds,
        )
    streams, settings = recognizer.model.streams, recognizer.settings
    return PredictSpeed(
        model=recognizer.name,
        runtime=streams[0].backend.runtime,
        mv_source=recognizer.mv_source,
        files=len(files),
        frames=frames,
        height=expected[0].video.height,
        width=expected[0].video.width,
        stages=tuple(stages(spent, frames, settings)),
        total=median(totals),
        total_range=(min(totals), max(totals)),
        all_cores=all_cores,
        cores=cores,
        clips=tuple(each.protocol.clips for each in streams),
        batch=batch,
        first_frames=max(each.clip.span for each in streams),
        first_ms=1000 * median(delays),
        peak_mb=peak,
        machine={
            "processor": processor_name(),
            "python": platform.python_version(),
            "av": av.__version__,
            "ffmpeg": av.ffmpeg_version_info,
            "numpy": np.__version__,
        },
    )


def spread(files: Sequence[Path], limit: int) -> list[Path]:
    """At most `limit` of the files, evenly over all of them."""
    count = min(limit, len(files))
    return [files[number * len(files) // count] for number in range(count)]


def _first_window(recognizer: Recognizer, path: Path) -> float:
    """CPU seconds from opening a file to the scores of its first window."""
    began = time.process_time()
    with recognizer.extraction(path) as extraction:
        scorer = recognizer.window_scorer(extraction.info)
        for block in extraction:
            scorer.send(block)
            if scorer.windows():
                return time.process_time() - began
        scorer.finish()
    return time.process_time() - began


def _all_cores(
    asked: Asked,
    files: Sequence[Path],
    expected: Sequence[Prediction],
    *,
    cores: int,
    times: int,
    seconds: float,
) -> float:
    """Frames per second, by the clock, of as many processes as there are cores.

    Args:
        times: number of times that each file is recognised, at most.
        seconds: time that counts. As much before it does not: processes have to start.
    """
    arrived: list[tuple[float, int]] = []
    answers = predictions([*files] * times, asked, jobs=cores)
    for number, answer in enumerate(answers):
        if not isinstance(answer, Prediction):
            raise DataError(answer.reason)
        check_answers([answer], [expected[number % len(files)]])
        arrived.append((time.perf_counter(), answer.video.frames))
        if number and arrived[-1][0] - arrived[0][0] >= 2 * seconds:
            break
    first, last = arrived[0][0], arrived[-1][0]
    began = max(at for at, _ in arrived if at <= (first + last) / 2)
    return sum(frames for at, frames in arrived if at > began) / (last - began)
