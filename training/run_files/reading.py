"""Reading the small files of a run: size, depth, checksum and shape are checked. No torch."""

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypedDict

from pipeline.store import CHECKSUM, LayoutError, require_seal

from ..errors import RunError
from .shapes import COUNT, NUMBER, check

JSON_BYTES, LINES_BYTES = 64 << 20, 1 << 30
DEPTH = 64
"""Limit of nested objects and lists."""
LINE = {"kind": str, "epoch": COUNT, "step": COUNT}
EPOCH_LINE = LINE | {"seconds": NUMBER, "waited": NUMBER}


def read_bytes(path: Path, *, most: int = JSON_BYTES) -> bytes:
    """A whole file.

    Raises:
        RunError: there is no such file, it is larger than any of its kind, or it cannot
            be read.
    """
    with reading(path):
        if not stat.S_ISREG(path.stat().st_mode):
            raise RunError(f"{path}: expected a file, got something else")
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > most:
                raise RunError(
                    f"{path}: expected at most {most >> 20} MB, got {size >> 20} MB"
                )
            return file.read(most)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn the system's error for a file that cannot be read into one line.

    Raises:
        RunError: it is not there, or cannot be read.
    """
    try:
        yield
    except FileNotFoundError:
        raise RunError(f"{path}: expected a file of a run, but it is missing") from None
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {reason_of(error)}") from error


def read_json(path: Path, shape: Any = object) -> Any:
    """A file of a run, without its checksum.

    Args:
        shape: what it must be like; see `check`.

    Raises:
        RunError: it is not JSON, or of another shape; the place is named. It has changed
            since it was written. Or it cannot be read.
    """
    text = read_bytes(path)
    value = parsed(text, where=str(path))
    if isinstance(value, dict) and CHECKSUM in value:
        _check_seal(text, path)
        del value[CHECKSUM]
    check(value, shape, where=str(path))
    return value


def parsed(text: bytes, shape: Any = object, *, where: str) -> Any:
    """JSON of a shape.

    Raises:
        RunError: it is not, or of another shape.
    """
    if not text.strip():
        raise RunError(f"{where}: expected JSON, got an empty file")
    try:
        value = json.loads(text)
    except RecursionError:
        raise RunError(f"{where}: expected at most {DEPTH} levels, got more") from None
    except ValueError as error:
        raise RunError(f"{where}: expected JSON, got {error}") from None
    _check_depth(value, where)
    check(value, shape, where=where)
    return value


class MetricsLine(TypedDict):
    """A line of metrics.jsonl; those of steps and epochs have means of losses, too."""

    kind: str
    """steps, epoch or gradients."""
    epoch: int
    step: int
    seconds: float
    """Seconds of the epoch; `waited` is part of them."""
    waited: float


def read_lines(path: Path) -> list[MetricsLine]:
    """The lines of metrics.jsonl, without a last one that a kill has truncated.

    Raises:
        RunError: another line was damaged; it is named.
    """
    if not path.exists():
        return []
    whole = read_bytes(path, most=LINES_BYTES).rpartition(b"\n")[0]
    found = []
    for number, text in enumerate(whole.split(b"\n") if whole else (), 1):
        where = f"{path}:{number}"
        line = parsed(text, LINE, where=where)
        if line["kind"] == "epoch":
            check(line, EPOCH_LINE, where=where)
        found.append(line)
    return found


def reason_of(error: OSError) -> str:
    """The system's reason, as the end of a line."""
    reason = error.strerror or str(error)
    return reason[:1].lower() + reason[1:]


def _check_seal(text: bytes, path: Path) -> None:
    try:
        require_seal(text, str(path))
    except LayoutError:
        raise RunError(
            f"{path}: the file has changed since it was written: restore it from a copy,"
            f' or, if the change is intended, delete its line "{CHECKSUM}"'
        ) from None


def _check_depth(value: Any, where: str) -> None:
    level = [value]
    for _ in range(DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    raise RunError(f"{where}: expected at most {DEPTH} levels, got more")
