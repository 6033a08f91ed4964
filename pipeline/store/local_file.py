"""LocalFile: ranges of bytes of a file on a local or mounted disk."""

import errno
import os
import stat
import weakref
from pathlib import Path
from typing import IO, Protocol

import numpy as np

from .columns import ADVICE
from .errors import LayoutError, StoreNotFound


class ByteRanges(Protocol):
    """An object of known size, of which ranges can be read in any order, on any thread."""

    name: str
    """Path or address, for messages."""
    size: int
    """Bytes."""

    def read(self, begin: int, end: int) -> np.ndarray:
        """The bytes begin..end-1, uint8; read only.

        Raises:
            LayoutError: there are fewer.
            OSError: they cannot be read.
        """

    def close(self) -> None:
        """Give back what is open. A read afterwards is an error."""


class LocalFile:
    """See `ByteRanges`. Reads leave no position behind, so a fork does no harm.

    Closed with its last reference, if not before.

    Raises:
        StoreNotFound: there is no such file.
        LayoutError: something else than a file: a folder, a pipe, a device.
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        try:
            self._handle = regular_descriptor(path)
        except FileNotFoundError:
            raise StoreNotFound(
                f"{path}: expected a shard of this store, got nothing; {ADVICE}"
            ) from None
        self._close = weakref.finalize(self, os.close, self._handle)
        self._close.atexit = False
        self.size = os.fstat(self._handle).st_size

    def read(self, begin: int, end: int) -> np.ndarray:
        if not self._close.alive:
            raise ValueError(f"{self.name}: read after it was closed")
        handle = self._handle
        content = os.pread(handle, end - begin, begin)
        while len(content) < end - begin:  # one call gives 2 GiB at most
            more = os.pread(handle, end - begin - len(content), begin + len(content))
            if not more:
                raise LayoutError(
                    f"{self.name}: expected bytes {begin}:{end}, got "
                    f"{len(content)} of them; {ADVICE}"
                )
            content += more
        return np.frombuffer(content, np.uint8)

    def reopened(self) -> IO[bytes]:
        """The same file, opened once more, to be read from its start."""
        return open(f"/proc/self/fd/{self._handle}", "rb")

    def close(self) -> None:
        self._close()


def regular_descriptor(path: Path) -> int:
    """Descriptor of an ordinary file, opened for reading; never waits, as on a pipe.

    Raises:
        OSError: it cannot be opened; FileNotFoundError if there is none.
        LayoutError: something else than a file: a folder, a pipe, a device.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno not in (errno.ENXIO, errno.ELOOP):
            raise
        raise LayoutError(f"{path}: expected a file, got something else") from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise LayoutError(f"{path}: expected a file, got something else")
    return handle
