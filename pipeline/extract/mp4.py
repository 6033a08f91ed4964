"""RGB frames -> H.264 in MP4, without sound."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain
from typing import IO

import av
import numpy as np
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.reformatter import ColorRange, Colorspace

from .x264 import SAME_BYTES, PlanarFrames

TICKS = 90_000
"""Steps of time per second, as in MPEG systems: times are off by 6 µs at most."""
USUAL_FPS = 25
"""Frames per second of a video that does not say its rate."""
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
        timed: bool,
        reproducible: bool,
        options: dict[str, str],
    ) -> None:
        hd = height >= HD_LINES and not reproducible
        self._container = container
        self._matrix = Colorspace.ITU709 if hd else Colorspace.ITU601
        rate = Fraction(fps if fps > 0 else USUAL_FPS).limit_denominator(1001)
        self._tick = Fraction(1, TICKS) if timed else 1 / rate
        self._stream = container.add_stream("libx264", rate=rate)
        self._stream.options = dict(options)
        context = self._stream.codec_context
        context.height, context.width, context.pix_fmt = height, width, "yuv420p"
        context.time_base = self._tick
        tags = BT709_TAGS if hd else BT601_TAGS
        context.color_primaries, context.color_trc, context.colorspace = tags
        context.color_range = ColorRange.MPEG
        self._planar: PlanarFrames | None = None
        if reproducible:
            context.thread_count = 1
            self._planar = PlanarFrames(height=height, width=width)
        self._last = -1
        """Time of the last frame, in ticks."""

    def add(self, rgb: np.ndarray, seconds: float | None = None) -> None:
        """Write the next frame.

        Args:
            rgb: (H, W, 3) uint8.
            seconds: its time, later than that of the frame before, in a video of frames
                with times; left out in one of a constant rate.
        """
        if self._planar:
            frame = self._planar.next(rgb)
        else:
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(
                format="yuv420p",
                dst_colorspace=self._matrix,
                dst_color_range=ColorRange.MPEG,
            )
        ticks = 0 if seconds is None else round(seconds * TICKS)
        self._last = max(ticks, self._last + 1)
        frame.pts, frame.time_base = self._last, self._tick
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
    timed: bool = False,
    reproducible: bool = False,
) -> Iterator[Mp4]:
    """Write a video into an open file.

    Args:
        height, width: px, even.
        fps: frames per second, on average if `timed`; 0 or less: not known.
        crf: quality of x264, less is better.
        most_bits: per second, where the size is bounded.
        timed: frames are shown at the times given with them, not at a constant rate.
        reproducible: the same frames give the same bytes each time, on any processor;
            slower, as one thread encodes.

    Raises:
        OSError: the file cannot be written.
    """
    # With B-frames FFmpeg's muxer takes the length from times of decoding, which end early.
    options = {"crf": str(crf), "preset": "veryfast", "bf": "0"}
    if most_bits is not None:
        options |= {"maxrate": f"{most_bits:.0f}", "bufsize": f"{2 * most_bits:.0f}"}
    if reproducible:
        options["x264-params"] = SAME_BYTES
    muxer = {"fflags": "+bitexact"} if reproducible else {}
    sink = _Sink(file)
    try:
        with av.open(sink, "w", format="mp4", options=muxer) as container:
            mp4 = Mp4(
                container,
                height=height,
                width=width,
                fps=fps,
                timed=timed,
                reproducible=reproducible,
                options=options,
            )
            yield mp4
            mp4.finish()
    except (OSError, FFmpegError):
        if sink.failure is None:
            raise
    if sink.failure:
        raise sink.failure from None  # closing fails again, in words of FFmpeg


def write_mp4(
    file: IO[bytes],
    pictures: Iterable[np.ndarray],
    *,
    fps: float,
    crf: int,
    reproducible: bool = False,
) -> None:
    """Write pictures of one size as a video of a constant rate.

    Args:
        pictures: (H, W, 3) uint8 RGB each, at least one. Where H or W is odd, the last row
            or column is repeated.
        fps, crf, reproducible: as for `open_mp4`.

    Raises:
        OSError: the file cannot be written.
    """
    even = map(_even, pictures)
    first = next(even)
    height, width = first.shape[:2]
    with open_mp4(
        file, height=height, width=width, fps=fps, crf=crf, reproducible=reproducible
    ) as mp4:
        for picture in chain([first], even):
            mp4.add(picture)


def _even(picture: np.ndarray) -> np.ndarray:
    more = [(0, side % 2) for side in picture.shape[:2]]
    return np.pad(picture, (*more, (0, 0)), mode="edge") if (0, 1) in more else picture


class _Sink:
    """A file that remembers why it could not be written."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.tell = file.tell
        self.failure: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self.failure = self.failure or error
            raise

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return self._file.seek(offset, whence)
        except OSError as error:  # of bytes that wait; PyAV would print it
            self.failure = self.failure or error
            return -1
