"""A finished store of a few made-up videos, written with the parts under test."""

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
from default_codecs import default_codec

from pipeline.store import MODALITIES
from pipeline.store.commit import Commit, VideoRecord
from pipeline.store.file_names import COMMITS, INDEX, MANIFEST, commit_file, shard_file
from pipeline.store.files import content_hash, write_index
from pipeline.store.hashes import row_hash
from pipeline.store.index import IndexRecord, Rows
from pipeline.store.local_file import LocalFile
from pipeline.store.manifest import Manifest, ModalityRecord
from pipeline.store.schema import cells
from pipeline.store.sealing import write_sealed
from pipeline.store.shard import ShardWriter
from pipeline.store.shard_file import columns_text, file_record, read_header
from pipeline.store.shard_reader import ShardReader

CLASSES = ("jump", "run")
PICTURES = np.frombuffer(b"IPPBPP?PPPPP", np.uint8)


def arrays(frames: int, *, height: int, width: int, seed: int) -> dict[str, np.ndarray]:
    """Every array of a made-up video: smooth frames, a smooth field, quarter-pel vectors."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    t = np.arange(frames)[:, None, None] + seed
    planes = [128 + 100 * np.sin((x + a * y + b * t) / 9) for a, b in ((1, 2), (2, 1))]
    red, green = planes
    rgb = np.stack([red, green, 255 - red], axis=-1).astype(np.uint8)
    flow = np.stack([(red[1:] - 128) / 25, (green[1:] - 128) / 50], axis=-1)
    random = np.random.default_rng(seed)
    shape = (frames - 1, cells(height), cells(width), 2)
    mv = random.integers(-80, 80, shape).astype(np.float32) / 4
    valid = random.random(frames - 1) < 0.8
    mv[~valid] = 0
    return {"rgb": rgb, "flow": flow.astype(np.float32), "mv": mv, "mv_valid": valid}


def seal_manifest(folder: Path, **changes: object) -> None:
    """Let the manifest agree with an index that was changed on purpose, and more."""
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["index"] = [content_hash(folder / INDEX)]
    write_sealed(folder / MANIFEST, manifest | changes)


def rehash(path: Path) -> None:
    """Let the hashes in a shard file agree with what was changed on purpose."""
    with h5py.File(path, "a") as file:
        ends, data = file["offsets"][:], file["data"][:]
        rows = [data[first:stop] for first, stop in pairwise(ends)]
        file["row_hashes"][:] = list(map(row_hash, rows))
    retext(path)


def retext(path: Path) -> None:
    """Let the text `columns` of a file agree with its data sets."""
    with h5py.File(path, "a") as file:
        columns = {n: file[n][:] for n in file if n not in ("data", "columns")}
        text = columns_text(file, columns)
        del file["columns"]
        file["columns"] = np.frombuffer(text, np.uint8)


def shard_at(path: Path, *, modality: str = "", checked: bool = True) -> ShardReader:
    """A shard file opened as a store opens it, with a record of what is there now."""
    modality = modality or path.name.partition("-")[0]
    header = read_header(path, modality=modality)
    return ShardReader(
        LocalFile(path),
        modality=modality,
        record=header.record(path.name, "0" * 32),
        codec=header.codec.to_dict(),
        checked=checked,
    )


def write_store(
    folder: Path,
    shards: Sequence[Mapping[str, int]],
    *,
    modalities: Sequence[str] = MODALITIES,
    height: int = 35,
    width: int = 50,
) -> Path:
    """A store in `folder`. `shards`: for each, video id -> number of frames."""
    (folder / COMMITS).mkdir(parents=True)
    rows: dict[str, dict[str, Rows]] = {}
    records: dict[str, VideoRecord] = {}
    kept: dict[str, ModalityRecord] = {}
    for modality in modalities:
        codec = default_codec(modality)
        files = []
        for shard, videos in enumerate(shards):
            name = shard_file(modality, shard)
            stored: list[VideoRecord] = []
            with ShardWriter(folder / name, modality=modality, codec=codec) as writer:
                for video_id, frames in videos.items():
                    made = arrays(frames, height=height, width=width, seed=shard)
                    with writer.video(video_id, height=height, width=width) as entry:
                        valid = made["mv_valid"] if modality == "mv" else None
                        entry.append(made[modality], valid)
                        entry.append_frames(
                            np.arange(frames) / 25, np.resize(PICTURES, frames)
                        )
                    first = sum(record.rows for record in stored)
                    record = VideoRecord(
                        id=video_id,
                        path=f"{video_id}.avi",
                        size_bytes=100,
                        xxh3="ab" * 16,
                        frames=entry.frames,
                        height=height,
                        width=width,
                        fps=25.0,
                        codec="mpeg4",
                        first=first,
                        rows=entry.rows,
                        clipped=entry.clipped,
                        values=entry.values,
                        bytes=entry.bytes,
                    )
                    stored.append(record)
                    records[video_id] = record
                    rows.setdefault(video_id, {})[modality] = Rows(
                        shard, first, entry.rows
                    )
            file = file_record(folder / name, modality=modality)
            files.append(file)
            commit = Commit(
                fingerprint="f00d",
                modality=modality,
                shard=shard,
                **file._asdict(),
                codec=codec.to_dict(),
                settings={"codec": codec.to_dict()},
                videos=tuple(stored),
            )
            write_sealed(folder / commit_file(modality, shard), commit.to_dict())
        kept[modality] = ModalityRecord(codec=codec.to_dict(), files=tuple(files))
    index = [
        IndexRecord(
            id=record.id,
            path=record.path,
            size_bytes=record.size_bytes,
            xxh3=record.xxh3,
            labels=(number % 2,),
            splits={"split1": "test" if number % 3 else "train"},
            group=f"g{number:02d}",
            segments=((number % 2, 0.5, 1.5),) if number == 0 else (),
            frames=record.frames,
            height=record.height,
            width=record.width,
            fps=record.fps,
            codec=record.codec,
            clipped_share=0.0 if "flow" in modalities else None,
            rows=rows[record.id],
        )
        for number, record in enumerate(records.values())
    ]
    xxh3 = write_index(folder, index)
    manifest = Manifest(
        dataset="list",
        classes=CLASSES,
        splits={"split1": "official"},
        mirror_safe=False,
        settings={"common": {"short_side": height}}
        | {name: {"codec": dict(record.codec)} for name, record in kept.items()},
        fingerprint="f00d",
        shards=len(shards),
        modalities=kept,
        videos=len(index),
        index=(xxh3,),
    )
    write_sealed(folder / MANIFEST, manifest.to_dict())
    return folder
