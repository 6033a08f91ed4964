"""Answers as text for people: a table on a terminal, plain lines elsewhere."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TextIO

from motion_shards.plain_text import counted, printable

from ..answers import Prediction
from .numbers import clock, percent, share
from .targets import shown_source

if TYPE_CHECKING:
    from rich.console import Console

BAR = 20
"""Characters of a bar for a score of 1."""
USUAL_SHARE = 0.9
"""Share of known motion vectors that is not mentioned: 11 of 12 intervals, as in the
canonical encoding."""


def shower(stream: TextIO, *, top: int = 5) -> Callable[[Prediction], None]:
    """A function that shows one answer after the other.

    Args:
        stream: a table with bars if it is a terminal, else plain text.
        top: number of classes.
    """
    if not stream.isatty():

        def show_text(prediction: Prediction) -> None:
            stream.write(text(prediction, top=top))
            stream.flush()

        return show_text
    from rich.console import Console  # here: plain text needs no terminal library

    console = Console(file=stream, highlight=False, markup=False, emoji=False)

    def show_table(prediction: Prediction) -> None:
        _table(console, prediction, top=top)
        stream.flush()

    return show_table


def text(prediction: Prediction, *, top: int = 5) -> str:
    """The answer in plain lines: the video, its top classes, its segments."""
    lines = [f"{printable(shown_source(prediction.source))}  ({facts(prediction)})"]
    for label, score in prediction.top(top):
        lines.append(f"  {percent(score):>7}  {printable(label)}")
    if prediction.segments:
        lines.append("  segments:")
    for span, label, shown in _segments(prediction):
        lines.append(f"  {span:>19}  {shown:>7}  {label}")
    return "\n".join(lines) + "\n"


def facts(prediction: Prediction) -> str:
    """Length, codec, and the reasons to doubt an answer, in words."""
    video = prediction.video
    parts = [
        f"{video.seconds:.1f} s",
        counted(video.frames, "frame"),
        printable(video.codec),
    ]
    if video.known_share is not None and video.known_share < USUAL_SHARE:
        parts.append(f"motion vectors known in {100 * video.known_share:.0f} %")
    if video.damaged:
        parts.append(f"damaged packets or frames: {video.damaged:,}")
    if video.dropped:
        parts.append(f"windows dropped: {video.dropped:,}")
    return ", ".join(parts)


def _segments(prediction: Prediction) -> Iterator[tuple[str, str, str]]:
    for segment in prediction.segments:
        span = f"{clock(segment.start)} - {clock(segment.end)}"
        yield span, printable(segment.label), percent(segment.score)


def _table(console: "Console", prediction: Prediction, *, top: int) -> None:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    name = (printable(shown_source(prediction.source)), "bold")
    console.print(Text.assemble(name, (f"  ({facts(prediction)})", "dim")))
    best = Table.grid(padding=(0, 2))
    best.add_column(justify="right")
    for row, (label, score) in enumerate(prediction.top(top)):
        style = "bold green" if row == 0 else ""
        bar = Text("━" * round(BAR * share(score)), "green")
        bar.pad_right(BAR - len(bar))
        best.add_row(Text(percent(score), style), bar, Text(printable(label), style))
    console.print(Padding(best, (0, 0, 0, 2)))
    if prediction.segments:
        rows = Table("time", "score", "segment", box=None, padding=(0, 2))
        rows.columns[0].justify = rows.columns[1].justify = "right"
        for span, label, shown in _segments(prediction):
            rows.add_row(Text(span), Text(shown), Text(label))
        console.print(rows)
