"""ShardReader: the rows and columns of one file of a store, read as ranges of bytes.

HDF5 is not needed: the manifest says where the file's text `columns` lies, and that text
where everything else does. Each is compared with its hash; the manifest has that of the text.
"""

from collections.abc import Mapping
from functools import cached_property
from threading import Lock
from typing import Any, Self

import numpy as np

from . import codecs
from .columns import ADVICE, parsed_columns
from .errors import LayoutError
from .hashes import column_hash, columns_hash, first_changed
from .local_file import ByteRanges
from .manifest import FileRecord
from .schema import COLUMNS, DATA, INDEX_FIELDS


class ShardReader:
    """Rows of one shard file. Cheap to open; threads may share it.

    Args:
        file: whose bytes are read; closed with the reader.
        record: the file as the manifest names it.
        codec: the record of its codec in the manifest.
        checked: compare rows and columns with their hashes whenever they are read.

    Raises:
        LayoutError: the file is damaged, or not the one of the record.
    """

    def __init__(
        self,
        file: ByteRanges,
        *,
        modality: str,
        record: FileRecord,
        codec: Mapping[str, Any],
        checked: bool = True,
    ) -> None:
        self.name, self.modality, self.checked = file.name, modality, checked
        self._file = file
        self._read_columns: dict[str, np.ndarray] = {}
        self._reading = Lock()
        try:
            text = self._text(record)
            self._extents = parsed_columns(text, modality, file.size, self.name)
            if self._extents[DATA].offset != record.data_offset:
                raise LayoutError(
                    f"{self.name}: expected rows from byte {record.data_offset} on, as "
                    f"in the manifest, got {self._extents[DATA].offset}"
                )
            self.codec = codecs.from_dict(codec)
            self.offsets = self._column("offsets")
            ends = (self.offsets[:1].tolist(), self.offsets[-1:].tolist())
            size = self._extents[DATA].num_bytes
            if ends != ([0], [size]) or (np.diff(self.offsets) < 0).any():
                raise LayoutError(
                    f"{self.name}: expected offsets from 0 to {size}, got others"
                )
        except BaseException:
            file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    @property
    def num_rows(self) -> int:
        return len(self.offsets) - 1

    def stored(
        self, first: int, stop: int, step: int = 1
    ) -> tuple[np.ndarray, list[int]]:
        """Rows first..stop-1 end to end, and where each begins and the last one ends.

        Args:
            step: every step-th row from `first` is compared with its hash.

        Returns:
            uint8, read only.

        Raises:
            LayoutError: there are fewer rows, the bytes cannot be read, or a row has
                changed since it was written.
        """
        if not 0 <= first <= stop <= self.num_rows:
            raise LayoutError(
                f"{self.name}: expected rows {first}:{stop}, got {self.num_rows} in all"
            )
        offsets = self.offsets[first : stop + 1]
        start = self._extents[DATA].offset
        flat = self._file.read(start + int(offsets[0]), start + int(offsets[-1]))
        bounds = (offsets - offsets[0]).tolist()
        if self.checked:
            hashes = self._column("row_hashes")[first:stop].tolist()
            changed = first_changed(flat, bounds, hashes, step)
            if changed is not None:
                raise LayoutError(
                    f"{self.name}: row {first + changed}: expected its bytes as they "
                    f"were written, got changed ones; {ADVICE}"
                )
        return flat, bounds

    def valid(self, first: int, stop: int) -> np.ndarray:
        """(stop - first,) bool of mv rows."""
        return self._part("valid", first, stop).astype(bool)

    def seconds(self, first: int, stop: int) -> np.ndarray:
        """(stop - first,) float64 of frames."""
        return self._part("seconds", first, stop).copy()

    def picture_types(self, first: int, stop: int) -> np.ndarray:
        """(stop - first,) uint8, ASCII, of frames."""
        return self._part("picture_types", first, stop).copy()

    def frames_first(self, video_id: str, frames: int) -> int:
        """Position of the frames of a video in `seconds` and `picture_types`.

        Raises:
            LayoutError: the file has no such video with this number of frames.
        """
        found = self._index.get(video_id)
        if found is None or found["frames"] != frames:
            raise LayoutError(
                f"{self.name}: expected {video_id!r} with {frames} frames, got {found}"
            )
        return found["frames_first"]

    def index(self) -> dict[str, dict[str, int]]:
        """Video id -> the fields of `schema.INDEX_FIELDS`, in the order of the rows."""
        return {
            row[0].decode(errors="surrogateescape"): dict(
                zip(INDEX_FIELDS, row[1:], strict=True)
            )
            for row in self._column("index").tolist()
        }

    @cached_property
    def _index(self) -> dict[str, dict[str, int]]:
        return self.index()

    def _text(self, record: FileRecord) -> bytes:
        """The text `columns`, which is as the manifest says."""
        begin, end = record.columns_offset, record.columns_offset + record.columns_bytes
        size = self._file.size
        if size != record.bytes or end > size:
            raise LayoutError(
                f"{self.name}: expected the file that the manifest names ({record.bytes} "
                f"bytes), got {size} bytes; {ADVICE}"
            )
        text = self._file.read(begin, end).tobytes()
        if (found := columns_hash(text)) != record.columns:
            raise LayoutError(
                f"{self.name}: expected the file that the manifest names ({COLUMNS} "
                f"{record.columns}), got another one ({found}); {ADVICE}"
            )
        return text

    def _part(self, name: str, first: int, stop: int) -> np.ndarray:
        column = self._column(name)
        if stop > len(column):
            raise LayoutError(
                f"{self.name}: {name}: expected {stop} values, got {len(column)}"
            )
        return column[first:stop]

    def _column(self, name: str) -> np.ndarray:
        """All values of a column; read once, by whichever thread needs it first."""
        if name in self._read_columns:
            return self._read_columns[name]
        with self._reading:
            if name not in self._read_columns:
                self._read_columns[name] = self._whole_column(name)
        return self._read_columns[name]

    def _whole_column(self, name: str) -> np.ndarray:
        extent = self._extents[name]
        content = self._file.read(extent.offset, extent.offset + extent.num_bytes)
        column = content.view(extent.dtype)
        if column_hash(column) != extent.xxh3:
            raise LayoutError(
                f"{self.name}: {name}: expected its values as they were written, got "
                f"changed ones; {ADVICE}"
            )
        return column
