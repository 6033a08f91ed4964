"""Writing the small files of a run, whole or not at all."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from pipeline.store import replacing, sealed_text

from ..errors import WriteError
from .reading import reason_of


def write_bytes(path: Path, data: bytes | memoryview) -> None:
    """Write a file of a run, whole or not at all.

    Raises:
        WriteError: it cannot be written; the one before is still there.
    """
    try:
        with replacing(path) as file:
            file.write(data)
    except OSError as error:
        raise not_written(path, error) from error


def write_json(path: Path, value: Any) -> None:
    """Write a file of a run, whole or not at all; see `write_bytes`."""
    text = json.dumps(value, indent=1, sort_keys=True) + "\n"
    write_bytes(path, text.encode())


def write_sealed(path: Path, value: Mapping[str, Any]) -> None:
    """The same with a checksum of the whole text, as the files of a store have it."""
    write_bytes(path, sealed_text(value, allow_nan=True))


def write_text(path: Path, text: str) -> None:
    """Write a text for people, whole or not at all; see `write_bytes`."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def open_rows(path: Path, *, anew: bool) -> IO[bytes]:
    """A file of a run to write in place; a link there is not followed.

    Args:
        anew: discard the present content.

    Raises:
        WriteError: it cannot be opened.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return open(os.open(path, flags | os.O_TRUNC * anew, 0o666), "r+b")
    except OSError as error:
        raise not_written(path, error) from error


def append(path: Path, text: str) -> None:
    """Add to a file of a run; a link there is not followed.

    Raises:
        WriteError: it cannot be written.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    flags |= os.O_NONBLOCK  # or a pipe would have us wait for its reader
    try:
        with open(os.open(path, flags, 0o666), "ab") as file:
            file.write(text.encode())
    except OSError as error:
        raise not_written(path, error) from error


def not_written(path: Path, error: OSError) -> WriteError:
    """The one line for a file that could not be written."""
    return WriteError(f"{path}: cannot be written: {reason_of(error)}")
