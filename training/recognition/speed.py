"""Speed of a model on files: frames per second of each stage, on one core and on all."""

import platform
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import av
import cv2
import numpy as np

from motion_shards.cores import processor_name, worker_cores
from motion_shards.plain_text import printable
from pipeline.extract.decode import open_video
from pipeline.extract.settings import ExtractSettings
from pipeline.extract.video import Extraction, open_extraction

from ..errors import DataError
from .answers import Prediction
from .backends import Backend
from .many import Asked, predictions
from .recognizer import Recognizer

ROUNDS = 3
"""Passes over the files at least, of which the median counts."""
TOLERANCE = 1e-5
"""Largest difference between the probabilities of two passes."""
PUBLISHED = (
    ("MV and RGB extraction, CPU (E5-2640 v3)", 675.7),
    ("networks, GPU (K40)", 925.9),
    ("whole system", 390.7),
)
"""Zhang et al., "Real-time Action Recognition with Deeply-Transferred Motion Vector CNNs",
table V, UCF101 at 320x240, frames per second."""


class StageSpeed(NamedTuple):
    """A stage, in CPU time of one core."""

    name: str
    fps: float
    """Frames per second of this stage alone."""
    share: float
    """Share of the total time."""


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
    batch: float
    """Inputs per run of the network, on average."""
    first_frames: int
    """Entries of the first window: frames, or intervals of motion."""
    first_ms: float
    """CPU time from opening a file to the scores of its first window."""
    peak_mb: int
    """Peak of the process's memory (resident set), models and libraries included."""
    machine: dict[str, str]


class _Pass(NamedTuple):
    """CPU seconds of one pass over the files; each contains the one before."""

    decoded: float
    coloured: float
    extracted: float
    total: float
    network: float
    """Part of the total."""


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
        frames = sum(_decode(path, recognizer.settings) for path in files)
        passes, batch = _passes(recognizer, files, expected, seconds)
        delays = [_first_window(recognizer, path) for path in files[:5]]
    finally:
        cv2.setNumThreads(threads)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    cores = worker_cores()
    asked = Asked(model=model, options={**options, "threads": 1})
    totals = [frames / each.total for each in passes]
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
        mv_source=settings.mv_source if "mv" in settings.modalities else None,
        files=len(files),
        frames=frames,
        height=expected[0].video.height,
        width=expected[0].video.width,
        stages=tuple(_stages(passes, frames, settings)),
        total=median(totals),
        total_range=(min(totals), max(totals)),
        all_cores=all_cores,
        cores=cores,
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


def text(found: PredictSpeed) -> str:
    """A table for people."""
    source = f", vectors {found.mv_source}" if found.mv_source else ""
    versions = ", ".join(
        f"{name} {it}" for name, it in found.machine.items() if name != "processor"
    )
    low, high = found.total_range
    lines = [
        f"{found.model}{source}, {found.runtime}",
        f"{found.files} files, {found.frames:,} frames of {found.width}x{found.height}",
        f"{found.machine['processor']}, {versions}",
        "",
        f"{'one core, CPU time':<28}{'frames/s':>10}{'share':>8}",
        *(f"{s.name:<28}{_rate(s):>10}{s.share:>8.1%}" for s in found.stages),
        f"{'total':<28}{found.total:>10,.0f}   ({low:,.0f} to {high:,.0f})",
    ]
    if found.all_cores is not None:
        name = f"{found.cores} cores, by the clock"
        lines.append(f"{name:<28}{found.all_cores:>10,.0f}")
    lines += [
        "",
        f"batch {found.batch:.1f} inputs; peak memory {found.peak_mb:,} MB",
        f"first window: {found.first_frames} entries, {found.first_ms:.0f} ms of CPU time",
        "published for DTMV, table V, 320x240: "
        + "; ".join(f"{name} {fps}" for name, fps in PUBLISHED),
    ]
    return "\n".join(map(printable, lines))


def _rate(stage: StageSpeed) -> str:
    """Frames per second; a dash where the stage takes less than can be measured."""
    return f"{stage.fps:,.0f}" if stage.share >= 0.0005 else "-"


def _passes(
    recognizer: Recognizer,
    files: Sequence[Path],
    expected: Sequence[Prediction],
    seconds: float,
) -> tuple[list[_Pass], float]:
    """CPU seconds of each pass, and the inputs per run of the network."""
    settings = recognizer.settings
    colour = replace(settings, modalities=("rgb",)) if settings.pixels else None
    passes: list[_Pass] = []
    with ExitStack() as stack:
        clocks = [
            stack.enter_context(_timed(each.backend))
            for each in recognizer.model.streams
        ]
        began = time.process_time()
        while len(passes) < ROUNDS or time.process_time() - began < seconds:
            decoded = _spent(lambda path: _decode(path, settings), files)
            coloured = decoded
            if colour is not None:
                coloured = _spent(
                    lambda path: _read(open_extraction(path, colour)), files
                )
            extracted = coloured
            if settings.modalities != ("rgb",):
                extracted = _spent(
                    lambda path: _read(recognizer.extraction(path)), files
                )
            before = sum(clock.seconds for clock in clocks)
            began_total = time.process_time()
            answers = [recognizer(path) for path in files]
            total = time.process_time() - began_total
            network = sum(clock.seconds for clock in clocks) - before
            _check(answers, expected)
            passes.append(_Pass(decoded, coloured, extracted, total, network))
    inputs, runs = sum(c.inputs for c in clocks), sum(c.runs for c in clocks)
    return passes, inputs / runs


def _stages(
    passes: Sequence[_Pass], frames: int, settings: ExtractSettings
) -> Iterator[StageSpeed]:
    """Medians of the differences between what a pass contains and the stage before."""
    total = median(each.total for each in passes)
    spent: list[tuple[str, Callable[[_Pass], float]]] = [
        ("demux and decode", lambda p: p.decoded)
    ]
    if settings.pixels:
        spent.append(("colour and size", lambda p: p.coloured - p.decoded))
    if settings.modalities != ("rgb",):
        names = {"flow": "flow", "mv": "vectors"}
        if settings.pixels and "mv" in settings.modalities:
            names["mv"] = "encode and vectors"
        name = ", ".join(names[m] for m in settings.modalities if m in names)
        spent.append((name, lambda p: p.extracted - p.coloured))
    spent.append(("clips", lambda p: p.total - p.network - p.extracted))
    spent.append(("network", lambda p: p.network))
    for name, seconds_of in spent:
        seconds = max(median(map(seconds_of, passes)), 1e-9)
        yield StageSpeed(name, frames / seconds, seconds / total)


class _Clock:
    """CPU time of a network, and its inputs."""

    seconds = 0.0
    inputs = runs = 0


@contextmanager
def _timed(backend: Backend) -> Iterator[_Clock]:
    clock, logits = _Clock(), backend.logits

    def timed(clips: np.ndarray) -> np.ndarray:
        began = time.process_time()
        found = logits(clips)
        clock.seconds += time.process_time() - began
        clock.inputs += len(clips)
        clock.runs += 1
        return found

    vars(backend)["logits"] = timed  # in front of the method
    try:
        yield clock
    finally:
        del vars(backend)["logits"]


def _spent(work: Callable[[Path], object], files: Sequence[Path]) -> float:
    began = time.process_time()
    for path in files:
        work(path)
    return time.process_time() - began


def _decode(path: Path, settings: ExtractSettings) -> int:
    """Number of frames of a file."""
    with open_video(path, pixels=settings.pixels) as video:
        return sum(1 for _ in video.pictures())


def _read(opening: AbstractContextManager[Extraction]) -> None:
    with opening as extraction:
        for _ in extraction:
            pass


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
        _check([answer], [expected[number % len(files)]])
        arrived.append((time.perf_counter(), answer.video.frames))
        if number and arrived[-1][0] - arrived[0][0] >= 2 * seconds:
            break
    first, last = arrived[0][0], arrived[-1][0]
    began = max(at for at, _ in arrived if at <= (first + last) / 2)
    return sum(frames for at, frames in arrived if at > began) / (last - began)


def _check(answers: Sequence[Prediction], expected: Sequence[Prediction]) -> None:
    for answer, first in zip(answers, expected, strict=True):
        difference = float(np.abs(answer.scores - first.scores).max())
        if not difference <= TOLERANCE:
            raise DataError(
                f"{first.source}: expected the same probabilities in every pass, got a "
                f"difference of {difference:.2g}"
            )
