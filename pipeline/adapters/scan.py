"""A folder -> the video files in it, and what else lies there.

One pass of `os.scandir`, one `stat` per video, nothing decoded.
"""

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from .errors import DatasetNotFound
from .videos import Finding

SUFFIXES = frozenset(
    """
    .264 .265 .3g2 .3gp .asf .avi .divx .f4v .flv .h264 .h265 .hevc .ivf .m1v .m2ts .m2v
    .m4v .mkv .mov .mp4 .mpeg .mpg .mxf .ogv .rm .rmvb .vob .webm .wmv .y4m
    """.split()  # noqa: SIM905 - thirty strings in quotes are no easier to read
)
"""Videos by name. `.ts` is not among them (TypeScript): it is looked into."""

OTHER_SUFFIXES = frozenset(
    """
    .bmp .crdownload .csv .gif .gz .h5 .jpeg .jpg .json .jsonl .mat .md .mp3 .npy .npz
    .part .pdf .pkl .png .pt .pth .py .rar .tar .tmp .txt .wav .xml .yaml .yml .zip
    """.split()  # noqa: SIM905
)
"""Not videos, or not yet, known without opening them."""

HEAD_BYTES = 512
STILL_OR_SOUND = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"M4A ", b"M4B ")
"""Brands of the MP4 family that are pictures or sound."""


class File(NamedTuple):
    """A video file."""

    path: str
    """Relative to the folder scanned, with forward slashes."""
    size_bytes: int

    @property
    def stem(self) -> str:
        """File name without folder and suffix."""
        return without_suffix(PurePosixPath(self.path).name)


class Scan(NamedTuple):
    """What lies in a folder."""

    files: tuple[File, ...]
    """Sorted by path."""
    others: tuple[str, ...]
    """Files that are no videos, relative and sorted; hidden ones are not listed."""
    findings: tuple[Finding, ...]


def scan(folder: Path) -> Scan:
    """Walk a folder, links included, and sort videos from other files.

    A video has the name of one (`SUFFIXES`) or, with a suffix that says nothing,
    begins like one. Links that lie in the folder are followed wherever they lead: its
    owner put them there. A link back to a folder it lies in is not, and listed.

    Raises:
        DatasetNotFound: no such folder, or one that cannot be read.
    """
    if not folder.is_dir():
        came = "a file" if folder.exists() else "nothing"
        raise DatasetNotFound(f"expected a folder of videos, found {came}: {folder}")
    files: list[File] = []
    others: list[str] = []
    odd: dict[str, list[str]] = {}
    for entry, name in _walk(folder, "", (_identity(folder),), odd):
        try:
            name.encode()
        except UnicodeEncodeError:
            odd.setdefault("name", []).append(name)
            continue
        try:
            if looks_like_video(entry):
                size = entry.stat().st_size
                files.append(File(name, size))
            else:
                others.append(name)
        except OSError as error:
            odd.setdefault("unreadable", []).append(f"{name} ({error.strerror})")
    files.sort()
    others.sort()
    empty = [file.path for file in files if file.size_bytes == 0]
    if empty:
        odd["empty"] = empty
    return Scan(tuple(files), tuple(others), tuple(_findings(odd)))


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
        tops = {file.path.partition("/")[0] for file in found.files}
        top = next(iter(tops))
        if len(tops) > 1 or top in classes:
            break
        if any(file.path.count("/") <= levels for file in found.files):
            break
        cut = len(top) + 1
        files = (File(file.path[cut:], file.size_bytes) for file in found.files)
        others = (name[cut:] for name in found.others if name.startswith(top + "/"))
        findings = (
            finding._replace(
                names=tuple(name.removeprefix(top + "/") for name in finding.names)
            )
            for finding in found.findings
        )
        found = Scan(tuple(files), tuple(others), tuple(findings))
        folder = folder / top
    return folder, found


def looks_like_video(entry: os.DirEntry[str] | Path) -> bool:
    """Whether a file is a video by its name or, failing that, by its first bytes.

    Raises:
        OSError: the file had to be opened and could not be.
    """
    suffix = os.path.splitext(entry.name)[1].lower()
    if suffix in SUFFIXES:
        return True
    if suffix in OTHER_SUFFIXES:
        return False
    with open(entry, "rb") as file:
        return begins_like_video(file.read(HEAD_BYTES))


def begins_like_video(head: bytes) -> bool:
    """Whether the first `HEAD_BYTES` of a file are those of a container or raw stream."""
    if head[4:8] == b"ftyp":
        return head[8:12] not in STILL_OR_SOUND
    if head[:4] == b"RIFF":
        return head[8:12] == b"AVI "
    if head[:4] == b"OggS":
        return b"theora" in head
    if head[:1] == b"G":  # MPEG transport stream: a sync byte every 188 (192) bytes
        return head[188:189] == head[376:377] == b"G"
    if head[4:5] == b"G":
        return head[196:197] == head[388:389] == b"G"
    return head[4:8] in (b"moov", b"mdat", b"wide") or head.startswith(
        (
            b"\x1a\x45\xdf\xa3",  # Matroska, WebM
            b"FLV\x01",
            b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # ASF, WMV
            b"DKIF",  # IVF
            b"YUV4MPEG2",
            b".RMF",
            b"\x00\x00\x01\xba",  # MPEG programme stream
            b"\x00\x00\x01\xb0",  # MPEG-4 Part 2
            b"\x00\x00\x01\xb3",  # MPEG-1, MPEG-2
            b"\x00\x00\x00\x01\x06",  # H.264: SEI, parameter sets, delimiter
            b"\x00\x00\x00\x01\x09",
            b"\x00\x00\x00\x01\x27",
            b"\x00\x00\x00\x01\x47",
            b"\x00\x00\x00\x01\x67",
            b"\x00\x00\x01\x67",
            b"\x00\x00\x00\x01\x40\x01",  # H.265
            b"\x00\x00\x00\x01\x46\x01",
        )
    )


def without_suffix(name: str) -> str:
    """A path or name without the suffix of a video; other dots belong to the name.

    >>> without_suffix("a/Dr. No_kick_1.avi"), without_suffix("a/Dr. No_kick_1")
    ('a/Dr. No_kick_1', 'a/Dr. No_kick_1')
    """
    stem, suffix = os.path.splitext(name)
    if suffix.lower() in SUFFIXES or re.fullmatch(r"\.[A-Za-z]\w{0,3}", suffix):
        return stem
    return name


def _walk(
    folder: Path | str, prefix: str, ancestors: tuple, odd: dict[str, list[str]]
) -> Iterator[tuple[os.DirEntry[str], str]]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        if not prefix:
            raise DatasetNotFound(
                f"expected a folder that can be read: {folder}: {error.strerror}"
            ) from error
        odd.setdefault("unreadable", []).append(f"{prefix} ({error.strerror})")
        return
    for entry in entries:
        name = prefix + entry.name
        if entry.name.startswith(".") or entry.name == "__MACOSX":
            if os.path.splitext(entry.name)[1].lower() in SUFFIXES:
                odd.setdefault("hidden", []).append(name)
        elif _leads_nowhere(entry):
            odd.setdefault("broken link", []).append(name)
        elif entry.is_dir():
            identity = _identity(entry.path)
            if identity in ancestors:
                odd.setdefault("loop", []).append(name)
            else:
                yield from _walk(entry.path, name + "/", (*ancestors, identity), odd)
        elif entry.is_file():
            yield entry, name
        else:  # a socket or a pipe: opening it could wait for ever
            odd.setdefault("special", []).append(name)


def _leads_nowhere(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_symlink() and not os.path.exists(entry.path)
    except OSError:  # a link to itself
        return True


def _identity(folder: Path | str) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def _findings(odd: dict[str, list[str]]) -> Iterator[Finding]:
    texts = {
        "name": "left out, as their names are not valid UTF-8",
        "unreadable": "left out, as they cannot be read",
        "hidden": "left out, as they are hidden (but named like videos)",
        "loop": "left out: links to a folder that they lie in",
        "broken link": "left out: links that lead nowhere",
        "special": "left out, as they are neither files nor folders",
        "empty": "files of 0 bytes, named like videos",
    }
    for kind, text in texts.items():
        yield from Finding.of(
            kind, text, [_printable(name) for name in odd.get(kind, ())]
        )


def _printable(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "backslashreplace")
