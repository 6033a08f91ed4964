"""A line of the index as a value: one video and the position of its rows."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from .fields import fields_of, is_count, is_grid, is_hash, is_number, is_object, shown
from .file_names import INDEX
from .json_value import Json
from .malformed import complaints
from .schema import num_entries
from .video_facts import VideoFacts, require_inside


class Rows(NamedTuple):
    """Position of a modality of a video: `num_rows` rows of a shard's file from `first` on."""

    shard: int
    first: int
    num_rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRecord(VideoFacts):
    """One line of `index.jsonl`: all a colleague needs to know about a video."""

    labels: tuple[int, ...]
    """Positions in the manifest's classes."""
    splits: Mapping[str, str]
    """Split name -> "train" or "test". Absent: not used in that split."""
    group: str
    segments: tuple[tuple[int, float, float], ...]
    """(label, start, stop) in seconds."""
    clipped_share: float | None
    """Share of flow values beyond the codec's bound; None without flow."""
    known_share: float | None = None
    """Share of intervals whose vectors are known to be k -> k+1; None without mv or intervals."""
    rows: Mapping[str, Rows]

    def to_dict(self) -> dict[str, Json]:
        return {name: getattr(self, name) for name in _LINE_FIELDS}

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
        require_inside(record.path)
        return record


def _is_split_roles(value: Any) -> bool:
    return type(value) is dict and all(
        role in ("train", "test") for role in value.values()
    )


def _are_segments(value: Any) -> bool:
    return all(
        len(it) == 3 and is_count(it[0]) and all(map(is_number, it[1:])) for it in value
    )


_LINE_FIELDS = fields_of(
    IndexRecord,
    xxh3=is_hash,
    labels=lambda value: all(map(is_count, value)),
    splits=_is_split_roles,
    segments=_are_segments,
    rows=is_object,  # and looked at one by one
)
