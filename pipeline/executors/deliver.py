"""Copying of finished files from scratch into the store's `_tmp`."""

import errno
import os
import shutil
from pathlib import Path
from uuid import uuid4

from motion_shards.plain_text import room_text
from pipeline.shard.task import ShardReport
from pipeline.store.file_names import ARRIVING
from pipeline.store.files import (
    hash_of,
)
from pipeline.store.shard_file import file_record


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
            raise OSError(errno.ENOSPC, room_text(size, free), str(store))
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
    with source.open("rb") as reading, target.open("xb") as writing:
        xxh3 = hash_of(reading, copy=writing)
        writing.flush()
        os.fsync(writing.fileno())
    return xxh3
