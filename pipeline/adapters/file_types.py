"""File types by name and first bytes: video, partial download, or other."""

import os
import re
from pathlib import Path

from .errors import Damaged

SUFFIXES = frozenset(
    """
    .264 .265 .3g2 .3gp .3gpp .amv .asf .av1 .avi .divx .dv .f4v .flv .gxf .h261 .h263
    .h264 .h265 .hevc .ivf .m1v .m2t .m2ts .m2v .m4v .mj2 .mjpeg .mjpg .mk3d .mkv .mov
    .mp4 .mpe .mpeg .mpg .mts .mxf .nsv .nut .obu .ogm .ogv .qt .rm .rmvb .swf .trp .vc1
    .vob .webm .wmv .wtv .xvid .y4m
    """.split()  # noqa: SIM905 - fifty strings in quotes are no easier to read
)
"""Suffixes of videos. `.ts` is not among them (TypeScript): such files are inspected."""

LISTED_SUFFIXES = SUFFIXES | {".ts", ".gif", ".jsv", ".mod", ".tod", ".dat"}
"""Suffixes that a name in a list may have without their being part of the name."""

IMAGES = frozenset(
    ".bmp .exr .jpeg .jpg .pgm .png .ppm .tif .tiff .webp".split()  # noqa: SIM905
)
ARCHIVES = frozenset(
    ".7z .bz2 .gz .lz4 .rar .tar .tbz2 .tgz .txz .xz .zip .zst".split()  # noqa: SIM905
)
OTHER_SUFFIXES = (
    frozenset(
        """
        .avif .csv .db .doc .docx .flac .gif .h5 .hdf5 .heic .html .ini .ipynb .json
        .jsonl .list .log .m4a .mat .md .md5 .mp3 .npy .npz .odt .pdf .pickle .pkl
        .pt .pth .py .sh .sha256 .srt .tsv .txt .vtt .wav .xls .xlsx .xml .yaml .yml
        """.split()  # noqa: SIM905
    )
    | IMAGES
    | ARCHIVES
)
"""Suffixes of files that are no videos; these are not opened."""

UNFINISHED = re.compile(
    r"""
    .+ (?: \.(?: part | part-frag\d+ | partial | crdownload | download | opdownload
               | filepart | incomplete | unfinished | tmp | temp | ytdl | aria2 | aria2__temp
               | !qb | !ut | !bt | bc! | td | xltd | dltemp | swp )
         | ~ )
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""Files that a download, a copy or an editor has not finished, or left behind."""

SERVICE_FOLDERS = re.compile(
    r"""
    __MACOSX | @eaDir | @tmp | \#recycle | \#snapshot | ~snapshot | @Recycle
    | @Recently-Snapshot | \.@__thumb | \.Trash.* | \.recycle | \.snapshot | \.snapshots
    | \.AppleDouble | \.Spotlight-V100 | \.fseventsd | \.TemporaryItems
    | lost\+found | \$RECYCLE\.BIN | RECYCLER | RECYCLED
    | System\ Volume\ Information | Network\ Trash\ Folder | Temporary\ Items
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""Folders that a file system, a NAS or a desktop keeps for itself: thumbnails, reduced
copies, what was deleted."""

HEAD_BYTES = 512
TRANSPORT_BYTES = 1 << 16
"""Bytes within which a transport stream with a damaged head shows its packets."""
STILL_OR_SOUND = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"M4A ", b"M4B ")
"""Brands of the MP4 family that are pictures or sound."""


def suffix(name: str) -> str:
    """The lower-case suffix of a file name."""
    return os.path.splitext(name)[1].lower()


def looks_like_video(entry: os.DirEntry[str] | Path) -> bool:
    """Whether a file is a video by its name or, failing that, by its first bytes.

    Raises:
        OSError: the file had to be opened and could not be.
        Damaged: a `.ts` that is neither a transport stream nor text.
    """
    ending = suffix(entry.name)
    if ending in SUFFIXES:
        return True
    if ending in OTHER_SUFFIXES:
        return False
    with open(entry, "rb") as file:
        head = file.read(TRANSPORT_BYTES if ending == ".ts" else HEAD_BYTES)
    if begins_like_video(head[:HEAD_BYTES]):
        return True
    if ending != ".ts" or not head or _is_text(head):
        return False
    if has_transport_packets(head):
        return True
    raise Damaged("named .ts, but neither a transport stream nor text")


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


def has_transport_packets(data: bytes) -> bool:
    """Whether five sync bytes stand 188 (or 192, or 204) bytes apart somewhere in it."""
    for size in (188, 192, 204):
        for start in range(size):
            if b"GGGGG" in data[start::size]:
                return True
    return False


def without_suffix(name: str) -> str:
    """A path or name without the suffix of a video; other dots belong to the name.

    >>> without_suffix("a/Dr. No_kick_1.avi"), without_suffix("a/Dr. No_kick_1")
    ('a/Dr. No_kick_1', 'a/Dr. No_kick_1')
    """
    stem, ending = os.path.splitext(name)
    if ending.lower() in SUFFIXES or re.fullmatch(r"\.[A-Za-z]\w{0,3}", ending):
        return stem
    return name


def without_listed_suffix(name: str) -> str:
    """A name of a list without its suffix, where that is one that videos have.

    >>> without_listed_suffix("jump/a.AVI"), without_listed_suffix("jump/take.left")
    ('jump/a', 'jump/take.left')
    """
    stem, ending = os.path.splitext(name)
    return stem if ending.lower() in LISTED_SUFFIXES else name


def _is_text(head: bytes) -> bool:
    if b"\0" in head:
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:  # a character may be cut at the end
        return error.start > len(head) - 4
    return True
