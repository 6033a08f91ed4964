"""Stores made of other stores: `copy`, `remove` and `merge` as functions."""

import os
from collections.abc import Sequence
from pathlib import Path

from motion_shards.plain_text import counted

from .destination import opened
from .errors import ManagementError
from .joining import joined, renamed
from .outcome import Outcome, Progress
from .part_store import store_of
from .selection import Part, Selection, listed_videos, select
from .source import Source
from .whole_store import copy_whole


def _silent(done: int, total: int) -> None:
    pass


def copy(
    source: Path | str,
    out: Path | str,
    *,
    modalities: Sequence[str] = (),
    classes: Sequence[str] = (),
    splits: Sequence[str] = (),
    videos: Path | None = None,
    state: str | None = None,
    progress: Progress = _silent,
) -> Outcome:
    """Copy a store, whole or in part, with every byte checked against its hash.

    Args:
        source: a folder, or an address.
        out: a new folder, or what an interrupted call has left; or s3://bucket/store.
        modalities, classes, splits: only these; all of them if left out.
        videos: text file of the only videos to copy, an id or path per line.
        state: the beginning of a fingerprint that the store had before it grew, to copy the
            videos that it had then. Labels are the present ones.

    Raises:
        StoreError: the source is none, is damaged, or another run writes `out`.
        AddressError: an address does not answer, refuses, or takes no objects.
        ManagementError: what is asked for does not fit; one line.
    """
    store = Source(source, state=state)
    wanted = store.require_modalities(tuple(modalities))
    only = listed_videos(videos, store) if videos else None
    part = Part(classes=classes, splits=splits, only=only)
    if state is not None and not part.whole:
        raise ManagementError("--state: expected no classes, splits or videos with it")
    if part.whole:
        with opened(out) as there:
            return copy_whole(store, wanted, there, progress=progress)
    selection = select(store, part, wanted)
    with opened(out) as there:
        return store_of(selection, wanted, there, progress=progress)


def remove(
    source: Path | str, out: Path | str, *, videos: Path, progress: Progress = _silent
) -> Outcome:
    """Copy a store without some videos. Arguments and errors as of `copy`."""
    store = Source(source)
    part = Part(without=listed_videos(videos, store))
    modalities = store.store.modalities
    selection = select(store, part, modalities)
    with opened(out) as there:
        return store_of(selection, modalities, there, progress=progress)


def merge(
    sources: Sequence[Path | str],
    out: Path | str,
    *,
    name: str | None = None,
    prefix: Sequence[str] = (),
    progress: Progress = _silent,
) -> Outcome:
    """Make one store of several that have the same modalities, settings and codecs.

    Args:
        name: of the new data set. Default: that of the sources where it is the same
            one, else that of the folder.
        prefix: `videos` puts the name of its data set, or of its store where these are
            the same, before the ids, paths and groups of each source; `classes` before
            its classes, which are joined by name otherwise.

    Raises:
        StoreError: a source is none, is damaged, or another run writes `out`.
        ManagementError: the sources do not fit together; one line.
    """
    stores = [Source(source) for source in sources]
    if len(stores) < 2:
        raise ManagementError("expected two stores or more to merge")
    for other in stores[1:]:
        _require_alike(stores[0], other)
    modalities = stores[0].store.modalities
    parts = [select(store, Part(), modalities) for store in stores]
    if prefix:
        parts = [
            _prefixed(part, called, prefix)
            for part, called in zip(parts, _names(stores), strict=True)
        ]
    datasets = {store.store.dataset for store in stores}
    usual = datasets.pop() if len(datasets) == 1 else Path(os.path.realpath(out)).name
    selection = joined(parts, name=name or usual)
    with opened(out) as there:
        outcome = store_of(selection, modalities, there, progress=progress)
    return outcome.with_remarks(_duplicates(selection))


def _prefixed(part: Selection, called: str, prefix: Sequence[str]) -> Selection:
    def with_prefix(text: str) -> str:
        return f"{called}/{text}"

    return renamed(
        part,
        video=with_prefix if "videos" in prefix else str,
        class_name=with_prefix if "classes" in prefix else str,
    )


def _names(stores: Sequence[Source]) -> list[str]:
    """Distinct names of the stores: of their data sets, else of their folders."""
    datasets = [store.store.dataset for store in stores]
    folders = [store.folder.resolve().name for store in stores]
    for names in (datasets, folders):
        if len(set(names)) == len(names):
            return names
    raise ManagementError(
        f"--prefix: expected stores with different names, got {', '.join(folders)}"
    )


def _require_alike(first: Source, other: Source) -> None:
    """
    Raises:
        ManagementError: other modalities, settings or codecs; the line names the first
            difference.
    """
    here, there = first.manifest, other.manifest
    if first.store.modalities != other.store.modalities:
        raise ManagementError(
            f"{first.folder} has {', '.join(first.store.modalities)}, {other.folder} "
            f"{', '.join(other.store.modalities)}: copy the common ones first "
            "(`pipeline copy STORE NEW --modalities ...`)"
        )
    for part in here.settings:
        mine, others = here.settings[part], there.settings.get(part, {})
        for name in sorted({*mine, *others}):
            if mine.get(name) != others.get(name):
                raise ManagementError(
                    f"{first.folder} and {other.folder} differ in {part} {name}: "
                    f"{mine.get(name)} and {others.get(name)}; only stores of the same "
                    "settings can be merged"
                )
    for name, record in here.modalities.items():
        if dict(record.codec) != dict(there.modalities[name].codec):
            raise ManagementError(
                f"{first.folder} and {other.folder} differ in the codec of {name}: "
                f"{dict(record.codec)} and {dict(there.modalities[name].codec)}"
            )


def _duplicates(selection: Selection) -> tuple[str, ...]:
    """A remark on source files of equal content, which may stand on both sides of a split."""
    seen: dict[str, str] = {}
    twice = [
        name
        for name in sorted(video.id for video in selection.dataset.videos)
        if seen.setdefault(selection.stored(name).xxh3, name) != name
    ]
    if not twice:
        return ()
    first = selection.stored(twice[0])
    count = counted(len(twice), "video")
    example = f"{twice[0]} and {seen[first.xxh3]}"
    return (f"{count} with the content of another one, such as {example}",)
