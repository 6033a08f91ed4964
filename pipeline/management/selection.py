"""Stores, and some of their videos -> the videos of a new store, as its index says."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from motion_shards.near import near
from motion_shards.plain_text import first_names, size_text
from pipeline.adapters.subset import split_names
from pipeline.adapters.videos import DataSet, Segment, Video
from pipeline.shard.plan import PlannedVideo
from pipeline.store import StoredVideo
from pipeline.store.lookup import no_video

from .errors import ManagementError
from .source import Source

MAX_LIST_BYTES = 1 << 28
MAX_SHOWN = 120
"""Characters of a name in a message."""


class Origin(NamedTuple):
    """A video of a source, by its id there."""

    source: Source
    video_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The videos of a new store."""

    dataset: DataSet
    """The stored videos with their labels, splits and groups in the new store."""
    origins: Mapping[str, Origin]
    """Id in the new store -> the video in its source, left-out ones included."""
    left_out: Sequence[PlannedVideo] = ()
    """Quarantined and unavailable videos that are taken over, without rows."""
    passed_over: int = 0
    """Quarantined and unavailable videos that are not taken over."""

    def stored(self, video_id: str) -> StoredVideo:
        """A video of the new store, as its source has it."""
        source, old = self.origins[video_id]
        return source.store.video(old)


class Part(NamedTuple):
    """Conditions on the videos of one store; an empty one holds for all."""

    classes: Sequence[str] = ()
    splits: Sequence[str] = ()
    only: frozenset[str] | None = None
    """Ids; None: all."""
    without: frozenset[str] = frozenset()
    """Ids that are left out."""

    @property
    def whole(self) -> bool:
        """Whether it is all of the store."""
        return not (self.classes or self.splits or self.without) and self.only is None


def select(source: Source, part: Part, modalities: Collection[str]) -> Selection:
    """The videos of a part of a store.

    All classes stay, unless `part.classes` narrows them: labels then count from 0 over
    those that are left, in the order of the store, and a video of several classes keeps
    the labels and segments of these. `part.splits` narrows the splits likewise.

    Args:
        modalities: videos without any of these are left out.

    Raises:
        ManagementError: an unknown class or split, or no video is left.
    """
    store = source.store
    classes = _classes(part.classes, store.classes, f"{source.folder}: classes")
    splits = _known(part.splits, tuple(store.splits), f"{source.folder}: splits")
    number = {name: label for label, name in enumerate(classes)}

    def wanted(video: StoredVideo) -> bool:
        return (
            (part.only is None or video.id in part.only)
            and video.id not in part.without
            and any(name in video.rows for name in modalities)
            and (not part.classes or any(c in number for c in video.class_names))
            and (not part.splits or any(name in video.splits for name in splits))
        )

    labels = {old: number[n] for old, n in enumerate(store.classes) if n in number}
    alike: dict[Any, Any] = {}  # equal values once: there are few
    videos = tuple(
        _video(video, labels, splits, alike)
        for video in store.videos()
        if wanted(video)
    )
    if not videos:
        raise ManagementError(f"{source.folder}: no video is left to copy")
    by_name = part.classes or part.splits
    left_out = () if by_name else _left_out(source, part)
    passed_over = len(store.manifest.bad) + len(store.manifest.unavailable)
    dataset = DataSet(
        name=store.dataset,
        folder=source.folder_name,
        classes=classes,
        videos=videos,
        splits={name: store.splits[name] for name in splits},
        mirror_safe=store.mirror_safe,
    )
    names = [*(video.id for video in videos), *(video.id for video in left_out)]
    return Selection(
        dataset=dataset,
        origins={name: Origin(source, name) for name in names},
        left_out=left_out,
        passed_over=passed_over - len(left_out) if part.only is None else 0,
    )


def _video(
    video: StoredVideo,
    labels: Mapping[int, int],
    splits: Collection[str],
    alike: dict[Any, Any],
) -> Video:
    """A video with its labels in the new store, and the splits that are left.

    Args:
        alike: values that videos have had so far, which they share.
    """
    new = tuple(labels[label] for label in video.labels if label in labels)
    kept = {n: part for n, part in video.splits.items() if n in splits}
    return Video(
        id=video.id,
        path=video.path,
        size_bytes=video.size_bytes,
        labels=alike.setdefault(new, new),
        splits=alike.setdefault(("splits", *kept.items()), kept),
        group=video.id if video.group == video.id else video.group,
        segments=tuple(
            Segment(labels[label], start, stop)
            for label, start, stop in video.segments
            if label in labels
        ),
    )


def _left_out(source: Source, part: Part) -> tuple[PlannedVideo, ...]:
    """The planned videos of a part that could not be stored."""
    manifest = source.manifest
    names = manifest.bad.keys() | manifest.unavailable.keys()
    if not names:  # the plan of a large store is long
        return ()
    planned = source.plan.videos if source.plan else ()
    return tuple(
        video
        for video in planned
        if video.id in names
        and (part.only is None or video.id in part.only)
        and video.id not in part.without
    )


def _classes(wanted: Sequence[str], there: Sequence[str], what: str) -> tuple[str, ...]:
    """The classes that are wanted, in their order there; all for none.

    Raises:
        ManagementError: one of them is not there, or the texts name none.
        DatasetError: quotes that do not fit.
    """
    exact = {name.casefold(): name for name in there} | {name: name for name in there}
    names = [
        exact.get(name) or exact.get(name.casefold()) or name
        for text in wanted
        for name in split_names(there, text)
    ]
    if wanted and not names:
        raise ManagementError(f"{what}: expected names, got none")
    return _known(names, there, what)


def _known(wanted: Sequence[str], there: Sequence[str], what: str) -> tuple[str, ...]:
    """The names that are wanted, in their order there; all for none.

    Raises:
        ManagementError: one of them is not there.
    """
    for name in wanted:
        if name not in there:
            some = (
                near(name, there) or f" (there are {first_names(there, 5) or 'none'})"
            )
            raise ManagementError(f"{what}: no {name!r}{some}")
    return tuple(name for name in there if name in wanted or not wanted)


def listed_videos(path: Path, source: Source) -> frozenset[str]:
    """The videos that a text file names by id, by path or by the end of one, a line each.

    Empty lines are ignored. Quarantined videos count, too.

    Raises:
        ManagementError: no file of text, one without names, names that the store does not
            have, or an end that several of its videos have.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_LIST_BYTES + 1)
    except (FileNotFoundError, IsADirectoryError):
        raise ManagementError(
            f"{path}: expected a file with an id or path of a video per line"
        ) from None
    if len(content) > MAX_LIST_BYTES:
        raise ManagementError(
            f"{path}: expected a list of videos, got over {size_text(MAX_LIST_BYTES)}"
        )
    text = content.decode("utf-8", "surrogateescape").lstrip("\ufeff")
    names = [line.strip() for line in text.split("\n") if line.strip()]
    if not names:
        raise ManagementError(f"{path}: expected ids or paths of videos, got none")
    names = list(dict.fromkeys(names))
    ids = set(source.store.ids())
    ids |= source.manifest.bad.keys() | source.manifest.unavailable.keys()
    if ids.issuperset(names):
        return frozenset(names)
    by_path = {video.path: video.id for video in source.store.videos()}
    if source.plan:
        by_path = {v.path: v.id for v in source.plan.videos if v.id in ids} | by_path
    exact = by_path | {video_id: video_id for video_id in ids}
    by_end = _by_end(exact, {name for name in names if name not in exact})
    missing = [name for name in names if name not in exact and not by_end[name]]
    if missing:
        if not missing[1:]:
            known = source.store.ids()
            error = no_video(
                source.folder, source.manifest, known, missing[0][:MAX_SHOWN]
            )
            raise ManagementError(f"{path}: {error}")
        shown = first_names([name[:MAX_SHOWN] for name in missing])
        raise ManagementError(
            f"{path}: {source.folder} has no video {shown}"
            f" ({len(missing):,} of {len(names):,} names)"
        )
    for name, found in by_end.items():
        if len(found) > 1:
            raise ManagementError(
                f"{path}: {len(found)} videos of {source.folder} end in "
                f"{name[:MAX_SHOWN]!r}: {first_names(sorted(found))}"
            )
    return frozenset(exact.get(name) or next(iter(by_end[name])) for name in names)


def _by_end(exact: Mapping[str, str], ends: Collection[str]) -> dict[str, set[str]]:
    """Id of the videos whose id or path ends in each of some names, from a folder on."""
    found: dict[str, set[str]] = {end: set() for end in ends}
    for name, video_id in exact.items() if ends else ():
        end = name
        while end := end.partition("/")[2]:
            if end in found:
                found[end].add(video_id)
    return found
