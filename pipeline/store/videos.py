"""The index of a store -> its videos, checked against the manifest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from motion_shards.choices import MODALITIES

from .errors import LayoutError
from .files import read_index
from .records import IndexRecord, Manifest, Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVideo:
    """A video of a store, with everything its lists said."""

    id: str
    path: str
    """Path of the source, relative to its folder of videos."""
    xxh3: str
    """xxh3-128 of the source."""
    labels: tuple[int, ...]
    """Positions in `Store.classes`."""
    class_names: tuple[str, ...]
    """Names of these labels."""
    splits: Mapping[str, str]
    """Split name -> "train" or "test". Absent: not used in that split."""
    group: str
    segments: tuple[tuple[int, float, float], ...]
    """(label, start, stop) in seconds."""
    frames: int
    height: int
    width: int
    """Size of the stored frames, px."""
    fps: float
    codec: str
    """Codec of the source: h264, mpeg4, ..."""
    clipped_share: float | None
    """Share of flow values beyond the range of the codec; None without flow."""
    rows: Mapping[str, Rows]
    """Modality -> where it lies."""
    known_share: float | None = None
    """Share of intervals with `mv_valid`; None without mv or without intervals."""
    source_height: int = 0
    source_width: int = 0
    """Size in the source, px, before rotation; 0: not recorded."""
    pixel_aspect: float = 1.0
    """Width of a pixel of the source, for a height of 1."""
    rotation: float = 0.0
    """Degrees, clockwise, by which the source asks to be turned; a multiple of 90 was."""
    damaged: int = 0
    """Packets of the source that did not decode or were incomplete, and frames with errors."""
    missing_bytes: int = 0
    """Bytes by which the source ends before the end that its container states."""

    @property
    def modalities(self) -> tuple[str, ...]:
        return tuple(name for name in MODALITIES if name in self.rows)


class HeldIndex(tuple[StoredVideo, ...]):
    """The videos of a store by position and by id, all of them held."""

    @cached_property
    def _by_id(self) -> dict[str, StoredVideo]:
        return {video.id: video for video in self}

    @property
    def ids(self) -> Sequence[str]:
        return tuple(self._by_id)

    def find(self, video_id: str) -> StoredVideo | None:
        """The video of an id, or None."""
        return self._by_id.get(video_id)


def read_videos(folder: Path, manifest: Manifest) -> HeldIndex:
    """The videos of the index, in its order; all lines are looked at.

    Raises:
        LayoutError: index and manifest do not belong together.
    """
    maker = VideoMaker(folder, manifest)
    videos = HeldIndex(filter(None, map(maker, read_index(folder))))
    seen: set[str] = set()
    for video in videos:
        if video.id in seen:
            raise LayoutError(f"{folder}: expected {video.id!r} once in the index")
        seen.add(video.id)
    require_count(folder, manifest, len(videos))
    return videos


def require_count(folder: Path, manifest: Manifest, found: int) -> None:
    """
    Raises:
        LayoutError: not as many videos as the manifest says.
    """
    if found != manifest.videos:
        raise LayoutError(
            f"{folder}: expected {manifest.videos} videos in the index, got {found}"
        )


class VideoMaker:
    """A line of the index -> a video, checked against the manifest.

    Raises:
        LayoutError: the line speaks of shards or labels that the manifest does not have.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self._folder, self._shards = folder, manifest.shards
        self._modalities = frozenset(manifest.modalities)
        self._classes = manifest.classes
        self._names: dict[tuple[int, ...], tuple[str, ...]] = {}

    def __call__(self, record: IndexRecord) -> StoredVideo | None:
        if record.labels not in self._names:
            names = _class_names(self._folder, record, self._classes)
            self._names[record.labels] = names
        # A run that adds a modality replaces the index, then the manifest: in between,
        # the index may know more than the manifest admits.
        known = {m: rows for m, rows in record.rows.items() if m in self._modalities}
        if not known:
            return None
        for modality, rows in known.items():
            if rows.shard >= self._shards:
                raise LayoutError(
                    f"{self._folder}: {record.id}: {modality}: expected a shard below "
                    f"{self._shards}, got {rows.shard}"
                )
        return _stored_video(record, self._names[record.labels], known)


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
        known_share=record.known_share,
        source_height=record.source_height,
        source_width=record.source_width,
        pixel_aspect=record.pixel_aspect,
        rotation=record.rotation,
        damaged=record.damaged,
        missing_bytes=record.missing_bytes,
        rows=rows,
    )
