"""Index and manifest of a store that is made from another one without touching rows."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from pipeline.store import StoredVideo
from pipeline.store.file_names import INDEX, MANIFEST
from pipeline.store.files import write_index
from pipeline.store.index import IndexRecord
from pipeline.store.manifest import Manifest
from pipeline.store.sealing import write_sealed

_FIELDS = tuple(field.name for field in fields(IndexRecord))


def record_of(
    video: StoredVideo, modalities: Collection[str], **changes: Any
) -> IndexRecord:
    """The line of the index for a video, with some of its modalities.

    Args:
        changes: fields with other values.
    """
    known = {name: getattr(video, name) for name in _FIELDS} | changes
    known["rows"] = {m: rows for m, rows in video.rows.items() if m in modalities}
    if "flow" not in known["rows"]:
        known["clipped_share"] = None
    if "mv" not in known["rows"]:
        known["known_share"] = None
    return IndexRecord(**known)


def write_texts(
    folder: Path,
    records: Iterable[IndexRecord],
    manifest: Manifest,
    *,
    old: Manifest | None,
    written: Callable[[str], None] = lambda name: None,
) -> Manifest:
    """Replace the index, then the manifest.

    Args:
        records: sorted by id.
        manifest: with any index and number of videos.
        old: the manifest that readers see now.
        written: called with the name of each file that was written, in their order: the
            manifest comes twice where readers see another index now.

    Returns:
        The manifest as it was written.
    """
    count = 0

    def counted() -> Iterator[IndexRecord]:
        nonlocal count
        for record in records:
            count += 1
            yield record

    def new(xxh3: str) -> Manifest:
        return replace(manifest, index=(xxh3,), videos=count, next=None)

    def write(value: Manifest) -> None:
        write_sealed(folder / MANIFEST, value.to_dict())
        written(MANIFEST)

    def announce(xxh3: str) -> None:
        """For a moment readers meet the new index beside the manifest that is there."""
        if old is not None and xxh3 not in old.index:
            write(replace(old, next=new(xxh3).to_dict()))

    xxh3 = write_index(folder, counted(), ordered=True, before=announce)
    written(INDEX)
    manifest = new(xxh3)
    write(manifest)
    return manifest
