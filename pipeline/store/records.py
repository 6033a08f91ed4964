"""Records of the small files of a store: names, commits, manifest, index. No files here.

None of it holds a clock, a host name or an absolute path.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from typing import Any, NamedTuple, Self

from motion_shards.choices import MODALITIES

from .errors import LayoutError, OtherLayout
from .fields import (
    Fits,
    fields_of,
    is_count,
    is_grid,
    is_hash,
    is_list,
    is_number,
    is_object,
    is_text_object,
    is_texts,
    require_fields,
    shown,
)
from .json_value import Json
from .schema import LAYOUT_VERSION, num_entries

PLAN = "_plan.json"
MANIFEST = "manifest.json"
INDEX = "index.jsonl"
COMMITS = "_commits"
LOGS = "_logs"
"""Folder of logs that runs write about themselves; readers ignore it."""
NOT_AS_EXPECTED = (KeyError, TypeError, ValueError, AttributeError, RecursionError)
"""Errors raised by reading a text of another shape."""


MAX_REASON = 300
"""Characters: a text may be quoted, and be of any length."""


def shard_file(modality: str, shard: int, shards: int) -> str:
    """`flow-00003-of-00064.h5`: shards count from 0."""
    return f"{modality}-{shard:05d}-of-{shards:05d}.h5"


def commit_file(modality: str, shard: int) -> str:
    """`_commits/flow-00003.json`."""
    return f"{COMMITS}/{modality}-{shard:05d}.json"


class Rows(NamedTuple):
    """Position of a modality of a video: `num_rows` rows of a shard's file from `first` on."""

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
    columns: str
    """xxh3-128 of its attribute `columns`, which has the hashes of all columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRecord:
    """One video in a commit: what was found out while its shard was built."""

    id: str
    path: str
    """Relative to the folder of videos, with forward slashes."""
    size_bytes: int
    xxh3: str
    """Hash of the source file."""
    frames: int
    height: int
    width: int
    """Size of the stored frames, px."""
    fps: float
    """Frames per second of the stored frames."""
    codec: str
    """Codec of the source: h264, mpeg4, ..."""
    source_height: int = 0
    source_width: int = 0
    """Size in the source, px, before rotation; 0: not recorded."""
    pixel_aspect: float = 1.0
    """Width of a pixel of the source, for a height of 1."""
    rotation: float = 0.0
    """Degrees, clockwise, by which the source asks to be turned; a multiple of 90 was."""
    damaged: int = 0
    """Packets of the source that did not decode or were incomplete, and frames with errors."""
    missing_bytes: int = 0
    """Bytes by which the source ends before the end that its container states."""
    first: int
    rows: int
    known: int = 0
    """Intervals whose vectors are known to be k -> k+1."""
    clipped: int = 0
    """Values beyond the bound of the flow codec, of all `values`."""
    values: int = 0
    bytes: int = 0
    """Size of the encoded rows."""

    @classmethod
    def from_dict(cls, value: Mapping[str, Any], modality: str) -> Self:
        """
        Raises:
            ValueError: not a video in a commit of this modality.
        """
        require_fields(value, _VIDEO_FIELDS)
        video = cls(**value)
        if not is_grid(video.height, video.width) or video.frames < 1:
            sizes = (video.frames, video.height, video.width)
            raise ValueError(f"frames, height, width {sizes}")
        if video.rows != num_entries(modality, video.frames):
            raise ValueError(f"{video.rows} rows of {video.frames} frames")
        _require_inside(video.path)
        return video


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One published file: `_commits/<modality>-<shard>.json`."""

    layout_version: int = LAYOUT_VERSION
    fingerprint: str
    """Hash of the plan: inputs and settings."""
    modality: str
    shard: int
    shards: int
    file: str
    bytes: int
    xxh3: str
    columns: str
    """xxh3-128 of the attribute `columns` of the file."""
    codec: Mapping[str, Any]
    """Codec record, equal to the one in the file."""
    settings: Mapping[str, Any]
    """Settings of this modality, equal to those of plan and manifest."""
    videos: tuple[VideoRecord, ...]
    """In the order of their rows."""
    bad: Mapping[str, str] = field(default_factory=dict)
    """Quarantined video -> reason."""
    unavailable: Mapping[str, str] = field(default_factory=dict)
    """Video whose file could not be read -> why; a later run takes it up again."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Library -> version."""
    made_with: Mapping[str, str] = field(default_factory=dict)
    """Back end, device and profile, where numbers depend on them (flow)."""

    @property
    def record(self) -> FileRecord:
        """Its file, as the manifest names it."""
        return FileRecord(self.file, self.bytes, self.xxh3, self.columns)

    def to_dict(self) -> dict[str, Json]:
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any], *, where: str = "commit") -> Self:
        """
        Raises:
            LayoutError: not a commit of this layout, or its file has a strange name.
        """
        with complaints(where, "a commit"):
            require_version(value["layout_version"], where)
            require_fields(value, _COMMIT_FIELDS)
            videos = tuple(
                VideoRecord.from_dict(video, value["modality"])
                for video in value["videos"]
            )
            commit = cls(**{**value, "videos": videos})
            name = shard_file(commit.modality, commit.shard, commit.shards)
            if commit.file != name or commit.shard >= commit.shards:
                raise LayoutError(
                    f"{where}: expected file {name}, got {shown(commit.file)}"
                )
            first = 0
            for video in videos:
                if video.first != first:
                    raise ValueError(f"{shown(video.id)}: first row {video.first}")
                first += video.rows
            names = [video.id for video in videos] + [*commit.bad, *commit.unavailable]
            if len(set(names)) != len(names):
                raise ValueError("a video that is there twice")
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
    index: tuple[str, ...]
    """xxh3-128 of the content of the index; two while a run replaces it: either."""
    bad: Mapping[str, str] = field(default_factory=dict)
    """Quarantined video -> reason."""
    unavailable: Mapping[str, str] = field(default_factory=dict)
    """Video whose file could not be read -> why; a later run takes it up again."""

    def to_dict(self) -> dict[str, Json]:
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
        with complaints(where, "a manifest"):
            require_version(value["layout_version"], where)
            require_fields(value, _MANIFEST_FIELDS)
            if odd := value["modalities"].keys() - set(MODALITIES):
                raise LayoutError(
                    f"{where}: expected modalities among {MODALITIES}, got {sorted(odd)}"
                )
            modalities = {
                name: _modality_record(name, record, value["shards"], where)
                for name, record in value["modalities"].items()
            }
            known = {
                "classes": tuple(value["classes"]),
                "index": tuple(value["index"]),
                "modalities": {m: modalities[m] for m in MODALITIES if m in modalities},
            }
        return cls(**{**value, **known})


def _modality_record(
    modality: str, value: Any, shards: int, where: str
) -> ModalityRecord:
    require_fields(value, {"codec": is_object, "files": is_list})
    if len(value["files"]) != shards:
        raise ValueError(f"{modality}: {len(value['files'])} files of {shards} shards")
    files = []
    for shard, file in enumerate(value["files"]):
        require_fields(file, _FILE_FIELDS)
        if file["file"] != (name := shard_file(modality, shard, shards)):
            raise LayoutError(
                f"{where}: expected file {name}, got {shown(file['file'])}"
            )
        files.append(FileRecord(**file))
    return ModalityRecord(codec=value["codec"], files=tuple(files))


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
    """Codec of the source."""
    source_height: int = 0
    source_width: int = 0
    """Size in the source, px, before rotation; 0: not recorded."""
    pixel_aspect: float = 1.0
    """Width of a pixel of the source, for a height of 1."""
    rotation: float = 0.0
    """Degrees, clockwise, by which the source asks to be turned; a multiple of 90 was."""
    damaged: int = 0
    """Packets of the source that did not decode or were incomplete, and frames with errors."""
    missing_bytes: int = 0
    """Bytes by which the source ends before the end that its container states."""
    clipped_share: float | None
    """Share of flow values beyond the codec's bound; None without flow."""
    known_share: float | None = None
    """Share of intervals whose vectors are known to be k -> k+1; None without mv or intervals."""
    rows: Mapping[str, Rows]

    def to_dict(self) -> dict[str, Json]:
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any], *, where: str = INDEX) -> Self:
        """
        Raises:
            LayoutError: not a line of the index, or a path that leads elsewhere.
        """
        with complaints(where, "a video"):
            return cls.checked(value, {})

    @classmethod
    def checked(cls, value: Mapping[str, Any], shared: dict[Any, Any]) -> Self:
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
            ):
                raise ValueError(f"{modality} {shown((shard, first, num_rows))}")
        sizes = (record.frames, record.height, record.width)
        if not is_grid(*sizes[1:]) or not is_count(record.frames) or record.frames < 1:
            raise ValueError(f"frames, height, width {shown(sizes)}")
        for name, fits in _LINE_FIELDS.items():
            if not fits(found := getattr(record, name)):
                raise ValueError(f"{name}: {shown(found)}")
        _require_inside(record.path)
        return record


def _require_inside(path: str) -> None:
    if path.startswith("/") or ".." in path.split("/"):
        raise ValueError(f"{shown(path)} leads out of the folder of videos")


def _is_split_roles(value: Any) -> bool:
    return type(value) is dict and all(
        role in ("train", "test") for role in value.values()
    )


def _are_segments(value: Any) -> bool:
    return all(
        len(it) == 3 and is_count(it[0]) and all(map(is_number, it[1:])) for it in value
    )


_FILE_FIELDS: Mapping[str, Fits] = {
    "file": lambda value: True,  # compared with the name that it must have
    "bytes": is_count,
    "xxh3": is_hash,
    "columns": is_hash,
}
_VIDEO_FIELDS = fields_of(VideoRecord, xxh3=is_hash)
_COMMIT_FIELDS = fields_of(
    Commit,
    **_FILE_FIELDS,
    modality=lambda value: value in MODALITIES,
    codec=is_object,
    settings=is_object,
    videos=is_list,
    bad=is_text_object,
    unavailable=is_text_object,
    versions=is_text_object,
    made_with=is_text_object,
)
_MANIFEST_FIELDS = fields_of(
    Manifest,
    classes=is_texts,
    splits=is_text_object,
    settings=lambda value: is_object(value) and all(map(is_object, value.values())),
    modalities=is_object,
    index=lambda value: is_texts(value) and value and all(map(is_hash, value)),
    bad=is_text_object,
    unavailable=is_text_object,
)
_LINE_FIELDS = fields_of(
    IndexRecord,
    xxh3=is_hash,
    labels=lambda value: all(map(is_count, value)),
    splits=_is_split_roles,
    segments=_are_segments,
    rows=is_object,  # and looked at one by one
)


def require_version(version: Any, where: str) -> None:
    """
    Raises:
        OtherLayout: this is not the layout that the code reads and writes.
    """
    if version != LAYOUT_VERSION:
        raise OtherLayout(
            f"{where}: expected layout {LAYOUT_VERSION}, got {shown(version)}"
        )


@contextmanager
def complaints(where: str, what: str) -> Iterator[None]:
    """Turn any fault in the text of a file into an error of one line."""
    try:
        yield
    except LayoutError:
        raise
    except NOT_AS_EXPECTED as error:
        raise complaint(where, what, error) from None


def complaint(where: str, what: str, error: Exception) -> LayoutError:
    said = (
        f"it lacks {error}"
        if isinstance(error, KeyError)
        else " ".join(str(error).split())
    )
    return LayoutError(
        f"{where}: expected {what}, got text that is not: {said[:MAX_REASON]}"
    )


ARRIVING = "_tmp"
