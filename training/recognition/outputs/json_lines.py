"""Answers as JSON: an object and a line for each video."""

import json
import math
from dataclasses import asdict
from typing import Any

import numpy as np

from motion_shards.plain_text import printable
from pipeline.store import Json

from ..answers import (
    LiveSummary,
    Prediction,
    Ranked,
    Segment,
    VideoSummary,
    Window,
    ranked,
)
from .targets import shown_source


def json_line(prediction: Prediction, *, top: int = 5) -> str:
    """One line of strict JSON in ASCII, with its line end.

    All keys are always there. `trained`, `mv_source`, `known_share`, and a score that is not
    finite, may be null.

    Args:
        top: number of classes that are named, of the video and of each window.
    """
    return _line(prediction_record(prediction, top=top))


def window_line(
    window: Window, *, source: str, model: str, classes: tuple[str, ...], top: int = 5
) -> str:
    """The same for a window by itself, as live sources give them."""
    return _line(_about(source, model) | window_record(window, classes, top=top))


def segment_line(segment: Segment, *, source: str, model: str) -> str:
    """The same for a segment by itself."""
    return _line(_about(source, model) | _segment(segment))


def live_summary_line(summary: LiveSummary, *, source: str, model: str) -> str:
    """The last line about a live source: its facts under the key `summary`."""
    facts = {name: _plain(value) for name, value in asdict(summary).items()}
    facts["fps"] = _number(summary.fps)
    return _line(_about(source, model) | {"summary": facts})


def prediction_record(prediction: Prediction, *, top: int) -> dict[str, Json]:
    """The object of a video: see docs/recognise.md."""
    best = prediction.top(1)[0]
    return {
        "source": source_text(prediction.source),
        "model": _text(prediction.model),
        "trained": prediction.trained,
        **_ranked(best),
        "top": [_ranked(each) for each in prediction.top(top)],
        "video": _video(prediction.video),
        "segments": [_segment(segment) for segment in prediction.segments],
        "windows": [
            window_record(window, prediction.classes, top=top)
            for window in prediction.windows
        ],
    }


def window_record(
    window: Window, classes: tuple[str, ...], *, top: int
) -> dict[str, Json]:
    """The object of a window."""
    best = ranked(window.scores, classes, top)
    return {
        "start": _number(window.start),
        "end": _number(window.end),
        "top": [_ranked(each) for each in best],
    }


def source_text(source: str) -> str:
    """A source as lines of JSON have it."""
    return _text(shown_source(source))


def _about(source: str, model: str) -> dict[str, Json]:
    return {"source": source_text(source), "model": _text(model)}


def _plain(value: str | float | None) -> Json:
    if isinstance(value, float):
        return _number(value)
    return _text(value) if isinstance(value, str) else value


def _segment(segment: Segment) -> dict[str, Json]:
    return {
        "start": _number(segment.start),
        "end": _number(segment.end),
        "label": _text(segment.label),
        "score": _number(segment.score),
    }


def _video(video: VideoSummary) -> dict[str, Json]:
    return {
        "frames": int(video.frames),
        "seconds": _number(video.seconds),
        "fps": _number(video.fps),
        "height": int(video.height),
        "width": int(video.width),
        "codec": video.codec,
        "mv_source": video.mv_source,
        "known_share": _number(video.known_share),
        "damaged": int(video.damaged),
        "dropped": int(video.dropped),
    }


def _ranked(one: Ranked) -> dict[str, Json]:
    return {"label": _text(one.label), "score": _number(one.score)}


def _number(value: float | np.floating | None) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    return float(value)


def _text(text: str) -> str:
    """The same text where it is Unicode; else with escapes for the bytes that are not."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return printable(text)
    return text


def _line(value: Any) -> str:
    return json.dumps(value, allow_nan=False) + "\n"
