"""Segments of a video -> subtitles in the forms SRT and WebVTT."""

from collections.abc import Iterator
from typing import NamedTuple

from motion_shards.plain_text import printable

from ..answers import Prediction, Segment
from .numbers import milliseconds, percent

LOOK_ALIKES = str.maketrans("<>{}", "‹›()")
"""SRT has no escapes, and players read tags in it."""


class Cue(NamedTuple):
    """A line of text and the time in which it is shown."""

    start: int
    end: int
    """ms, at least 1 apart."""
    text: str


def srt(prediction: Prediction) -> str:
    """Subtitles as SubRip text: a numbered cue for each segment.

    Characters that players read as tags are replaced by others that look alike.

    Source:
        SubRip has no specification; the form is that of FFmpeg's muxer (srtenc.c).
    """
    cues = cues_of(prediction)
    return "".join(
        f"{number}\n{_time(cue.start, ',')} --> {_time(cue.end, ',')}\n"
        f"{cue.text.translate(LOOK_ALIKES)}\n\n"
        for number, cue in enumerate(cues, start=1)
    )


def vtt(prediction: Prediction) -> str:
    """Subtitles as WebVTT: a cue for each segment.

    Source:
        W3C, "WebVTT: The Web Video Text Tracks Format", sections 4.1 to 4.2.2.
    """
    cues = cues_of(prediction)
    return "WEBVTT\n\n" + "".join(
        f"{_time(cue.start, '.')} --> {_time(cue.end, '.')}\n{_escaped(cue.text)}\n\n"
        for cue in cues
    )


def cues_of(prediction: Prediction) -> Iterator[Cue]:
    """The cues in order of time; without segments one over the whole video.

    They do not overlap, and each lasts at least a millisecond.
    """
    segments = prediction.segments
    if not segments:
        best, seconds = prediction.top(1)[0], prediction.video.seconds
        segments = (Segment(start=0, end=seconds, label=best.label, score=best.score),)
    earliest = 0
    for segment in sorted(segments, key=lambda each: each.start):
        start = max(milliseconds(segment.start), earliest)
        end = max(milliseconds(segment.end), start + 1)
        label = printable(segment.label).strip() or "(no name)"
        yield Cue(start, end, f"{label} {percent(segment.score)}")
        earliest = end


def _time(milliseconds: int, point: str) -> str:
    """HH:MM:SS and thousandths; hours have as many digits as they need, at least two."""
    seconds, thousandths = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{point}{thousandths:03d}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
