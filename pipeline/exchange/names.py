"""Ids of videos <-> paths that file systems, tar readers and lists split at blanks take.

Blanks, control characters, `%` and what means something to a shell or to other systems
become `%XX`, as in URLs, so that an id can be told from its path. All else stays: the
names of UCF101 and HMDB51 do not change.
"""

import os
import re
from collections.abc import Iterable, Mapping

import xxhash

PART_BYTES = 200
"""Longest part of a path; a longer one is cut, and ends in its hash."""
_SIGNS = frozenset('%\\"*?<>|:')
_SKIPPED = re.compile("__.*__")
"""Names that webdataset takes for its own."""


def path_of(video_id: str, *, dots: bool = True) -> str:
    """The path of a video below a folder, without suffix.

    Args:
        dots: whether dots stay; in tar files the key of a sample ends at the first one.

    >>> path_of("run/a b"), path_of("../x"), path_of("a.b", dots=False)
    ('run/a%20b', '%2E%2E/x', 'a%2Eb')
    """
    return "/".join(_part(part, dots) for part in video_id.split("/"))


def folders_of(ids: Iterable[str]) -> Mapping[str, str]:
    """Id -> the folder of a video, none of which lies in another one's."""
    paths = {video_id: path_of(video_id) for video_id in ids}
    above = {
        path[: slash.start()]
        for path in paths.values()
        for slash in re.finditer("/", path)
    }
    return {
        video_id: f"{path}%2F" if path in above else path
        for video_id, path in paths.items()
    }


def _part(part: str, dots: bool) -> str:
    text = "".join(
        char
        if char.isprintable()
        and not char.isspace()
        and char not in _SIGNS
        and (dots or char != ".")
        else _quoted(char)
        for char in part
    )
    if text[:1] == ".":
        text = "%2E" * (len(text) - len(text.lstrip("."))) + text.lstrip(".")
    if _SKIPPED.match(text):
        text = f"%5F{text[1:]}"
    if len(text.encode()) > PART_BYTES:
        kept = text.encode()[: PART_BYTES - 17].decode(errors="ignore")
        text = f"{kept}-{xxhash.xxh3_64_hexdigest(os.fsencode(part))}"
    return text or "%20"


def _quoted(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogateescape"))
