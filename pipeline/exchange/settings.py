"""The form of an export: one frozen value from the command line to the process."""

from collections.abc import Mapping
from dataclasses import dataclass

from .errors import ExchangeError
from .layouts import WRITTEN

FORMATS: Mapping[str, tuple[str, ...]] = {
    "frames": ("rgb", "flow"),
    "webdataset": ("rgb", "flow", "mv"),
    "mp4": ("rgb", "flow", "mv"),
    "npz": ("rgb", "flow", "mv"),
}
"""Format -> modalities that it can hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """The form of an export, as it stands in `export.json`.

    Raises:
        ExchangeError: a format that cannot hold a modality, or an unknown one.
    """

    to: str
    modalities: tuple[str, ...]
    layout: str = "denseflow"
    """Names of frames; see `layouts.LAYOUTS`."""
    bound_px: float = 20.0
    """Bound of flow as 8-bit levels, px."""
    quality: int = 95
    """Quality of JPEGs that are encoded here."""
    clip_frames: int | None = None
    """Frames of a sample of webdataset, at most; None: all frames of a video."""
    shard_bytes: int = 1_000_000_000
    """Size of a tar file, at most; a larger sample has one of its own."""

    def __post_init__(self) -> None:
        held = FORMATS.get(self.to)
        if held is None or self.layout not in WRITTEN:
            raise ExchangeError(
                f"expected a format among {', '.join(FORMATS)} and a layout among "
                f"{', '.join(WRITTEN)}, got {self.to}, {self.layout}"
            )
        if odd := [name for name in self.modalities if name not in held]:
            raise ExchangeError(
                f"{self.to}: expected modalities among {', '.join(held)}, got {odd[0]}"
            )
