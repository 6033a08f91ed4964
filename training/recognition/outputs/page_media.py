"""A video file -> bytes that browsers play, to embed in a page."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from pipeline.extract.mp4 import open_mp4
from pipeline.extract.opening import open_video
from pipeline.extract.settings import ExtractSettings
from pipeline.extract.video import open_extraction

PLAYED = {
    "video/mp4": ("h264", "av1", "vp9"),
    "video/webm": ("vp8", "vp9", "av1"),
}
"""Kinds of file and the codecs in them that Chromium, Firefox and Safari play."""
PLAYED_PIXELS = ("yuv420p", "yuvj420p")
SHORT_SIDE, CRF = 360, 26
"""Size and quality of a copy in H.264."""
LEAST_BITS = 60_000
"""Per second; a copy of fewer would show nothing."""
MARGIN = 0.8
"""Share of the bytes left that a copy is planned for: rates of x264 are not exact."""


class Media(NamedTuple):
    """An open file that is to be embedded."""

    file: IO[bytes]
    kind: str
    """MIME type."""
    size: int
    """Bytes."""


@contextmanager
def browser_media(
    path: Path, *, most_bytes: int, seconds: float, damaged: bool
) -> Iterator[Media | None]:
    """The file itself where browsers play it and it fits, else a copy in H.264.

    Args:
        most_bytes: size of what is embedded.
        seconds: length of the video.
        damaged: a browser may give up where FFmpeg goes on: always make a copy.

    Yields:
        None where not even a copy fits.

    Raises:
        VideoError: it cannot be used.
        OSError: it cannot be read, or the copy not be written.
    """
    kind = None if damaged else played_kind(path)
    if kind is not None and (size := path.stat().st_size) <= most_bytes:
        with open(path, "rb") as file:
            yield Media(file, kind, size)
        return
    bits = MARGIN * 8 * most_bytes / max(seconds, 1.0)
    if bits < LEAST_BITS:
        yield None
        return
    with tempfile.TemporaryFile() as file:
        _copy(path, file, most_bits=bits)
        size = file.seek(0, 2)
        file.seek(0)
        yield Media(file, "video/mp4", size) if size <= most_bytes else None


def played_kind(path: Path) -> str | None:
    """The MIME type of a file that browsers play; None of others."""
    with open(path, "rb") as file:
        head = file.read(64)
    if head[4:8] == b"ftyp":
        kind = "video/mp4"
    elif head.startswith(b"\x1a\x45\xdf\xa3") and b"webm" in head:
        kind = "video/webm"
    else:
        return None
    with open_video(path) as video:
        pixels = next(video.pictures()).frame.format.name
        played = video.codec in PLAYED[kind] and pixels in PLAYED_PIXELS
    return kind if played else None


def _copy(path: Path, file: IO[bytes], *, most_bits: float) -> None:
    settings = ExtractSettings(modalities=("rgb",), short_side=SHORT_SIDE)
    with open_extraction(path, settings) as extraction:
        info = extraction.info
        with open_mp4(
            file,
            height=info.height,
            width=info.width,
            fps=info.fps,
            crf=CRF,
            most_bits=most_bits,
            timed=True,
        ) as mp4:
            for block in extraction:
                for rgb, when in zip(
                    block.arrays["rgb"], block.seconds.tolist(), strict=True
                ):
                    mp4.add(rgb, when)
