"""ShardWriter: the entries of many videos -> one file of one modality of one shard.

Bytes depend on the videos that were finished and on nothing else: not on the size of
the blocks they came in, not on videos that failed half-way, not on the time.
"""

import errno
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import h5py
import numpy as np

from motion_shards.plain_text import room_text

from .checked import CheckedFile
from .codec import Codec
from .encoding import Encoded, Levels, encoded
from .errors import LayoutError
from .hashes import row_hash
from .schema import COLUMNS, DATA, INDEX_FIELDS, LAYOUT_VERSION, num_entries
from .shard_file import codec_text, columns_text

SPARE_BYTES = 32 << 20
"""Space that must stay free on the disk, so that a full one is reported beforehand."""
PIECE_BYTES = 1 << 20


class Entry:
    """The video being written. Counts are of this video alone."""

    def __init__(self, shard: "ShardWriter", height: int, width: int) -> None:
        self.height, self.width = height, width
        self.values = 0
        """Numbers given to the codec."""
        self.clipped = 0
        """Number of values beyond the range of the codec."""
        self.bytes = 0
        """Size of the encoded rows."""
        self._shard = shard
        self._sizes: list[int] = []
        self._hashes: list[int] = []
        self._valid: list[np.ndarray] = []
        self._seconds: list[np.ndarray] = []
        self._picture_types: list[np.ndarray] = []

    @property
    def rows(self) -> int:
        """Entries so far."""
        return len(self._sizes)

    @property
    def known(self) -> int:
        """Intervals so far whose vectors are known to be k -> k+1."""
        return sum(int(valid.sum()) for valid in self._valid)

    @property
    def frames(self) -> int:
        """Frames so far, of any modality."""
        return sum(map(len, self._seconds))

    def append(
        self, values: np.ndarray | Levels, valid: np.ndarray | None = None
    ) -> None:
        """Add entries in order, in the units of the layout; see `encoded`.

        Raises:
            LayoutError: another shape or type, NaN, infinity, or vectors out of range.
            OSError: the disk has no room, or cannot be written.
        """
        size = (self.height, self.width)
        self.append_encoded(encoded(values, valid, codec=self._shard.codec, size=size))

    def append_encoded(self, coded: Encoded) -> None:
        """Add entries in order that `encoded` made, on whatever thread.

        Raises:
            OSError: the disk has no room, or cannot be written.
        """
        self._shard._spool_rows(coded.rows)
        self._sizes.extend(row.size for row in coded.rows)
        self._hashes.extend(map(row_hash, coded.rows))
        self.bytes += sum(row.nbytes for row in coded.rows)
        self.values += coded.values
        self.clipped += coded.clipped
        if coded.valid is not None:
            self._valid.append(coded.valid)

    def append_frames(self, seconds: np.ndarray, picture_types: np.ndarray) -> None:
        """Add frames in order, whatever the modality: once per stored frame.

        Args:
            seconds: (F,) when each frame is shown.
            picture_types: (F,) uint8, ASCII of I, P, B, or ? where the source has none.

        Raises:
            LayoutError: the two are not of one length, or not one-dimensional.
        """
        if np.ndim(seconds) != 1 or np.shape(seconds) != np.shape(picture_types):
            raise LayoutError(
                "frames: expected seconds and picture types of one length, got "
                f"{np.shape(seconds)} and {np.shape(picture_types)}"
            )
        self._seconds.append(np.asarray(seconds, np.float64))
        self._picture_types.append(np.asarray(picture_types, np.uint8))


class ShardWriter:
    """Writes one modality of one shard: rows of all videos end to end, and an index.

    The file lies on scratch. It becomes part of a store only when it is published,
    so no reader sees a half-written one; after an error it is removed. Rows are collected
    beside it until their number is known, as they lie in one piece in the file: for a moment
    they need their space twice.

    >>> with ShardWriter(path, modality="mv", codec=QuarterPel()) as shard:
    ...     with shard.video("v_0001", height=256, width=340) as entry:
    ...         entry.append(vectors, valid)
    ...         entry.append_frames(seconds, picture_types)
    """

    def __init__(self, path: Path, *, modality: str, codec: Codec) -> None:
        if codec.modality != modality:
            raise LayoutError(f"{modality}: expected its codec, got {codec.to_dict()}")
        self.path, self.modality, self.codec = Path(path), modality, codec

    def __enter__(self) -> Self:
        self._require_space(0)
        # Without a name: nothing is left of it, however this process ends.
        self._spool: IO[bytes] = tempfile.TemporaryFile(
            dir=self.path.parent, buffering=0
        )
        self._open = False
        self._index: list[tuple[bytes | int, ...]] = []
        self._names: set[bytes] = set()
        self._rows = self._frames = 0
        self._sizes: list[np.ndarray] = [np.zeros(1, np.int64)]
        self._hashes: list[np.ndarray] = [np.zeros(0, np.uint64)]
        self._valid: list[np.ndarray] = []
        self._seconds: list[np.ndarray] = []
        self._picture_types: list[np.ndarray] = []
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._spool:
            if exc_type is None:
                try:
                    self._finish()
                except BaseException:
                    self.path.unlink(missing_ok=True)
                    raise

    @contextmanager
    def video(self, video_id: str, *, height: int, width: int) -> Iterator[Entry]:
        """Everything appended inside belongs to this video. If it fails, all of it goes.

        Args:
            height, width: of the stored frames, in pixels.

        Raises:
            LayoutError: rows and frames do not belong together, the id was there
                before, or the grid is empty.
        """
        if self._open:
            raise LayoutError(f"{video_id}: expected one video at a time")
        name = video_id.encode(errors="surrogateescape")  # names need not be UTF-8
        if not name or b"\0" in name or name in self._names:
            raise LayoutError(f"expected a new, plain video id, got {video_id!r}")
        if height < 1 or width < 1:
            raise LayoutError(f"{video_id}: expected a grid, got {height}x{width}")
        begin, self._open = self._spool.tell(), True
        try:
            entry = Entry(self, height, width)
            yield entry
            self._keep(video_id, name, entry)
        except BaseException:
            self._spool.seek(begin)
            self._spool.truncate()
            raise
        finally:
            self._open = False

    def _spool_rows(self, rows: list[np.ndarray]) -> None:
        if not self._open:
            raise LayoutError("expected append inside `with writer.video(...)`")
        more = sum(row.nbytes for row in rows)
        self._require_space(2 * more + self._spool.tell() + self._metadata_bytes())
        content = memoryview(b"".join(row.data for row in rows))
        try:
            while content:
                content = content[self._spool.write(content) :]
        except OSError as error:
            error.filename = str(self.path)
            raise

    def _keep(self, video_id: str, name: bytes, entry: Entry) -> None:
        """Make a finished video part of the shard."""
        frames, rows = entry.frames, entry.rows
        if frames < 1 or rows != num_entries(self.modality, frames):
            raise LayoutError(
                f"{video_id}: expected {self.modality} for every frame or interval, "
                f"got {rows} entries and {frames} frames"
            )
        position = (self._rows, rows, self._frames, frames)
        self._index.append((name, *position, entry.height, entry.width))
        self._names.add(name)
        self._rows, self._frames = self._rows + rows, self._frames + frames
        self._sizes.append(np.array(entry._sizes, np.int64))
        self._hashes.append(np.array(entry._hashes, np.uint64))
        self._valid.extend(entry._valid)
        self._seconds.extend(entry._seconds)
        self._picture_types.extend(entry._picture_types)

    def _finish(self) -> None:
        """Write the file: first the columns, then all rows, then where everything lies."""
        size = self._spool.tell()
        self._require_space(size + self._metadata_bytes())
        columns = {
            "offsets": np.cumsum(np.concatenate(self._sizes), dtype=np.int64),
            "row_hashes": np.concatenate(self._hashes),
            "index": np.array(self._index, index_dtype(self._index)),
            "seconds": np.concatenate([np.zeros(0), *self._seconds]),
            "picture_types": _bytes(self._picture_types),
        }
        if self.modality == "mv":
            columns["valid"] = _bytes(self._valid)
        with CheckedFile(self.path) as disk:
            # One libver and no time stamps: the same input gives the same bytes.
            with h5py.File(
                disk, "w", libver=("v110", "v110"), track_order=False
            ) as file:
                file.attrs["layout_version"] = np.int64(LAYOUT_VERSION)
                _set_text(file, "modality", self.modality)
                _set_text(file, "codec", codec_text(self.codec))
                for name, column in columns.items():
                    file.create_dataset(name, data=column, track_times=False)
                self._write_rows(file, size, disk)
                text = columns_text(file, columns)
                file.create_dataset(
                    COLUMNS, data=np.frombuffer(text, np.uint8), track_times=False
                )
            disk.check()

    def _write_rows(self, file: h5py.File, size: int, disk: CheckedFile) -> None:
        rows = file.create_dataset(
            DATA, shape=(size,), dtype=np.uint8, track_times=False
        )
        self._spool.seek(0)
        for begin in range(0, size, PIECE_BYTES):
            piece = self._spool.read(PIECE_BYTES)
            rows[begin : begin + len(piece)] = np.frombuffer(piece, np.uint8)
            disk.check()

    def _metadata_bytes(self) -> int:
        names = index_dtype(self._index).itemsize * (len(self._index) + 1)
        return 17 * (self._rows + self._frames) + names

    def _require_space(self, num_bytes: int) -> None:
        free = shutil.disk_usage(self.path.parent).free
        if free < num_bytes + SPARE_BYTES:
            raise OSError(
                errno.ENOSPC,
                room_text(num_bytes + SPARE_BYTES, free),
                str(self.path.parent),
            )


def index_dtype(rows: list[tuple[bytes | int, ...]]) -> np.dtype:
    """Type of `index` for these rows: as wide as the longest id."""
    width = max((len(row[0]) for row in rows if isinstance(row[0], bytes)), default=1)
    text = h5py.string_dtype("utf-8", width)
    return np.dtype([("id", text), *((field, "<i8") for field in INDEX_FIELDS)])


def _bytes(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.zeros(0, np.uint8), *parts])


def _set_text(file: h5py.File, name: str, text: str) -> None:
    stored = text.encode()
    file.attrs.create(name, stored, dtype=h5py.string_dtype("utf-8", len(stored)))
