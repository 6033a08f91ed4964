"""How far a run is: bars on a terminal, plain lines in a log."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple, Protocol, Self, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from pipeline.store import printable

LINE_SECONDS = 10.0


class ShardProgress(NamedTuple):
    """How far one attempt at a shard is."""

    shard: int
    videos: int
    frames: int
    stored_bytes: int


class Watcher(Protocol):
    """Whoever wants to know how far a run is."""

    def say(self, text: str) -> None: ...

    def start(self, *, videos: int) -> None: ...

    def running(self, shards: Iterable[ShardProgress]) -> None: ...

    def published(self, *, videos: int, frames: int, stored_bytes: int) -> None: ...


class Silent:
    """Watches nothing: for tests and for use from Python."""

    def say(self, text: str) -> None:
        pass

    def start(self, *, videos: int) -> None:
        pass

    def running(self, shards: Iterable[ShardProgress]) -> None:
        pass

    def published(self, *, videos: int, frames: int, stored_bytes: int) -> None:
        pass


SILENT = Silent()


class _Counts:
    """Sums of what is published and what is on its way."""

    def __init__(self) -> None:
        self.done = ShardProgress(0, 0, 0, 0)
        self.moving = ShardProgress(0, 0, 0, 0)
        self.began = time.monotonic()

    def running(self, shards: Iterable[ShardProgress]) -> None:
        rows = list(shards)
        self.moving = ShardProgress(
            0,
            sum(row.videos for row in rows),
            sum(row.frames for row in rows),
            sum(row.stored_bytes for row in rows),
        )

    def published(self, videos: int, frames: int, stored_bytes: int) -> None:
        _, v, f, b = self.done
        self.done = ShardProgress(0, v + videos, f + frames, b + stored_bytes)

    def videos(self) -> int:
        return self.done.videos + self.moving.videos

    def text(self) -> str:
        frames = self.done.frames + self.moving.frames
        stored = (self.done.stored_bytes + self.moving.stored_bytes) / 1e9
        rate = frames / max(time.monotonic() - self.began, 1e-3)
        return f"{frames:,} frames, {rate:,.0f} frames/s, {stored:.2f} GB"


class Bars:
    """A bar on a terminal. A context manager."""

    def __init__(self, console: Console) -> None:
        self._counts = _Counts()
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("videos"),
            TextColumn("{task.fields[more]}"),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._bars.add_task("extract", total=None, more="")

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
        self._counts = _Counts()
        self._bars.update(self._task, total=videos)

    def running(self, shards: Iterable[ShardProgress]) -> None:
        self._counts.running(shards)
        self._show()

    def published(self, *, videos: int, frames: int, stored_bytes: int) -> None:
        self._counts.published(videos, frames, stored_bytes)
        self._show()

    def _show(self) -> None:
        counts = self._counts
        self._bars.update(self._task, completed=counts.videos(), more=counts.text())


class Lines:
    """A line now and then, for job logs and pipes. A context manager."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._counts = stream, _Counts()
        self._total = 0
        self._next = time.monotonic() + LINE_SECONDS

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def say(self, text: str) -> None:
        print(printable(text), file=self._stream, flush=True)

    def start(self, *, videos: int) -> None:
        self._counts, self._total = _Counts(), videos

    def running(self, shards: Iterable[ShardProgress]) -> None:
        self._counts.running(shards)
        self._show()

    def published(self, *, videos: int, frames: int, stored_bytes: int) -> None:
        self._counts.published(videos, frames, stored_bytes)
        self._show(last=self._counts.done.videos >= self._total)

    def _show(self, *, last: bool = False) -> None:
        now = time.monotonic()
        if now >= self._next or last:
            self._next = now + LINE_SECONDS
            counts = self._counts
            self.say(f"{counts.videos():,}/{self._total:,} videos, {counts.text()}")


@contextmanager
def steps(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, or a line now and then, for work of so many steps.

    Yields a function that is told steps done and steps to do; unless it is called,
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
        TimeRemainingColumn(),
        console=Console(file=sys.stderr),
    )
    task = bars.add_task(what, total=None, visible=False)
    with bars:
        yield lambda done, total: bars.update(
            task, completed=done, total=total, visible=True
        )


class _StepLine:
    def __init__(self, what: str) -> None:
        self._what, self._next = what, time.monotonic() + LINE_SECONDS

    def tell(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + LINE_SECONDS
            print(f"{self._what}: {done:,}/{total:,}", file=sys.stderr, flush=True)


def watcher(stream: TextIO | None = None) -> Bars | Lines:
    """Bars where a person watches, lines elsewhere. On standard error by default."""
    stream = stream or sys.stderr
    if stream.isatty():
        return Bars(Console(file=stream))
    return Lines(stream)
