"""Progress of a run: bars on a terminal, plain lines in a log."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic as now
from typing import Self, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
)

from motion_shards.plain_text import printable, size_text, time_left
from pipeline.shard.task import ShardProgress

LINE_SECONDS, LATER_LINE_SECONDS = 10.0, 60.0
"""Seconds between two lines of a log, in the first minutes and later."""
STARTING = "starting (and compiling, the first time on this machine)"
TELLING_SECONDS, TELLING_SHARE = 5.0, 0.02
"""Seconds and share of the work from which on the remaining time is estimated."""


class Pace:
    """Amount of work done, and an estimate of the rest. It never goes back.

    Args:
        total: steps to do.
    """

    def __init__(self, total: int) -> None:
        self.total, self.done, self._began = total, 0, now()

    @property
    def seconds(self) -> float:
        """Seconds since it began."""
        return now() - self._began

    def begin(self) -> None:
        """The work begins now; what came before was preparation."""
        self._began = now()

    def reach(self, done: int) -> None:
        """Record the number of steps done; a smaller one than before (a retry) is ignored."""
        self.done = max(self.done, min(done, self.total))

    def left(self) -> str:
        """Remaining time in words; empty while it cannot be estimated."""
        if self.done >= self.total or self.seconds < TELLING_SECONDS:
            return ""
        if self.done < TELLING_SHARE * self.total:
            return ""
        return time_left(self.seconds * (self.total - self.done) / self.done)


class _Counts:
    """Sums of what is published and what is on its way. They never go back."""

    def __init__(self, videos: int = 0) -> None:
        self.pace = Pace(videos)
        self._done = self._moving = self._shown = ShardProgress(0, 0, 0, 0)

    @property
    def finished(self) -> bool:
        """Whether all of it is published."""
        return self._done.videos >= self.pace.total

    def running(self, shards: Iterable[ShardProgress]) -> None:
        self._moving = _sum(shards)
        self._reach()

    def published(self, videos: int, frames: int, stored_bytes: int) -> None:
        fresh = ShardProgress(0, videos, frames, stored_bytes)
        self._done, self._moving = _sum([self._done, fresh]), ShardProgress(0, 0, 0, 0)
        self._reach()

    def _reach(self) -> None:
        """Add up finished and running work; a retry shows nothing until it is ahead."""
        all_of_it = _sum([self._done, self._moving])
        if all_of_it.frames == self._shown.frames == 0:
            self.pace.begin()
        self._shown = ShardProgress(*map(max, self._shown, all_of_it))
        self.pace.reach(all_of_it.videos)

    def text(self) -> str:
        frames, stored = self._shown.frames, size_text(self._shown.stored_bytes)
        if not frames:
            return STARTING
        rate = frames / max(self.pace.seconds, 1e-3)
        said = f"{frames:,} frames, {rate:,.0f} frames/s, {stored}"
        return ", ".join(filter(None, (said, self.pace.left())))


def _sum(rows: Iterable[ShardProgress]) -> ShardProgress:
    _, *counts = map(sum, zip(ShardProgress(0, 0, 0, 0), *rows, strict=True))
    return ShardProgress(0, *counts)


class BarReporter:
    """A bar on a terminal. A context manager."""

    def __init__(self, console: Console, what: str = "extract") -> None:
        self._counts = _Counts()
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("videos, {task.fields[more]}"),
            console=console,
        )
        self._task = self._bars.add_task(what, total=None, more="")

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *exc: object) -> None:
        with suppress(OSError):  # the terminal may be gone
            self._bars.stop()

    def say(self, text: str) -> None:
        self._bars.console.print(
            printable(text), highlight=False, markup=False, soft_wrap=True
        )

    def start(self, *, videos: int) -> None:
        self._counts = _Counts(videos)
        self._bars.update(self._task, total=videos)

    def running(self, shards: Iterable[ShardProgress]) -> None:
        self._counts.running(shards)
        self._show()

    def published(self, *, videos: int, frames: int, stored_bytes: int) -> None:
        self._counts.published(videos, frames, stored_bytes)
        self._show()

    def _show(self) -> None:
        counts = self._counts
        self._bars.update(self._task, completed=counts.pace.done, more=counts.text())


class LineReporter:
    """A line now and then, for job logs and pipes. A context manager."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._counts, self._times = stream, _Counts(), LineTimes()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def say(self, text: str) -> None:
        print(printable(text), file=self._stream, flush=True)

    def start(self, *, videos: int) -> None:
        self._counts, self._times = _Counts(videos), LineTimes()

    def running(self, shards: Iterable[ShardProgress]) -> None:
        self._counts.running(shards)
        self._show()

    def published(self, *, videos: int, frames: int, stored_bytes: int) -> None:
        self._counts.published(videos, frames, stored_bytes)
        self._show(last=self._counts.finished)

    def _show(self, *, last: bool = False) -> None:
        if self._times.due() or last:
            done, total = self._counts.pace.done, self._counts.pace.total
            share = f"{done / total:.0%}" if total else ""
            self.say(f"{done:,} of {total:,} videos ({share}), {self._counts.text()}")


class LineTimes:
    """Times of the lines of a log: every 10 seconds at first, every minute later."""

    def __init__(self) -> None:
        self._began = now()
        self._next = self._began + LINE_SECONDS

    def due(self) -> bool:
        """Whether it is time for a line."""
        if (time := now()) < self._next:
            return False
        step = max((time - self._began) / 10, LINE_SECONDS)
        self._next = time + min(step, LATER_LINE_SECONDS)
        return True


@contextmanager
def resumable() -> Iterator[None]:
    """Let Ctrl-C say that the same command goes on where it was interrupted.

    Raises:
        KeyboardInterrupt: with the line that is printed.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted; run the same command to resume") from None


@contextmanager
def steps(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, or a line now and then, for work in steps.

    Yields a function to call with the steps done and the total steps; unless it is called,
    nothing is shown.
    """
    line = _StepLine(what)
    if not sys.stderr.isatty():
        yield line.tell
        return
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[left]}"),
        console=Console(file=sys.stderr),
    )
    task = bars.add_task(what, total=None, visible=False, left="")

    def tell(done: int, total: int) -> None:
        pace = line.pace_of(done, total)
        bars.update(
            task, completed=pace.done, total=total, visible=True, left=pace.left()
        )

    with bars:
        yield tell


class _StepLine:
    def __init__(self, what: str) -> None:
        self._what, self._times = what, LineTimes()
        self._pace = Pace(0)

    def pace_of(self, done: int, total: int) -> Pace:
        """Update the pace of the work; its total may become known on the way."""
        self._pace.total = total
        self._pace.reach(done)
        return self._pace

    def tell(self, done: int, total: int) -> None:
        pace = self.pace_of(done, total)
        if self._times.due():
            left = f", {pace.left()}" if pace.left() else ""
            said = f"{self._what}: {pace.done:,} of {total:,}{left}"
            print(said, file=sys.stderr, flush=True)


def reporter(
    stream: TextIO | None = None, *, what: str = "extract"
) -> BarReporter | LineReporter:
    """A bar with this name on a terminal, lines elsewhere. On standard error by default."""
    stream = stream or sys.stderr
    if stream.isatty():
        return BarReporter(Console(file=stream), what)
    return LineReporter(stream)
