"""The file of `training predict --results`, which the same command resumes."""

import fcntl
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import RunError
from ..run_files.writing import not_written
from .outputs.json_lines import source_text


class Results:
    """The file of --results: a line for each answer. One process at a time has it."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path, self._descriptor = path, descriptor
        self.models = self._read()
        """Source, as lines have it -> model."""

    def has(self, path: Path) -> bool:
        """Whether there is an answer about a file."""
        return source_text(str(path)) in self.models

    def check_model(self, model: str) -> None:
        """Check that all answers are of one model.

        Raises:
            RunError: some are of another one.
        """
        if other := next((m for m in self.models.values() if m != model), None):
            raise RunError(
                f"{self._path}: expected answers of {model}, got those of {other}"
            )

    def append(self, line: str) -> None:
        """Append an answer, whole or not at all.

        Raises:
            WriteError: it cannot be written.
        """
        size, rest = os.fstat(self._descriptor).st_size, line.encode()
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            os.truncate(self._descriptor, size)
            raise not_written(self._path, error) from error

    def _read(self) -> dict[str, str]:
        text = self._path.read_bytes()
        whole = text[: text.rfind(b"\n") + 1]
        try:
            lines = [json.loads(line) for line in whole.splitlines()]
            found = {str(line["source"]): str(line["model"]) for line in lines}
            if not b'{"source"'.startswith(text[len(whole) :][:9]):
                raise ValueError
        except (ValueError, KeyError, TypeError, RecursionError):
            raise RunError(
                f"{self._path}: expected answers of `training predict`, or no file, got"
                " something else"
            ) from None
        if len(whole) < len(text):
            os.truncate(self._descriptor, len(whole))
        return found


@contextmanager
def open_results(path: Path) -> Iterator[Results]:
    """Open or make the file of --results; an unfinished last line is cut off.

    Raises:
        RunError: the file is something else, or another process writes to it.
        WriteError: it cannot be written.
    """
    try:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
        descriptor = os.open(path, flags, 0o666)
    except OSError as error:
        raise not_written(path, error) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise RunError(f"{path}: expected a file for answers, got something else")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(
                f"{path}: expected a file that no other command writes to, but another"
                " `training predict` does"
            ) from None
        except OSError:  # a file system without locks, such as some NFS
            pass
        yield Results(path, descriptor)
    finally:
        os.close(descriptor)
