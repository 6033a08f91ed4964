"""Check which other users could change a path. For files that are trusted or executed."""

import grp
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

_LINKS = 40
"""Number of links that Linux follows on one path."""


def trouble(path: Path) -> str:
    """Describe how another user could change a file or folder; empty if nobody could.

    The file or folder itself must belong to this user or to root, and must not be writable
    by others; so must every folder and link on the way to it. Folders in which others may
    write, but where they cannot touch what is not theirs (/tmp), are in order on the way.
    Of a path that does not exist yet, the existing parent folders are checked.

    Raises:
        OSError: it cannot be inspected.
    """
    steps = list(_steps(Path(os.path.abspath(path))))
    there = os.path.exists(path)
    for step, found in steps:
        if found.st_uid not in (os.getuid(), 0):
            return f"{step} belongs to {user_name(found.st_uid)}"
        if stat.S_ISLNK(found.st_mode):
            continue
        on_the_way = step != steps[-1][0] or not there
        kept = on_the_way and found.st_mode & stat.S_ISVTX
        if writable_by_others(found) and not kept:
            return f"others can write {step}"
    return ""


def writable_by_others(found: os.stat_result) -> bool:
    """Whether anybody but its owner may write a file; a user's private group is no other."""
    if found.st_mode & stat.S_IWOTH:
        return True
    return bool(found.st_mode & stat.S_IWGRP) and not _only_ours(found.st_gid)


def user_name(uid: int) -> str:
    """Name of a user for messages: "user NAME", or "user UID" without an entry."""
    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"user {uid}"


def _only_ours(gid: int) -> bool:
    """Whether a group is root's, or named after this user and has no other member."""
    if gid == 0:
        return True
    try:
        name, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(gid)
    except KeyError:
        return False
    return group.gr_name == name and set(group.gr_mem) <= {name}


def _steps(path: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Every folder and link that the system passes on the way to a path, and its end."""
    left, here, links = list(path.parts[1:]), Path("/"), 0
    yield here, here.lstat()
    while left:
        name = left.pop(0)
        if name == "..":
            here = here.parent
            continue
        step = here / name
        try:
            found = step.lstat()
        except FileNotFoundError:
            return
        yield step, found
        if not stat.S_ISLNK(found.st_mode):
            here = step
            continue
        links += 1
        if links > _LINKS:
            raise OSError(f"{path}: more than {_LINKS} links")
        target = Path(os.readlink(step))
        parts = list(target.parts)
        if target.is_absolute():
            here, parts = Path("/"), parts[1:]
        left = parts + left
