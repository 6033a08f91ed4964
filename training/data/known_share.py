"""Share of known motion vectors of some videos."""

from collections.abc import Sequence

from motion_shards.plain_text import first_names
from pipeline.store import Store, StoredVideo

from ..errors import DataError

MIN_KNOWN_SHARE = 0.5
"""Limit below which most intervals that a network sees repeat another one or are zero. One
intra frame in twelve, as in canonical vectors, leaves 0.92."""


def known_share(videos: Sequence[StoredVideo]) -> float | None:
    """Share of the intervals with known vectors; None where no video says."""
    told = [(v.known_share, v.frames - 1) for v in videos if v.known_share is not None]
    intervals = sum(count for _, count in told)
    if not intervals:
        return None
    return sum(share * count for share, count in told) / intervals


def check_known_share(
    store: Store, videos: Sequence[StoredVideo], *, least: float
) -> None:
    """Check that the vectors of the videos to learn from are known often enough.

    Raises:
        DataError: the share of known intervals is below `least`.
    """
    share = known_share(videos)
    if share is not None and share < least:
        source = store.settings.get("mv", {}).get("source", "unknown")
        raise DataError(
            f"{store.folder}: expected known motion vectors for at least "
            f"{least:.4g} of the intervals to train on, got {share:.4g} (mv source "
            f"{source}): extract another store with --mv-source canonical, or lower "
            "--min-known-share"
        )


def unknown_vectors_notice(videos: Sequence[StoredVideo]) -> str | None:
    """A line about videos that have no known vectors at all; None where there are none."""
    without = [video.id for video in videos if video.known_share == 0]
    if not without:
        return None
    return (
        f"no known motion vectors in {len(without)} of {len(videos)} videos to "
        f"train on ({first_names(without)}): they are zero there"
    )
