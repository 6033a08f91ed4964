"""A video of a store -> an npz file with its arrays, in the units of the store."""

import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import numpy as np

from pipeline.store import LAYOUT, Store, StoredVideo
from pipeline.store.schema import entry_shape, num_entries

from .outcome import Written
from .pictures import blocks
from .unfinished import new_file

LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""Date of every member, so that the same video gives the same bytes."""


def write_arrays(
    store: Store,
    video: StoredVideo,
    target: Path,
    *,
    work: Path,
    modalities: tuple[str, ...],
) -> Written:
    """Write the arrays of a video; the file appears when it is whole.

    `rgb`, `flow`, `mv` and `mv_valid` as `Store.read` returns them; `seconds`,
    `picture_types`, `fps`, `id` and `classes`. Blocks are written as they are read, so
    that a long video needs no memory.

    Args:
        target: the file.
        work: a folder of the same disk for what is not finished.

    Raises:
        StoreError: the store is damaged.
        OSError: the file cannot be written.
    """
    arrays = [
        name
        for name, spec in LAYOUT.items()
        if spec.modality in modalities and spec.modality in video.modalities
    ]
    with new_file(target, work) as file:
        write_members(file, store, video, arrays, facts=_facts(store, video))
        size = file.seek(0, 2)
    return Written(files=1, bytes=size)


def write_members(
    file: IO[bytes],
    store: Store,
    video: StoredVideo,
    arrays: Iterable[str],
    *,
    first: int = 0,
    stop: int | None = None,
    facts: Iterable[tuple[str, np.ndarray]] = (),
) -> None:
    """Write some arrays of a video as npz.

    Args:
        first, stop: entries; all if left out.
        facts: name and value of further arrays.
    """
    with zipfile.ZipFile(file, "w") as archive:
        for name in arrays:
            count = num_entries(name, video.frames)
            entries = range(first, count if stop is None else stop)
            with _member(archive, name, packed=LAYOUT[name].modality == "mv") as member:
                _write(member, store, video, name, entries)
        for name, value in facts:
            with _member(archive, name) as member:
                np.lib.format.write_array(member, value, allow_pickle=False)


def _facts(store: Store, video: StoredVideo) -> Iterator[tuple[str, np.ndarray]]:
    yield "seconds", store.seconds(video.id)
    yield "picture_types", store.picture_types(video.id)
    yield "fps", np.array(video.fps)
    yield "id", np.array(video.id)
    yield "classes", np.array(list(video.class_names), np.str_)


def _member(archive: zipfile.ZipFile, name: str, *, packed: bool = False) -> IO[bytes]:
    info = zipfile.ZipInfo(f"{name}.npy", LONG_AGO)
    info.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    return archive.open(info, "w", force_zip64=True)


def _write(
    member: IO[bytes], store: Store, video: StoredVideo, name: str, entries: range
) -> None:
    shape = (len(entries), *entry_shape(name, height=video.height, width=video.width))
    dtype = np.dtype(LAYOUT[name].dtype)
    header = {
        "descr": np.lib.format.dtype_to_descr(dtype),
        "fortran_order": False,
        "shape": shape,
    }
    np.lib.format.write_array_header_1_0(member, header)
    for start, stop in blocks(entries.start, entries.stop):
        block = store.read(video.id, name, start=start, stop=stop)
        member.write(np.ascontiguousarray(block, dtype).tobytes())
