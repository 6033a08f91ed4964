"""The small files of a store, read and written: commits, manifest, index.

`_commits/flow-00003.json` is the moment a shard file becomes part of the store;
`manifest.json` and `index.jsonl` are merged from the commits when all are there.
"""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from .errors import LayoutError, StoreNotFound
from .records import (
    COMMITS,
    INDEX,
    MANIFEST,
    NOT_AS_EXPECTED,
    PLAN,
    Commit,
    IndexRecord,
    Manifest,
    commit_file,
    complaint,
    complaints,
)
from .replacement import replacing
from .schema import MODALITIES


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a finished store.

    Raises:
        StoreNotFound: no such folder, or something else, or extraction has not ended.
        LayoutError: the manifest is not one, or of another layout.
    """
    try:
        text = (folder / MANIFEST).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise StoreNotFound(_what_is_missing(folder)) from None
    with complaints(MANIFEST, "a manifest"):
        value = json.loads(text)
    return Manifest.from_dict(value, where=str(folder / MANIFEST))


def read_index(folder: Path) -> Iterator[IndexRecord]:
    """The videos of a finished store, in the order of the index: by id.

    Raises:
        LayoutError: the index is missing, or a line is not a video.
    """
    shared: dict[Any, Any] = {}
    number = 0
    with open_index(folder) as file:
        try:
            for number, line in enumerate(file, 1):
                yield IndexRecord.checked(json.loads(line), shared)
        except NOT_AS_EXPECTED as error:
            raise complaint(f"{folder / INDEX}:{number}", "a video", error) from None


def open_index(folder: Path) -> IO[bytes]:
    """
    Raises:
        LayoutError: the index is missing.
    """
    try:
        return (folder / INDEX).open("rb")
    except FileNotFoundError:
        raise LayoutError(f"{folder}: expected {INDEX} beside the manifest") from None


def write_index(
    folder: Path, records: Iterable[IndexRecord], *, ordered: bool = False
) -> None:
    """Write `index.jsonl`, sorted by id; like `write_json`, all of it or nothing.

    Args:
        ordered: they come sorted, and are written as they come: none is held.
    """
    if not ordered:
        records = sorted(records, key=lambda record: record.id)
    encoder, last = json.JSONEncoder(sort_keys=True, allow_nan=False), ""
    with replacing(folder / INDEX) as file:
        for record in records:
            if record.id <= last:
                raise LayoutError(f"{INDEX}: expected {last!r} before {record.id!r}")
            last = record.id
            file.write(encoder.encode(record.to_dict()).encode() + b"\n")


def read_commit(folder: Path, modality: str, shard: int) -> Commit | None:
    """The commit of a file, or None: it is not part of the store yet.

    Raises:
        LayoutError: the commit is not one, or of another layout.
    """
    path = folder / commit_file(modality, shard)
    try:
        text = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    with complaints(str(path), "a commit"):
        value = json.loads(text)
    commit = Commit.from_dict(value, where=str(path))
    if (commit.modality, commit.shard) != (modality, shard):
        raise LayoutError(f"{path}: expected its own file, got {commit.file}")
    return commit


def committed(folder: Path) -> list[tuple[str, int]]:
    """Modality and shard of every commit in a folder, sorted; their text is not read."""
    pattern = re.compile(rf"({'|'.join(MODALITIES)})-(\d{{5,}})\.json")
    names = [path.name for path in (folder / COMMITS).glob("*.json")]
    found = [match for name in names if (match := pattern.fullmatch(name))]
    return sorted((match[1], int(match[2])) for match in found)


def write_json(path: Path, value: Any) -> None:
    """Replace a file by JSON: after a power cut there is the old one or the new one.

    Keys are sorted, so that the same value gives the same bytes.

    Raises:
        OSError: the file cannot be written; the old one is still there.
    """
    text = json.dumps(value, sort_keys=True, indent=1, allow_nan=False)
    with replacing(path) as file:
        file.write(text.encode() + b"\n")


def _what_is_missing(folder: Path) -> str:
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing"
        return f"{folder}: expected the folder of a store, got {found}"
    if (folder / PLAN).exists() or (folder / COMMITS).is_dir():
        return (
            f"{folder}: expected a finished store, got one that is not: "
            "run `pipeline extract` again with the same arguments to finish it"
        )
    return f"{folder}: expected a store ({MANIFEST}), got a folder of something else"
