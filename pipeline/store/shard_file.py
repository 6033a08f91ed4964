"""A shard file as HDF5: where its data sets lie, and whether it is one at all.

Readers of a store need no HDF5: the manifest says where the text `columns` of a file lies,
and that text has the extent of every other data set. Here both are made, and checked.
Nothing in a file is executed, unpickled, or followed out of it.
"""

import errno
import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from . import codecs
from .codec import Codec
from .columns import ADVICE, Extent, parsed_columns
from .errors import LayoutError, StoreError, StoreNotFound
from .files import content_hash
from .hashes import column_hash, columns_hash
from .malformed import MAX_REASON, require_version
from .manifest import FileRecord
from .schema import COLUMNS, DATA, DATASETS, INDEX_FIELDS

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardHeader:
    """A shard file, without its columns and rows."""

    codec: Codec
    num_bytes: int
    """Size of the file."""
    columns: bytes
    """The text `columns`."""
    columns_offset: int
    data_offset: int

    def record(self, name: str, xxh3: str) -> FileRecord:
        """The file as commit and manifest name it."""
        return FileRecord(
            file=name,
            bytes=self.num_bytes,
            xxh3=xxh3,
            columns=columns_hash(self.columns),
            columns_offset=self.columns_offset,
            columns_bytes=len(self.columns),
            data_offset=self.data_offset,
        )


def codec_text(codec: Codec) -> str:
    """A codec as the attribute of a file."""
    return json.dumps(codec.to_dict(), sort_keys=True)


def columns_text(file: h5py.File, columns: Mapping[str, np.ndarray]) -> bytes:
    """The text `columns` of a file that has its columns and rows.

    Args:
        columns: content of every data set but `data`.
    """
    text: dict[str, dict[str, Any]] = {DATA: _extent(file[DATA])}
    for name, column in columns.items():
        text[name] = _extent(file[name]) | {"xxh3": column_hash(column)}
    return json.dumps(text, sort_keys=True).encode()


def read_header(path: Path, *, modality: str) -> ShardHeader:
    """Open a shard file by HDF5, and compare what it holds with its text `columns`.

    Columns and rows are not read.

    Raises:
        StoreNotFound: the file is missing.
        LayoutError: it is damaged, of another modality or layout, or its data sets do not lie
            where its text says, each in one piece in the file itself.
    """
    size = _size(path)
    with _malformed(path, "an HDF5 file"):
        # Published files never change, so no lock: locks fail on NFS.
        file = h5py.File(path, "r", locking=False)
    with file, _malformed(path, "a shard"):
        codec = _codec(path, file, modality)
        member = _member(path, file, COLUMNS, size)
        text = member[:].tobytes()
        extents = parsed_columns(text, modality, size, str(path))
        if odd := set(file) ^ {*extents, COLUMNS}:
            raise LayoutError(
                f"{path}: expected the data sets of its text `columns`, got another one: "
                f"{min(odd)}"
            )
        for name, extent in extents.items():
            dataset = _member(path, file, name, size)
            if _extent(dataset) != extent.place():
                raise LayoutError(
                    f"{path}: {name}: expected {extent.place()} as in its text "
                    f"`columns`, got {_extent(dataset)}"
                )
            _require_type(path, name, dataset, extent)
        return ShardHeader(
            codec=codec,
            num_bytes=size,
            columns=text,
            columns_offset=int(_extent(member)["offset"]),
            data_offset=extents[DATA].offset,
        )


def file_record(path: Path, *, modality: str, xxh3: str | None = None) -> FileRecord:
    """A shard file, as commit and manifest name it.

    Args:
        xxh3: xxh3-128 of its content, where that is known.

    Raises:
        StoreNotFound, LayoutError: as `read_header`.
    """
    header = read_header(path, modality=modality)
    return header.record(path.name, xxh3 or content_hash(path))


def _extent(dataset: h5py.Dataset) -> dict[str, int]:
    """Position in the file, size and number of values; an empty data set lies at 0."""
    return {
        "offset": dataset.id.get_offset() or 0,
        "bytes": dataset.size * dataset.dtype.itemsize,
        "count": dataset.size,
    }


def _size(path: Path) -> int:
    try:
        state = os.stat(path)
    except FileNotFoundError:
        raise StoreNotFound(
            f"{path}: expected a shard of this store, got nothing; {ADVICE}"
        ) from None
    if not stat.S_ISREG(state.st_mode):  # a pipe would be waited for
        raise LayoutError(f"{path}: expected a file, got something else")
    return state.st_size


def _codec(path: Path, file: h5py.File, modality: str) -> Codec:
    attrs = file.attrs
    require_version(attrs.get("layout_version"), str(path))
    found = _text(attrs.get("modality"))
    if found != modality:
        raise LayoutError(f"{path}: expected modality {modality}, got {found!r}")
    try:
        codec = codecs.from_dict(json.loads(_text(attrs.get("codec"))))
    except (ValueError, TypeError, RecursionError) as error:
        raise LayoutError(f"{path}: codec: {str(error)[:MAX_REASON]}") from None
    if codec.modality != modality:
        raise LayoutError(f"{path}: expected a codec of {modality}")
    return codec


def _member(path: Path, file: h5py.File, name: str, size: int) -> h5py.Dataset:
    """A data set that lies in the file itself, in one piece, 1-D, without filters."""
    if type(file.get(name, getlink=True)) is not h5py.HardLink:
        raise LayoutError(f"{path}: expected {name} in the file itself")
    dataset = file[name]
    if type(dataset) is not h5py.Dataset or dataset.external or dataset.is_virtual:
        raise LayoutError(f"{path}: expected {name} in the file itself")
    layout = dataset.id.get_create_plist().get_layout()
    if dataset.ndim != 1 or layout != h5py.h5d.CONTIGUOUS:
        raise LayoutError(f"{path}: {name}: expected 1-D values in one piece")
    claimed = dataset.size * dataset.dtype.itemsize
    if claimed > size or dataset.dtype.hasobject:
        raise LayoutError(
            f"{path}: {name}: expected what a file of {size:,} bytes can hold, "
            f"got {claimed:,} bytes"
        )
    return dataset


def _require_type(path: Path, name: str, dataset: h5py.Dataset, extent: Extent) -> None:
    dtype = dataset.dtype
    if dtype != extent.dtype:
        raise LayoutError(f"{path}: {name}: expected {extent.dtype}, got {dtype}")


@contextmanager
def _malformed(path: Path, what: str) -> Iterator[None]:
    """Turn what h5py raises on a damaged file into an error of one line."""
    try:
        yield
    except StoreError:
        raise
    except MALFORMED as error:
        if isinstance(error, OSError) and error.errno not in DAMAGE_ERRNOS:
            raise  # the machine's fault, not the file's
        said = " ".join(str(error).split())[:MAX_REASON] or type(error).__name__
        raise LayoutError(f"{path}: expected {what}, got {said}; {ADVICE}") from None


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return str(value)


HEAD_BYTES = 3_200
"""Approximate size of the structures of HDF5 and the text `columns` in a file."""


def bytes_beside_rows(modality: str, *, frames: int, ids: Sequence[str]) -> int:
    """Bytes of a shard file that are not rows, about: positions, hashes, times, index.

    Args:
        frames: of all its videos.
        ids: of its videos.
    """
    names = ["offsets", "row_hashes", "seconds", "picture_types"]
    names += ["valid"] if modality == "mv" else []
    per_frame = sum(np.dtype(DATASETS[name]).itemsize for name in names)
    id_bytes = max(
        (len(name.encode("utf-8", "surrogateescape")) for name in ids), default=0
    )
    per_video = id_bytes + len(INDEX_FIELDS) * np.dtype(np.int64).itemsize
    return HEAD_BYTES + per_frame * frames + per_video * len(ids)
