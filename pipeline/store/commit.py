"""A commit as a value: one published shard file and the videos in it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from motion_shards.choices import MODALITIES

from .errors import LayoutError
from .fields import (
    fields_of,
    is_grid,
    is_hash,
    is_list,
    is_object,
    is_text_object,
    require_fields,
    shown,
)
from .file_names import shard_file
from .json_value import Json
from .malformed import complaints, require_version
from .manifest import FILE_FIELDS, FileRecord
from .schema import LAYOUT_VERSION, num_entries
from .video_facts import VideoFacts, require_inside


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRecord(VideoFacts):
    """One video in a commit, with what was counted while its shard was built."""

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
        require_inside(video.path)
        return video


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One published file: `_commits/<modality>-<shard>.json`."""

    layout_version: int = LAYOUT_VERSION
    fingerprint: str
    """Hash of inputs and settings, of the generation to which the shard belongs."""
    modality: str
    shard: int
    file: str
    bytes: int
    xxh3: str
    columns: str
    columns_offset: int
    columns_bytes: int
    data_offset: int
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
        return FileRecord(*(getattr(self, name) for name in FileRecord._fields))

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
            name = shard_file(commit.modality, commit.shard)
            if commit.file != name:
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


_VIDEO_FIELDS = fields_of(VideoRecord, xxh3=is_hash)
_COMMIT_FIELDS = fields_of(
    Commit,
    **FILE_FIELDS,
    modality=lambda value: value in MODALITIES,
    codec=is_object,
    settings=is_object,
    videos=is_list,
    bad=is_text_object,
    unavailable=is_text_object,
    versions=is_text_object,
    made_with=is_text_object,
)
