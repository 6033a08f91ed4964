"""The file of a video while a shard is built: its hash, and what is the system's fault."""

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple

from pipeline.extract.errors import Unavailable
from pipeline.extract.video import Block
from pipeline.store.files import hash_of

from .isolate import Opened, OpenVideo
from .plan import PlannedVideo

OWN_LACK = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
"""Errors of exhausted resources, for which no file can be opened: not the file's fault."""


class Source(NamedTuple):
    """The file that was read."""

    xxh3: str
    """xxh3-128 of its content, in hexadecimal; empty if it was not read."""
    stamp: tuple[int, ...]
    """Changes when the file is written or replaced."""


def read_source(path: Path, video: PlannedVideo) -> Source:
    """Read a video's file from start to end.

    Raises:
        Unavailable: the file is missing, cannot be read, or has another size than was
            planned.
        OSError: the whole folder of videos is missing.
    """
    with _reading(path, unnamed=True), _opened(path) as file:
        stamp = _stamp(os.fstat(file.fileno()))
        xxh3, size = hash_of(file), file.tell()
    if size != video.size_bytes:
        raise Unavailable(
            f"expected the {video.size_bytes} bytes that were planned, got {size}"
        )
    return Source(xxh3, stamp)


def unread_source(path: Path) -> Source:
    """The source of a video that is not read whole, so that it has no hash.

    Raises:
        Unavailable: the file is missing or cannot be read.
    """
    with _reading(path, unnamed=True), _opened(path) as file:
        return Source("", _stamp(os.fstat(file.fileno())))


def require_unchanged(path: Path, source: Source) -> None:
    """Check that a decoded file is still the one that was hashed.

    Raises:
        Unavailable: it was written or replaced meanwhile.
    """
    with _reading(path, unnamed=True):
        require_stamp(_stamp(os.stat(path)), source)


def require_stamp(stamp: tuple[int, ...] | None, source: Source) -> None:
    """See that a file that was read had this stamp.

    Raises:
        Unavailable: it was written or replaced in between.
    """
    if stamp != source.stamp:
        raise Unavailable("expected one content, but the file changed meanwhile")


def stamps(folder: Path, videos: Iterable[PlannedVideo]) -> dict[str, tuple[int, ...]]:
    """Video -> stamp of its file now; missing files are left out."""
    found = {}
    for video in videos:
        with suppress(OSError):
            found[video.id] = _stamp(os.stat(folder / video.path))
    return found


def available(folder: Path, video: PlannedVideo) -> bool:
    """Whether a video's file seems to be there as planned, and may be read."""
    try:
        with _opened(folder / video.path) as file:
            file.read(1)
            return os.fstat(file.fileno()).st_size == video.size_bytes
    except (OSError, Unavailable):
        return False


@contextmanager
def open_source(path: Path, *, open_video: OpenVideo) -> Iterator[Opened]:
    """Open a video; errors of the file system are raised as Unavailable.

    Raises:
        Unavailable: the file cannot be read now; also while iterating.
    """
    with ExitStack() as stack:
        with _reading(path, unnamed=False):
            _require_file(path)
            opened = stack.enter_context(open_video(path))
        yield _Watched(path, opened)


class _Watched:
    """An opened video whose file may disappear while it is read."""

    def __init__(self, path: Path, opened: Opened) -> None:
        self._path, self._opened = path, opened
        self.info = opened.info

    def __iter__(self) -> Iterator[Block]:
        blocks = iter(self._opened)
        while True:
            with _reading(self._path, unnamed=False):
                block = next(blocks, None)
            if block is None:
                return
            yield block


def _opened(path: Path) -> IO[bytes]:
    _require_file(path)
    return path.open("rb")


def _require_file(path: Path) -> None:
    """Opening a pipe would wait for its writer."""
    mode = os.stat(path).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # of a folder the system tells
        raise Unavailable("expected a readable file, got a pipe or a device")


@contextmanager
def _reading(path: Path, *, unnamed: bool) -> Iterator[None]:
    """Turn the system's errors about a file into Unavailable.

    Args:
        unnamed: also those that name no file: nothing else is read meanwhile.
    """
    try:
        yield
    except OSError as error:
        name = error.filename
        ours = unnamed if name is None else Path(os.fsdecode(name)) == path
        if not ours or error.errno in OWN_LACK:
            raise
        raise Unavailable(
            f"expected a readable file, got {error.strerror or error}"
        ) from error


def require_folder(folder: Path) -> None:
    """Check that a folder of videos is not empty, as an unmounted disk leaves it.

    Raises:
        OSError: it is not, or it is empty.
    """
    with os.scandir(folder) as entries:
        if next(entries, None) is None:
            raise FileNotFoundError(
                errno.ENOENT, "expected the folder of videos, got an empty one", folder
            )


def _stamp(state: os.stat_result) -> tuple[int, ...]:
    return state.st_size, state.st_mtime_ns, state.st_ino
