"""ETags that S3 gives to files which are uploaded whole or in parts."""

import os
from collections.abc import Mapping
from hashlib import md5
from pathlib import Path
from typing import IO, Any

PART_BYTES = 8 << 20
"""Bytes of one request of an upload; more only where there would be too many."""
MOST_PARTS = 10_000


class Digests:
    """Hashes of a file that is sent in parts.

    Args:
        file: at its start.
        part: bytes of each part but the last.
    """

    def __init__(self, file: IO[bytes], part: int) -> None:
        from xxhash import xxh3_128

        state = xxh3_128()
        self.parts: list[bytes] = []
        """MD5 of each part."""
        while block := file.read(part):
            state.update(block)
            self.parts.append(md5(block, usedforsecurity=False).digest())
        self.xxh3: str = state.hexdigest()

    @property
    def etag(self) -> str:
        """ETag that S3 gives the object."""
        if len(self.parts) > 1:
            whole = md5(b"".join(self.parts), usedforsecurity=False).hexdigest()
            return f"{whole}-{len(self.parts)}"
        only = self.parts[0] if self.parts else md5(usedforsecurity=False).digest()
        return only.hex()


def etag_of(file: Path) -> str:
    """ETag that S3 gives a file which is uploaded by `RemoteFolder.put_file`."""
    with file.open("rb") as opened:
        return Digests(opened, part_bytes(os.fstat(opened.fileno()).st_size)).etag


def part_bytes(size: int) -> int:
    """Bytes of each part but the last, of a file that is uploaded."""
    return max(PART_BYTES, -(-size // MOST_PARTS))


def stated_etag(info: Mapping[str, Any]) -> str:
    """The ETag in what fsspec tells about an object; empty without one."""
    return str(info.get("ETag", "")).strip('"')
