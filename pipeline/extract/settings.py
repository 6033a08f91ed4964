"""The settings of an extraction: one frozen value from the command line to the worker.

As a record (`to_record`, `from_record`) it stands in plan and manifest.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from motion_shards.choices import MODALITIES, X264_PRESETS
from pipeline.store import Json
from pipeline.store.codec import Codec
from pipeline.store.codecs import from_dict
from pipeline.store.fields import (
    Fits,
    is_count,
    is_flag,
    is_number,
    is_object,
    is_text,
    require_fields,
)
from pipeline.store.h264_rgb import H264Rgb
from pipeline.store.jpeg_codecs import JpegFlow, JpegRgb
from pipeline.store.quarter_pel import QuarterPel

MV_SOURCES = ("canonical", "stored", "original")
STREAM = ("crf", "preset", "keyint")
"""Parameters of an encoding that has vectors."""
SHORTEST_SIDE = 16
"""px, of the stored grid."""
COMMON = "common"
"""Part of a record with the settings that all modalities share."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExtractSettings:
    """Every setting that alters a stored number.

    Two values are equal where their records are: settings of a modality that is not
    extracted make no difference.

    Raises:
        ValueError: a setting makes no sense; one line.
    """

    modalities: tuple[str, ...] = MODALITIES
    """In the order of `MODALITIES`, in whatever order they are given."""
    short_side: int = 256
    """Shorter side of the stored frames, px, even."""
    enlarge: bool = False
    """Bring smaller frames to that size, too; else they keep theirs."""
    square_pixels: bool = True
    """Stretch frames whose pixels are not shown as squares; else store them as coded."""
    frames_per_second: float | None = None
    """None: every frame."""
    imported_frames: str | None = None
    """Layout of the files that frames and flow were imported from (`pipeline import`), at
    their size and with that frame rate; None: extracted from videos."""
    rgb_codec: Codec = field(default_factory=JpegRgb)
    flow_profile: str = "default"
    flow_codec: Codec = field(default_factory=JpegFlow)
    mv_source: str = "canonical"
    """canonical: of our own H.264 of the stored frames, made for vectors alone. stored: of the
    H.264 that is stored as rgb, or would be. original: of the file as it is."""
    mv_crf: int = 18
    mv_preset: str = "veryfast"
    mv_keyint: int = 12
    mv_codec: Codec = field(default_factory=QuarterPel)

    def __post_init__(self) -> None:
        unknown = [name for name in self.modalities if name not in MODALITIES]
        if unknown or not self.modalities:
            got = ", ".join(map(repr, self.modalities)) or "none"
            raise ValueError(f"modalities: expected some of {MODALITIES}, got {got}")
        ordered = tuple(name for name in MODALITIES if name in self.modalities)
        object.__setattr__(self, "modalities", ordered)
        if self.short_side < SHORTEST_SIDE or self.short_side % 2:
            raise ValueError(
                f"short side: expected an even number from {SHORTEST_SIDE}, got "
                f"{self.short_side}"
            )
        rate = self.frames_per_second
        if rate is not None and not 0 < rate <= 1000:
            raise ValueError(f"frames per second: expected up to 1000, got {rate}")
        if self.imported_frames and (rate is None or "mv" in self.modalities):
            raise ValueError(
                "imported frames: expected rgb and flow with a frame rate, got "
                f"{', '.join(self.modalities)} at {rate}"
            )
        if self.mv_source not in MV_SOURCES:
            raise ValueError(
                f"vector source: expected {', '.join(MV_SOURCES[:-1])} or "
                f"{MV_SOURCES[-1]}, got {self.mv_source!r}"
            )
        if self.mv_source == "stored" and {"rgb", "mv"} <= {*self.modalities}:
            stream = {name: getattr(self, f"mv_{name}") for name in STREAM}
            stored = self.rgb_codec.to_dict()
            if not self.rgb_packets or stream.items() - stored.items():
                raise ValueError(
                    f"vector source: expected rgb as H.264 of {stream} for the vectors "
                    f"of its packets, got {stored}"
                )
        if self.original_vectors and rate:
            raise ValueError(
                "vector source: expected canonical with a frame rate, got original, "
                "whose intervals are those of the file (--fps cannot go with "
                "--mv-source original)"
            )
        if not 0 <= self.mv_crf <= 51:
            raise ValueError(f"crf: expected 0 to 51, got {self.mv_crf}")
        if self.mv_preset not in X264_PRESETS:
            raise ValueError(f"preset: expected one of x264's, got {self.mv_preset!r}")
        if self.mv_keyint < 1:
            raise ValueError(f"keyint: expected at least 1, got {self.mv_keyint}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ExtractSettings):
            return NotImplemented
        return self.to_record() == other.to_record()

    def __hash__(self) -> int:
        return hash((self.modalities, self.short_side, self.frames_per_second))

    @property
    def original_vectors(self) -> bool:
        """Whether vectors of the files themselves are wanted."""
        return "mv" in self.modalities and self.mv_source == "original"

    @property
    def rgb_packets(self) -> bool:
        """Whether frames are stored as packets of a stream of H.264."""
        return "rgb" in self.modalities and isinstance(self.rgb_codec, H264Rgb)

    @property
    def pixels(self) -> bool:
        """Whether any modality needs the pixels of the decoded frames."""
        return not (self.modalities == ("mv",) and self.mv_source == "original")

    def codec(self, modality: str) -> Codec:
        """The codec that rows of a modality are stored with."""
        codec: Codec = getattr(self, f"{modality}_{CODEC}")
        return codec

    def only(self, modalities: Iterable[str]) -> Self:
        """The same settings for some of their modalities.

        Raises:
            ValueError: not some of them.
        """
        wanted = tuple(modalities)
        if missing := [name for name in wanted if name not in self.modalities]:
            raise ValueError(
                f"modalities: expected some of {self.modalities}, got {missing[0]!r}"
            )
        return replace(self, modalities=wanted)

    def common_record(self) -> dict[str, Json]:
        """The settings that all modalities share, by name."""
        names = _IMPORTED_FIELDS if self.imported_frames else _COMMON_FIELDS
        return {name: getattr(self, name) for name in names}

    def modality_record(self, modality: str) -> dict[str, Json]:
        """The settings of one modality, by name, and its codec."""
        fields = _own_fields(modality, self.mv_source, self.imported_frames)
        names = [name for name in fields if name != CODEC]
        own = {name: getattr(self, f"{modality}_{name}") for name in names}
        return own | {CODEC: self.codec(modality).to_dict()}

    def to_record(self) -> dict[str, dict[str, Json]]:
        """The settings as they stand in plan and manifest: common, and per modality."""
        return {COMMON: self.common_record()} | {
            modality: self.modality_record(modality) for modality in self.modalities
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Read back what `to_record` wrote; the same record comes out again.

        Raises:
            ValueError: not the settings of a store; one line.
        """
        if unknown := record.keys() - {COMMON, *MODALITIES}:
            raise ValueError(f"settings: unknown part {min(unknown)!r}")
        common: Any = record.get(COMMON)
        imported = is_object(common) and "imported_frames" in common
        fields = _IMPORTED_FIELDS if imported else _COMMON_FIELDS
        values = _checked(record, COMMON, fields)
        modalities = tuple(name for name in MODALITIES if name in record)
        for modality in modalities:
            part = record[modality]
            source = part.get("source") if is_object(part) else None
            fields = _own_fields(modality, source, values.get("imported_frames"))
            own = _checked(record, modality, fields)
            codec = from_dict(own[CODEC])
            if codec.modality != modality:
                raise ValueError(
                    f"settings: {modality}: expected its codec, got {codec.name}"
                )
            values |= {f"{modality}_{name}": value for name, value in own.items()}
            values[f"{modality}_{CODEC}"] = codec
        return cls(modalities=modalities, **values)


CODEC = "codec"
_COMMON_FIELDS: Mapping[str, Fits] = {
    "short_side": is_count,
    "enlarge": is_flag,
    "square_pixels": is_flag,
    "frames_per_second": lambda value: value is None or is_number(value),
}
"""Settings that all modalities share, and the values that fit."""
_IMPORTED_FIELDS: Mapping[str, Fits] = {
    "imported_frames": lambda value: is_text(value) and bool(value),
    "frames_per_second": is_number,
}
"""Common settings of imported frames, with their checks."""
_OWN_FIELDS: Mapping[str, Mapping[str, Fits]] = {
    "rgb": {},
    "flow": {"profile": is_text},
    "mv": {"source": is_text, "crf": is_count, "preset": is_text, "keyint": is_count},
}
"""Settings of each modality, without its codec: `profile` of flow is the field `flow_profile`."""


def _own_fields(
    modality: str, mv_source: Any, imported: str | None
) -> Mapping[str, Fits]:
    """Names in the record of a modality; a store of original vectors encodes nothing, and
    of imported frames nothing is known."""
    own = {} if imported else _OWN_FIELDS[modality]
    if modality == "mv" and mv_source == "original":
        own = {"source": is_text}
    return {**own, CODEC: is_object}


def _checked(
    record: Mapping[str, Any], part: str, fields: Mapping[str, Fits]
) -> dict[str, Any]:
    try:
        require_fields(record.get(part), fields)
    except ValueError as error:
        raise ValueError(f"settings: {part}: {error}") from None
    return dict(record[part])
