"""Files with the names of their classes -> videos with labels, ids and groups."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from . import checks
from .scan import File
from .videos import Segment, Video


class Row(NamedTuple):
    """A video before classes have numbers."""

    file: File
    class_names: tuple[str, ...]
    splits: Mapping[str, str]
    group: str
    """Empty: the video is a group of its own."""
    segments: tuple[tuple[str, float, float], ...] = ()
    """(class, start, stop) in seconds."""


def videos_of(
    rows: Sequence[Row], classes: Iterable[str]
) -> tuple[tuple[str, ...], tuple[Video, ...]]:
    """Classes that have a video, in the order given, and the videos sorted by id."""
    used = {name for row in rows for name in row.class_names}
    present = tuple(name for name in classes if name in used)
    label = {name: number for number, name in enumerate(present)}
    ids = checks.video_ids(row.file for row in rows)
    videos = [
        Video(
            id=ids[row.file.path],
            path=row.file.path,
            size_bytes=row.file.size_bytes,
            labels=tuple(sorted({label[name] for name in row.class_names})),
            splits=row.splits,
            group=row.group or ids[row.file.path],
            segments=tuple(
                Segment(label[name], start, stop) for name, start, stop in row.segments
            ),
        )
        for row in rows
    ]
    return present, tuple(sorted(videos, key=lambda video: video.id))
