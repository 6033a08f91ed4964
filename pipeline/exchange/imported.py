"""Results of an import, as text and as JSON."""

from collections.abc import Iterator
from dataclasses import dataclass

from motion_shards.plain_text import counted, printable
from pipeline.driver.summary import Summary
from pipeline.extract.settings import ExtractSettings
from pipeline.store import Json
from pipeline.store.jpeg_codecs import JpegFlow

from .levels import Levels


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """Results of an import."""

    summary: Summary
    settings: ExtractSettings
    kept: int
    """Frames of the shards of this run whose JPEG was taken as it is."""
    recoded: int
    """Those that were decoded and encoded again."""

    @property
    def exit_code(self) -> int:
        """0 all stored, 3 some quarantined or unavailable, 1 nothing could be stored."""
        return self.summary.exit_code

    def to_dict(self) -> dict[str, Json]:
        return {
            **self.summary.to_dict(),
            "jpegs_kept": self.kept,
            "jpegs_encoded_again": self.recoded,
        }

    def text(self) -> str:
        """The summary, a line each."""
        return "\n".join((self.summary.text(), *map(printable, self._remarks())))

    def _remarks(self) -> Iterator[str]:
        settings = self.settings
        if self.kept or self.recoded:
            yield (
                f"rgb: {counted(self.kept, 'JPEG')} taken as they are, {self.recoded:,} "
                f"decoded and encoded again ({settings.rgb_codec.to_dict()['quality']} %)"
            )
        if "flow" in settings.modalities:
            yield f"flow: {flow_error(settings)}"


def flow_error(settings: ExtractSettings) -> str:
    """Largest error of stored flow against that of which the files were made, in words."""
    codec = settings.flow_codec
    assert isinstance(codec, JpegFlow)
    bound = codec.bound_px
    return (
        f"8-bit levels of -{bound:g} to {bound:g} px, off by up to "
        f"{Levels(bound_px=bound).max_error_px:.2g} px as they come and by "
        f"{bound / 254:.2g} px more as they are stored, and JPEG of {codec.quality} %"
    )
