"""The index of a store -> its videos, checked against the manifest."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import LayoutError
from .files import read_index
from .records import IndexRecord, Manifest, Rows
from .schema import MODALITIES


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVideo:
    """A video of a store, with everything its lists said."""

    id: str
    path: str
    """Of the source, relative to its folder of videos."""
    xxh3: str
    """Of the source."""
    labels: tuple[int, ...]
    """Positions in `Store.classes`."""
    class_names: tuple[str, ...]
    """Of these labels."""
    splits: Mapping[str, str]
    """Split name -> "train" or "test". Absent: not used in that split."""
    group: str
    segments: tuple[tuple[int, float, float], ...]
    """(label, start, stop) in seconds."""
    frames: int
    height: int
    width: int
    """Of the stored grid, in pixels."""
    fps: float
    codec: str
    """Of the source."""
    clipped_share: float | None
    """Of flow values beyond what the codec stores; None without flow."""
    rows: Mapping[str, Rows]
    """Modality -> where it lies."""

    @property
    def modalities(self) -> tuple[str, ...]:
        return tuple(name for name in MODALITIES if name in self.rows)


def read_videos(folder: Path, manifest: Manifest) -> dict[str, StoredVideo]:
    """Id -> video, in the order of the index.

    Raises:
        LayoutError: index and manifest do not belong together.
    """
    names: dict[tuple[int, ...], tuple[str, ...]] = {}
    videos: dict[str, StoredVideo] = {}
    for record in read_index(folder):
        if record.labels not in names:
            names[record.labels] = _class_names(folder, record, manifest.classes)
        # A run that adds a modality replaces the index, then the manifest: in between,
        # the index may know more than the manifest admits.
        known = {m: rows for m, rows in record.rows.items() if m in manifest.modalities}
        if not known:
            continue
        for modality, rows in known.items():
            if rows.shard >= manifest.shards:
                raise LayoutError(
                    f"{folder}: {record.id}: {modality}: expected a shard below "
                    f"{manifest.shards}, got {rows.shard}"
                )
        if record.id in videos:
            raise LayoutError(f"{folder}: expected {record.id!r} once in the index")
        videos[record.id] = _stored_video(record, names[record.labels], known)
    if len(videos) != manifest.videos:
        raise LayoutError(
            f"{folder}: expected {manifest.videos} videos in the index, got {len(videos)}"
        )
    return videos


def _class_names(
    folder: Path, record: IndexRecord, classes: tuple[str, ...]
) -> tuple[str, ...]:
    for label in record.labels:
        if type(label) is not int or not 0 <= label < len(classes):
            raise LayoutError(
                f"{folder}: {record.id}: expected labels below {len(classes)}, "
                f"got {label!r}"
            )
    return tuple(classes[label] for label in record.labels)


def _stored_video(
    record: IndexRecord, class_names: tuple[str, ...], rows: Mapping[str, Rows]
) -> StoredVideo:
    return StoredVideo(
        id=record.id,
        path=record.path,
        xxh3=record.xxh3,
        labels=record.labels,
        class_names=class_names,
        splits=record.splits,
        group=record.group,
        segments=record.segments,
        frames=record.frames,
        height=record.height,
        width=record.width,
        fps=record.fps,
        codec=record.codec,
        clipped_share=record.clipped_share,
        rows=rows,
    )
