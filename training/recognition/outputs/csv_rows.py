"""Answers as CSV: a row for each video, segment and window."""

import csv
import io
import math
from collections.abc import Iterator

from motion_shards.plain_text import printable

from ..answers import Prediction, Ranked, Segment, Window, ranked
from .targets import shown_source

ABOUT = ("model", "frames", "fps", "height", "width", "codec")
QUALITY = ("known_share", "damaged", "dropped")


def csv_header(*, top: int = 5) -> str:
    """The first line, with its line end.

    Args:
        top: number of classes in each row, at least 1.
    """
    more = (f"{name}_{i}" for i in range(2, top + 1) for name in ("label", "score"))
    first = ("source", "part", "start", "end", "label", "score")
    return _text([[*first, *more, *ABOUT, *QUALITY]])


def csv_rows(prediction: Prediction, *, top: int = 5) -> str:
    r"""The rows of a video: `part` is video, then segment and window, in order of time.

    Every row is one line: line ends in names are `\n` in the form of an escape. Seconds
    have three decimals, scores six.
    """
    return _text(list(_rows(prediction, top)))


def _rows(prediction: Prediction, top: int) -> Iterator[list[str]]:
    source, video = printable(shown_source(prediction.source)), prediction.video
    classes = prediction.classes
    about = [
        printable(prediction.model),
        str(video.frames),
        f"{video.fps:g}",
        str(video.height),
        str(video.width),
        printable(video.codec),
        "" if video.known_share is None else _score(video.known_share),
        str(video.damaged),
        str(video.dropped),
    ]
    span = [_seconds(0), _seconds(video.seconds)]
    yield [source, "video", *span, *_ranked(prediction.top(top), top), *about]
    parts: list[Window | Segment] = [*prediction.segments, *prediction.windows]
    for part in parts:
        yield _part(part, source, classes, top)


def csv_row(
    part: Window | Segment, *, source: str, classes: tuple[str, ...], top: int = 5
) -> str:
    """The row of a window or segment by itself, as live sources give them."""
    return _text([_part(part, printable(shown_source(source)), classes, top)])


def _part(
    part: Window | Segment, source: str, classes: tuple[str, ...], top: int
) -> list[str]:
    if isinstance(part, Window):
        kind, best = "window", ranked(part.scores, classes, top)
    else:
        kind, best = "segment", (Ranked(part.label, part.score),)
    span = [_seconds(part.start), _seconds(part.end)]
    nothing = [""] * len((*ABOUT, *QUALITY))
    return [source, kind, *span, *_ranked(best, top), *nothing]


def _ranked(best: tuple[Ranked, ...], top: int) -> list[str]:
    """Labels and scores in turn, filled up with empty cells."""
    cells = [cell for one in best for cell in (printable(one.label), _score(one.score))]
    return cells + [""] * (2 * top - len(cells))


def _score(score: float) -> str:
    return f"{score:.6f}" if math.isfinite(score) else ""


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}"


def _text(rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
