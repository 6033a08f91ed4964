"""`manifest.json` as a value: a store, its modalities and their files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple, Self

from motion_shards.choices import MODALITIES

from .errors import LayoutError
from .fields import (
    Fits,
    fields_of,
    is_count,
    is_hash,
    is_list,
    is_object,
    is_text,
    is_text_object,
    is_texts,
    require_fields,
    shown,
)
from .file_names import MANIFEST, shard_file
from .json_value import Json
from .malformed import complaints, require_version
from .schema import LAYOUT_VERSION


class FileRecord(NamedTuple):
    """A shard file as its manifest describes it."""

    file: str
    """Plain name, beside the manifest."""
    bytes: int
    xxh3: str
    """xxh3-128 of the content, 32 hexadecimal digits."""
    columns: str
    """xxh3-128 of its text `columns`: extents and hashes of all its data sets."""
    columns_offset: int
    columns_bytes: int
    """The bytes of the file where that text lies."""
    data_offset: int
    """Position of its first row in the file, in bytes; 0 where it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModalityRecord:
    """A modality in the manifest: its codec and its files, one per shard."""

    codec: Mapping[str, Any]
    files: tuple[FileRecord, ...]


class State(NamedTuple):
    """A store as it was or is: its first shards, and their fingerprint."""

    shards: int
    fingerprint: str


def state_of(states: Sequence[State], shard: int) -> State:
    """The first state that has a shard; the last one for a shard that none has."""
    return next((state for state in states if shard < state.shards), states[-1])


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
    """All settings that influence a stored number: common, and per modality."""
    fingerprint: str
    """Hash of videos and settings; of a store that has grown also of the state before."""
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
    earlier: tuple[State, ...] = ()
    """States before each time that the store grew, oldest first."""
    next: Mapping[str, Any] | None = None
    """The manifest that follows, while a run replaces the index: it is the one to read
    where the index has its hash."""

    @property
    def states(self) -> tuple[State, ...]:
        """All states of the store, oldest first; the last is the present one."""
        return (*self.earlier, State(self.shards, self.fingerprint))

    def fingerprint_of(self, shard: int) -> str:
        """The fingerprint that the commits of a shard have."""
        return state_of(self.states, shard).fingerprint

    def to_dict(self) -> dict[str, Json]:
        value = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        value["modalities"] = {
            name: {
                "codec": dict(record.codec),
                "files": [file._asdict() for file in record.files],
            }
            for name, record in self.modalities.items()
        }
        value["earlier"] = [list(state) for state in self.earlier]
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
                "earlier": _earlier(value["earlier"], value["shards"]),
                "modalities": {m: modalities[m] for m in MODALITIES if m in modalities},
            }
        return cls(**{**value, **known})


def _earlier(value: Any, shards: int) -> tuple[State, ...]:
    """
    Raises:
        ValueError: no states of a store that has grown to this number of shards.
    """
    counts = [0]
    for state in value:
        if not (
            is_list(state)
            and len(state) == 2
            and is_text(state[1])
            and is_count(state[0])
            and counts[-1] < state[0] < shards
        ):
            raise ValueError(f"earlier: {shown(state)}")
        counts.append(state[0])
    return tuple(State(*state) for state in value)


def _modality_record(
    modality: str, value: Any, shards: int, where: str
) -> ModalityRecord:
    require_fields(value, {"codec": is_object, "files": is_list})
    if len(value["files"]) != shards:
        raise ValueError(f"{modality}: {len(value['files'])} files of {shards} shards")
    files = []
    for shard, file in enumerate(value["files"]):
        require_fields(file, FILE_FIELDS)
        if file["file"] != (name := shard_file(modality, shard)):
            raise LayoutError(
                f"{where}: expected file {name}, got {shown(file['file'])}"
            )
        files.append(FileRecord(**file))
    return ModalityRecord(codec=value["codec"], files=tuple(files))


FILE_FIELDS: Mapping[str, Fits] = {
    "file": lambda value: True,  # compared with the name that it must have
    "bytes": is_count,
    "xxh3": is_hash,
    "columns": is_hash,
    "columns_offset": is_count,
    "columns_bytes": is_count,
    "data_offset": is_count,
}
_MANIFEST_FIELDS = fields_of(
    Manifest,
    classes=is_texts,
    splits=is_text_object,
    settings=lambda value: is_object(value) and all(map(is_object, value.values())),
    modalities=is_object,
    index=lambda value: is_texts(value) and value and all(map(is_hash, value)),
    bad=is_text_object,
    unavailable=is_text_object,
    earlier=is_list,
    next=lambda value: value is None or is_object(value),
)
