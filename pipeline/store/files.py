"""The small files of a store: names, commits, manifest, index. Text, nothing else.

`_commits/flow-00003.json` is the moment a shard file becomes part of the store;
`manifest.json` and `index.jsonl` are merged from the commits when all are there.
None of them holds a clock, a host name or an absolute path.
"""

import errno
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import IO, Any, NamedTuple, Self

from .errors import LayoutError, StoreNotFound
from .schema import LAYOUT_VERSION, MODALITIES, num_entries

PLAN, MANIFEST, INDEX, COMMITS = (
    "_plan.json",
    "manifest.json",
    "index.jsonl",
    "_commits",
)

NOT_AS_EXPECTED = (KeyError, TypeError, ValueError, AttributeError)
"""What reading a text of another shape raises."""


def shard_file(modality: str, shard: int, shards: int) -> str:
    """`flow-00003-of-00064.h5`: shards count from 0."""
    return f"{modality}-{shard:05d}-of-{shards:05d}.h5"


def commit_file(modality: str, shard: int) -> str:
    """`_commits/flow-00003.json`."""
    return f"{COMMITS}/{modality}-{shard:05d}.json"


class Rows(NamedTuple):
    """Where a modality of a video lies: `num_rows` of a shard's file from `first` on."""

    shard: int
    first: int
    num_rows: int


class FileRecord(NamedTuple):
    """A shard file as it must be."""

    file: str
    """Plain name, beside the manifest."""
    bytes: int
    xxh3: str
    """xxh3-128 of the content, 32 hexadecimal digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRecord:
    """One video in a commit: what was found out while its shard was built."""

    id: str
    path: str
    """Relative to the folder of videos, with forward slashes."""
    size_bytes: int
    xxh3: str
    """Of the source file."""
    frames: int
    height: int
    width: int
    """Of the stored grid, in pixels."""
    fps: float
    """Of the stored frames."""
    codec: str
    """Of the source: h264, mpeg4, ..."""
    first: int
    rows: int
    clipped: int = 0
    """Values beyond the bound of the flow codec, of all `values`."""
    values: int = 0
    bytes: int = 0
    """Of the encoded rows."""

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        return cls(**value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One published file: `_commits/<modality>-<shard>.json`."""

    layout_version: int = LAYOUT_VERSION
    fingerprint: str
    """Of the plan: inputs and settings."""
    modality: str
    shard: int
    shards: int
    file: str
    bytes: int
    xxh3: str
    codec: Mapping[str, Any]
    """As in the file."""
    videos: tuple[VideoRecord, ...]
    """In the order of their rows."""
    bad: Mapping[str, str] = field(default_factory=dict)
    """Quarantined video -> reason."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Library -> version."""
    made_with: Mapping[str, str] = field(default_factory=dict)
    """Back end, device and profile, where numbers depend on them (flow)."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any], *, where: str = "commit") -> Self:
        """
        Raises:
            LayoutError: not a commit of this layout, or its file has a strange name.
        """
        with _complaints(where, "a commit"):
            require_version(value["layout_version"], where)
            videos = tuple(VideoRecord.from_dict(video) for video in value["videos"])
            commit = cls(**{**value, "videos": videos})
            name = shard_file(commit.modality, commit.shard, commit.shards)
            if commit.modality not in MODALITIES or commit.file != name:
                raise LayoutError(f"{where}: expected file {name}, got {commit.file!r}")
            _check_hash(commit.xxh3)
        return commit


@dataclass(frozen=True, slots=True, kw_only=True)
class ModalityRecord:
    """A modality in the manifest: its codec and its files, one per shard."""

    codec: Mapping[str, Any]
    files: tuple[FileRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """`manifest.json`: what the store is. Written last; without it there is no store."""

    layout_version: int = LAYOUT_VERSION
    dataset: str
    classes: tuple[str, ...]
    splits: Mapping[str, str]
    """Split name -> "official", "lists" or "seeded"."""
    mirror_safe: bool
    """False where a mirrored video belongs to another class (left, right)."""
    settings: Mapping[str, Any]
    """Everything that alters a stored number: common, and per modality."""
    fingerprint: str
    shards: int
    modalities: Mapping[str, ModalityRecord]
    videos: int
    """Lines of the index."""
    bad: Mapping[str, str] = field(default_factory=dict)
    """Quarantined video -> reason."""

    def to_dict(self) -> dict[str, Any]:
        value = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        value["modalities"] = {
            name: {
                "codec": dict(record.codec),
                "files": [file._asdict() for file in record.files],
            }
            for name, record in self.modalities.items()
        }
        return value

    @classmethod
    def from_dict(cls, value: Mapping[str, Any], *, where: str = MANIFEST) -> Self:
        """
        Raises:
            LayoutError: not a manifest of this layout, or a file with a strange name.
        """
        with _complaints(where, "a manifest"):
            require_version(value["layout_version"], where)
            modalities = {
                name: ModalityRecord(
                    codec=record["codec"],
                    files=tuple(FileRecord(**file) for file in record["files"]),
                )
                for name, record in value["modalities"].items()
            }
            known = {
                **value,
                "classes": tuple(value["classes"]),
                "modalities": {
                    name: modalities[name] for name in MODALITIES if name in modalities
                },
            }
            manifest = cls(**known)
            if unknown := modalities.keys() - set(MODALITIES):
                raise LayoutError(
                    f"{where}: expected modalities among {MODALITIES}, got {sorted(unknown)}"
                )
            for modality, record in manifest.modalities.items():
                expected = [
                    shard_file(modality, shard, manifest.shards)
                    for shard in range(manifest.shards)
                ]
                for name, file in zip(expected, record.files, strict=True):
                    if file.file != name:
                        raise LayoutError(
                            f"{where}: expected file {name}, got {file.file!r}"
                        )
                    _check_hash(file.xxh3)
        return manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRecord:
    """One line of `index.jsonl`: all a colleague needs to know about a video."""

    id: str
    path: str
    size_bytes: int
    xxh3: str
    labels: tuple[int, ...]
    """Positions in the manifest's classes."""
    splits: Mapping[str, str]
    """Split name -> "train" or "test". Absent: not used in that split."""
    group: str
    segments: tuple[tuple[int, float, float], ...]
    """(label, start, stop) in seconds."""
    frames: int
    height: int
    width: int
    fps: float
    codec: str
    """Of the source."""
    clipped_share: float | None
    """Of flow values beyond the codec's bound; None without flow."""
    rows: Mapping[str, Rows]

    def to_dict(self) -> dict[str, Any]:
        return {entry.name: getattr(self, entry.name) for entry in fields(self)}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any], *, where: str = INDEX) -> Self:
        """
        Raises:
            LayoutError: not a line of the index, or a path that leads elsewhere.
        """
        with _complaints(where, "a video"):
            return cls._checked(value, {})

    @classmethod
    def _checked(cls, value: Mapping[str, Any], shared: dict[Any, Any]) -> Self:
        """`shared`: what repeats from line to line, so that it is kept once."""
        splits = tuple(value["splits"].items())
        labels = tuple(value["labels"])
        known = {
            **value,
            "labels": shared.setdefault(labels, labels),
            "splits": shared.setdefault(("splits", *splits), value["splits"]),
            "group": sys.intern(value["group"]),
            "codec": sys.intern(value["codec"]),
            "segments": tuple([tuple(segment) for segment in value["segments"]]),
            "rows": {
                sys.intern(modality): Rows(*rows)
                for modality, rows in value["rows"].items()
            },
        }
        record = cls(**known)
        for modality, (shard, first, num_rows) in record.rows.items():
            if not (
                type(shard) is type(first) is type(num_rows) is int
                and min(shard, first) >= 0
                and num_rows == num_entries(modality, record.frames)
                and record.frames > 0
            ):
                raise ValueError(f"{modality} {(shard, first, num_rows)}")
        if record.path.startswith("/") or ".." in record.path.split("/"):
            raise ValueError(f"{record.path!r} leads out of the folder of videos")
        return record


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
    with _complaints(MANIFEST, "a manifest"):
        value = json.loads(text)
    return Manifest.from_dict(value, where=str(folder / MANIFEST))


def read_index(folder: Path) -> Iterator[IndexRecord]:
    """The videos of a finished store, in the order of the index: by id.

    Raises:
        LayoutError: the index is missing, or a line is not a video.
    """
    try:
        file = (folder / INDEX).open("rb")
    except FileNotFoundError:
        raise LayoutError(f"{folder}: expected {INDEX} beside the manifest") from None
    shared: dict[Any, Any] = {}
    number = 0
    with file:
        try:
            for number, line in enumerate(file, 1):
                yield IndexRecord._checked(json.loads(line), shared)
        except NOT_AS_EXPECTED as error:
            raise _complaint(f"{folder / INDEX}:{number}", "a video", error) from None


def write_index(folder: Path, records: Iterable[IndexRecord]) -> None:
    """Write `index.jsonl`, sorted by id; like `write_json`, all of it or nothing."""
    with replacing(folder / INDEX) as file:
        for record in sorted(records, key=lambda record: record.id):
            line = json.dumps(record.to_dict(), sort_keys=True, allow_nan=False)
            file.write(line.encode() + b"\n")


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
    with _complaints(str(path), "a commit"):
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


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file to write that takes the place of `path` at the end, or leaves no trace."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder outlive a power cut, where the file system can."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:  # some network file systems have no such thing
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(handle)


def require_version(version: Any, where: str) -> None:
    """
    Raises:
        LayoutError: this is not the layout that the code reads and writes.
    """
    if version != LAYOUT_VERSION:
        raise LayoutError(f"{where}: expected layout {LAYOUT_VERSION}, got {version!r}")


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


def _check_hash(text: str) -> None:
    if not re.fullmatch("[0-9a-f]{32}", text):
        raise ValueError(f"expected 32 hexadecimal digits, got {text!r}")


@contextmanager
def _complaints(where: str, what: str) -> Iterator[None]:
    """Whatever is wrong with the text of a file, said in one line."""
    try:
        yield
    except LayoutError:
        raise
    except NOT_AS_EXPECTED as error:
        raise _complaint(where, what, error) from None


def _complaint(where: str, what: str, error: Exception) -> LayoutError:
    return LayoutError(f"{where}: expected {what}, got text that is not: {error!r}")
