"""Exclusive right to write a folder: one run at a time, on a local or a shared disk.

The folder is a store that is extracted, or that of a training run.

`_logs/holder-00017.json` is the lease of the 17th run that wrote here. Only the highest
number counts. To follow a run that is over, one makes the next number: a file is made
once (O_EXCL), so of several that try, one succeeds, and there is nothing to unlock. File
locks are not used: network file systems lose them, or pretend.

Whether a run is over:

- it said so at its end, by renaming its file to `holder-00017.ended`;
- it ran in this process space: its process is gone, or another one has its number now;
- elsewhere: it touches its file every few seconds. It is taken for dead when the file is
  old by the clock of the file server, and stays untouched while one watches.

A run that was asleep so long that another one followed notices before it publishes.
"""

import json
import os
import re
import secrets
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from motion_shards.processes import ProcessIdentity

from .errors import FolderHeld
from .file_names import LOGS
from .json_value import Json

BEAT_SECONDS = 10.0
STALE_SECONDS = 180.0
"""Longer than network file systems cache attributes, and than a server needs to restart."""
ENDED = ".ended"
"""Suffix of the last lease after an ordinary end: its number stays in use."""


_LEASE = re.compile(r"holder-(\d{5,})\.(json|ended)")
_CLOCK = re.compile(r"\.clock-[0-9a-f]{32}")


class LeaseInfo(NamedTuple):
    """The newest lease of a folder that has not ended."""

    number: int
    holder: ProcessIdentity | None
    """None where the file says nothing: made just now, or cut short by a crash."""
    silent_seconds: float
    """Since it was last heard of, by the clock of the file server."""

    @property
    def running(self) -> bool:
        """Whether the writer runs, as far as can be seen at once."""
        alive = self.holder.alive() if self.holder else None
        return self.silent_seconds < STALE_SECONDS if alive is None else alive

    def text(self) -> str:
        who = self.holder.text() if self.holder else "a run that is starting"
        return f"{who}, last seen {max(self.silent_seconds, 0):.0f} s ago"

    def to_dict(self) -> dict[str, Json]:
        who = asdict(self.holder) if self.holder else {}
        return who | {"silent_seconds": round(self.silent_seconds, 1)}


def holder_of(written: Path) -> LeaseInfo | None:
    """The run that writes a folder, or was killed while writing it; None after an ordinary end.

    Changes nothing that outlives the call, and needs no right to write.
    """
    folder = written / LOGS
    number = _newest(folder)
    return _found(folder, number) if number else None


def is_lease(name: str) -> bool:
    """Whether it is the name of a file by which runs say who writes."""
    return bool(_LEASE.fullmatch(name) or _CLOCK.fullmatch(name))


class Lease:
    """The right to write a folder, while it lasts."""

    def __init__(self, written: Path, number: int) -> None:
        self._written, self._number = written, number
        self._path = written / LOGS / _name(number)

    def require(self) -> None:
        """
        Raises:
            FolderHeld: another run has followed this one.
        """
        follower = self._path.with_name(_name(self._number + 1))
        if follower.exists() or not self._path.exists():
            found = holder_of(self._written)
            who = f": {found.text()}" if found else ""
            raise FolderHeld(
                f"{self._written}: this run was silent for so long that another one "
                f"took over{who}"
            )

    def beat(self) -> None:
        """Say that this run is alive."""
        try:
            os.utime(self._path)  # by the clock of the file server
        except OSError:  # the server is away, or another run follows: require() knows
            pass

    def end(self) -> None:
        """Leave the folder to others: by renaming, which a full disk allows too."""
        with suppress(OSError):  # another run follows, or the server is away
            self._path.rename(self._path.with_suffix(ENDED))


@contextmanager
def hold(
    written: Path,
    *,
    beat_seconds: float = BEAT_SECONDS,
    stale_seconds: float = STALE_SECONDS,
    say: Callable[[str], None] = lambda text: None,
) -> Iterator[Lease]:
    """Keep every other run out of a folder.

    Args:
        written: its folder for logs exists.
        say: called when a silent run is watched before this one follows it, which takes
            two beats.

    Raises:
        FolderHeld: another run writes it; the line says who, and since when.
    """
    lease = _taken(written, beat_seconds, stale_seconds, say)
    over = threading.Event()

    def beat() -> None:
        while not over.wait(beat_seconds):
            lease.beat()

    beating = threading.Thread(target=beat, name="lease", daemon=True)
    beating.start()
    try:
        yield lease
    finally:
        over.set()
        beating.join()
        lease.end()


def _taken(
    written: Path, beat_seconds: float, stale_seconds: float, say: Callable[[str], None]
) -> Lease:
    folder = written / LOGS
    number = _newest(folder)
    while True:
        found = _found(folder, number) if number else None
        if found and not _over(folder, found, beat_seconds, stale_seconds, say):
            raise FolderHeld(
                f"{written}: another run is writing here: {found.text()}"
                + _advice(found, stale_seconds)
            )
        number += 1
        if not _made(folder / _name(number)):
            continue  # another run was faster: look at that one
        newest = _newest(folder)
        if newest > number:  # we had an old view, and that number was used and removed
            (folder / _name(number)).unlink()
            number = newest
            continue
        for path, older in _leases(folder):
            if older < number:
                path.unlink(missing_ok=True)
        return Lease(written, number)


def _over(
    folder: Path,
    found: LeaseInfo,
    beat_seconds: float,
    stale_seconds: float,
    say: Callable[[str], None],
) -> bool:
    alive = found.holder.alive() if found.holder else None
    if alive is not None:
        return not alive
    if found.silent_seconds < stale_seconds:
        return False
    # Where the server itself was away, all files are old: a living run beats again.
    say(f"waiting {2 * beat_seconds:.0f} s to see whether it is alive: {found.text()}")
    path = folder / _name(found.number)
    before = _stamp(path)
    time.sleep(2 * beat_seconds)
    return _stamp(path) == before


def _advice(found: LeaseInfo, stale_seconds: float) -> str:
    if not found.holder or found.holder.alive() is None:
        return (
            " (if it is dead, try again when it has been silent for "
            f"{stale_seconds:.0f} s)"
        )
    return ""


def _found(folder: Path, number: int) -> LeaseInfo | None:
    """None: it has ended, is not there any more, or no run has written it."""
    path = folder / _name(number)
    if not _is_file(path):
        return None
    try:
        text = path.read_bytes()
        touched = path.stat().st_mtime
    except FileNotFoundError:
        return None
    try:
        holder = ProcessIdentity(**json.loads(text))
        if not holder.plausible():
            return None
    except (ValueError, TypeError, RecursionError):
        if text[:1] not in (b"", b"{") or text.endswith(b"}"):
            return None  # nothing that a run has written, not even in part
        holder = None
    return LeaseInfo(number, holder, _server_time(folder) - touched)


def _made(path: Path) -> bool:
    """Whether this process, and no other, has made the file; it is there whole or not."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        with part.open("x", encoding="utf-8") as file:
            json.dump(
                asdict(ProcessIdentity.this_process()), file, indent=1, sort_keys=True
            )
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(part, path)
        except FileExistsError:
            return False
        except FileNotFoundError:  # who holds the folder has tidied up
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


def _name(number: int) -> str:
    return f"holder-{number:05d}.json"


def _leases(folder: Path) -> Iterator[tuple[Path, int]]:
    for path in folder.glob("holder-*"):
        match = _LEASE.fullmatch(path.name)
        if match and _is_file(path):
            yield path, int(match[1])


def _is_file(path: Path) -> bool:
    """Not a folder, a link or a pipe of such a name, which no run has made."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def _newest(folder: Path) -> int:
    """The highest number in use, 0 for none."""
    return max((number for _, number in _leases(folder)), default=0)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        with path.open("rb") as file:  # opening makes NFS ask its server
            state = os.fstat(file.fileno())
    except FileNotFoundError:
        return None
    return state.st_mtime_ns, state.st_size


def _server_time(folder: Path) -> float:
    """Now, by the clock that stamps the files of a folder; ours where we may not write."""
    if folder.is_symlink():  # of a stranger's store: nothing is written through it
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
