"""Trees of frames on disk: which folders hold a video, and the files of one in order."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from pipeline.adapters.file_types import SERVICE_FOLDERS
from pipeline.adapters.scan import File
from pipeline.extract.errors import DecodeError

from .errors import ExchangeError
from .layouts import LAYOUTS, FrameLayout

NUMBERED = re.compile(r"(.*?)(\d{1,9})(\.jpe?g)", re.IGNORECASE)
"""Prefix and number of a file, and its suffix."""
MOST_LEVELS = 16
"""Folders below each other that are walked, at most: links may lead in circles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trees:
    """The folders of the frames and of the flow of all videos; they may be the same.

    A video has the same path below both, such as `CLASS/VIDEO`.
    """

    images: Path | None = None
    flow: Path | None = None
    layout: str = "denseflow"
    """Names of the files; see `LAYOUTS`."""

    @property
    def names(self) -> FrameLayout:
        """The names of the files."""
        return LAYOUTS[self.layout]

    @property
    def kinds(self) -> Mapping[str, Path]:
        """Prefix of files -> the folder below which they are, in the order of the hash."""
        names, found = self.names, {}
        if self.images is not None:
            found[names.image] = self.images
        if self.flow is not None:
            found |= {names.flow_x: self.flow, names.flow_y: self.flow}
        return found


class Scanned(NamedTuple):
    """The videos of two trees."""

    files: tuple[File, ...]
    """Folder of each video, relative, with the size of all its files; sorted."""
    frames: int
    """Frames of all videos, as far as the names of the files say."""
    unusable: Mapping[str, str]
    """Folder that cannot be read (with a `/` at its end) or named -> reason."""


class VideoFiles(NamedTuple):
    """The files of one video in order."""

    images: tuple[Path, ...]
    flow_x: tuple[Path, ...]
    flow_y: tuple[Path, ...]

    @property
    def all(self) -> tuple[Path, ...]:
        """In the order in which they are hashed."""
        return self.images + self.flow_x + self.flow_y


@dataclass(slots=True)
class _Found:
    """A folder with files of frames."""

    bytes: int = 0
    counts: dict[str, int] = field(default_factory=dict)


def scan_trees(trees: Trees) -> Scanned:
    """Find the folders of videos: those with files of the layout, at any depth.

    Names and sizes are read, no file is opened. A video of one tree that the other lacks
    is found, too; `video_files` says what is missing.

    Raises:
        ExchangeError: a tree that is not there, or has no folder with frames.
    """
    found: dict[str, _Found] = {}
    unusable: dict[str, str] = {}
    for root in dict.fromkeys(trees.kinds.values()):
        prefixes = [prefix for prefix, at in trees.kinds.items() if at == root]
        _scan(root, prefixes, found, unusable)
    names = trees.names
    frames = 0
    for video in found.values():
        flows = video.counts.get(names.flow_x, 0)
        frames += video.counts.get(names.image, 0) or flows + names.from_image
    return Scanned(
        tuple(sorted(File(path, video.bytes) for path, video in found.items())),
        frames,
        dict(sorted(unusable.items())),
    )


def _scan(
    root: Path,
    prefixes: Sequence[str],
    found: dict[str, _Found],
    unusable: dict[str, str],
) -> None:
    """Add the videos of one tree."""
    if not root.is_dir():
        came = "a file" if root.exists() else "nothing"
        raise ExchangeError(f"{root}: expected a folder of frames, found {came}")
    expected = _example(prefixes[0])
    other, some = "", False
    for path, entries in _walk(root, unusable):
        for entry in entries:
            match = NUMBERED.fullmatch(entry.name)
            if match is None or match[1] not in prefixes:
                other = other or (entry.name if match else "")
                continue
            if not path:
                raise ExchangeError(
                    f"{root}: expected a folder for each video, found {entry.name} "
                    "directly in it: name the folder above"
                )
            video = found.setdefault(path, _Found())
            video.counts[match[1]] = video.counts.get(match[1], 0) + 1
            video.bytes += _size(entry)
            some = True
    if not some:
        raise ExchangeError(
            f"{root}: expected folders with files like {expected}, found "
            f"{f'files like {other} (--layout says how they are named)' if other else 'none'}"
        )


def _walk(
    root: Path, unusable: dict[str, str]
) -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
    """Each folder by its relative path, with its files; links are followed."""
    waiting = [""]
    while waiting:
        path = waiting.pop()
        try:
            with os.scandir(root / path) as entries:
                files: list[os.DirEntry[str]] = []
                folders: list[os.DirEntry[str]] = []
                for entry in entries:
                    (folders if entry.is_dir() else files).append(entry)
        except OSError as error:
            if not path:
                raise ExchangeError(
                    f"{root}: expected a folder that can be read: {error.strerror}"
                ) from error
            unusable[f"{path}/"] = f"the folder cannot be read: {error.strerror}"
            continue
        yield path, files
        for entry in folders:
            if entry.name.startswith(".") or SERVICE_FOLDERS.fullmatch(entry.name):
                continue
            below = f"{path}/{entry.name}" if path else entry.name
            try:
                below.encode()
            except UnicodeEncodeError:
                name = os.fsencode(below).decode("utf-8", "backslashreplace")
                unusable[f"{name}/"] = "its name is not valid UTF-8"
                continue
            if below.count("/") < MOST_LEVELS:
                waiting.append(below)


def video_files(trees: Trees, path: str) -> VideoFiles:
    """The files of a video in the order of their numbers.

    Raises:
        DecodeError: some are missing, or flow and images do not fit; one line with the
            file, what was expected, and what was found.
        OSError: a folder cannot be read.
    """
    names = trees.names
    found = {
        prefix: _in_order(root / path, prefix) for prefix, root in trees.kinds.items()
    }
    for prefix, numbered in found.items():
        _require_whole(prefix, numbered)
    images = found.get(names.image, {})
    across, down = found.get(names.flow_x, {}), found.get(names.flow_y, {})
    if trees.images is not None and not images:
        raise DecodeError(f"expected files like {_example(names.image)}, found none")
    if trees.flow is not None:
        _require_flow(trees, images, across, down)
    return VideoFiles(*(tuple(files.values()) for files in (images, across, down)))


def _in_order(folder: Path, prefix: str) -> dict[int, Path]:
    """Number -> file of those of one kind; none where there is no such folder."""
    numbered: dict[int, Path] = {}
    try:
        entries = sorted(os.listdir(folder))
    except FileNotFoundError:
        return {}
    for name in entries:
        match = NUMBERED.fullmatch(name)
        if match is not None and match[1] == prefix:
            before = numbered.setdefault(int(match[2]), folder / name)
            if before.name != name:
                raise DecodeError(
                    f"{name}: expected one file of this number, found {before.name}, too"
                )
    return dict(sorted(numbered.items()))


def _require_whole(prefix: str, numbered: Mapping[int, Path]) -> None:
    """
    Raises:
        DecodeError: numbers begin with another one than 0 or 1, or there are gaps.
    """
    if not numbered:
        return
    first, last = min(numbered), max(numbered)
    name = numbered[first].name
    if first > 1:
        raise DecodeError(
            f"{_like(name, 1)}: expected numbers from 0 or 1 on, found {name} first"
        )
    missing = last - first + 1 - len(numbered)
    if missing:
        gap = next(n for n in range(first, last) if n not in numbered)
        more = f" ({missing} are missing)" if missing > 1 else ""
        raise DecodeError(
            f"{_like(name, gap)}: expected all files from {name} to "
            f"{numbered[last].name}, found none{more}"
        )


def _require_flow(
    trees: Trees,
    images: Mapping[int, Path],
    across: Mapping[int, Path],
    down: Mapping[int, Path],
) -> None:
    """
    Raises:
        DecodeError: both components, or flow and images, do not fit together.
    """
    names = trees.names
    kind_x, kind_y = f"{names.flow_x}*.jpg", f"{names.flow_y}*.jpg"
    if len(down) != len(across):
        raise DecodeError(
            f"expected as many files {kind_y} as {kind_x} ({len(across)}), found "
            f"{len(down)}"
        )
    if trees.images is not None:
        expected = len(images) - names.from_image
        if len(across) != expected:
            hint = ""
            if len(across) == len(images) and names.from_image:
                hint = " (--layout tsn expects one per image)"
            elif len(across) == len(images) - 1 and not names.from_image:
                hint = " (--layout denseflow expects one less)"
            raise DecodeError(
                f"expected {expected} files {kind_x} for {len(images)} images, found "
                f"{len(across)}{hint}"
            )
    elif not across:
        raise DecodeError(f"expected files like {_example(names.flow_x)}, found none")
    firsts = {min(files) for files in (images, across, down) if files}
    if len(firsts) > 1:
        raise DecodeError(
            "expected images and both components of flow to count from the same number, "
            f"found {', '.join(min(f.values()).name for f in (images, across, down) if f)}"
        )


def _example(prefix: str) -> str:
    return f"{prefix}00001.jpg"


def _like(name: str, number: int) -> str:
    """The name of another number: of img_00001.jpg and 7 img_00007.jpg."""
    match = NUMBERED.fullmatch(name)
    assert match is not None
    return f"{match[1]}{number:0{len(match[2])}d}{match[3]}"


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_size
    except OSError:  # a link that leads nowhere: reading it will say so
        return 0
