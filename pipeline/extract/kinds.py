"""Kinds of files that are not videos, named so that a user can find out how they came there."""

import json
import os
import re
from pathlib import Path

from .extent import missing_bytes

HEAD = 1 << 16
"""Bytes of a file that are inspected."""

MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"\x89PNG\r\n", "a PNG picture"),
    (0, b"BM", "a BMP picture"),
    (0, b"II*\0", "a TIFF picture"),
    (0, b"MM\0*", "a TIFF picture"),
    (8, b"WEBP", "a WebP picture"),
    (4, b"ftypheic", "a HEIC picture"),
    (4, b"ftypmif1", "a HEIF picture"),
    (4, b"ftypavif", "an AVIF picture"),
    (8, b"WAVE", "sound (WAV)"),
    (0, b"ID3", "sound (MP3)"),
    (0, b"fLaC", "sound (FLAC)"),
    (4, b"ftypM4A", "sound (M4A)"),
    (0, b"PK\3\4", "a ZIP archive: unpack it first"),
    (0, b"Rar!\x1a\7", "a RAR archive: unpack it first"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it first"),
    (0, b"\x1f\x8b", "a gzip archive: unpack it first"),
    (0, b"BZh", "a bzip2 archive: unpack it first"),
    (0, b"\xfd7zXZ\0", "an xz archive: unpack it first"),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard archive: unpack it first"),
    (257, b"ustar", "a tar archive: unpack it first"),
    (0, b"%PDF", "a PDF document"),
    (0, b"\x89HDF\r\n", "an HDF5 file"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"SQLite format 3\0", "a database (SQLite)"),
    (0, b"\x7fELF", "a program"),
    (0, b"MZ", "a program"),
)
"""Position, bytes there, and what such a file is."""

VIDEO_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (4, b"ftyp", "an MP4 or QuickTime file"),
    (4, b"moov", "an MP4 or QuickTime file"),
    (4, b"mdat", "an MP4 or QuickTime file"),
    (4, b"wide", "an MP4 or QuickTime file"),
    (0, b"\x1a\x45\xdf\xa3", "a Matroska or WebM file"),
    (8, b"AVI ", "an AVI file"),
    (0, b"FLV\1", "an FLV file"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a WMV or ASF file"),
    (0, b"OggS", "an Ogg file"),
    (0, b"\0\0\1\xba", "an MPEG program stream"),
    (0, b"\0\0\1\xb3", "an MPEG video"),
    (0, b"\x06\x0e\x2b\x34\x02\x05\x01\x01", "an MXF file"),
    (0, b"nut/multimedia container", "a NUT file"),
    (0, b"\x47\x40", "an MPEG transport stream"),
    (4, b"\x47\x40", "an MPEG transport stream"),
)
"""Position, bytes there, and the container of which they are the first."""

TEXTS: tuple[tuple[str, str], ...] = (
    (
        r"version https://git-lfs\.github\.com",
        "a Git LFS pointer: `git lfs pull` fetches the file",
    ),
    (r"\S*/annex/objects/", "a git-annex pointer: `git annex get` fetches the file"),
    (r"#EXTM3U|ffconcat|\[playlist\]", "a playlist, which names other files"),
    (r"<!doctype html|<html|<head|<body", "an HTML page: a failed download?"),
    (r"<\?xml|<Error>", "XML text: a failed download?"),
)
"""First characters of texts, and their kinds."""


def kind_of(path: Path | str) -> str:
    """The kind of a file that FFmpeg does not open as a video, in a few words; "" if unknown.

    Raises:
        OSError: the file cannot be read.
    """
    head = _head(path)
    return _foreign(head) or _unfinished(path, head)


def foreign_kind(path: Path | str) -> str:
    """The kind of a file whose first bytes are those of something else than a video; else "".

    Raises:
        OSError: the file cannot be read.
    """
    return _foreign(_head(path))


def damaged(path: Path | str, reason: str) -> str:
    """A file that FFmpeg does not open, by its first bytes and FFmpeg's reason.

    Raises:
        OSError: the file cannot be read.
    """
    if container := _by_magic(_head(path), VIDEO_MAGIC):
        return f"{container} that is damaged or cut short ({reason})"
    return f"a file of no known kind ({reason})"


def _foreign(head: bytes) -> str:
    if kind := _by_magic(head, MAGIC):
        return kind
    if not head.strip(b"\0"):
        return "nothing but zeros: a copy that was not filled?"
    return _text(head)


def _head(path: Path | str) -> bytes:
    with open(path, "rb") as file:
        return file.read(HEAD)


def _by_magic(head: bytes, kinds: tuple[tuple[int, bytes, str], ...]) -> str:
    """The first of the kinds whose bytes are there; "" without one."""
    return next(
        (kind for at, magic, kind in kinds if head[at : at + len(magic)] == magic), ""
    )


def _text(head: bytes) -> str:
    try:
        text = head.removeprefix(b"\xef\xbb\xbf").decode().lstrip()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # else cut within a letter
            return ""
        text = head[: error.start].decode().lstrip()
    if re.search(r"[\0-\x08\x0e-\x1a\x1c-\x1f]", text):
        return ""
    for beginning, kind in TEXTS:
        if re.match(beginning, text, re.IGNORECASE):
            return kind
    return "JSON text: a failed download?" if _is_json(text) else "text"


def _is_json(text: str) -> bool:
    """Also of a beginning that is cut off."""
    if not re.match(r'[\[{]\s*["\[{\]}\d]', text):
        return False
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return len(text) >= HEAD - 3 or error.pos >= len(text.rstrip())
    except RecursionError:
        return True
    return True


def _unfinished(path: Path | str, head: bytes) -> str:
    """A copy that was cut short, or a recording that was not ended."""
    missing = missing_bytes(path)
    if missing:
        return f"a file cut short: {missing:,} bytes before the end that it states"
    if head[4:8] in (b"ftyp", b"mdat", b"wide") and not _has_index(path):
        return (
            "an MP4 or QuickTime file without its index (moov): a copy cut short, or a "
            "recording that was not ended"
        )
    return ""


def _has_index(path: Path | str) -> bool:
    """Whether the file is there, or may be."""
    end = 0
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        while len(box := file.read(16)) >= 8:
            length = int.from_bytes(box[:4])
            if length == 1:
                length = int.from_bytes(box[8:])
            if box[4:8] in (b"moov", b"moof"):
                return True
            if length < 8:
                return (
                    length > 0
                )  # damaged: it may follow; 0: up to the end of the file
            end += length
            if end > size:
                return False
            file.seek(end)
    return False
