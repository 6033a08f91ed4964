"""Atomic replacement of files, also in folders with files of unknown origin.

A new file gets a random name that must not exist yet, so a link planted under a name
that could be guessed is never followed; then it takes the place of the old one.
"""

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from .errors import LayoutError

_PART = re.compile(r"\..+\.[0-9a-f]{16}\.part")


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[IO[bytes]]:
    """A file to write that takes the place of `path` at the end, or leaves no trace.

    A link at `path` is replaced; what it points to is left alone.

    Args:
        durable: flush file and folder to the disk: after a power cut there is the old
            file or the new one. False where a lost file costs nothing.

    Raises:
        OSError: the file cannot be written; the old one is still there.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        handle = os.open(part, flags, 0o666)
    except OSError as error:
        name_file(error, path, part)
        raise
    try:
        with open(handle, "w+b") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException as error:
        part.unlink(missing_ok=True)
        name_file(error, path, part)
        raise
    if durable:
        sync_folder(path.parent)


def name_file(error: BaseException, path: Path, part: Path | None = None) -> None:
    """Name the final file in an error of writing, such as a full disk.

    Args:
        part: the name that the file has until it is whole.
    """
    if not isinstance(error, OSError) or error.errno is None:
        return
    if error.filename is None or (part and error.filename == str(part)):
        error.filename = str(path)


def is_part(name: str) -> bool:
    """Whether a name is one that `replacing` gives to a file while it is written."""
    return _PART.fullmatch(name) is not None


def remove_parts(folder: Path) -> None:
    """Remove what a killed `replacing` has left. For the writer of the folder only."""
    with os.scandir(folder) as entries:
        left = [entry.path for entry in entries if is_part(entry.name)]
    for path in left:
        with suppress(OSError):  # a folder of such a name is not ours
            os.unlink(path)


def require_plain_folder(folder: Path) -> None:
    """
    Raises:
        FileNotFoundError: nothing there.
        LayoutError: a link, which may lead anywhere, or no folder.
    """
    mode = os.lstat(folder).st_mode
    if not stat.S_ISDIR(mode):
        found = "a link" if stat.S_ISLNK(mode) else "something else"
        raise LayoutError(
            f"{folder}: expected a folder, got {found}: nothing is written through it"
        )


def sync_folder(folder: Path) -> None:
    """Make renames in a folder outlive a power cut, where the file system can."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:  # some network file systems have no such thing
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(handle)
