"""Store: random access to the videos of a finished store, in physical units."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from motion_shards.choices import MODALITIES, MOTION

from .entries import Crop, Levels, decode_entries, decode_levels
from .errors import LayoutError, RangeError, VideoNotFound
from .index import Rows
from .locations import located
from .lookup import no_video
from .open_shards import MAX_OPEN_FILES, OpenShards
from .opening import open_videos
from .remote_path import Location
from .schema import LAYOUT, entry_shape
from .shard_reader import ShardReader
from .videos import StoredVideo


class StoredBlock(NamedTuple):
    """Consecutive entries of one video, as `Store.iterate` gives them."""

    video: StoredVideo
    start: int
    arrays: dict[str, np.ndarray]
    """Array -> entries start, start + 1, ...; the last block of flow and mv is shorter."""


class Store:
    """Random access to the videos of a store.

    Opens a shard on first use, once per process, and at most `max_open_files` of them,
    so a store can be pickled to a DataLoader worker or survive a fork, and hundreds of
    shards do not exhaust file handles. Threads may share it.

    Args:
        folder: of a finished store, or its address: s3://bucket/store, https://..., hf://...,
            any that fsspec knows.
        check: compare the index and every row that is read with their hashes. Off saves one
            or two percent of the time of reading, and damaged bytes may go unnoticed.
        options: arguments of the fsspec file system of an address, such as credentials.
        cache: folder on a local disk through which whole shards of an address are read;
            $VIDEO_CACHE, if left out.
        cache_gb: limit of that folder in units of 10^9 bytes; $VIDEO_CACHE_GB or 100, if
            left out. The least recently used shards leave first.

    Attributes:
        folder: a `Path`, or a `RemotePath` of an address.

    Raises:
        StoreNotFound: no such folder, or something else, or not finished.
        AddressError: the address does not answer, or refuses.
        MissingExtra: it needs a library that is not installed.
        LayoutError: a store of another layout, or a damaged one.
    """

    def __init__(
        self,
        folder: Location | str,
        *,
        max_open_files: int = MAX_OPEN_FILES,
        check: bool = True,
        options: Mapping[str, Any] | None = None,
        cache: Path | str | None = None,
        cache_gb: float | None = None,
    ) -> None:
        self.folder = located(folder, options=options, cache=cache, cache_gb=cache_gb)
        self.manifest, self._videos = open_videos(self.folder, check=check)
        self._shards = OpenShards(
            self.folder, self.manifest, check=check, most=max_open_files
        )

    @property
    def dataset(self) -> str:
        """The adapter it came from: hmdb51, ucf101, ..."""
        return self.manifest.dataset

    @property
    def classes(self) -> tuple[str, ...]:
        """In official order; labels are positions in it."""
        return self.manifest.classes

    @property
    def splits(self) -> Mapping[str, str]:
        """Split name -> "official", "lists" or "seeded"."""
        return self.manifest.splits

    @property
    def settings(self) -> Mapping[str, Any]:
        """All settings that influence a stored number: common, and per modality."""
        return self.manifest.settings

    @property
    def fingerprint(self) -> str:
        """Hash of videos and settings."""
        return self.manifest.fingerprint

    @property
    def mirror_safe(self) -> bool:
        """False where a mirrored video belongs to another class (left, right)."""
        return self.manifest.mirror_safe

    @property
    def modalities(self) -> tuple[str, ...]:
        """Modalities of the store, in the order rgb, flow, mv."""
        return tuple(self.manifest.modalities)

    def __repr__(self) -> str:
        return f"Store({str(self.folder)!r}): {len(self._videos)} videos, {', '.join(self.modalities)}"

    def videos(self) -> Sequence[StoredVideo]:
        """All videos, by id. In a very large store, each is read when it is asked for."""
        return self._videos

    def ids(self) -> Sequence[str]:
        """Ids of all videos, in their order; quick in a store of any size."""
        return self._videos.ids

    def video(self, video_id: str) -> StoredVideo:
        """
        Raises:
            VideoNotFound: the store does not hold this video.
        """
        video = self._videos.find(video_id)
        if video is None:
            raise no_video(self.folder, self.manifest, self.ids(), video_id)
        return video

    def read(
        self,
        video_id: str,
        modality: str,
        *,
        start: int = 0,
        stop: int | None = None,
        step: int = 1,
        crop: Crop | None = None,
    ) -> np.ndarray:
        """Read entries of one array of a video.

        Args:
            video_id: as in `videos()`.
            modality: rgb, flow, mv or mv_valid.
            start, stop: frames for rgb, intervals for the others; stop is exclusive,
                and the end if left out.
            step: only every step-th entry from `start`; the others are not decoded.
            crop: (top, left, height, width) in pixels for rgb and flow, in cells for mv.

        Returns:
            (entries, ...) with type and unit of the layout, whatever is on disk. Empty only
            for all the intervals of a video of one frame.

        Raises:
            VideoNotFound: no such video, or not in this modality.
            RangeError: the range is empty or reaches beyond the end, or the crop does.
            LayoutError: the shard is damaged.
        """
        video, rows, first, end = self._range(video_id, modality, start, stop, step)
        with _named(video_id, modality):
            shard = self.shard(LAYOUT[modality].modality, rows.shard)
            if modality == "mv_valid":
                return shard.valid(first, end)[::step]
            return decode_entries(shard, video, modality, first, end, step, crop)

    def read_levels(
        self,
        video_id: str,
        modality: str,
        *,
        start: int = 0,
        stop: int | None = None,
        step: int = 1,
        crop: Crop | None = None,
    ) -> Levels:
        """Read motion as it is stored: a quarter to half of the bytes of px.

        `levels.px[levels.values]` of flow, `levels.px * levels.values` of mv, is what
        `read` gives, with the axis of u and v moved to the end.

        Args:
            modality: flow or mv. The others are as in `read`.

        Raises:
            VideoNotFound, RangeError, LayoutError: as in `read`; RangeError also for
                another modality.
        """
        if modality not in MOTION:
            raise RangeError(f"{video_id}: expected flow or mv, got {modality}")
        video, rows, first, end = self._range(video_id, modality, start, stop, step)
        with _named(video_id, modality):
            shard = self.shard(modality, rows.shard)
            return decode_levels(shard, video, modality, first, end, step, crop)

    def _range(
        self, video_id: str, modality: str, start: int, stop: int | None, step: int
    ) -> tuple[StoredVideo, Rows, int, int]:
        """A video, its rows of a modality, and the first and last of those asked for."""
        video = self.video(video_id)
        if modality not in LAYOUT:
            raise VideoNotFound(
                f"{self.folder}: expected a modality among "
                f"{', '.join(self._arrays())}, got {modality!r}"
            )
        rows = self._rows(video, LAYOUT[modality].modality)
        stop = rows.num_rows if stop is None else stop
        all_of_none = rows.num_rows == start == stop == 0
        if not (0 <= start < stop <= rows.num_rows or all_of_none) or step < 1:
            every = f" every {step}" if step != 1 else ""
            raise RangeError(
                f"{video_id}: {modality}: expected a range within 0:{rows.num_rows}, "
                f"got {start}:{stop}{every}"
            )
        return video, rows, rows.first + start, rows.first + stop

    def rows(
        self, video_id: str, modality: str, *, start: int, stop: int
    ) -> list[np.ndarray]:
        """Rows start..stop-1 of a video as they are stored: encoded by the codec of the
        modality (`manifest.modalities[modality].codec`).

        Raises:
            VideoNotFound, RangeError, LayoutError: as in `read`.
        """
        place = self._rows(self.video(video_id), modality)
        if not 0 <= start <= stop <= place.num_rows:
            raise RangeError(
                f"{video_id}: {modality}: expected a range within 0:{place.num_rows}, "
                f"got {start}:{stop}"
            )
        with _named(video_id, modality):
            shard = self.shard(modality, place.shard)
            flat, bounds = shard.stored(place.first + start, place.first + stop)
        return [flat[begin:end] for begin, end in pairwise(bounds)]

    def seconds(self, video_id: str) -> np.ndarray:
        """(T,) float64: when each frame is shown."""
        return self._frames_of(video_id, ShardReader.seconds)

    def picture_types(self, video_id: str) -> np.ndarray:
        """(T,) uint8: ASCII of I, P, B, or ? where the source has none."""
        return self._frames_of(video_id, ShardReader.picture_types)

    def iterate(
        self, modalities: Sequence[str] | None = None, *, block: int = 64
    ) -> Iterator[StoredBlock]:
        """All videos that have these modalities, in blocks, in the order they lie on disk.

        Args:
            modalities: of rgb, flow, mv, mv_valid; all of the store's if left out.
            block: entries at most.
        """
        names = self._arrays() if modalities is None else list(modalities)
        if not names or block < 1:
            raise RangeError(f"expected modalities and a block, got {names}, {block}")
        for name in names:
            if name not in self._arrays():
                raise VideoNotFound(
                    f"{self.folder}: expected modalities among "
                    f"{', '.join(self._arrays())}, got {name!r}"
                )
        needed = {LAYOUT[name].modality for name in names}
        leading = min(needed, key=MODALITIES.index)
        having = sorted(
            (video.rows[leading], video.id)
            for video in self._videos
            if needed <= video.rows.keys()
        )
        for _, video_id in having:
            video = self.video(video_id)
            longest = max(video.rows[modality].num_rows for modality in needed)
            for start in range(0, max(longest, 1), block):
                arrays = {
                    name: self._entries(video, name, start, start + block)
                    for name in names
                }
                yield StoredBlock(video, start, arrays)

    def shard(self, modality: str, shard: int) -> ShardReader:
        """The reader of one file of the store, for rows as they are stored."""
        return self._shards.reader(modality, shard)

    def _entries(
        self, video: StoredVideo, name: str, start: int, stop: int
    ) -> np.ndarray:
        count = video.rows[LAYOUT[name].modality].num_rows
        if start < count or count == 0:
            return self.read(video.id, name, start=start, stop=min(stop, count))
        shape = entry_shape(name, height=video.height, width=video.width)
        return np.empty((0, *shape), LAYOUT[name].dtype)

    def _arrays(self) -> list[str]:
        """Names that can be read."""
        return [name for name in LAYOUT if LAYOUT[name].modality in self.modalities]

    def _rows(self, video: StoredVideo, modality: str) -> Rows:
        if modality not in video.rows:
            having = ", ".join(video.modalities)
            raise VideoNotFound(
                f"{self.folder}: {video.id}: expected a modality among {having}, "
                f"got {modality!r}"
            )
        return video.rows[modality]

    def _frames_of(
        self, video_id: str, column: Callable[[ShardReader, int, int], np.ndarray]
    ) -> np.ndarray:
        video = self.video(video_id)
        modality = video.modalities[0]
        with _named(video_id, modality):
            shard = self.shard(modality, video.rows[modality].shard)
            first = shard.frames_first(video_id, video.frames)
            return column(shard, first, first + video.frames)


@contextmanager
def _named(video_id: str, modality: str) -> Iterator[None]:
    """Name the video in errors about damage."""
    try:
        yield
    except LayoutError as error:
        raise LayoutError(f"{video_id}: {modality}: {error}") from None
