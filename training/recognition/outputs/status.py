"""A line of progress on a terminal, below what is printed."""

import shutil
import time
from typing import TextIO

from motion_shards.plain_text import printable

EACH_SECONDS = 0.25
"""Between two changes of the line."""
_CLEAR = "\x1b[K"


class StatusLine:
    """Shows its latest text, and nothing where the stream is no terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._on = stream, stream.isatty()
        self._shown, self._told = False, 0.0

    def show(self, text: str) -> None:
        """Replace the text; in a row of changes, only some are shown."""
        if not self._on or time.monotonic() - self._told < EACH_SECONDS:
            return
        self._told = time.monotonic()
        self._shown = True
        columns = shutil.get_terminal_size().columns
        self._write(f"\r{_CLEAR}{printable(text)[: columns - 1]}")

    def clear(self) -> None:
        """Remove the line, before something else is printed."""
        if self._shown:
            self._shown = False
            self._write(f"\r{_CLEAR}")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
