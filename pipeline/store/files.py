"""The small files of a store, read and written: commits, manifest, index.

`_commits/flow-00003.json` is the moment a shard file becomes part of the store;
`manifest.json` and `index.jsonl` are merged from the commits when all are there.
"""

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from motion_shards.choices import MODALITIES

from .commit import Commit
from .errors import AccessRefused, AddressError, LayoutError, StoreNotFound
from .file_names import COMMITS, INDEX, MANIFEST, PLAN, commit_file
from .index import IndexRecord
from .local_file import regular_descriptor
from .malformed import NOT_AS_EXPECTED, complaint, complaints, require_version
from .manifest import Manifest
from .remote_path import Location, RemotePath
from .replacement import replacing
from .sealing import CHECKSUM, has_seal, require_seal

HASH_BLOCK_BYTES = 1 << 20
MAX_TEXT_BYTES = 1 << 29
"""Limit for a manifest or commit: several hundred times the size of the largest data sets."""
MAX_PLAN_BYTES = 1 << 33


def read_manifest(folder: Location) -> Manifest:
    """The manifest of a finished store, as it was written.

    Raises:
        StoreNotFound: no such folder, or something else, or extraction has not ended.
        LayoutError: the manifest is not one, was changed, or is of another layout.
    """
    try:
        value = read_sealed(folder / MANIFEST, "a manifest")
    except (FileNotFoundError, NotADirectoryError):
        raise StoreNotFound(_what_is_missing(folder)) from None
    return Manifest.from_dict(value, where=str(folder / MANIFEST))


def current_manifest(folder: Location) -> Manifest:
    """The manifest that belongs to the index, also where a run has replaced that alone.

    Raises:
        StoreNotFound: as of `read_manifest`.
        LayoutError: as of `read_manifest`, or the index is missing.
    """
    manifest = read_manifest(folder)
    if manifest.next is None:
        return manifest
    follower = Manifest.from_dict(manifest.next, where=str(folder / MANIFEST))
    with open_index(folder) as file:
        found = hash_of(file)
    return follower if found in follower.index else replace(manifest, next=None)


def read_sealed(
    path: Location, what: str, *, limit: int = MAX_TEXT_BYTES
) -> dict[str, Any]:
    """The object in a text that carries its checksum, without it.

    Raises:
        OSError: it cannot be read.
        LayoutError: it is not `what`, was changed since it was written, or is of
            another layout.
    """
    return _unsealed(read_regular(path, limit=limit), str(path), what)


def read_optional(
    folder: Location, name: str, what: str, *, limit: int = MAX_TEXT_BYTES
) -> dict[str, Any] | None:
    """The object in a sealed text that a store may lack; None if it does.

    Raises:
        OSError: it cannot be read.
        LayoutError: as of `read_sealed`.
    """
    try:
        return read_sealed(folder / name, what, limit=limit)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except AccessRefused:
        if not hides_absent(folder):
            raise
        return None


def hides_absent(folder: Location) -> bool:
    """Whether a store may be read while access to one of its objects is refused.

    Then that object is most likely not there: see `AccessRefused`.
    """
    try:
        return (folder / MANIFEST).is_file()
    except AddressError:
        return False


def _unsealed(text: bytes, where: str, what: str) -> dict[str, Any]:
    """The object in a sealed text, without its checksum."""
    with complaints(where, what):
        value = json.loads(text)
        if not (has_seal(text) or "layout_version" not in value):
            require_version(value["layout_version"], where)
        require_seal(text, where, what)
        require_version(value["layout_version"], where)
        del value[CHECKSUM]
    return value


def read_regular(path: Location, *, limit: int = MAX_TEXT_BYTES) -> bytes:
    """The content of an ordinary file; never waits, as on a pipe.

    Raises:
        OSError: it cannot be read; FileNotFoundError if there is none.
        LayoutError: something else than a file, or one of more than `limit` bytes.
    """
    if isinstance(path, RemotePath):
        return path.read(limit=limit)
    with open_regular(path) as file:
        if (size := os.fstat(file.fileno()).st_size) > limit:
            raise LayoutError(f"{path}: expected at most {limit:,} bytes, got {size:,}")
        return file.read()


def open_regular(path: Location) -> IO[bytes]:
    """Open an ordinary file for reading; one at an address is fetched first.

    Raises:
        OSError: it cannot be opened; FileNotFoundError if there is none.
        LayoutError: something else than a file: a folder, a pipe, a device.
    """
    if isinstance(path, RemotePath):
        return path.opened()
    return open(regular_descriptor(path), "rb")


def read_index(folder: Location) -> Iterator[IndexRecord]:
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


def open_index(folder: Location) -> IO[bytes]:
    """
    Raises:
        LayoutError: the index is missing, or is no file.
    """
    try:
        return open_regular(folder / INDEX)
    except FileNotFoundError:
        raise LayoutError(f"{folder}: expected {INDEX} beside the manifest") from None


def require_index(folder: Location, manifest: Manifest) -> None:
    """
    Raises:
        LayoutError: the index is missing, or not the one that the manifest names.
    """
    with open_index(folder) as file:
        found = hash_of(file)
    if found not in manifest.index:
        raise LayoutError(
            f"{folder / INDEX}: expected the index of the manifest "
            f"(xxh3 {' or '.join(manifest.index)}), got a changed one ({found})"
        )


def hash_of(
    file: IO[bytes], *, size: int | None = None, copy: IO[bytes] | None = None
) -> str:
    """xxh3-128 of a file from where it stands to its end: 32 hexadecimal digits.

    Args:
        size: bytes to hash, where that is not all.
        copy: another file, to which the bytes are written as they are read.
    """
    import xxhash  # on first use: the store itself needs numpy only

    digest = xxhash.xxh3_128()
    left = sys.maxsize if size is None else size
    while block := file.read(min(left, HASH_BLOCK_BYTES)):
        digest.update(block)
        left -= len(block)
        if copy is not None:
            copy.write(block)
    return digest.hexdigest()


def content_hash(path: Location) -> str:
    """xxh3-128 of the content of a file: 32 hexadecimal digits.

    Raises:
        OSError: it cannot be read.
        LayoutError: something else than a file.
    """
    with open_regular(path) as file:
        return hash_of(file)


def write_index(
    folder: Path,
    records: Iterable[IndexRecord],
    *,
    ordered: bool = False,
    before: Callable[[str], None] = lambda xxh3: None,
) -> str:
    """Write `index.jsonl`, sorted by id; like `write_json`, all of it or nothing.

    Args:
        ordered: they come sorted, and are written as they come: none is held.
        before: called with the hash of the new index before it replaces the old one.

    Returns:
        xxh3-128 of its content, as the manifest names it.
    """
    from xxhash import xxh3_128

    if not ordered:
        records = sorted(records, key=lambda record: record.id)
    digest = xxh3_128()
    with replacing(folder / INDEX) as file:
        for line in index_lines(records):
            digest.update(line)
            file.write(line)
        before(digest.hexdigest())
    return digest.hexdigest()


def index_lines(records: Iterable[IndexRecord]) -> Iterator[bytes]:
    """The lines of an index, in the order in which the records come.

    Raises:
        LayoutError: they are not sorted by id.
    """
    encoder, last = json.JSONEncoder(sort_keys=True, allow_nan=False), ""
    for record in records:
        if record.id <= last:
            raise LayoutError(f"{INDEX}: expected {last!r} before {record.id!r}")
        last = record.id
        yield encoder.encode(record.to_dict()).encode() + b"\n"


def read_commit(folder: Location, modality: str, shard: int) -> Commit | None:
    """The commit of a file, or None: it is not part of the store yet.

    Raises:
        LayoutError: the commit is not one, was changed, or is of another file or layout.
    """
    name = commit_file(modality, shard)
    path = folder / name
    if (value := read_optional(folder, name, "a commit")) is None:
        return None
    commit = Commit.from_dict(value, where=str(path))
    if (commit.modality, commit.shard) != (modality, shard):
        raise LayoutError(f"{path}: expected its own file, got {commit.file}")
    return commit


def committed(folder: Location) -> list[tuple[str, int]]:
    """Modality and shard of every commit in a folder, sorted; their text is not read."""
    pattern = re.compile(rf"({'|'.join(MODALITIES)})-(\d{{5,}})\.json")
    commits = folder / COMMITS
    if isinstance(commits, RemotePath):
        names = commits.names()
    else:
        names = [path.name for path in commits.glob("*.json")]
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


def _what_is_missing(folder: Location) -> str:
    if isinstance(folder, RemotePath):
        return _what_is_missing_there(folder)
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing"
        return f"{folder}: expected the folder of a store, got {found}"
    if (folder / PLAN).exists() or (folder / COMMITS).is_dir():
        return (
            f"{folder}: expected a finished store, got one that is not: "
            "run `pipeline extract` again with the same arguments to finish it"
        )
    return f"{folder}: expected a store ({MANIFEST}), got a folder of something else"


def _what_is_missing_there(folder: RemotePath) -> str:
    if (folder / PLAN).exists() or (folder / COMMITS).names():
        return (
            f"{folder}: expected a finished store, got one without {MANIFEST}: run the "
            "command that writes it again to finish it"
        )
    return f"{folder}: expected a store, got no {MANIFEST} there"
