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
    status = StatusLine(sys.stderr)

    def say(line: str) -> None:
        status.clear()
        click.echo(printable(line), err=True)

    recognizer = Recognizer(model, **options)
    stream = recognizer.stream(
        source,
        hop=hop,
        latest=live.latest,
        seconds=live.seconds,
        patience=live.patience,
        say=say,
    )
    lines = LiveLines(
        outputs.form or "table",
        source=stream.source,
        model=recognizer.name,
        classes=recognizer.classes,
        top=outputs.top,
    )

    def write(text: str) -> None:
        status.clear()
        sys.stdout.write(text)
        sys.stdout.flush()

    write(lines.begin())
    joiner: Segments | None = None
    with stream, _stopping(stream) as stopped:
        try:
            for window in stream:
                if joiner is None:
                    within = stream.window_seconds if smooth is None else smooth
                    joiner = Segments(
                        recognizer.classes, smooth=within, min_score=min_score
                    )
                if each_window:
                    write(lines.line(window))
                else:
                    for segment in joiner.send(window):
                        write(lines.line(segment))
                    status.show(window_text(window, recognizer.classes))
                if stopped.is_set():
                    break
        finally:
            if joiner is not None and not each_window:
                for segment in joiner.finish():
                    write(lines.line(segment))
            summary = stream.summary()
            write(lines.end(summary))
            if summary.frames or sys.exception() is None:
                say(f"{stream.source}: {in_words(summary)}")
    return EXIT_CODE if stopped.is_set() else 0


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
