"""ShardCache: whole shards of remote stores on a local disk, for all processes of a machine.

DIR
├── 0a/0a1b...        a shard, named by the xxh3-128 of its content
├── 0a/.0a1b....part  one that is being fetched, at its final size
├── 0a/.lock          locked (flock) while a shard of this folder is fetched
└── .lock             locked while room is made

A shard gets its name when its content has the hash that the manifest of its store
states, so that half a file is never read. The system releases the lock of a process that is
killed; the next one that takes the lock removes what it has left. The modification time of
a file is that of its last use.
"""

import errno
import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple

from .errors import LayoutError, StoreNotFound
from .local_file import LocalFile
from .remote_path import RemotePath

NAMES = f"??/{'[0-9a-f]' * 32}"
PARTS = "??/.*.part"
LOCK = ".lock"
FREE_SHARE = 0.01
"""Share of the disk that the cache leaves free."""
TRIES = 3
"""Attempts to fetch a shard that other processes remove before it is opened."""


class _Shard(NamedTuple):
    used: float
    """Time of the last use."""
    num_bytes: int
    path: Path


class ShardCache:
    """See the module. Can be pickled; processes that fork may share it.

    Where the folder is full or cannot be written, one line on standard error says so, and
    shards are read from their address.

    Args:
        folder: made with its first shard.
        limit_bytes: of all shards together.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self.folder, self.limit_bytes = folder.absolute(), limit_bytes

    def opened(
        self, source: RemotePath, size: int | None, xxh3: str
    ) -> LocalFile | None:
        """The shard of this content, fetched first if it is not there.

        Args:
            size: its bytes; None where they are not known: then its hash is compared
                whenever it is opened. (Rows and columns of shards have hashes.)

        Returns:
            None where it does not fit, or the folder cannot be used.

        Raises:
            StoreNotFound: the source is not there.
            LayoutError: the source has another content.
            AddressError: it cannot be read.
        """
        path = self._path(xxh3)
        try:
            for _ in range(TRIES):
                if (file := _used(path, size, source)) is not None:
                    return file
                if size is not None and size > self.limit_bytes:
                    raise OSError(
                        errno.EFBIG,
                        f"a shard of {size:,} bytes is larger than its limit of "
                        f"{self.limit_bytes:,}",
                    )
                self._fetch(path, source, size, xxh3)
        except (LayoutError, StoreNotFound):
            raise
        except FileNotFoundError as error:
            if error.filename is None:
                raise StoreNotFound(
                    f"{source}: expected a shard of this store, got nothing"
                ) from None
            _say_once(self.folder, error)
        except OSError as error:
            if error.errno is None:  # an address that does not answer
                raise
            _say_once(self.folder, error)
        return None

    def drop(self, xxh3: str) -> None:
        """Remove a shard: what is there is damaged."""
        with suppress(OSError):
            self._path(xxh3).unlink()

    def _path(self, xxh3: str) -> Path:
        return self.folder / xxh3[:2] / xxh3

    def _fetch(
        self, path: Path, source: RemotePath, size: int | None, xxh3: str
    ) -> None:
        """Fetch a shard and give it its name, unless another process has just done so."""
        from xxhash import xxh3_128

        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        with _locked(path.parent / LOCK):
            if path.exists():
                return
            try:
                with self._room(part, size or 0) as file:
                    digest = xxh3_128()
                    source.copy_to(file, digest.update)
                    file.truncate()
                    if (found := digest.hexdigest()) != xxh3:
                        raise LayoutError(
                            f"{source}: expected the file that the manifest names "
                            f"(xxh3 {xxh3}), got another one ({found}, "
                            f"{file.tell():,} bytes)"
                        )
                os.replace(part, path)
            finally:
                part.unlink(missing_ok=True)

    def _room(self, part: Path, needed: int) -> IO[bytes]:
        """A new file of `needed` bytes, for which the least recently used shards leave.

        Its folder is locked.
        """
        with _locked(self.folder / LOCK):
            for left in self.folder.glob(PARTS):
                if left.parent == part.parent or _unlocked(left.parent / LOCK):
                    left.unlink(missing_ok=True)  # of a process that was killed
            shards = sorted(_shards(self.folder))
            total = needed + sum(shard.num_bytes for shard in shards)
            total += sum(_size(path) for path in self.folder.glob(PARTS))
            for shard in shards:
                if total <= self.limit_bytes and self._fits(needed):
                    break
                shard.path.unlink(missing_ok=True)
                total -= shard.num_bytes
            if not self._fits(needed):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            file = part.open("xb")
            file.truncate(needed)
            return file

    def _fits(self, needed: int) -> bool:
        state = os.statvfs(self.folder)
        free = state.f_bavail * state.f_frsize
        return free >= needed + FREE_SHARE * state.f_blocks * state.f_frsize


def _used(path: Path, size: int | None, source: RemotePath) -> LocalFile | None:
    """Open a cached shard and note the time of this use; None if it is not there."""
    try:
        file = LocalFile(path)
    except StoreNotFound:
        return None
    whole = file.size == size if size is not None else _hash(file) == path.name
    if not whole:  # damaged by the local disk: fetched again
        file.close()
        path.unlink(missing_ok=True)
        return None
    with suppress(OSError):  # a folder of another user, which may be read only
        os.utime(path)
    file.name = f"{source} (cached as {path})"
    return file


def _hash(file: LocalFile) -> str:
    from xxhash import xxh3_128_hexdigest

    return xxh3_128_hexdigest(file.read(0, file.size).data)


def _shards(folder: Path) -> Iterator[_Shard]:
    for path in folder.glob(NAMES):
        with suppress(FileNotFoundError):
            state = path.stat()
            yield _Shard(state.st_mtime, state.st_size, path)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Exclude others, threads included, that lock the same file. A kill releases it."""
    with path.open(
        "ab"
    ) as file:  # a description of its own: threads wait for each other
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:  # a child that was forked meanwhile has the file open, too
            fcntl.flock(file, fcntl.LOCK_UN)


def _unlocked(path: Path) -> bool:
    """Whether nobody holds a lock."""
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        fcntl.flock(file, fcntl.LOCK_UN)
        return True


_said: set[Path] = set()


def _say_once(folder: Path, error: OSError) -> None:
    if folder not in _said:
        _said.add(folder)
        print(
            f"{folder}: the cache cannot be used ({error.strerror or error}): shards are "
            "read from their address",
            file=sys.stderr,
            flush=True,
        )
