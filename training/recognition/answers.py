"""Answers about a video: class probabilities, windows of time, segments."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Ranked(NamedTuple):
    """A class and its probability."""

    label: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Window:
    """A part of a video that was recognised by itself."""

    start: float
    end: float
    """Seconds since the first frame."""
    scores: np.ndarray
    """(K,) float64 probabilities."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Windows in a row with the same most probable class, joined."""

    start: float
    end: float
    """Seconds since the first frame."""
    label: str
    score: float
    """Mean probability of that class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoSummary:
    """Facts about the frames that were recognised."""

    frames: int
    """Frames at the frame rate of the model's contract."""
    seconds: float
    """From the first frame to the end of the last."""
    fps: float
    height: int
    width: int
    """px, of the frames as the contract scales them."""
    codec: str
    known_share: float | None = None
    """Share of the intervals with known motion vectors; None where none are used."""
    mv_source: str | None = None
    """Source of the motion vectors: "original" or "canonical"; None where none are used."""
    damaged: int = 0
    """Packets that did not decode or were incomplete, and frames with errors."""
    dropped: int = 0
    """Windows of a live source that were not scored, as they came too fast."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSummary:
    """Facts about a live source that was recognised."""

    windows: int
    dropped: int
    """Windows that were not scored, as they came too fast."""
    frames: int
    """Frames at the frame rate of the model's contract."""
    skipped: int
    """Packets that were not decoded, to catch up."""
    seconds: float
    """Seconds since the first attempt to connect."""
    reconnects: int
    damaged: int
    """Packets that did not decode or were incomplete, and frames with errors."""
    known_share: float | None
    """Share of the intervals with known motion vectors; None where none are used."""
    delay: float | None
    """Mean seconds from the arrival of a window's last frame to its scores."""
    longest_delay: float | None
    end: str
    """Reason for which it ended."""

    @property
    def fps(self) -> float:
        """Frames per second, over the whole time."""
        return self.frames / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prediction:
    """The actions in one video."""

    source: str
    """Path or address, as it was given."""
    model: str
    """Name of the model."""
    classes: tuple[str, ...]
    """Names of the K classes."""
    scores: np.ndarray
    """(K,) float64 probabilities of the whole video."""
    video: VideoSummary
    trained: str | None = None
    """SHA-256 of what the model has learned: models of one name differ in it."""
    windows: tuple[Window, ...] = ()
    """In order of time; empty unless asked for."""
    segments: tuple[Segment, ...] = ()
    """In order of time, without overlap; empty unless windows were asked for."""

    def top(self, k: int = 5) -> tuple[Ranked, ...]:
        """The most probable classes of the whole video, best first."""
        return ranked(self.scores, self.classes, k)

    @property
    def label(self) -> str:
        """The most probable class."""
        return self.top(1)[0].label


def ranked(scores: np.ndarray, classes: tuple[str, ...], k: int) -> tuple[Ranked, ...]:
    """The `k` most probable classes, best first; of equal ones the first in the list."""
    order = np.argsort(-scores, kind="stable")[:k]
    return tuple(Ranked(classes[i], float(scores[i])) for i in order)
