"""The work of `training predict` on a live source: lines as windows or segments end."""

import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from motion_shards.interruption import EXIT_CODE
from motion_shards.plain_text import printable

from ..errors import RunError
from .live.video import Patience
from .live.windows import LiveWindows
from .outputs.live_lines import LiveLines, in_words, window_text
from .outputs.status import StatusLine
from .outputs.writing import Outputs
from .recognizer import Recognizer
from .timeline import Segments


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveOptions:
    """Options that only live sources have."""

    seconds: float | None
    """End after this time; None: when the source ends."""
    latest: bool | None
    """Drop windows that come too fast; None: see `Recognizer.stream`."""
    patience: Patience


def predict_live(
    model: Path,
    source: str,
    *,
    outputs: Outputs,
    each_window: bool,
    hop: int | None,
    smooth: float | None,
    min_score: float,
    live: LiveOptions,
    options: Mapping[str, Any],
) -> int:
    """Recognise a live source until it ends, a signal arrives or its time is over.

    Args:
        each_window: a line for each window; else for each segment, when it has ended.
        options: of `Recognizer`.

    Returns:
        The exit code: 130 after a signal.

    Raises:
        RunError: the model is none, or an output needs a file.
        StreamError: the source cannot be reached, is silent, or has gone.
    """
    for name in ("srt", "vtt", "annotate", "html"):
        if getattr(outputs, name) is not None:
            raise RunError(
                f"--{name}: expected a file to read again, got a live source"
            )
    terminal = _Terminal()
    recognizer = Recognizer(model, **options)
    stream = recognizer.stream(
        source,
        hop=hop,
        latest=live.latest,
        seconds=live.seconds,
        patience=live.patience,
        say=terminal.say,
    )
    lines = LiveLines(
        outputs.form or "table",
        source=stream.source,
        model=recognizer.name,
        classes=recognizer.classes,
        top=outputs.top,
    )

    joiner: Segments | None = None
    terminal.write(lines.begin())
    with stream, _stopping(stream) as stopped:
        try:
            for window in stream:
                if each_window:
                    terminal.write(lines.line(window))
                else:
                    joiner = joiner or Segments(
                        recognizer.classes,
                        smooth=stream.window_seconds if smooth is None else smooth,
                        min_score=min_score,
                    )
                    terminal.write(*map(lines.line, joiner.send(window)))
                    terminal.show(window_text(window, recognizer.classes))
                if stopped.is_set():
                    break
        finally:
            if joiner is not None:
                terminal.write(*map(lines.line, joiner.finish()))
            summary = stream.summary()
            terminal.write(lines.end(summary))
            if summary.frames or sys.exception() is None:
                terminal.say(f"{stream.source}: {in_words(summary)}")
    return EXIT_CODE if stopped.is_set() else 0


class _Terminal:
    """Answers on standard output; notes and a line of progress on standard error."""

    def __init__(self) -> None:
        self._status = StatusLine(sys.stderr)

    def write(self, *texts: str) -> None:
        """Write answers."""
        for text in texts:
            self._status.clear()
            sys.stdout.write(text)
            sys.stdout.flush()

    def say(self, line: str) -> None:
        """Write a note."""
        self._status.clear()
        click.echo(printable(line), err=True)

    def show(self, text: str) -> None:
        """Replace the line of progress."""
        self._status.show(text)


@contextmanager
def _stopping(stream: LiveWindows) -> Iterator[threading.Event]:
    """Inside, the first Ctrl-C or SIGTERM stops the stream; the event says that it came."""
    came = threading.Event()

    def stop(number: int, frame: object) -> None:
        came.set()
        stream.stop()
        for each, before in handlers.items():  # a second one ends the command at once
            signal.signal(each, before)

    handlers: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            before = signal.getsignal(number)
            if before != signal.SIG_IGN:
                handlers[number] = before
                signal.signal(number, stop)
    try:
        yield came
    finally:
        for number, before in handlers.items():
            signal.signal(number, before)
