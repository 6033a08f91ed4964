"""ShardReader: one file of a store, opened for reading and checked.

Nothing in a file is executed, unpickled, or followed out of it: links to other
files, virtual data sets, external storage and object types are refused, and so is
whatever claims more memory than the file can have filled.
"""

import errno
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Self

import h5py
import numpy as np

from . import codecs
from .codecs import Codec
from .errors import LayoutError, StoreError, StoreNotFound
from .files import content_hash
from .hashes import column_hash, column_set_hash, first_changed
from .malformed import MAX_REASON, require_version
from .manifest import FileRecord, Manifest
from .schema import COLUMNS_ATTRIBUTE, INDEX_FIELDS

ADVICE = "`pipeline verify` says what is damaged"
CHUNK_CACHE_BYTES = 1 << 17
"""Holds a chunk of vectors; a chunk of JPEGs is larger and is read in part instead."""
MAX_CHUNK_BYTES = 1 << 26
MAX_DEFLATION = 1032
"""Bytes that one byte of gzip can become."""
MALFORMED = (
    KeyError,
    OSError,
    RuntimeError,
    ValueError,
    TypeError,
    AttributeError,
    OverflowError,
    MemoryError,
)
"""Errors that h5py raises on damaged files, other than those of the machine."""
DAMAGE_ERRNOS = (None, errno.EINVAL, errno.EOVERFLOW, errno.EFBIG)
"""Error numbers of an OSError that HDF5 raises on damaged content."""


class ShardReader:
    """Rows of one shard file. Cheap to open; closes when it is garbage-collected.

    Args:
        checked: compare rows and columns with their hashes whenever they are read.

    Raises:
        StoreNotFound: the file is missing.
        LayoutError: the file is damaged, of another modality or of another layout.
    """

    def __init__(self, path: Path, *, modality: str, checked: bool = True) -> None:
        self.path, self.modality, self.checked = path, modality, checked
        self._datasets: dict[str, h5py.Dataset] = {}
        self.num_bytes = self._size()
        with self._malformed("an HDF5 file"):
            # Published files never change, so no lock: locks fail on NFS.
            self._file = h5py.File(
                path, "r", locking=False, rdcc_nbytes=CHUNK_CACHE_BYTES
            )
        try:
            with self._malformed("a shard"):
                self.codec = self._read_header()
                self._data = self._dataset("data", self.codec.dtype)
            self.offsets = self._column("offsets", "int64")
            ends = (self.offsets[:1].tolist(), self.offsets[-1:].tolist())
            if ends != ([0], [self._data.size]) or (np.diff(self.offsets) < 0).any():
                raise LayoutError(
                    f"{path}: expected offsets from 0 to {self._data.size}, got others"
                )
        except BaseException:
            self._file.close()
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

        Raises:
            LayoutError: there are fewer rows, the bytes cannot be read, or a row has
                changed since it was written.
        """
        if not 0 <= first <= stop <= self.num_rows:
            raise LayoutError(
                f"{self.path}: expected rows {first}:{stop}, got {self.num_rows} in all"
            )
        offsets = self.offsets[first : stop + 1]
        begin, end = int(offsets[0]), int(offsets[-1])
        flat, bounds = self._bytes(self._data, begin, end), (offsets - begin).tolist()
        if self.checked:
            hashes = self._row_hashes[first:stop].tolist()
            changed = first_changed(flat, bounds, hashes, step)
            if changed is not None:
                raise LayoutError(
                    f"{self.path}: row {first + changed}: expected its bytes as they "
                    f"were written, got changed ones; {ADVICE}"
                )
        return flat, bounds

    def valid(self, first: int, stop: int) -> np.ndarray:
        """(stop - first,) bool of mv rows."""
        return self._part("valid", "uint8", first, stop).astype(bool)

    def seconds(self, first: int, stop: int) -> np.ndarray:
        """(stop - first,) float64 of frames."""
        return self._part("seconds", "float64", first, stop)

    def picture_types(self, first: int, stop: int) -> np.ndarray:
        """(stop - first,) uint8, ASCII, of frames."""
        return self._part("picture_types", "uint8", first, stop)

    def frames_first(self, video_id: str, frames: int) -> int:
        """Position of the frames of a video in `seconds` and `picture_types`.

        Raises:
            LayoutError: the file has no such video with this number of frames.
        """
        found = self._index.get(video_id)
        if found is None or found["frames"] != frames:
            raise LayoutError(
                f"{self.path}: expected {video_id!r} with {frames} frames, got {found}"
            )
        return found["frames_first"]

    @cached_property
    def columns(self) -> str:
        """The attribute that has the hash of every column, as text."""
        with self._malformed("an attribute `columns`"):
            return _text(self._file.attrs[COLUMNS_ATTRIBUTE])

    @cached_property
    def _column_hashes(self) -> dict[str, str]:
        with self._malformed("hashes of columns"):
            hashes = json.loads(self.columns)
            return {str(name): str(digits) for name, digits in hashes.items()}

    @cached_property
    def _row_hashes(self) -> np.ndarray:
        hashes = self._column("row_hashes", "uint64")
        if len(hashes) != self.num_rows:
            raise LayoutError(
                f"{self.path}: expected {self.num_rows} hashes of rows, got {len(hashes)}"
            )
        return hashes

    @cached_property
    def _index(self) -> dict[str, dict[str, int]]:
        return self.index()

    def index(self) -> dict[str, dict[str, int]]:
        """Video id -> the fields of `schema.INDEX_FIELDS`, in the order of the rows."""
        with self._malformed("an index"):
            dataset = self._member("index")
            dtype = dataset.dtype
        if dtype.names != ("id", *INDEX_FIELDS) or (
            dtype["id"].kind != "S"
            or any(dtype[field] != np.int64 for field in INDEX_FIELDS)
        ):
            raise LayoutError(f"{self.path}: index: expected its fields, got {dtype}")
        if dataset.ndim != 1:
            raise LayoutError(f"{self.path}: index: expected 1-D, got {dataset.ndim}-D")
        return {
            row[0].decode(errors="surrogateescape"): dict(
                zip(INDEX_FIELDS, row[1:], strict=True)
            )
            for row in self._whole("index", dataset).tolist()
        }

    def _size(self) -> int:
        try:
            state = os.stat(self.path)
        except FileNotFoundError:
            raise StoreNotFound(
                f"{self.path}: expected a shard of this store, got nothing; {ADVICE}"
            ) from None
        if not stat.S_ISREG(state.st_mode):  # a pipe would be waited for
            raise LayoutError(f"{self.path}: expected a file, got something else")
        return state.st_size

    def _read_header(self) -> Codec:
        attrs = self._file.attrs
        require_version(attrs.get("layout_version"), str(self.path))
        modality = _text(attrs.get("modality"))
        if modality != self.modality:
            raise LayoutError(
                f"{self.path}: expected modality {self.modality}, got {modality!r}"
            )
        try:
            codec = codecs.from_dict(json.loads(_text(attrs.get("codec"))))
        except (ValueError, TypeError, RecursionError) as error:
            raise LayoutError(
                f"{self.path}: codec: {str(error)[:MAX_REASON]}"
            ) from None
        if codec.modality != self.modality:
            raise LayoutError(f"{self.path}: expected a codec of {self.modality}")
        return codec

    @cached_property
    def _parts(self) -> dict[str, np.ndarray]:
        """Columns that were read whole to be checked."""
        return {}

    def _part(self, name: str, dtype: str, first: int, stop: int) -> np.ndarray:
        if not self.checked:
            with self._malformed("values"):
                dataset = self._dataset(name, dtype)
            return self._bytes(dataset, first, stop)
        if name not in self._parts:
            self._parts[name] = self._column(name, dtype)
        column = self._parts[name]
        if stop > len(column):
            raise LayoutError(
                f"{self.path}: {name}: expected {stop} values, got {len(column)}"
            )
        return column[first:stop].copy()

    def _column(self, name: str, dtype: str) -> np.ndarray:
        with self._malformed("values"):
            dataset = self._dataset(name, dtype)
        return self._whole(name, dataset)

    def _whole(self, name: str, dataset: h5py.Dataset) -> np.ndarray:
        column = self._bytes(dataset, 0, dataset.size)
        if self.checked and column_hash(column) != self._column_hashes.get(name):
            raise LayoutError(
                f"{self.path}: {name}: expected its values as they were written, got "
                f"changed ones; {ADVICE}"
            )
        return column

    def _dataset(self, name: str, dtype: str) -> h5py.Dataset:
        if name in self._datasets:
            return self._datasets[name]
        dataset = self._member(name)
        if dataset.ndim != 1 or dataset.dtype != np.dtype(dtype).newbyteorder("<"):
            raise LayoutError(
                f"{self.path}: {name}: expected 1-D {dtype}, "
                f"got {dataset.ndim}-D {dataset.dtype}"
            )
        self._datasets[name] = dataset
        return dataset

    def _member(self, name: str) -> h5py.Dataset:
        if type(self._file.get(name, getlink=True)) is not h5py.HardLink:
            raise LayoutError(f"{self.path}: expected {name} in the file itself")
        dataset = self._file[name]
        if type(dataset) is not h5py.Dataset or dataset.external or dataset.is_virtual:
            raise LayoutError(f"{self.path}: expected {name} in the file itself")
        self._require_plausible(name, dataset)
        return dataset

    def _require_plausible(self, name: str, dataset: h5py.Dataset) -> None:
        """Refuse what claims more bytes than the file can hold, and unknown filters."""
        filters = dataset.id.get_create_plist()
        used = {filters.get_filter(k)[0] for k in range(filters.get_nfilters())}
        packed = h5py.h5z.FILTER_DEFLATE in used
        claimed = dataset.size * dataset.dtype.itemsize
        chunk = int(np.prod(dataset.chunks or (0,), dtype=object))
        allowed = {h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE}
        if (
            claimed > self.num_bytes * (MAX_DEFLATION if packed else 1)
            or chunk * dataset.dtype.itemsize > MAX_CHUNK_BYTES
            or used - (allowed if name == "data" else set())
        ):
            raise LayoutError(
                f"{self.path}: {name}: expected what a file of {self.num_bytes:,} bytes "
                f"can hold, got {claimed:,} bytes in chunks of {chunk:,} values"
            )

    def _bytes(self, dataset: h5py.Dataset, begin: int, end: int) -> np.ndarray:
        if end > dataset.size:
            raise LayoutError(
                f"{self.path}: {dataset.name}: expected {end} values, got {dataset.size}"
            )
        with self._malformed(f"values {begin}:{end}"):
            return dataset[begin:end]

    @contextmanager
    def _malformed(self, what: str) -> Iterator[None]:
        """Around every call of h5py: what it raises on damage, said in one line."""
        try:
            yield
        except StoreError:
            raise
        except MALFORMED as error:
            if isinstance(error, OSError) and error.errno not in DAMAGE_ERRNOS:
                raise  # the machine's fault, not the file's
            said = " ".join(str(error).split())[:MAX_REASON] or type(error).__name__
            raise LayoutError(
                f"{self.path}: expected {what}, got {said}; {ADVICE}"
            ) from None


def require_published(reader: ShardReader, manifest: Manifest, shard: int) -> None:
    """
    Raises:
        LayoutError: the file is not the one that the manifest names: one of another
            store or shard, or a changed one. Its rows are not looked at.
    """
    record = manifest.modalities[reader.modality]
    file = record.files[shard]
    found = (reader.num_bytes, column_set_hash(reader.columns), reader.codec.to_dict())
    if found != (file.bytes, file.columns, dict(record.codec)):
        raise LayoutError(
            f"{reader.path}: expected the file that the manifest names ({file.bytes} "
            f"bytes, columns {file.columns}), got another one ({found[0]} bytes, "
            f"columns {found[1]}); {ADVICE}"
        )


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return str(value)


def file_record(path: Path, *, modality: str, xxh3: str | None = None) -> FileRecord:
    """A shard file, as commit and manifest name it.

    Args:
        xxh3: xxh3-128 of its content, where that is known.

    Raises:
        LayoutError: it is no shard of this modality.
    """
    with ShardReader(path, modality=modality) as reader:
        columns = column_set_hash(reader.columns)
        return FileRecord(
            path.name, reader.num_bytes, xxh3 or content_hash(path), columns
        )
