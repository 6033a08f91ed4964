"""Finished files become part of a store: copy + hash, rename, commit; then the manifest.

A file without its commit does not exist for readers, so a crash between any two lines
here leaves nothing half-visible, and costs at most this one shard.
"""

import errno
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from uuid import uuid4

from pipeline.adapters.videos import DataSet, Video
from pipeline.plan import StorePlan
from pipeline.store.errors import LayoutError, StoreError
from pipeline.store.files import (
    content_hash,
    read_commit,
    read_index,
    read_manifest,
    require_index,
    write_index,
)
from pipeline.store.records import (
    COMMITS,
    LOGS,
    MANIFEST,
    Commit,
    FileRecord,
    IndexRecord,
    Manifest,
    ModalityRecord,
    Rows,
    VideoRecord,
    commit_file,
)
from pipeline.store.replacement import remove_parts, require_plain_folder, sync_folder
from pipeline.store.sealing import write_sealed
from pipeline.store.shard_reader import file_record
from pipeline.task import ShardReport

ARRIVING = "_tmp"
NO_INDEX = "99aa06d3014798d86001c324468d497f"
"""xxh3-128 of nothing."""
COPY_BLOCK = 4 << 20
LIBRARIES = ("av", "h5py", "numba", "numpy", "opencv-contrib-python")


class SourceChanged(ValueError):
    """A video is not the same as when its other modalities were extracted."""


def deliver(report: ShardReport, store: Path) -> ShardReport:
    """Copy the finished files into the store's `_tmp`. Runs where they were built.

    Raises:
        OSError: the store has no room, or cannot be written.
    """
    folder = store / ARRIVING
    folder.mkdir(exist_ok=True)
    for modality, built in report.files.items():
        size = built.stat().st_size
        free = shutil.disk_usage(folder).free
        if free < size:
            raise OSError(
                errno.ENOSPC, f"expected {size:,} bytes free, got {free:,}", str(store)
            )
        arriving = folder / f"{uuid4().hex}.h5"
        try:
            xxh3 = _copy_and_hash(built, arriving)
        except BaseException:
            arriving.unlink(missing_ok=True)
            raise
        record = file_record(built, modality=modality, xxh3=xxh3)
        report.files[modality] = arriving
        report.delivered[modality] = record
    return report


def _copy_and_hash(source: Path, target: Path) -> str:
    from xxhash import xxh3_128

    state = xxh3_128()
    with source.open("rb") as reading, target.open("xb") as writing:
        while block := reading.read(COPY_BLOCK):
            state.update(block)
            writing.write(block)
        writing.flush()
        os.fsync(writing.fileno())
    return state.hexdigest()


def publish(report: ShardReport, store: Path) -> None:
    """Make the files of a delivered shard part of the store. Only the driver does this.

    A file that lacks a video which the published one has, because its source is away
    now, does not take the place of that one.

    Raises:
        SourceChanged: a video has another content than in a modality published before.
    """
    plan = report.plan
    _require_same_sources(report, store)
    for modality, arrived in report.files.items():
        if _would_lose(report, modality, store):
            arrived.unlink(missing_ok=True)
            continue
        file = report.delivered[modality]
        commit = Commit(
            fingerprint=plan.fingerprint,
            modality=modality,
            shard=plan.shard,
            shards=plan.shards,
            **file._asdict(),
            settings=plan.settings[modality],
            codec=plan.codec(modality).to_dict(),
            videos=tuple(report.records[modality]),
            bad=report.bad,
            unavailable=report.unavailable,
            versions=_versions(),
            made_with=report.flow_made_with if modality == "flow" else {},
        )
        path = store / commit_file(modality, plan.shard)
        path.unlink(missing_ok=True)  # of a damaged file: it goes before its file does
        os.replace(arrived, store / file.file)
        sync_folder(store)
        write_sealed(path, commit.to_dict())


def _would_lose(report: ShardReport, modality: str, store: Path) -> bool:
    before = read_commits(store, report.plan.shard, report.plan.fingerprint)
    if (commit := before.get(modality)) is None:
        return False
    now = {video.id for video in report.records[modality]}
    if all(video.id in now for video in commit.videos):
        return False
    return intact(commit.record, store, hashed=True)


def _require_same_sources(report: ShardReport, store: Path) -> None:
    plan = report.plan
    for other in read_commits(store, plan.shard, plan.fingerprint).values():
        before = {video.id: video for video in other.videos}
        for modality, records in report.records.items():
            for video in records:
                known = before.get(video.id, video)
                if (known.xxh3, known.frames) != (video.xxh3, video.frames):
                    raise SourceChanged(
                        f"{video.id}: expected the content of its {other.modality} "
                        f"({known.frames} frames, {known.xxh3}), got {video.frames} "
                        f"frames, {video.xxh3} for {modality}: the file has changed"
                    )


def read_commits(store: Path, shard: int, fingerprint: str) -> dict[str, Commit]:
    """The commits of a shard by modality, if they are of this plan.

    Raises:
        LayoutError: a commit is damaged.
    """
    found = {}
    for modality in ("rgb", "flow", "mv"):
        commit = read_commit(store, modality, shard)
        if commit is not None and commit.fingerprint == fingerprint:
            found[modality] = commit
    return found


@cache
def _versions() -> Mapping[str, str]:
    return {name: version(name) for name in LIBRARIES}


def merge(plan: StorePlan, dataset: DataSet, store: Path) -> Manifest:
    """Write index and manifest from the commits: from here on the store can be read.

    Splits that an earlier run wrote are kept where this one brings none of their name.

    Returns:
        The manifest; its `videos` is what could be stored.
    """
    videos = {video.id: video for video in dataset.videos}
    old = _earlier_manifest(store)
    kept_kinds, kept = _earlier_splits(store, old, set(dataset.splits))
    complete = [m for m in plan.modalities if _complete(plan, m, store)]
    bad = dict(dataset.unusable)
    unavailable: dict[str, str] = {}
    files: dict[str, list[FileRecord]] = {modality: [] for modality in complete}
    count = 0

    def records() -> Iterator[IndexRecord]:
        nonlocal count
        for shard in range(plan.shards):
            commits = read_commits(store, shard, plan.fingerprint)
            for modality in complete:
                commit = commits[modality]
                files[modality].append(commit.record)
            wanted = [commits[modality] for modality in complete]
            reasons = {
                name: why for commit in wanted for name, why in commit.bad.items()
            }
            for commit in wanted:
                unavailable.update(commit.unavailable)
            stored = {video.id for commit in wanted for video in commit.videos}
            bad.update({n: why for n, why in reasons.items() if n not in stored})
            for record in _index_records(wanted, videos, kept):
                count += 1
                yield record

    def announce(xxh3: str) -> None:
        """Readers of the manifest that is there may meet either index for a moment."""
        if old is not None and xxh3 not in old.index:
            either = replace(old, index=(*old.index, xxh3))
            write_sealed(store / MANIFEST, either.to_dict())

    index = records()  # by id, as the shards are: none of them is held
    first = next(index, None)
    xxh3 = NO_INDEX
    if first is not None:
        lines = chain([first], index)
        xxh3 = write_index(store, lines, ordered=True, before=announce)
    manifest = Manifest(
        dataset=plan.dataset,
        classes=dataset.classes,
        splits={**kept_kinds, **dataset.splits},
        mirror_safe=dataset.mirror_safe,
        settings={
            part: dict(value)
            for part, value in plan.settings.items()
            if part == "common" or part in complete
        },
        fingerprint=plan.fingerprint,
        shards=plan.shards,
        modalities={
            modality: ModalityRecord(
                codec=plan.settings[modality]["codec"], files=tuple(files[modality])
            )
            for modality in complete
        },
        videos=count,
        index=(xxh3,),
        bad={name: bad[name] for name in sorted(bad.keys() - unavailable)},
        unavailable=dict(sorted(unavailable.items())),
    )
    if count:
        write_sealed(store / MANIFEST, manifest.to_dict())
    return manifest


def _complete(plan: StorePlan, modality: str, store: Path) -> bool:
    return all(
        (store / commit_file(modality, shard)).exists() for shard in range(plan.shards)
    )


def _earlier_manifest(store: Path) -> Manifest | None:
    """What readers see now; None where there is none, or one that cannot be read."""
    try:
        return read_manifest(store)
    except StoreError:
        return None


def _earlier_splits(
    store: Path, old: Manifest | None, fresh: set[str]
) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Kinds and members of splits that are in the store and not among the fresh ones."""
    kinds = old.splits if old else {}
    kinds = {name: kind for name, kind in kinds.items() if name not in fresh}
    if not old or not kinds:
        return {}, {}
    try:
        require_index(store, old)
    except LayoutError as error:
        raise LayoutError(
            f"{error}: it alone says who belongs to {', '.join(kinds)}: give the lists "
            f"of these splits again, or remove {MANIFEST} to go on without them"
        ) from None
    members = {
        record.id: {name: part for name, part in record.splits.items() if name in kinds}
        for record in read_index(store)
    }
    return kinds, members


def _index_records(
    commits: Sequence[Commit],
    videos: Mapping[str, Video],
    kept: Mapping[str, Mapping[str, str]],
) -> Iterator[IndexRecord]:
    found: dict[str, dict[str, VideoRecord]] = {}
    for commit in commits:
        for record in commit.videos:
            found.setdefault(record.id, {})[commit.modality] = record
    for name, by_modality in sorted(found.items()):
        video, first = videos[name], next(iter(by_modality.values()))
        flow, mv = by_modality.get("flow"), by_modality.get("mv")
        yield IndexRecord(
            id=name,
            path=first.path,
            size_bytes=first.size_bytes,
            xxh3=first.xxh3,
            labels=video.labels,
            splits={**kept.get(name, {}), **video.splits},
            group=video.group,
            segments=tuple(
                (s.label, s.start_seconds, s.stop_seconds) for s in video.segments
            ),
            frames=first.frames,
            height=first.height,
            width=first.width,
            fps=first.fps,
            codec=first.codec,
            source_height=first.source_height,
            source_width=first.source_width,
            pixel_aspect=first.pixel_aspect,
            rotation=first.rotation,
            damaged=max(record.damaged for record in by_modality.values()),
            missing_bytes=first.missing_bytes,
            clipped_share=flow.clipped / max(flow.values, 1) if flow else None,
            known_share=mv.known / mv.rows if mv and mv.rows else None,
            rows={
                modality: Rows(commits[0].shard, record.first, record.rows)
                for modality, record in by_modality.items()
            },
        )


def intact(file: FileRecord, store: Path, *, hashed: bool) -> bool:
    """Whether a committed file is there with its size, and with its content if asked."""
    path = store / file.file
    if not path.is_file() or path.stat().st_size != file.bytes:
        return False
    return not hashed or content_hash(path) == file.xxh3


def clear_arriving(store: Path) -> None:
    """Remove what attempts that died left behind. Only for the run that holds the store."""
    shutil.rmtree(store / ARRIVING, ignore_errors=True)
    for folder in (store, store / COMMITS, store / LOGS):
        remove_parts(folder)


def prepare(store: Path, names: Iterable[str] = (COMMITS, ARRIVING, LOGS)) -> None:
    """Make the folders of a store.

    Raises:
        LayoutError: one of them is a link: nothing is written through it.
    """
    for name in names:
        if not os.path.lexists(store / name):
            (store / name).mkdir(parents=True, exist_ok=True)
        require_plain_folder(store / name)
