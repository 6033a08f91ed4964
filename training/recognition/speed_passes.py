"""Passes over files, each a stage longer than the one before -> the CPU time of the stages."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from pipeline.extract.opening import open_video
from pipeline.extract.settings import ExtractSettings
from pipeline.extract.video import Extraction, open_extraction

from ..errors import DataError
from .answers import Prediction
from .backends import Backend
from .recognizer import Recognizer

ROUNDS = 3
"""Passes over the files at least, of which the median counts."""
TOLERANCE = 1e-5
"""Largest difference between the probabilities of two passes."""


class StageSpeed(NamedTuple):
    """A stage, in CPU time of one core."""

    name: str
    fps: float
    """Frames per second of this stage alone."""
    share: float
    """Share of the total time."""


class Pass(NamedTuple):
    """CPU seconds of one pass over the files; each contains the one before."""

    decoded: float
    coloured: float
    extracted: float
    total: float
    network: float
    """Part of the total."""


def passes(
    recognizer: Recognizer,
    files: Sequence[Path],
    expected: Sequence[Prediction],
    seconds: float,
) -> tuple[list[Pass], float]:
    """CPU seconds of each pass, and the inputs per run of the network."""
    settings = recognizer.settings
    colour = replace(settings, modalities=("rgb",)) if settings.pixels else None
    found: list[Pass] = []
    with ExitStack() as stack:
        clocks = [
            stack.enter_context(_timed(each.backend))
            for each in recognizer.model.streams
        ]
        began = time.process_time()
        while len(found) < ROUNDS or time.process_time() - began < seconds:
            decoded = _spent(lambda path: count_frames(path, settings), files)
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
            check_answers(answers, expected)
            found.append(Pass(decoded, coloured, extracted, total, network))
    inputs, runs = sum(c.inputs for c in clocks), sum(c.runs for c in clocks)
    return found, inputs / runs


def stages(
    spent: Sequence[Pass], frames: int, settings: ExtractSettings
) -> Iterator[StageSpeed]:
    """Medians of the differences between what a pass contains and the stage before."""
    total = median(each.total for each in spent)
    parts: list[tuple[str, Callable[[Pass], float]]] = [
        ("demux and decode", lambda p: p.decoded)
    ]
    if settings.pixels:
        parts.append(("colour and size", lambda p: p.coloured - p.decoded))
    if settings.modalities != ("rgb",):
        names = {"flow": "flow", "mv": "vectors"}
        if settings.pixels and "mv" in settings.modalities:
            names["mv"] = "encode and vectors"
        name = ", ".join(names[m] for m in settings.modalities if m in names)
        parts.append((name, lambda p: p.extracted - p.coloured))
    parts.append(("clips", lambda p: p.total - p.network - p.extracted))
    parts.append(("network", lambda p: p.network))
    for name, seconds_of in parts:
        seconds = max(median(map(seconds_of, spent)), 1e-9)
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


def count_frames(path: Path, settings: ExtractSettings) -> int:
    """Number of frames of a file."""
    with open_video(path, pixels=settings.pixels) as video:
        return sum(1 for _ in video.pictures())


def _read(opening: AbstractContextManager[Extraction]) -> None:
    with opening as extraction:
        for _ in extraction:
            pass


def check_answers(
    answers: Sequence[Prediction], expected: Sequence[Prediction]
) -> None:
    """Check that a pass gives the answers of the first one.

    Raises:
        DataError: a probability differs by more than `TOLERANCE`.
    """
    for answer, first in zip(answers, expected, strict=True):
        difference = float(np.abs(answer.scores - first.scores).max())
        if not difference <= TOLERANCE:
            raise DataError(
                f"{first.source}: expected the same probabilities in every pass, got a "
                f"difference of {difference:.2g}"
            )
