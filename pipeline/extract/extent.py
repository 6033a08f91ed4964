"""The end of a file that its container states: a truncated copy ends before it.

Durations and frame counts of headers are no guide: many healthy files state others than
they hold. But how long its own parts are, a container must know to be read at all.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

SLACK_BYTES = 8
"""Padding that some writers count and do not write."""

NONSENSE_BYTES = 1 << 50
"""Limit of missing bytes: beyond it the stated length itself is damaged."""

BOXES = (
    *(b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid", b"styp"),
    *(b"moof", b"mfra", b"sidx", b"meta", b"emsg", b"prft", b"ssix", b"junk", b"udta"),
)
"""Top-level boxes of an MP4 or QuickTime file."""
EBML, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
ASF_FILE = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
OGG_PAGE_BYTES = 27 + 255 + 255 * 255
"""The longest there is."""
TRANSPORT_BYTES = 188
ASF_BROADCAST = 1
"""The file's size is not stated."""


def missing_bytes(path: Path | str) -> int:
    """Number of bytes by which a file ends before the end that its container states.

    Known to MP4 and QuickTime, AVI, Matroska and WebM, ASF and WMV, FLV; of Ogg and
    transport streams it is the rest of the last page or packet. 0 for all others, and where
    nothing is missing.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb", buffering=0) as file:  # a few bytes here and there
        size = os.fstat(file.fileno()).st_size
        end = _end(file.read(12))(file, size)
    missing = end - size
    return missing if SLACK_BYTES < missing < NONSENSE_BYTES else 0


def _end(head: bytes) -> Callable[[BinaryIO, int], int]:
    """The function that finds the stated end of a file with these first bytes."""
    if head[4:8] in BOXES:
        return _boxes_end
    if head[:4] == b"RIFF" and head[8:] == b"AVI ":
        return _riff_end
    if head[:4] == EBML:
        return _matroska_end
    if head == ASF_HEADER[:12]:
        return _asf_end
    if head[:3] == b"FLV":
        return _flv_end
    if head[:4] == b"OggS":
        return _ogg_end
    if head[:1] == b"G":
        return _transport_end
    return lambda file, size: 0


def _boxes_end(file: BinaryIO, size: int) -> int:
    end = 0
    while end + 8 <= size:
        file.seek(end)
        head = file.read(16)
        length = int.from_bytes(head[:4])
        if length == 1:  # the length follows, in 8 bytes
            length = int.from_bytes(head[8:16])
        if head[4:8] not in BOXES or length < 8:  # also 0: up to the end of the file
            return 0
        end += length
    return end


def _riff_end(file: BinaryIO, size: int) -> int:
    """A large AVI is several of these, one behind the other."""
    end = 0
    while end + 12 <= size:
        file.seek(end)
        head = file.read(12)
        length = int.from_bytes(head[4:8], "little")
        if head[:4] != b"RIFF" or length in (0, 0xFFFFFFFF):
            return 0
        end += 8 + length + length % 2
    return end


def _matroska_end(file: BinaryIO, size: int) -> int:
    file.seek(4)
    length = _ebml_length(file)
    if length is None or length > size:
        return 0
    file.seek(length, os.SEEK_CUR)
    if file.read(4) != SEGMENT:
        return 0
    length = _ebml_length(file)
    return 0 if length is None else file.tell() + length


def _ebml_length(file: BinaryIO) -> int | None:
    """None where it is not stated, as in a live recording."""
    first = int.from_bytes(file.read(1))
    octets = 9 - first.bit_length()
    value = (first << 8 * (octets - 1)) | int.from_bytes(file.read(octets - 1))
    most = (1 << 7 * octets) - 1
    return None if not first or value & most == most else value & most


def _asf_end(file: BinaryIO, size: int) -> int:
    file.seek(0)
    head = file.read(1 << 16)
    place = head.find(ASF_FILE)
    if place < 0:
        return 0
    flags = int.from_bytes(head[place + 88 : place + 92], "little")
    stated = int.from_bytes(head[place + 40 : place + 48], "little")
    return 0 if flags & ASF_BROADCAST else stated


def _flv_end(file: BinaryIO, size: int) -> int:
    """Tags follow each other, and behind each stands its size."""
    file.seek(5)
    end = int.from_bytes(file.read(4)) + 4
    while end + 11 <= size:
        file.seek(end)
        head = file.read(4)
        if head[0] & 31 not in (8, 9, 18):  # sound, video, script
            return 0
        end += 11 + int.from_bytes(head[1:4]) + 4
    return end


def _ogg_end(file: BinaryIO, size: int) -> int:
    """The last page says how long its pieces are."""
    start = max(size - OGG_PAGE_BYTES, 0)
    file.seek(start)
    tail = file.read()
    place = tail.rfind(b"OggS")
    pieces = (
        tail[place + 27 :][: tail[place + 26]] if 0 <= place < len(tail) - 26 else b""
    )
    return start + place + 27 + len(pieces) + sum(pieces) if pieces else 0


def _transport_end(file: BinaryIO, size: int) -> int:
    """Packets of 188 bytes, each of which begins with a G."""
    file.seek(0)
    head = file.read(3 * TRANSPORT_BYTES)
    if len(head) < 3 * TRANSPORT_BYTES or head[::TRANSPORT_BYTES] != b"GGG":
        return 0
    return -(-size // TRANSPORT_BYTES) * TRANSPORT_BYTES
