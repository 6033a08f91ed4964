"""A store whose motion is known: textures that move left or right, written by the store itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from default_codecs import default_codec

from pipeline.store import MODALITIES, StoredVideo
from pipeline.store.file_names import MANIFEST, shard_file
from pipeline.store.files import write_index
from pipeline.store.index import IndexRecord, Rows
from pipeline.store.manifest import Manifest, ModalityRecord
from pipeline.store.schema import cells
from pipeline.store.sealing import write_sealed
from pipeline.store.shard import ShardWriter
from pipeline.store.shard_file import file_record
from training.data.dataset import Clips, Draw

HEIGHT, WIDTH = 48, 64
SPEED = 3.0
"""px per frame of class 0 to the left, of class 1 to the right."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """One video to make."""

    id: str
    label: int
    group: str
    part: str = "train"
    parts: Mapping[str, str] = field(default_factory=dict)
    """Of splits in which it is another than `part`."""
    frames: int = 8
    modalities: Sequence[str] = MODALITIES
    labels: tuple[int, ...] | None = None
    """Instead of `label`."""
    known_share: float | None = None
    """Of intervals with known vectors, as the index says."""
    poisoned: bool = False
    """Another texture that flickers, and motion that belongs to the other class."""


def videos(groups: int = 6, tested: int = 2, frames: int = 8) -> list[Made]:
    """One video of each of two classes in each group; the last groups are tested."""
    return [
        Made(
            id=f"{('left', 'right')[label]}_g{group:02d}",
            label=label,
            group=f"g{group:02d}",
            part="test" if group >= groups - tested else "train",
            frames=frames,
        )
        for group in range(groups)
        for label in (0, 1)
    ]


def arrays(video: Made, seed: int) -> dict[str, np.ndarray]:
    """rgb, flow, mv and mv_valid of one video; every fourth interval has no vectors."""
    rng = np.random.default_rng([seed, 1] if video.poisoned else seed)
    texture = rng.uniform(0, 255, (HEIGHT // 4, WIDTH // 4, 3)).astype(np.uint8)
    texture = texture.repeat(4, axis=0).repeat(4, axis=1)
    u = SPEED if video.label != video.poisoned else -SPEED
    rgb = np.stack(
        [np.roll(texture, int(t * u), axis=1) for t in range(video.frames)]
    ).astype(np.uint8)
    if video.poisoned:
        rgb[::2] = 255 - rgb[::2]
    intervals = video.frames - 1
    flow = np.zeros((intervals, HEIGHT, WIDTH, 2), np.float32)
    flow[..., 0] = u
    flow += rng.normal(0, 0.3, flow.shape).astype(np.float32)
    mv = np.zeros((intervals, cells(HEIGHT), cells(WIDTH), 2), np.float32)
    mv[..., 0] = u + np.round(rng.normal(0, 1, mv.shape[:-1]) * 4) / 4
    valid = np.arange(intervals) % 4 != 3
    mv[~valid] = 0
    return {"rgb": rgb, "flow": flow, "mv": mv, "mv_valid": valid}


def write_store(
    folder: Path,
    made: Sequence[Made],
    *,
    modalities: Sequence[str] = MODALITIES,
    classes: tuple[str, ...] = ("left", "right"),
    splits: Mapping[str, str] | None = None,
    settings: Mapping[str, Any] | None = None,
    mirror_safe: bool = False,
    dataset: str = "folder",
    fingerprint: str = "f00d",
    mv_shift: float = 0.0,
) -> Path:
    """One shard with these videos, in a split named 1.

    Args:
        mv_shift: px added to u and v of every known vector.
    """
    folder.mkdir(parents=True)
    rows: dict[str, dict[str, Rows]] = {video.id: {} for video in made}
    kept: dict[str, ModalityRecord] = {}
    for modality in modalities:
        codec, first = default_codec(modality), 0
        name = shard_file(modality, 0)
        with ShardWriter(folder / name, modality=modality, codec=codec) as writer:
            for number, video in enumerate(made):
                if modality not in video.modalities:
                    continue
                values = arrays(video, number)
                values["mv"][values["mv_valid"]] += mv_shift
                with writer.video(video.id, height=HEIGHT, width=WIDTH) as entry:
                    valid = values["mv_valid"] if modality == "mv" else None
                    entry.append(values[modality], valid)
                    entry.append_frames(
                        np.arange(video.frames) / 25,
                        np.full(video.frames, ord("P"), np.uint8),
                    )
                rows[video.id][modality] = Rows(0, first, entry.rows)
                first += entry.rows
        file = file_record(folder / name, modality=modality)
        kept[modality] = ModalityRecord(codec=codec.to_dict(), files=(file,))
    splits = {"1": "official"} if splits is None else splits
    index = [
        IndexRecord(
            id=video.id,
            path=f"{video.id}.avi",
            size_bytes=100,
            xxh3="ab" * 16,
            labels=(video.label,) if video.labels is None else video.labels,
            splits={name: video.parts.get(name, video.part) for name in splits},
            group=video.group,
            segments=(),
            frames=video.frames,
            height=HEIGHT,
            width=WIDTH,
            fps=25.0,
            codec="mpeg4",
            clipped_share=0.0,
            rows=rows[video.id],
            known_share=video.known_share,
        )
        for video in made
    ]
    xxh3 = write_index(folder, index)
    manifest = Manifest(
        dataset=dataset,
        classes=classes,
        splits=dict(splits),
        mirror_safe=mirror_safe,
        settings=settings
        or {
            "common": {"short_side": HEIGHT},
            "flow": {"profile": "default"},
            "mv": {"source": "canonical"},
        },
        fingerprint=fingerprint,
        shards=1,
        modalities=kept,
        videos=len(index),
        index=(xxh3,),
    )
    write_sealed(folder / MANIFEST, manifest.to_dict())
    return folder


def centred(clips: Clips, video: StoredVideo, start: int) -> Draw:
    """The middle of the frame from entry `start` on, nothing random."""
    return Draw(start, clips.views(video, 1)[0])
