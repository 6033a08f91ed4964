"""Publishing of finished files: rename into the store, then commit.

Readers ignore a file without its commit, so a crash between any two lines here leaves
nothing half-visible, and costs at most this one shard.
"""

import os
import shutil
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path

from motion_shards.choices import MODALITIES
from pipeline.errors import SourceChanged
from pipeline.shard.task import ShardReport
from pipeline.store.commit import Commit
from pipeline.store.errors import LayoutError
from pipeline.store.file_names import ARRIVING, COMMITS, LOGS, commit_file
from pipeline.store.files import (
    content_hash,
    read_commit,
)
from pipeline.store.manifest import FileRecord
from pipeline.store.replacement import remove_parts, require_plain_folder, sync_folder
from pipeline.store.sealing import write_sealed

LIBRARIES = ("av", "h5py", "numba", "numpy", "opencv-contrib-python")


def publish(report: ShardReport, store: Path) -> None:
    """Make the files of a delivered shard part of the store. Only the driver does this.

    The published file stays where the new one lacks some of its videos, because their
    sources are missing now.

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
            **file._asdict(),
            settings=plan.settings.modality_record(modality),
            codec=plan.codec(modality).to_dict(),
            videos=tuple(report.records[modality]),
            bad=report.bad,
            unavailable=report.unavailable,
            versions=_versions(),
            made_with=report.flow_made_with if modality == "flow" else {},
        )
        publish_file(arrived, commit, store)


def publish_file(arrived: Path, commit: Commit, store: Path) -> None:
    """Make one file in the store's `_tmp`, flushed to disk, part of the store."""
    path = store / commit_file(commit.modality, commit.shard)
    path.unlink(missing_ok=True)  # of a damaged file: it goes before its file does
    os.replace(arrived, store / commit.file)
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


def read_commits(
    store: Path,
    shard: int,
    fingerprint: str,
    *,
    damaged: Callable[[str, str], None] = lambda modality, reason: None,
) -> dict[str, Commit]:
    """The commits of a shard by modality, if they are of this plan.

    Args:
        damaged: called with modality and reason for each commit that cannot be read;
            such commits count as missing.
    """
    found = {}
    for modality in MODALITIES:
        try:
            commit = read_commit(store, modality, shard)
        except LayoutError as error:
            damaged(modality, str(error))
            continue
        if commit is not None and commit.fingerprint == fingerprint:
            found[modality] = commit
    return found


@cache
def _versions() -> Mapping[str, str]:
    return {name: version(name) for name in LIBRARIES}


def intact(file: FileRecord, store: Path, *, hashed: bool) -> bool:
    """Whether a committed file is there with its size, and with its content if asked."""
    path = store / file.file
    if not path.is_file() or path.stat().st_size != file.bytes:
        return False
    return not hashed or content_hash(path) == file.xxh3


def clear_arriving(store: Path) -> None:
    """Remove files of attempts that died. Only for the run that holds the lease."""
    shutil.rmtree(store / ARRIVING, ignore_errors=True)
    for folder in (store, store / COMMITS, store / LOGS):
        remove_parts(folder)


def prepare(store: Path) -> None:
    """Make the folders of a store.

    Raises:
        LayoutError: one of them is a link: nothing is written through it.
    """
    for name in (COMMITS, ARRIVING, LOGS):
        if not os.path.lexists(store / name):
            (store / name).mkdir(parents=True, exist_ok=True)
        require_plain_folder(store / name)
