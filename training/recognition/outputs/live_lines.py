"""Windows and segments of a live source as lines, each as soon as it ends."""

from collections.abc import Iterator, Sequence

from motion_shards.plain_text import counted, printable

from ..answers import LiveSummary, Ranked, Segment, Window, ranked
from .csv_rows import csv_header, csv_row
from .json_lines import live_summary_line, segment_line, window_line
from .numbers import clock, percent
from .writing import Form


class LiveLines:
    """Lines about one source: text for people, JSON, or CSV."""

    def __init__(
        self, form: Form, *, source: str, model: str, classes: tuple[str, ...], top: int
    ) -> None:
        """
        Args:
            source: without a password.
            top: number of classes of a window.
        """
        self._form, self._top, self._classes = form, top, classes
        self._source, self._model = source, model

    def begin(self) -> str:
        """Lines before the first one."""
        return csv_header(top=self._top) if self._form == "csv" else ""

    def line(self, part: Window | Segment) -> str:
        """The line of a window or a segment."""
        if self._form == "csv":
            return csv_row(
                part, source=self._source, classes=self._classes, top=self._top
            )
        if self._form == "json" and isinstance(part, Window):
            return window_line(
                part,
                source=self._source,
                model=self._model,
                classes=self._classes,
                top=self._top,
            )
        if self._form == "json" and isinstance(part, Segment):
            return segment_line(part, source=self._source, model=self._model)
        if isinstance(part, Window):
            return window_text(part, self._classes, top=self._top) + "\n"
        best = Ranked(part.label, part.score)
        return _text(part.start, part.end, [best]) + "\n"

    def end(self, summary: LiveSummary) -> str:
        """Lines behind the last one."""
        if self._form != "json":
            return ""
        return live_summary_line(summary, source=self._source, model=self._model)


def window_text(window: Window, classes: tuple[str, ...], *, top: int = 1) -> str:
    """A window and its most probable classes in words."""
    return _text(window.start, window.end, ranked(window.scores, classes, top))


def _text(start: float, end: float, best: Sequence[Ranked]) -> str:
    named = "  ".join(
        f"{percent(score):>7} {printable(label)}" for label, score in best
    )
    return f"{clock(start):>10} - {clock(end)}  {named}"


def in_words(summary: LiveSummary) -> str:
    """Facts about a live source that was recognised, in one line."""
    return ", ".join(_facts(summary))


def _facts(summary: LiveSummary) -> Iterator[str]:
    windows = counted(summary.windows, "window")
    dropped = f" ({summary.dropped:,} dropped)" if summary.dropped else ""
    yield f"{windows}{dropped} in {summary.seconds:.1f} s"
    yield f"{summary.frames:,} frames ({summary.fps:.1f} per second)"
    if summary.delay is not None and summary.longest_delay is not None:
        yield f"delay {summary.delay:.2f} s (at most {summary.longest_delay:.2f} s)"
    if summary.reconnects:
        yield f"reconnected {counted(summary.reconnects, 'time')}"
    if summary.damaged:
        yield f"damaged packets or frames: {summary.damaged:,}"
    if summary.skipped:
        yield f"packets skipped to catch up: {summary.skipped:,}"
    if summary.known_share is not None:
        yield f"motion vectors known in {percent(summary.known_share)} of the intervals"
    yield printable(summary.end)
