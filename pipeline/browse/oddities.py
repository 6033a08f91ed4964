"""Kinds of videos that deserve a look, and which video is of which kind."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from pipeline.store import StoredVideo

CLIPPED_SHARE, KNOWN_SHARE, SHORT_FRAMES = 0.001, 0.75, 16
"""Limits: flow beyond the codec's range, intervals with known vectors, and frames."""


class Oddity(NamedTuple):
    """A kind of odd video."""

    name: str
    title: str
    meaning: str


ODDITIES = (
    Oddity(
        "clipped",
        "clipped flow",
        f"more than {CLIPPED_SHARE:.1%} of the flow values exceed the range of the codec",
    ),
    Oddity(
        "vectors",
        "invalid vectors",
        f"motion vectors are known in less than {KNOWN_SHARE:.0%} of the intervals",
    ),
    Oddity("short", "very short", f"fewer than {SHORT_FRAMES} frames"),
    Oddity("duplicate", "duplicate", "another video has the same bytes"),
    Oddity(
        "leak",
        "in train and test",
        "another video has the same bytes and is on the other side of a split",
    ),
    Oddity("damaged", "damaged source", "packets of the source did not decode"),
    Oddity("truncated", "truncated source", "the source ends before its stated end"),
    Oddity("unlabelled", "no class", "no list gives it a class"),
    Oddity("unreadable", "unreadable", "its rows in this store are damaged"),
)
"""In the order of the page."""


class Copies:
    """Videos of a store whose sources have the same bytes."""

    def __init__(self, videos: Collection[StoredVideo]) -> None:
        first: dict[str, str] = {}
        self._alike: dict[str, list[str]] = {}
        for video in videos:
            if (before := first.setdefault(video.xxh3, video.id)) != video.id:
                self._alike.setdefault(video.xxh3, [before]).append(video.id)
        ids = {name for names in self._alike.values() for name in names}
        self._splits: Mapping[str, Mapping[str, str]] = {
            video.id: video.splits
            for video in (videos if ids else ())
            if video.id in ids
        }

    def of(self, video: StoredVideo) -> list[str]:
        """Ids of the others with the same bytes."""
        return [name for name in self._alike.get(video.xxh3, ()) if name != video.id]

    def leak(self, video: StoredVideo) -> bool:
        """Whether one is in the training part of a split and the other in its test part."""
        return any(
            self._splits[other].get(split, part) != part
            for other in self.of(video)
            for split, part in video.splits.items()
        )


def oddities_of(
    video: StoredVideo, copies: Copies, *, unreadable: bool = False
) -> list[str]:
    """Names of the kinds of a video, in the order of `ODDITIES`."""
    known, clipped = video.known_share, video.clipped_share
    are = {
        "clipped": clipped is not None and clipped > CLIPPED_SHARE,
        "vectors": known is not None and known < KNOWN_SHARE,
        "short": video.frames < SHORT_FRAMES,
        "duplicate": bool(copies.of(video)),
        "leak": copies.leak(video),
        "damaged": video.damaged > 0,
        "truncated": video.missing_bytes > 0,
        "unlabelled": not video.labels,
        "unreadable": unreadable,
    }
    return [oddity.name for oddity in ODDITIES if are[oddity.name]]
