"""A sample of videos, spread over classes and groups."""

import math
from collections.abc import Iterable
from typing import Protocol, TypeVar


class Labelled(Protocol):
    """A video as far as a sample needs to know it."""

    @property
    def id(self) -> str: ...

    @property
    def labels(self) -> tuple[int, ...]: ...

    @property
    def group(self) -> str: ...


V = TypeVar("V", bound=Labelled)


def spread(videos: Iterable[V], sample: int | None) -> list[V]:
    """About `sample` videos: of every class as many, evenly over its sorted groups.

    Args:
        sample: all videos if None.
    """
    videos = list(videos)
    if sample is None or sample >= len(videos):
        return videos
    by_class: dict[tuple[int, ...], list[V]] = {}
    for video in sorted(videos, key=lambda video: (video.group, video.id)):
        by_class.setdefault(video.labels, []).append(video)
    each = math.ceil(sample / len(by_class))
    return [
        members[index * len(members) // min(each, len(members))]
        for _, members in sorted(by_class.items())
        for index in range(min(each, len(members)))
    ]
