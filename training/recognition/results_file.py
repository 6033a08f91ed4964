"""The file of `training predict --results`, which the same command resumes."""

import fcntl
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import RunError
from ..run_files.writing import not_written
from .outputs.json_lines import source_text


class Kind(NamedTuple):
    """Facts that all answers of one file share."""

    model: str
    trained: str | None
    """SHA-256 of what the model has learned; see `Prediction`."""
    mv_source: str | None
    """Source of the motion vectors; None where none are used."""
    windows: bool
    """Whether there are windows."""


class Results:
    """The file of --results: a line for each answer. One process at a time may write it."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path, self._descriptor = path, descriptor
        self.answers = self._read()
        """Source, as lines have it -> kind of its answer."""

    def has(self, path: Path) -> bool:
        """Whether there is an answer about a file."""
        return source_text(str(path)) in self.answers

    def check(self, kind: Kind) -> None:
        """Check that all answers are of one kind.

        Raises:
            RunError: some are of another model, other vectors, or without windows.
        """
        other = next((each for each in self.answers.values() if each != kind), None)
        if other is not None:
            raise RunError(f"{self._path}: expected {_difference(kind, other)}")

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

    def _read(self) -> dict[str, Kind]:
        text = self._path.read_bytes()
        whole = text[: text.rfind(b"\n") + 1]
        try:
            lines = [json.loads(line) for line in whole.splitlines()]
            found = {str(line["source"]): _kind(line) for line in lines}
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


def _kind(line: dict[str, Any]) -> Kind:
    """The kind of an answer, of a line as an object."""
    return Kind(
        str(line["model"]),
        line["trained"],
        line["video"]["mv_source"],
        bool(line["windows"]),
    )


def _difference(kind: Kind, other: Kind) -> str:
    """ "answers of grid, got those of dtmv": the first thing in which they differ."""
    if kind.model != other.model:
        return f"answers of {kind.model}, got those of {other.model}"
    if kind.trained != other.trained:
        return f"answers of this {kind.model}, got those of another training of it"
    if kind.mv_source != other.mv_source:
        return (
            f"answers from {kind.mv_source} motion vectors, got those from"
            f" {other.mv_source} ones"
        )
    with_them = ("without windows", "with windows")
    return f"answers {with_them[kind.windows]}, got those {with_them[other.windows]}"


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
