"""Shard files that other machines build for a store whose folder they do not see.

They come to the driver's machine through the object stores of Ray, in pieces.
"""

import os
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import ray
from xxhash import xxh3_128

from pipeline.shard.task import ShardReport
from pipeline.store.file_names import ARRIVING

PIECE_BYTES = 64 << 20


class SentShard(NamedTuple):
    """A report, and its files as objects of Ray."""

    report: ShardReport
    pieces: dict[str, list[ray.ObjectRef]]
    """Modality -> the bytes of its file, piece by piece."""


def send(report: ShardReport) -> SentShard:
    """Put the files of a delivered shard into Ray's object store.

    Raises:
        OSError: a file cannot be read.
    """
    pieces = {}
    for modality, path in report.files.items():
        with path.open("rb") as file:
            blocks = iter(lambda: file.read(PIECE_BYTES), b"")
            pieces[modality] = [ray.put(block) for block in blocks]
    return SentShard(report, pieces)


def receive(sent: SentShard, store: Path) -> ShardReport:
    """Write the files of a shard into the store's `_tmp`, as `deliver` does.

    Raises:
        RayError: the machine that has them is gone.
        OSError: the store has no room, or other bytes have arrived.
    """
    report = sent.report
    report.files = {}
    try:
        for modality, pieces in sent.pieces.items():
            arriving = store / ARRIVING / f"{uuid4().hex}.h5"
            report.files[modality] = arriving
            found = _written(pieces, arriving)
            if found != (wanted := report.delivered[modality].xxh3):
                raise OSError(
                    f"{modality} of shard {report.plan.shard}: expected xxh3 {wanted} "
                    f"from another machine, got {found}"
                )
    except BaseException:
        for path in report.files.values():
            path.unlink(missing_ok=True)
        raise
    return report


def _written(pieces: list[ray.ObjectRef], path: Path) -> str:
    """xxh3-128 of a file made of pieces, flushed to disk."""
    state = xxh3_128()
    with path.open("xb") as file:
        for piece in pieces:
            block: bytes = ray.get(piece)
            state.update(block)
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    return state.hexdigest()
