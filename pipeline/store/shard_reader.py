"""ShardReader: one file of a store, opened for reading and checked.

Nothing in a file is executed, unpickled, or followed out of it: links to other
files, virtual data sets, external storage and object types are refused.
"""

import json
from functools import cached_property
from pathlib import Path
from typing import Self

import h5py
import numpy as np

from . import codecs
from .codecs import Codec
from .errors import LayoutError, StoreNotFound
from .records import require_version
from .schema import INDEX_FIELDS

ADVICE = "`pipeline verify` says what is damaged"
CHUNK_CACHE_BYTES = 1 << 17
"""Holds a chunk of vectors; a chunk of JPEGs is larger and is read in part instead."""


class ShardReader:
    """Rows of one shard file. Cheap to open; closes when nobody holds it any more.

    Raises:
        StoreNotFound: the file is missing.
        LayoutError: the file is damaged, of another modality or of another layout.
    """

    def __init__(self, path: Path, *, modality: str) -> None:
        self.path, self.modality = path, modality
        self._datasets: dict[str, h5py.Dataset] = {}
        try:
            # Published files never change, so no lock: locks fail on NFS.
            self._file = h5py.File(
                path, "r", locking=False, rdcc_nbytes=CHUNK_CACHE_BYTES
            )
        except FileNotFoundError:
            raise StoreNotFound(
                f"{path}: expected a shard of this store, got nothing; {ADVICE}"
            ) from None
        except OSError as error:
            if error.errno is not None:  # the machine's fault, not the file's
                raise
            raise LayoutError(
                f"{path}: expected an HDF5 file, got {error}; {ADVICE}"
            ) from None
        try:
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
        self._file.close()

    @property
    def num_rows(self) -> int:
        return len(self.offsets) - 1

    def stored(self, first: int, stop: int) -> tuple[np.ndarray, list[int]]:
        """Rows first..stop-1 end to end, and where each begins and the last one ends.

        Raises:
            LayoutError: there are fewer rows, or the bytes cannot be read.
        """
        if not 0 <= first <= stop <= self.num_rows:
            raise LayoutError(
                f"{self.path}: expected rows {first}:{stop}, got {self.num_rows} in all"
            )
        offsets = self.offsets[first : stop + 1]
        begin, end = int(offsets[0]), int(offsets[-1])
        return self._bytes(self._data, begin, end), (offsets - begin).tolist()

    def valid(self, first: int, stop: int) -> np.ndarray:
        """(stop - first,) bool of mv rows."""
        dataset = self._dataset("valid", "uint8")
        return self._bytes(dataset, first, stop).astype(bool)

    def seconds(self, first: int, stop: int) -> np.ndarray:
        """(stop - first,) float64 of frames."""
        return self._bytes(self._dataset("seconds", "float64"), first, stop)

    def picture_types(self, first: int, stop: int) -> np.ndarray:
        """(stop - first,) uint8, ASCII, of frames."""
        return self._bytes(self._dataset("picture_types", "uint8"), first, stop)

    def frames_first(self, video_id: str, frames: int) -> int:
        """Where the frames of a video begin in `seconds` and `picture_types`.

        Raises:
            LayoutError: the file has no such video of so many frames.
        """
        found = self._index.get(video_id)
        if found is None or found["frames"] != frames:
            raise LayoutError(
                f"{self.path}: expected {video_id!r} with {frames} frames, got {found}"
            )
        return found["frames_first"]

    @cached_property
    def _index(self) -> dict[str, dict[str, int]]:
        return self.index()

    def index(self) -> dict[str, dict[str, int]]:
        """Video id -> the fields of `schema.INDEX_FIELDS`, in the order of the rows."""
        dataset = self._member("index")
        dtype = dataset.dtype
        if dtype.names != ("id", *INDEX_FIELDS) or (
            dtype["id"].kind != "S"
            or any(dtype[field] != np.int64 for field in INDEX_FIELDS)
        ):
            raise LayoutError(f"{self.path}: index: expected its fields, got {dtype}")
        return {
            row[0].decode(errors="surrogateescape"): dict(
                zip(INDEX_FIELDS, row[1:], strict=True)
            )
            for row in dataset[:].tolist()
        }

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
        except (ValueError, TypeError) as error:
            raise LayoutError(f"{self.path}: codec: {error}") from None
        if codec.modality != self.modality:
            raise LayoutError(f"{self.path}: expected a codec of {self.modality}")
        return codec

    def _column(self, name: str, dtype: str) -> np.ndarray:
        dataset = self._dataset(name, dtype)
        return self._bytes(dataset, 0, dataset.size)

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
        return dataset

    def _bytes(self, dataset: h5py.Dataset, begin: int, end: int) -> np.ndarray:
        if end > dataset.size:
            raise LayoutError(
                f"{self.path}: {dataset.name}: expected {end} values, got {dataset.size}"
            )
        try:
            return dataset[begin:end]
        except OSError as error:
            if error.errno is not None:
                raise
            raise LayoutError(
                f"{self.path}: expected values {begin}:{end}, got {error}; {ADVICE}"
            ) from None


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return str(value)
