"""Answers made by hand."""

from pathlib import Path

import numpy as np

from training.recognition.answers import Prediction, Segment, VideoSummary, Window

CLASSES = ("walk", "jump & <b>run</b>", "sit, down")
SUMMARY = VideoSummary(
    frames=12, seconds=0.48, fps=25.0, height=64, width=96, codec="h264"
)


def scores(*values: float) -> np.ndarray:
    return np.array(values, np.float64)


WINDOWS = (
    Window(start=0.0, end=0.2, scores=scores(0.75, 0.25, 0.0)),
    Window(start=0.2, end=0.4, scores=scores(0.125, 0.25, 0.625)),
)
SEGMENTS = (
    Segment(start=0.0, end=0.2, label=CLASSES[0], score=0.75),
    Segment(start=0.2, end=0.48, label=CLASSES[1], score=0.5),
)


def prediction(
    source: str | Path = "clips/a.mp4",
    *,
    windows: tuple[Window, ...] = (),
    segments: tuple[Segment, ...] = (),
    classes: tuple[str, ...] = CLASSES,
    video: VideoSummary = SUMMARY,
    whole: np.ndarray | None = None,
) -> Prediction:
    """A video of three classes, the second most probable."""
    return Prediction(
        source=str(source),
        model="dtmv_small",
        classes=classes,
        scores=scores(0.25, 0.5, 0.25) if whole is None else whole,
        video=video,
        windows=windows,
        segments=segments,
    )


def with_segments(source: str | Path = "clips/a.mp4") -> Prediction:
    return prediction(source, windows=WINDOWS, segments=SEGMENTS)
