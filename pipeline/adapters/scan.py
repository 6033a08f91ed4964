"""A folder -> the video files in it, and what else lies there.

One pass of `os.scandir`, one `stat` per video, nothing decoded.
"""

import os
import stat
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from .errors import Damaged, DatasetNotFound
from .file_types import (
    OTHER_SUFFIXES,
    SERVICE_FOLDERS,
    SUFFIXES,
    UNFINISHED,
    looks_like_video,
    suffix,
    without_suffix,
)
from .videos import Finding

MOST_WAYS, MOST_LINKS = 4, 5
"""Maximum number of paths through links by which one folder is walked, and of links on
one path: links among a few dozen folders make more paths than anyone can walk."""


class File(NamedTuple):
    """A video file."""

    path: str
    """Relative to the folder scanned, with forward slashes."""
    size_bytes: int

    @property
    def stem(self) -> str:
        """File name without folder and suffix."""
        return without_suffix(self.path.rpartition("/")[2])


class Scan(NamedTuple):
    """Content of a folder, links followed."""

    files: tuple[File, ...]
    """Sorted by path."""
    others: tuple[str, ...]
    """Files that are no videos, relative and sorted; hidden ones are not listed."""
    findings: tuple[Finding, ...]
    unusable: Mapping[str, str]
    """Unreadable file or folder that is or may hold a video -> reason. Folders end in `/`."""


@dataclass(frozen=True, slots=True)
class _Oddities:
    """Entries that are left out: neither a file nor a folder to read."""

    left_out: dict[str, list[str]] = field(default_factory=dict)
    """Kind of finding -> names."""
    unusable: dict[str, str] = field(default_factory=dict)

    def leave_out(self, kind: str, name: str) -> None:
        self.left_out.setdefault(kind, []).append(_printable(name))

    def lose(self, kind: str, name: str, reason: str) -> None:
        """Leave out what may be a video, or folder of videos."""
        self.left_out.setdefault(kind, []).append(_printable(name))
        if suffix(name) not in OTHER_SUFFIXES:
            self.unusable[_printable(name)] = reason


def scan(folder: Path) -> Scan:
    """Walk a folder, links included, and sort videos from other files.

    A video has the name of one (`file_types.SUFFIXES`) or, with a suffix that says nothing,
    begins like one. Links that lie in the folder are followed wherever they lead: its
    owner put them there. A link back to a folder it lies in is not, and listed.

    Raises:
        DatasetNotFound: no such folder, or one that cannot be read.
    """
    if not folder.is_dir():
        came = "a file" if folder.exists() else "nothing"
        raise DatasetNotFound(
            f"expected a folder of videos (--videos), found {came}: {folder}"
        )
    files: list[File] = []
    others: list[str] = []
    odd = _Oddities()
    halves: set[str] = set()
    for entry, name in _walk(folder, odd):
        if UNFINISHED.fullmatch(entry.name):
            odd.leave_out("unfinished", name)
            halves.add(name)
            continue
        is_video = False
        try:
            is_video = looks_like_video(entry)
            name.encode()
            if is_video:
                files.append(File(name, entry.stat().st_size))
            else:
                others.append(name)
        except UnicodeEncodeError:
            if is_video:
                odd.lose("name", name, f"its name is not valid {_names_hint()}")
            else:
                odd.leave_out("name", name)
        except OSError as error:
            odd.lose("unreadable", name, f"cannot be read: {error.strerror}")
        except Damaged as error:
            odd.lose("damaged", name, str(error))
    whole = [file for file in files if f"{file.path}.aria2" not in halves]
    for file in sorted(set(files) - set(whole)):
        odd.leave_out("unfinished", file.path)
    for file in whole:
        if file.size_bytes == 0:
            odd.leave_out("empty", file.path)
    return Scan(
        tuple(sorted(whole)),
        tuple(sorted(others)),
        tuple(_findings(odd.left_out)),
        dict(sorted(odd.unusable.items())),
    )


def unwrapped(
    folder: Path, found: Scan, *, classes: Collection[str] = (), levels: int = 0
) -> tuple[Path, Scan]:
    """The folder that really holds the videos, where it is wrapped in others.

    `data/UCF-101/YoYo/...` was given as `data`, and nothing but `UCF-101` there holds
    videos: the same as if `data/UCF-101` had been given.

    Args:
        classes: folders of these names are no wrappers.
        levels: folders that every video must still lie in.
    """
    while found.files:
        names = [*(file.path for file in found.files), *found.unusable]
        tops = {name.partition("/")[0] for name in names}
        top = next(iter(tops))
        if len(tops) > 1 or top in classes:
            break
        if any(file.path.count("/") <= levels for file in found.files):
            break
        found = _inside(found, top + "/")
        folder = folder / top
    return folder, found


def _inside(found: Scan, prefix: str) -> Scan:
    """The scan as seen from a folder in which all of it lies."""
    cut = len(prefix)
    return Scan(
        tuple(File(file.path[cut:], file.size_bytes) for file in found.files),
        tuple(name[cut:] for name in found.others if name.startswith(prefix)),
        tuple(
            finding._replace(
                names=tuple(name.removeprefix(prefix) for name in finding.names)
            )
            for finding in found.findings
        ),
        {name.removeprefix(prefix): why for name, why in found.unusable.items()},
    )


class _Visit(NamedTuple):
    """A folder on the way from the top to where the walk is."""

    entries: Iterator[os.DirEntry[str]]
    prefix: str
    identity: tuple[int, int]
    links: int
    """Number of links on the way to it."""


def _walk(folder: Path, odd: _Oddities) -> Iterator[tuple[os.DirEntry[str], str]]:
    """All files in order of their paths, with their names relative to the folder."""
    try:
        way = [_Visit(_entries(folder), "", _identity(folder), 0)]
    except OSError as error:
        raise DatasetNotFound(
            f"expected a folder that can be read: {folder}: {error.strerror}"
        ) from error
    visits: Counter[tuple[int, int]] = Counter()
    while way:
        here = way[-1]
        entry = next(here.entries, None)
        if entry is None:
            way.pop()
            continue
        name = here.prefix + entry.name
        if SERVICE_FOLDERS.fullmatch(entry.name):
            odd.leave_out("service", name)
        elif entry.name.startswith("."):
            if suffix(entry.name) in SUFFIXES:
                odd.leave_out("hidden", name)
        elif (kind := _kind(entry, name, odd)) == "file":
            yield entry, name
        elif kind == "folder" and _is_download(entry.name):
            odd.leave_out("unfinished", name)
        elif kind == "folder":
            links = here.links + entry.is_symlink()
            visit = _visit(entry, name, links, way, visits, odd)
            way += [visit] if visit else []


def _is_download(name: str) -> bool:
    """Whether a folder is what a browser makes of an unfinished video: `a.mp4.download`."""
    inner = suffix(os.path.splitext(name)[0])
    return UNFINISHED.fullmatch(name) is not None and inner in SUFFIXES


def _kind(entry: os.DirEntry[str], name: str, odd: _Oddities) -> str | None:
    """ "file" or "folder", links followed; anything else is noted."""
    try:
        if not entry.is_symlink():  # known without asking the file system again
            if entry.is_dir(follow_symlinks=False):
                return "folder"
            if entry.is_file(follow_symlinks=False):
                return "file"
        mode = os.stat(entry.path).st_mode
    except PermissionError as error:
        odd.lose("broken link", name, f"cannot be followed: {error.strerror}")
    except OSError as error:
        if entry.is_symlink():
            odd.lose("broken link", name, "a link that leads nowhere")
        else:
            odd.lose("unreadable", name, f"cannot be read: {error.strerror}")
    else:
        if stat.S_ISDIR(mode):
            return "folder"
        if stat.S_ISREG(mode):
            return "file"
        odd.leave_out("special", name)  # a pipe: opening it could wait for ever
        if suffix(name) in SUFFIXES:
            odd.unusable[_printable(name)] = "neither a file nor a folder"
    return None


def _visit(
    entry: os.DirEntry[str],
    name: str,
    links: int,
    way: Sequence[_Visit],
    visits: Counter[tuple[int, int]],
    odd: _Oddities,
) -> _Visit | None:
    """A folder opened, unless it was walked before on this way, or too often."""
    try:
        identity = _identity(entry.path)
        if identity in (visit.identity for visit in way):
            odd.leave_out("loop", name)
            return None
        if links and (visits[identity] >= MOST_WAYS or links > MOST_LINKS):
            odd.leave_out("maze", name)
            return None
        visits[identity] += 1
        return _Visit(_entries(entry.path), name + "/", identity, links)
    except OSError as error:
        reason = f"the folder cannot be read: {error.strerror}"
        odd.lose("unreadable", name + "/", reason)
        return None


def _entries(folder: Path | str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return iter(sorted(entries, key=lambda entry: entry.name))


def _identity(folder: Path | str) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def _findings(left_out: Mapping[str, list[str]]) -> Iterator[Finding]:
    texts = {
        "name": f"left out, as their names are not valid {_names_hint()}",
        "unreadable": "left out, as they cannot be read",
        "damaged": "left out: named .ts, but neither transport streams nor text",
        "hidden": "left out, as they are hidden (but named like videos)",
        "service": "folders left out that a NAS, a desktop or a file system keeps for"
        " itself",
        "unfinished": "left out: unfinished downloads and copies, backups of editors",
        "loop": "left out: links to a folder that they lie in",
        "maze": f"left out: folders that {MOST_WAYS} ways through links had led to,"
        f" or behind more than {MOST_LINKS} links",
        "broken link": "left out: links that lead nowhere",
        "special": "left out, as they are neither files nor folders",
        "empty": "files of 0 bytes, named like videos",
    }
    for kind, text in texts.items():
        yield from Finding.of(kind, text, left_out.get(kind, ()))


def _names_hint() -> str:
    """The encoding of names, and what to do where the locale has chosen another."""
    encoding = sys.getfilesystemencoding()
    if encoding == "utf-8":
        return "UTF-8"
    return f"{encoding}, which this locale has: export PYTHONUTF8=1 or LC_ALL=C.UTF-8"


def _printable(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "backslashreplace")
