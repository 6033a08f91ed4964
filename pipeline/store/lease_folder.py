"""Leases as files of a folder, on a local or a shared disk."""

import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from .file_names import LOGS
from .lease_place import (
    ENDED,
    LeaseInfo,
    lease_info,
    lease_name,
    lease_number,
    lease_text,
)


class FolderLeases:
    """The leases in the folder for logs of a written folder; see `LeasePlace`."""

    def __init__(self, written: Path) -> None:
        self._written, self._folder = written, written / LOGS

    def __str__(self) -> str:
        return str(self._written)

    def newest(self) -> int:
        return max((number for _, number in self._leases()), default=0)

    def found(self, number: int) -> LeaseInfo | None:
        path = self._path(number)
        if not _is_file(path):
            return None
        try:
            text = path.read_bytes()
            touched = path.stat().st_mtime
        except FileNotFoundError:
            return None
        info = lease_info(number, text)
        if info is None:
            return None
        return info._replace(silent_seconds=_server_time(self._folder) - touched)

    def make(self, number: int) -> bool:
        return _made(self._path(number))

    def remove(self, number: int) -> None:
        self._path(number).unlink()

    def remove_older(self, number: int) -> None:
        for path, older in self._leases():
            if older < number:
                path.unlink(missing_ok=True)

    def stamp(self, number: int) -> object:
        try:
            with self._path(number).open("rb") as file:  # opening asks NFS
                state = os.fstat(file.fileno())
        except FileNotFoundError:
            return None
        return state.st_mtime_ns, state.st_size

    def holds(self, number: int) -> bool:
        return self._path(number).exists() and not self._path(number + 1).exists()

    def beat(self, number: int) -> None:
        try:
            os.utime(self._path(number))  # by the clock of the file server
        except OSError:  # the server is away, or another run follows
            pass

    def end(self, number: int) -> None:
        """Rename it, which a full disk allows too."""
        path = self._path(number)
        with suppress(OSError):  # another run follows, or the server is away
            path.rename(path.with_suffix(ENDED))

    def _path(self, number: int) -> Path:
        return self._folder / lease_name(number)

    def _leases(self) -> Iterator[tuple[Path, int]]:
        for path in self._folder.glob("holder-*"):
            number = lease_number(path.name)
            if number is not None and _is_file(path):
                yield path, number


def _made(path: Path) -> bool:
    """Whether this process, and no other, has made the file; it is there whole or not."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as file:
            file.write(lease_text())
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(part, path)
        except FileExistsError:
            return False
        except FileNotFoundError:  # the run that holds the folder has removed it
            return _made(path)
        except OSError:  # a file system without links
            return _claimed(path, part)
        return True
    finally:
        part.unlink(missing_ok=True)


def _claimed(path: Path, part: Path) -> bool:
    """The same as `_made`, but a kill in between leaves an empty file."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
    except FileExistsError:
        return False
    try:
        os.replace(part, path)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return True


def _is_file(path: Path) -> bool:
    """Whether it is an ordinary file, as runs make them: no folder, link or pipe."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def _server_time(folder: Path) -> float:
    """Now, by the clock that stamps the files of a folder; ours where we may not write."""
    if folder.is_symlink():  # nothing is written through a link of unknown origin
        return time.time()
    probe = folder / f".clock-{uuid4().hex}"
    try:
        with probe.open("xb") as file:
            file.write(b"?")
            file.flush()
            os.fsync(file.fileno())
            return os.fstat(file.fileno()).st_mtime
    except OSError:
        return time.time()
    finally:
        with suppress(OSError):  # there may be none
            probe.unlink()
