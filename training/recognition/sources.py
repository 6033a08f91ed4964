"""Arguments of `training predict` -> files and live sources."""

import glob
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError
from .live.address import without_password

LIVE = re.compile(r"-|camera:.*|[a-z][a-z0-9+.-]*://.*", re.DOTALL)
"""A stream on standard input, a camera, or an address."""
LIST_SUFFIXES = (".txt", ".list", ".lst")


@dataclass(frozen=True, slots=True)
class Sources:
    """Videos to recognise."""

    files: tuple[Path, ...] = ()
    """In the order given; those of a folder sorted."""
    live: tuple[str, ...] = ()
    """Cameras, addresses, or "-"."""


def is_live(source: str) -> bool:
    """Whether a source is a stream: a camera, an address or standard input."""
    return LIVE.fullmatch(source) is not None


def sources_of(arguments: Sequence[str]) -> Sources:
    """Find the videos that arguments name.

    Args:
        arguments: of each: a file; a folder, searched for videos with its subfolders; a
            pattern such as "clips/*.mp4"; a list (.txt), one path per line, relative to
            the list's folder; "-", "camera:0", or an address.

    Raises:
        DataError: one names nothing, or a live source is not alone.
        DatasetNotFound: a folder that cannot be read.
    """
    files: list[Path] = []
    live = [each for each in arguments if is_live(each)]
    if live and len(arguments) > 1:
        raise DataError(
            f"expected a single source where one is live, got {len(arguments)}:"
            f" {without_password(live[0])} and others"
        )
    if live:
        return Sources(live=tuple(live))
    for argument in arguments:
        files += _files(argument)
    return Sources(files=tuple(dict.fromkeys(files)))


def _files(argument: str) -> list[Path]:
    path = Path(argument)
    if path.is_dir():
        return _videos_in(path)
    if path.suffix.lower() in LIST_SUFFIXES and path.is_file():
        return _listed(path)
    if path.exists() or path.is_symlink():
        return [path]
    if glob.has_magic(argument):
        found = sorted(Path(each) for each in glob.glob(argument, recursive=True))
        videos = [each for each in found if not each.is_dir()]
        if not videos:
            raise DataError(f"{argument}: expected a pattern of files, found no file")
        return videos
    raise DataError(f"{argument}: expected a video, a folder or a list, found nothing")


def _videos_in(folder: Path) -> list[Path]:
    from pipeline.adapters.scan import scan

    found = [folder / each.path for each in scan(folder).files]
    if not found:
        raise DataError(f"{folder}: expected a folder of videos, found none")
    return found


def _listed(path: Path) -> list[Path]:
    text = path.read_bytes().decode("utf-8-sig", "surrogateescape")
    lines = [line.rstrip("\r") for line in text.split("\n")]
    found = [
        Path(os.path.join(path.parent, line))
        for line in lines
        if line.strip() and not line.startswith("#")
    ]
    if not found:
        raise DataError(f"{path}: expected a list of videos, one per line, got none")
    if not any(each.exists() or each.is_symlink() for each in found):
        raise DataError(
            f"{path}: none of the videos of this list ({len(found):,}) is there: expected"
            f" {found[0]}"
        )
    return found
