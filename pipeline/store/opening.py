"""The location of a store -> its manifest and its videos, which belong together."""

import os

from .errors import LayoutError
from .file_names import INDEX
from .files import current_manifest, open_index, require_index
from .long_index import LongIndex
from .manifest import Manifest
from .remote_path import Location, RemotePath
from .videos import HeldIndex, VideoMaker, read_videos, require_count

HELD_INDEX_BYTES = 8 << 20
"""About 18,000 videos: an index up to here is read at once, and checked to its last line."""


def open_videos(
    folder: Location, *, check: bool
) -> tuple[Manifest, HeldIndex | LongIndex]:
    """Manifest and index that belong together.

    Args:
        check: compare the index with its hash.

    Raises:
        StoreNotFound: no such store, or something else, or not finished.
        LayoutError: a store of another layout, or a damaged one.
    """
    manifest = current_manifest(folder)
    while True:
        try:
            if isinstance(folder, RemotePath) and len(manifest.index) == 1:
                (folder / INDEX).xxh3 = manifest.index[0]
            if check:
                require_index(folder, manifest)
            return manifest, _opened_index(folder, manifest)
        except LayoutError:
            # A run that extends the store may have replaced both in the meantime.
            if isinstance(folder, RemotePath):
                folder.forget()
            before, manifest = manifest, current_manifest(folder)
            if manifest == before:
                raise


def _opened_index(folder: Location, manifest: Manifest) -> HeldIndex | LongIndex:
    with open_index(folder) as file:
        size = os.fstat(file.fileno()).st_size
    if size > HELD_INDEX_BYTES:
        videos = LongIndex(folder, VideoMaker(folder, manifest))
        if len(videos) <= manifest.videos:
            require_count(folder, manifest, len(videos))
            return videos
        # A run that adds a modality was interrupted: some lines are to be ignored.
    return read_videos(folder, manifest)
