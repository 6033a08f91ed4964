"""RGB frames and their times -> H.264 in MP4."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import IO

import av
import numpy as np
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.reformatter import ColorRange, Colorspace

TICKS = 90_000
"""Steps of time per second, as in MPEG systems: times are off by 6 µs at most."""
HD_LINES = 720
BT601_TAGS, BT709_TAGS = (6, 6, 6), (1, 1, 1)
"""Primaries, transfer and matrix (ITU-T H.273)."""


class Mp4:
    """A video that is being written. Made by `open_mp4`."""

    def __init__(
        self,
        container: OutputContainer,
        *,
        height: int,
        width: int,
        fps: float,
        options: dict[str, str],
    ) -> None:
        hd = height >= HD_LINES
        self._container = container
        self._matrix = Colorspace.ITU709 if hd else Colorspace.ITU601
        rate = Fraction(fps if fps > 0 else 25).limit_denominator(1001)
        self._stream = container.add_stream("libx264", rate=rate)
        self._stream.options = dict(options)
        context = self._stream.codec_context
        context.height, context.width, context.pix_fmt = height, width, "yuv420p"
        context.time_base = Fraction(1, TICKS)
        tags = BT709_TAGS if hd else BT601_TAGS
        context.color_primaries, context.color_trc, context.colorspace = tags
        context.color_range = ColorRange.MPEG
        self._last = -1
        """Time of the last frame, in ticks."""

    def add(self, rgb: np.ndarray, seconds: float) -> None:
        """Write the next frame.

        Args:
            rgb: (H, W, 3) uint8.
            seconds: its time, later than that of the frame before.
        """
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(
            format="yuv420p",
            dst_colorspace=self._matrix,
            dst_color_range=ColorRange.MPEG,
        )
        self._last = max(round(seconds * TICKS), self._last + 1)
        frame.pts, frame.time_base = self._last, Fraction(1, TICKS)
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write what the encoder still holds."""
        self._container.mux(self._stream.encode(None))


@contextmanager
def open_mp4(
    file: IO[bytes],
    *,
    height: int,
    width: int,
    fps: float,
    crf: int = 22,
    most_bits: float | None = None,
) -> Iterator[Mp4]:
    """Write a video without sound into an open file.

    Args:
        height, width: px, even.
        fps: average frames per second; frames are shown at the times given with them.
        crf: quality of x264, less is better.
        most_bits: per second, where the size is bounded.

    Raises:
        OSError: the file cannot be written.
    """
    # With B-frames FFmpeg's muxer takes the length from times of decoding, which end early.
    options = {"crf": str(crf), "preset": "veryfast", "bf": "0"}
    if most_bits is not None:
        options |= {"maxrate": f"{most_bits:.0f}", "bufsize": f"{2 * most_bits:.0f}"}
    sink = _Sink(file)
    try:
        with av.open(sink, "w", format="mp4") as container:
            mp4 = Mp4(container, height=height, width=width, fps=fps, options=options)
            yield mp4
            mp4.finish()
    except (OSError, FFmpegError):
        if sink.failure is None:
            raise
        raise sink.failure from None  # closing fails again, in words of FFmpeg


class _Sink:
    """A file that remembers why it could not be written."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell
        self.failure: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self.failure = self.failure or error
            raise
