"""Parts of the page about one video: its classes, its timeline, its segments."""

from collections.abc import Sequence

import numpy as np

from motion_shards.markup import escape

from ..answers import Prediction, Segment
from .numbers import clock, percent, share
from .targets import shown_source

COLOURS = 8
"""Classes of a page that have a colour of their own; others share the last one."""
CURVES = 6
DASHES = ("", "7 4", "2 3", "9 3 2 3", "12 5", "4 4")
"""Dashes of the curves, for readers who cannot tell the colours apart."""
MOST_POINTS = 2000
"""Points of a curve; of more windows, neighbours are averaged."""


class Colours:
    """Gives each class of a video a colour: the most probable ones, then those of segments."""

    def __init__(self, prediction: Prediction) -> None:
        best = [one.label for one in prediction.top(COLOURS)]
        often = [segment.label for segment in prediction.segments]
        names = list(dict.fromkeys([*best[:CURVES], *often, *best]))
        self._number = {name: min(i, COLOURS - 1) for i, name in enumerate(names)}

    def style(self, label: str) -> str:
        """Declaration of the colour of a class, for an attribute `style`."""
        return f"--c:var(--c{self._number.get(label, COLOURS - 1)})"

    def curves(self, classes: Sequence[str]) -> list[int]:
        """The classes whose curves are drawn, as indices."""
        return [classes.index(name) for name in list(self._number)[:CURVES]]


def class_bars(prediction: Prediction, colours: Colours, *, top: int) -> str:
    """The top classes of the whole video, with bars."""
    return "".join(
        f'<li style="{colours.style(label)}"><b>{escape(label)}</b> {percent(score)}'
        f'<span class="bar" aria-hidden="true"><i style="width:{100 * share(score):.1f}%">'
        "</i></span></li>"
        for label, score in prediction.top(top)
    )


def timeline(prediction: Prediction, colours: Colours) -> str:
    """The curves of classes over the segments; a slider, whose script moves its head.

    Nothing where there are no windows.
    """
    if not prediction.windows and not prediction.segments:
        return ""
    seconds = prediction.video.seconds
    segments = "".join(
        f'<span style="{colours.style(one.label)};left:{_at(one.start, seconds):.3f}%;'
        f'width:{_at(one.end - one.start, seconds):.3f}%" title="{_said(one)}">'
        f"{escape(one.label)}</span>"
        for one in prediction.segments
    )
    return (
        '<div class="timeline" role="slider" tabindex="0" aria-valuemin="0"'
        f' aria-label="Time of {escape(shown_source(prediction.source))}" aria-valuemax="{seconds:.1f}"'
        ' aria-valuenow="0" aria-valuetext="0:00">'
        f'{curves(prediction, colours)}<div class="strip" aria-hidden="true">{segments}'
        '</div><div class="head"></div></div>\n<div class="axis" aria-hidden="true">'
        f"<span>{clock(0)}</span><span>probability, 0 to 100 %</span>"
        f"<span>{clock(seconds)}</span></div>\n"
        '<ol class="segments" aria-label="Segments">'
        f"{_buttons(prediction.segments, colours)}</ol>"
    )


def _buttons(segments: Sequence[Segment], colours: Colours) -> str:
    """A button for each segment, that seeks its start."""
    return "".join(
        f'<li><button type="button" style="{colours.style(one.label)}"'
        f' data-start="{one.start:.3f}" data-end="{one.end:.3f}"'
        f' data-label="{escape(one.label)}">{_said(one)}</button></li>'
        for one in segments
    )


def curves(prediction: Prediction, colours: Colours) -> str:
    """The scores of the windows as curves: a picture of 1000 x 100, 1 at the top."""
    windows, seconds = prediction.windows, prediction.video.seconds
    if not windows:
        return ""
    chosen = colours.curves(prediction.classes)
    middles = np.array([(one.start + one.end) / 2 for one in windows])
    scores = np.array([one.scores[chosen] for one in windows])
    if len(windows) > MOST_POINTS:
        starts = np.linspace(0, len(windows), MOST_POINTS, endpoint=False).astype(int)
        counts = np.diff([*starts, len(windows)])
        middles = np.add.reduceat(middles, starts) / counts
        scores = np.add.reduceat(scores, starts) / counts[:, None]
    middles = np.array([windows[0].start, *middles, windows[-1].end])
    scores = np.concatenate([scores[:1], scores, scores[-1:]])
    lines = []
    for i, index in enumerate(chosen):
        label = prediction.classes[index]
        points = " ".join(
            f"{10 * _at(when, seconds):.1f},{100 - 100 * share(score):.1f}"
            for when, score in zip(middles.tolist(), scores[:, i].tolist(), strict=True)
        )
        lines.append(
            f'<polyline style="{colours.style(label)}" stroke-dasharray="{DASHES[i]}"'
            f' points="{points}"><title>{escape(label)}</title></polyline>'
        )
    return (
        '<svg viewBox="-2 -4 1004 108" preserveAspectRatio="none" aria-hidden="true">'
        f"{''.join(reversed(lines))}</svg>"
    )


def _at(when: float, seconds: float) -> float:
    """A time in percent of the video."""
    return 100 * min(max(when / seconds, 0), 1) if seconds > 0 else 0


def _said(segment: Segment) -> str:
    return (
        f"{clock(segment.start)} to {clock(segment.end)}  {escape(segment.label)}"
        f" {percent(segment.score)}"
    )
