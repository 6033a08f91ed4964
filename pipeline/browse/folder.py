"""The folder of a page: made under a name of its own, and put in its place whole."""

import ctypes
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from motion_shards.new_folders import with_parents
from motion_shards.processes import has_ended, process_mark
from pipeline.store.locations import require_apart
from pipeline.store.replacement import name_file

from .errors import FolderInUse

INDEX = "index.html"
GENERATOR = '<meta name="generator" content="pipeline browse">'
"""Mark of our pages: an older page may be replaced, anything else may not."""
MARKED_BYTES = 4096
_FILES = re.compile(
    r"(all|class/\d+(-\d+)?|index)\.html|media/(wheel\.webp|\d+/\d+\.(webp|mp4))"
)
_PREFIX = ".browse-"
_HERE, _EXCHANGE = -100, 2
"""AT_FDCWD and RENAME_EXCHANGE of Linux."""


@contextmanager
def replacing_folder(out: Path, *, store: Path | None) -> Iterator[Path]:
    """A folder to fill, that takes the place of `out` at the end, or leaves no trace.

    An interrupted run leaves the older page as it is. What a killed one has left beside
    it is removed by the next. Both folders exchange their names in one step; where the file
    system cannot do that, an older page that a killed run has moved aside comes back with
    the next.

    Args:
        out: of an older page, empty, or not there.
        store: a folder that must not be written to, if any.

    Raises:
        FolderInUse: `out` holds something else, or is in the store.
        OSError: it cannot be written.
    """
    out = Path(os.path.abspath(out))
    if store is not None:
        require_apart(out, store, error=FolderInUse)
    require_page(out)
    with with_parents(out), _filled(out) as part:
        yield part


@contextmanager
def _filled(out: Path) -> Iterator[Path]:
    """A folder beside `out` that takes its place at the end."""
    _sweep(out)
    name = f"{_PREFIX}{process_mark()}-{secrets.token_hex(4)}"
    part, old = out.with_name(name), out.with_name(f"{name}{_aside(out)}")
    try:
        part.mkdir()
    except OSError as error:
        error.filename = str(out)  # the other name says nothing to anyone
        raise
    try:
        yield part
        require_page(out)
        if not os.path.lexists(out):
            part.rename(out)
        elif not _exchanged(part, out):
            out.rename(old)
            try:
                part.rename(out)
            except OSError:
                old.rename(out)
                raise
    except OSError as error:  # of a full disk it says nothing
        name_file(error, out)
        raise
    finally:
        for left in (part, old):
            shutil.rmtree(left, ignore_errors=True)


def require_page(out: Path) -> None:
    """
    Raises:
        FolderInUse: there is something that is neither a page of ours nor an empty folder.
    """
    if not os.path.lexists(out):
        return
    if out.is_symlink() or not out.is_dir():
        raise FolderInUse(f"{out}: expected a folder, got something else")
    files = [
        Path(folder, name).relative_to(out).as_posix()
        for folder, _, names in os.walk(out)
        for name in names
    ]
    strange = sorted(name for name in files if not _FILES.fullmatch(name))
    if files and not strange and not _is_ours(out / INDEX):
        strange = files
    if strange:
        raise FolderInUse(
            f"{out}: expected a page of this command or an empty folder, "
            f"found {strange[0]}"
        )


def _is_ours(index: Path) -> bool:
    try:
        with open(index, "rb") as file:
            return GENERATOR.encode() in file.read(MARKED_BYTES)
    except OSError:
        return False


def _aside(out: Path) -> str:
    """End of the name of an older page that is moved aside; it says whose it is."""
    return f"o{sha256(os.fsencode(out.name)).hexdigest()[:16]}"


def _exchanged(part: Path, out: Path) -> bool:
    """Exchange the names of two folders in one step; False where that is not possible."""
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):  # not Linux, or an old C library
        return False
    names = os.fsencode(part), os.fsencode(out)
    done: int = call(_HERE, names[0], _HERE, names[1], _EXCHANGE)
    return done == 0


def _sweep(out: Path) -> None:
    """Remove what dead processes of this machine have left; the older page of `out`, where
    one of them had moved it aside, takes its place again."""
    for path in out.parent.glob(f"{_PREFIX}*"):
        mark, _, token = path.name.removeprefix(_PREFIX).rpartition("-")
        if not has_ended(mark):
            continue
        if token.endswith(_aside(out)) and not os.path.lexists(out):
            path.rename(out)
        elif "o" not in token or token.endswith(_aside(out)):
            shutil.rmtree(path, ignore_errors=True)
