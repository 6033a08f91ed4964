"""Video file -> frames, in the order in which the decoder gives them."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.stream import VideoStream

from .clock import REPEATED_EACH, Clock
from .distances import VectorStatus
from .errors import DecodeError
from .extent import missing_bytes
from .references import NoReferences, References, references

NO_TIME_STAMPS = 0x80
"""AVFMT_NOTIMESTAMPS, of raw streams."""

WIDEST_PIXEL = 4
"""Largest ratio of the sides of a pixel; a larger one that a file states is ignored."""

TIME_STAMPS_JUMP = 0x200
"""AVFMT_TS_DISCONT, of streams that may be recordings joined."""

LOWEST_RATE, HIGHEST_RATE = 0.01, 10_000
"""Frames per second; beyond, a stated rate is nonsense."""

UNKNOWN_RATE = 25.0
"""Frames per second where neither header nor stream states a rate."""

TYPES = {1: ord("I"), 2: ord("P"), 3: ord("B"), 4: ord("S")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Facts stated by the header of a file. Headers lie: the decoded frames are the truth."""

    frames_estimate: int
    seconds: float
    width: int
    """Size as coded, before any rotation."""
    height: int
    fps: float
    codec: str
    pixel_aspect: Fraction = Fraction(1)
    """Width of a pixel for a height of 1."""


class Picture(NamedTuple):
    """One decoded frame."""

    frame: av.VideoFrame
    seconds: float
    """Since the first frame."""
    picture_type: int
    """ASCII: I, P, B, S or ?"""
    vector_status: VectorStatus
    """Status of its vectors; unknown if none were asked for. Later frames may settle it."""


class VideoFile:
    """An open video. Made by `open_video` (`pipeline/extract/opening.py`)."""

    def __init__(self, path: Path, container: InputContainer, stream: VideoStream):
        self._path, self._container, self._stream = path, container, stream
        self.codec: str = stream.codec_context.codec.canonical_name
        self.rate = _rate(stream)
        self.damaged = 0
        """Packets that did not decode or were incomplete, and frames with errors, so far."""

    @property
    def profile(self) -> str:
        """Profile of the codec, in FFmpeg's words; for some codecs known after the first frame."""
        return self._stream.codec_context.profile or ""

    @cached_property
    def missing_bytes(self) -> int:
        """Bytes by which the file ends before the end that its container states."""
        return missing_bytes(self._path)

    @property
    def pixel_aspect(self) -> Fraction:
        """Width of a pixel for a height of 1; 1 where the file says nothing or nonsense."""
        stated = self._stream.sample_aspect_ratio
        if stated is None or not Fraction(1, WIDEST_PIXEL) <= stated <= WIDEST_PIXEL:
            return Fraction(1)
        return stated

    def header(self) -> Header:
        """The header, with estimates where it is silent."""
        stream, fps = self._stream, self.rate
        if stream.duration is not None and stream.time_base is not None:
            seconds = float(stream.duration * stream.time_base)
        else:
            seconds = (self._container.duration or 0) / av.time_base
        frames = stream.frames or round(seconds * fps)
        return Header(
            frames_estimate=max(frames, 0),
            seconds=max(seconds, 0.0),
            width=stream.codec_context.width,
            height=stream.codec_context.height,
            fps=fps,
            codec=self.codec,
            pixel_aspect=self.pixel_aspect,
        )

    def pictures(self) -> Iterator[Picture]:
        """Every frame that decodes, in decoder output order.

        A packet that does not decode is skipped, as `ffmpeg` does, and the file ends
        where it can no longer be read: frames are kept, none is made up.

        Raises:
            DecodeError: no frame came out.
            OSError: the file could not be read; not the video's fault.
        """
        stream, reason = self._stream, "nothing in the stream"
        clock = Clock(rate=self.rate, joined=self._joined)
        stamp = self._stamps()
        known = self._references()
        count = 0
        for packet in self._packets():
            known.packet(packet)
            self.damaged += packet.is_corrupt
            try:
                frames = stream.decode(packet)
            except FFmpegError as error:
                self._check(error)
                if packet.has_sidedata("encryption_info"):
                    raise DecodeError(
                        f"{self.codec}: expected frames, got encrypted ones"
                    ) from error
                self.damaged += not packet.is_corrupt
                known.lost()
                reason = error.strerror or str(error)
                continue
            for frame in frames:
                count += 1
                self.damaged += frame.is_corrupt
                yield Picture(
                    frame,
                    clock.seconds(stamp(frame)),
                    TYPES.get(frame.pict_type, ord("?")),
                    known.frame(frame),
                )
        if count == 0:
            if self.missing_bytes:
                reason += f"; the file is cut short by {self.missing_bytes:,} bytes"
            raise DecodeError(f"{self.codec}: expected frames, got none: {reason}")

    @property
    def _joined(self) -> bool:
        """Recordings with clocks of their own may follow each other."""
        return bool(self._container.format.flags & TIME_STAMPS_JUMP)

    def _check(self, error: FFmpegError) -> None:
        """Raise where an error is not the video's fault."""
        raise_if_environment(error, self._path)

    def _stamps(self) -> Callable[[av.VideoFrame], float | None]:
        """A function that gives the presentation time of a frame, if the container has one.

        AVI has no presentation times, and those that FFmpeg makes up jump to and fro where
        there are B-frames. But each of its packets has a slot of time, and the packet that
        made the decoder give out a frame is always the same number of slots later.
        """
        form, tick = self._container.format, self._stream.time_base
        if form.flags & NO_TIME_STAMPS or tick is None:
            return lambda frame: None
        stamp = attrgetter("dts" if form.name == "avi" else "pts")

        def seconds(frame: av.VideoFrame) -> float | None:
            ticks = stamp(frame)
            return None if ticks is None else ticks * tick.numerator / tick.denominator

        return seconds

    def _references(self) -> References:
        context = self._stream.codec_context
        if not context.copy_opaque:
            return NoReferences()
        return references(self.codec, context.extradata or b"")

    def _packets(self) -> Iterator[Packet]:
        """Packets up to the one that flushes the decoder, also where reading fails."""
        packets: Iterator[Packet] = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except FFmpegError as error:
                self._check(error)
                self.damaged += 1
                packet = Packet()
            except IndexError:  # PyAV, at the end, where streams came up on the way
                packet = Packet()
            last = packet.size == 0 and packet.dts is None
            if packet.size or last:  # the decoder takes any empty packet for the last
                yield packet
            if last:
                return


def _rate(stream: VideoStream) -> float:
    """Average frames per second, unless damaged time stamps have made it absurd."""
    stated = [stream.average_rate, stream.guessed_rate]
    likely = [rate for rate in stated if rate and LOWEST_RATE <= rate <= HIGHEST_RATE]
    if len(likely) == 2 and likely[0] * REPEATED_EACH < likely[1]:
        del likely[0]
    return float(likely[0]) if likely else UNKNOWN_RATE


def raise_if_environment(error: FFmpegError, path: Path) -> None:
    """Blame the system, not the video, where reading the bytes fails as well."""
    if isinstance(error, OSError):
        with open(path, "rb") as file:
            try:
                while file.read(1 << 20):
                    pass
            except OSError as failed:
                failed.filename = os.fspath(path)  # reading does not name its file
                raise
