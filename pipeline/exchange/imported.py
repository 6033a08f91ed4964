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
    """Frames of this run's shards whose JPEG was stored unchanged."""
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
    """Largest error of the stored flow, as text: of the files, and of the store."""
    codec = settings.flow_codec
    assert isinstance(codec, JpegFlow)
    bound = codec.bound_px
    return (
        f"8-bit levels of -{bound:g} to {bound:g} px, off by up to "
        f"{Levels(bound_px=bound).max_error_px:.2g} px in the files and by "
        f"{bound / 254:.2g} px more in the store, and JPEG of {codec.quality} %"
    )
