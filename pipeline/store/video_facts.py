"""Facts about a video that its commits, its line of the index and its readers share."""

from dataclasses import dataclass, fields
from typing import Any

from .fields import shown


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFacts:
    """A source file, and the grid and clock of the frames that are stored of it."""

    id: str
    path: str
    """Path of the source, relative to the folder of videos, with forward slashes."""
    size_bytes: int
    """Size of the source."""
    xxh3: str
    """xxh3-128 of the source."""
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
    """Clockwise rotation that the source states, degrees; multiples of 90 are applied."""
    damaged: int = 0
    """Packets of the source that did not decode or were incomplete, and frames with errors."""
    missing_bytes: int = 0
    """Bytes by which the source ends before the end that its container states."""

    def facts(self) -> dict[str, Any]:
        """Name -> value of the fields of this class, without those of a subclass."""
        return {name: getattr(self, name) for name in FACTS}


FACTS = tuple(field.name for field in fields(VideoFacts))


def require_inside(path: str) -> None:
    if path.startswith("/") or ".." in path.split("/"):
        raise ValueError(f"{shown(path)} leads out of the folder of videos")
