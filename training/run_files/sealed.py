"""Zip archives that carry a hash of themselves: weights, checkpoints and scores of a run.

The archive's comment is "xxh3-128 " and 32 hexadecimal digits, of all bytes before it.
`torch.load`, `numpy.load` and unzip ignore it. A file in which a bit has changed, or
which was truncated or emptied, is detected before anything in it is used.
"""

import io
import struct
import zipfile
from pathlib import Path
from typing import IO

import xxhash

from pipeline.store import LayoutError, hash_of, open_regular

from ..errors import DamagedFile

NAME = b"xxh3-128 "
COMMENT_BYTES = len(NAME) + 32
END_BYTES = 22
"""Size of the record at the end of an archive, without its comment."""


def seal(archive: io.BytesIO) -> None:
    """Add its hash to an archive that has no comment yet."""
    archive.seek(-2, io.SEEK_END)
    archive.write(struct.pack("<H", COMMENT_BYTES))
    digest = xxhash.xxh3_128(archive.getbuffer()).hexdigest()
    archive.write(NAME + digest.encode())


def checked_seal(path: Path) -> str:
    """The hash of a sealed file, 32 hexadecimal digits.

    Raises:
        DamagedFile: it is empty, truncated, changed, not sealed at all or no file.
        OSError: it cannot be read.
    """
    with _open(path) as file:
        size = file.seek(0, io.SEEK_END)
        if not size:
            raise DamagedFile(f"{path}: the file is empty")
        tail_bytes = END_BYTES + COMMENT_BYTES
        file.seek(max(size - tail_bytes, 0))
        tail = file.read()
        told = tail[END_BYTES:]
        if (
            len(tail) != tail_bytes
            or not tail.startswith(b"PK\5\6")
            or not told.startswith(NAME)
        ):
            raise DamagedFile(
                f"{path}: the file is cut, damaged or something else: the hash at its"
                " end is missing"
            )
        file.seek(0)
        found = hash_of(file, size=size - COMMENT_BYTES).encode()
    if told != NAME + found:
        raise DamagedFile(f"{path}: the file has changed since it was written")
    return found.decode()


def check_archive(path: Path, *, hashed: bool) -> None:
    """Check that reading an archive takes no more than its own size.

    Args:
        hashed: its content was compared with a hash; else its own checksums are tested.

    Raises:
        DamagedFile: it is not an archive of stored members, or one has changed.
        OSError: it cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            stored = all(one.compress_type == zipfile.ZIP_STORED for one in members)
            if not stored or sum(m.file_size for m in members) > path.stat().st_size:
                raise DamagedFile(
                    f"{path}: expected an archive without compression, as torch and"
                    " numpy write it"
                )
            if not hashed and (bad := archive.testzip()):
                raise DamagedFile(f"{path}: the checksum of {bad} is wrong")
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as error:
        if isinstance(error, DamagedFile):
            raise
        raise DamagedFile(f"{path}: the archive is damaged: {error}") from None
    except (RuntimeError, struct.error, UnicodeError) as error:  # encrypted, odd names
        raise DamagedFile(f"{path}: the archive is damaged: {error}") from None


def is_archive(path: Path) -> bool:
    """Whether a file is a zip archive, intact or damaged."""
    try:
        return zipfile.is_zipfile(path)
    except (zipfile.BadZipFile, struct.error):
        return True


def _open(path: Path) -> IO[bytes]:
    """Open an ordinary file; never waits, as for the writer of a pipe."""
    try:
        return open_regular(path)
    except LayoutError as error:
        raise DamagedFile(str(error)) from None
