"""The error for a video that a store does not hold: similar names, or why it is left out."""

import shlex
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import PurePosixPath

from motion_shards.near import similar

from .errors import VideoNotFound
from .manifest import Manifest
from .remote_path import Location

COMPARED = 1_000
"""Ids on either side of a missing one, in sorted order, that are compared with it."""


def no_video(
    folder: Location, manifest: Manifest, ids: Sequence[str], wanted: str
) -> VideoNotFound:
    """The error for an id, or a path, that no video of a store has.

    Args:
        ids: of all stored videos, sorted.
    """
    start = f"no video {wanted!r} in {folder}"
    if left_out := _left_out(manifest, wanted):
        return VideoNotFound(f"{start}: {left_out}")
    place = bisect_left(ids, wanted)
    near = ids[max(place - COMPARED, 0) : place + COMPARED]
    found = _similar_ids(wanted, near)
    question = f": did you mean {' or '.join(found)}?" if found else ""
    listing = f"`pipeline info {shlex.quote(str(folder))} --videos` lists them"
    return VideoNotFound(f"{start}{question} ({listing})")


def _left_out(manifest: Manifest, wanted: str) -> str:
    """The reason for which a video is left out, by its id, path or the end of one; or ""."""
    states = {
        "could not be stored": manifest.bad,
        "is unavailable": manifest.unavailable,
    }
    told = {
        name: f"{state}: {reason}"
        for state, reasons in states.items()
        for name, reason in reasons.items()
    }
    for name in (wanted, without_suffix(wanted)):
        if name in told:
            return f"it {told[name]}"
        ends = [
            left_out
            for left_out in told
            if f"/{left_out}".endswith(f"/{name}")
            or f"/{without_suffix(left_out)}".endswith(f"/{name}")
        ]
        if len(ends) == 1:
            return f"{ends[0]} {told[ends[0]]}"
    return ""


def without_suffix(name: str) -> str:
    """A path without its extension, as ids are made: `a/b.mp4` -> `a/b`."""
    path = PurePosixPath(name)
    return str(path.with_suffix("")) if path.suffix else name


def _similar_ids(wanted: str, ids: Sequence[str]) -> list[str]:
    """Ids that are similar as a whole or in their last part."""
    names = {name.rpartition("/")[2]: name for name in ids} | {
        name: name for name in ids
    }
    return list(dict.fromkeys(names[name] for name in similar(wanted, names)))
