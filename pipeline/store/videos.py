"""The index of a store -> its videos, checked against the manifest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from motion_shards.choices import MODALITIES

from .errors import LayoutError
from .files import read_index
from .index import IndexRecord, Rows
from .manifest import Manifest
from .remote_path import Location
from .video_facts import VideoFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVideo(VideoFacts):
    """A video of a store, with everything its lists said."""

    labels: tuple[int, ...]
    """Positions in `Store.classes`."""
    class_names: tuple[str, ...]
    """Names of these labels."""
    splits: Mapping[str, str]
    """Split name -> "train" or "test". Absent: not used in that split."""
    group: str
    segments: tuple[tuple[int, float, float], ...]
    """(label, start, stop) in seconds."""
    clipped_share: float | None
    """Share of flow values beyond the range of the codec; None without flow."""
    rows: Mapping[str, Rows]
    """Modality -> where it lies."""
    known_share: float | None = None
    """Share of intervals with `mv_valid`; None without mv or without intervals."""

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


def read_videos(folder: Location, manifest: Manifest) -> HeldIndex:
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


def require_count(folder: Location, manifest: Manifest, found: int) -> None:
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

    def __init__(self, folder: Location, manifest: Manifest) -> None:
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
    folder: Location, record: IndexRecord, classes: tuple[str, ...]
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
        **record.facts(),
        labels=record.labels,
        class_names=class_names,
        splits=record.splits,
        group=record.group,
        segments=record.segments,
        clipped_share=record.clipped_share,
        known_share=record.known_share,
        rows=rows,
    )
