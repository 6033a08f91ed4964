"""Frames or packets that a caller has -> a video, with the interface of a file."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from av.packet import Packet

from pipeline.extract.clock import Clock
from pipeline.extract.decode import Picture, VideoFile
from pipeline.extract.distances import VectorStatus
from pipeline.extract.errors import DecodeError
from pipeline.extract.opening import ready_stream
from pipeline.extract.settings import ExtractSettings

from ..errors import DataError

Given = np.ndarray | av.VideoFrame | Packet


class GivenFrames:
    """Frames one after the other, such as those of a camera's own library."""

    missing_bytes = damaged = 0
    codec = "rawvideo"
    pixel_aspect = Fraction(1)

    def __init__(
        self, frames: Iterable[np.ndarray | av.VideoFrame], *, fps: float
    ) -> None:
        """
        Args:
            frames: (H, W, 3) uint8 RGB each, or frames of PyAV.
            fps: frames per second, of frames without a time stamp.
        """
        self._frames, self.rate = frames, fps

    def pictures(self) -> Iterator[Picture]:
        """The frames.

        Raises:
            DataError: one is no picture.
            DecodeError: there is none.
        """
        clock, count = Clock(rate=self.rate, joined=True), 0
        for frame in self._frames:
            seconds = clock.seconds(
                None if isinstance(frame, np.ndarray) else frame.time
            )
            yield Picture(_picture(frame), seconds, ord("I"), VectorStatus())
            count += 1
        if not count:
            raise DecodeError("expected frames, got none")


def _picture(frame: np.ndarray | av.VideoFrame) -> av.VideoFrame:
    if isinstance(frame, av.VideoFrame):
        return frame
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        raise DataError(
            f"expected frames (H, W, 3) uint8, got {frame.shape} {frame.dtype}"
        )
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")


class GivenPackets(VideoFile):
    """Packets of one video stream of an open container, not yet decoded."""

    missing_bytes = 0  # type: ignore[assignment]

    def __init__(
        self, packets: Iterable[Packet], *, vectors: bool, pixels: bool
    ) -> None:
        """
        Raises:
            DataError: no packet, or none of a container's video stream.
        """
        given = iter(packets)
        first = next(given, None)
        stream = None if first is None else first.stream
        if stream is None or not isinstance(stream, av.VideoStream):
            raise DataError("expected packets of a video stream")
        container = stream.container
        if not isinstance(container, av.container.InputContainer):
            raise DataError("expected packets of a container that is read")
        best = ready_stream(container, vectors=vectors, pixels=pixels)
        if best is not stream:
            raise DataError("expected packets of the container's best video stream")
        super().__init__(Path(container.name), container, stream)
        self._given = chain([first], given)

    @property
    def _joined(self) -> bool:
        """True: time stamps of packets that a caller reads may jump."""
        return True

    def _check(self, error: FFmpegError) -> None:
        """Raise nothing: packets that do not decode are counted."""

    def _packets(self) -> Iterator[Packet]:
        for packet in self._given:
            if packet is not None and packet.size:
                yield packet
        yield Packet()


def given_video(
    given: Iterable[Given], settings: ExtractSettings, *, fps: float
) -> GivenFrames | GivenPackets:
    """A video of frames or packets, whichever comes first.

    Raises:
        DataError: they are neither, there are none, or frames cannot have the motion
            vectors that the settings want.
    """
    items: Iterator[Any] = iter(given)  # all of the kind of the first
    first = next(items, None)
    if isinstance(first, Packet):
        return GivenPackets(
            chain([first], items),
            vectors=settings.original_vectors,
            pixels=settings.pixels,
        )
    if not isinstance(first, np.ndarray | av.VideoFrame):
        got = "none" if first is None else type(first).__name__
        raise DataError(f"expected frames or packets, got {got}")
    if settings.original_vectors:
        raise DataError(
            "expected packets, as the model sees the motion vectors of the stream itself,"
            " got frames: mv_source='canonical' makes vectors from frames"
        )
    return GivenFrames(chain([first], items), fps=fps)
