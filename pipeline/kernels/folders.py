"""Cache folders for results that a machine needs to work out only once."""

import contextlib
import fcntl
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from motion_shards.plain_text import printable
from motion_shards.private import trouble


def kept_folder(name: str) -> Path:
    """A folder of this name that no other user can write, made if it is not there: what lies
    in it is run.

    It is below NUMBA_CACHE_DIR where that is set, else below the user's cache folder
    (XDG_CACHE_HOME, ~/.cache). Where it cannot be written, or others could change what
    lies in it, a temporary folder takes its place, and a line on standard error says so.
    """
    wanted = kept_base() / name
    try:
        wanted = wanted.expanduser()
        for folder in (*reversed(wanted.parents), wanted):
            if not os.path.lexists(folder):
                folder.mkdir(mode=0o700, exist_ok=True)
        why = trouble(wanted)
        if not why:
            tempfile.TemporaryFile(dir=wanted).close()
            return wanted
    except (OSError, RuntimeError) as error:  # RuntimeError: the user has no home
        reason = error.strerror if isinstance(error, OSError) else error
        why = f"cannot be written ({reason})"
    instead = temporary_folder(f"motion-shards-{name}")
    say(f"{wanted}: {why}, kept in {instead}")
    return instead


def kept_base() -> Path:
    """The parent of cache folders; not checked, and with ~ unexpanded."""
    base = (
        os.environ.get("NUMBA_CACHE_DIR")
        or os.environ.get("XDG_CACHE_HOME")
        or "~/.cache"
    )
    return Path(base) / "motion-shards"


def temporary_folder(name: str) -> Path:
    """A folder that all processes of this user find, and that no other user can write; or
    one for this process alone, where another user holds that name."""
    folder = Path(tempfile.gettempdir()) / f"{name}-{os.getuid()}"
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
        if ours and not found.st_mode & 0o077 and not trouble(folder):
            return folder
    return Path(tempfile.mkdtemp(prefix="motion-shards-kernels-"))


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Be the only process at work in a folder. Where files cannot be locked (some NFS), go
    on: what lies in it is replaced in one step, and all would write the same."""
    with open(folder / "lock", "wb") as lock:
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def say(line: str) -> None:
    """Tell the user something about compiled kernels, on standard error."""

    print(printable(f"compiled kernels: {line}"), file=sys.stderr)
