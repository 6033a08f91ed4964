"""Progress of a training: a bar on a terminal, lines in a log."""

import sys
import time
from typing import TYPE_CHECKING, Protocol, TextIO

from motion_shards.plain_text import printable, time_left

if TYPE_CHECKING:
    from rich.progress import TaskID

LINE_SECONDS = 15.0
MOST_SECONDS = 600.0
"""Longest interval between two lines, which otherwise is a twentieth of the time so far."""


class Remaining:
    """Estimate of the remaining time of some work, from the time of the part done."""

    def __init__(self, total: int, done: int) -> None:
        self._total, self._first, self._started = total, done, time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def text(self, done: int) -> str:
        """ "about 12 minutes left"; empty before the first step and after the last."""
        if not self._first < done < self._total:
            return ""
        each = self.seconds / (done - self._first)
        return time_left(each * (self._total - done))


class ProgressReporter(Protocol):
    """Receiver of progress."""

    def say(self, text: str) -> None:
        """Print a line that stays."""

    def begin(self, title: str, total: int, done: int = 0) -> None:
        """Start a task of `total` steps, of which `done` were done before."""

    def step(self, done: int, text: str) -> None:
        """Report the number of steps done, with a text."""

    def end(self) -> None:
        """End the task, finished or not."""


class SilentReporter:
    """Reports nothing: for tests and for use from Python."""

    def say(self, text: str) -> None: ...

    def begin(self, title: str, total: int, done: int = 0) -> None: ...

    def step(self, done: int, text: str) -> None: ...

    def end(self) -> None: ...


class LineReporter:
    """Plain lines at intervals that grow with the time."""

    def __init__(self, stream: TextIO, *, seconds: float = LINE_SECONDS) -> None:
        self._stream, self._seconds = stream, seconds
        self._title, self._total, self._told = "", 0, 0.0
        self._left = Remaining(0, 0)

    def say(self, text: str) -> None:
        print(printable(text), file=self._stream, flush=True)

    def begin(self, title: str, total: int, done: int = 0) -> None:
        self._title, self._total, self._told = title, total, time.monotonic()
        self._left = Remaining(total, done)

    def step(self, done: int, text: str) -> None:
        now = time.monotonic()
        pause = min(max(self._seconds, self._left.seconds / 20), MOST_SECONDS)
        if done == self._total or now - self._told >= max(pause, self._seconds):
            self._told = now
            left = self._left.text(done)
            where = f"step {done} of {self._total}" + (f", {left}" if left else "")
            self.say(f"{self._title}: {where}  {text}")

    def end(self) -> None: ...


class BarReporter:
    """A progress bar of rich, removed when the task ends."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console  # here: a log needs no terminal library
        from rich.progress import (
            BarColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
        )

        self._console = Console(file=stream, highlight=False)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            TextColumn("{task.fields[text]}", markup=False),
            console=self._console,
            transient=True,
        )
        self._task: TaskID | None = None
        self._left = Remaining(0, 0)

    def say(self, text: str) -> None:
        self._console.print(printable(text), markup=False, soft_wrap=True)

    def begin(self, title: str, total: int, done: int = 0) -> None:
        self._progress.start()
        self._task = self._progress.add_task(
            printable(title), total=total, completed=done, text="", left=""
        )
        self._left = Remaining(total, done)

    def step(self, done: int, text: str) -> None:
        if self._task is not None:
            self._progress.update(
                self._task, completed=done, text=text, left=self._left.text(done)
            )

    def end(self) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None
        self._progress.stop()


def default_reporter() -> ProgressReporter:
    """A bar where standard error is a terminal, lines otherwise."""
    return BarReporter(sys.stderr) if sys.stderr.isatty() else LineReporter(sys.stderr)
