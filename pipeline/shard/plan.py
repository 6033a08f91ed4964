"""The plan of one shard: its videos, modalities and settings."""

from dataclasses import dataclass
from typing import NamedTuple

from pipeline.extract.settings import ExtractSettings
from pipeline.store.codec import Codec


class PlannedVideo(NamedTuple):
    """A video as a plan knows it: nothing is read or hashed to plan it."""

    id: str
    path: str
    """Relative to the folder of videos, with forward slashes."""
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardPlan:
    """The work of one shard: which videos, which modalities, with which settings."""

    shard: int
    folder: str
    """The folder of videos."""
    videos: tuple[PlannedVideo, ...]
    settings: ExtractSettings
    fingerprint: str

    @property
    def modalities(self) -> tuple[str, ...]:
        return self.settings.modalities

    def codec(self, modality: str) -> Codec:
        """The codec of a modality."""
        return self.settings.codec(modality)
