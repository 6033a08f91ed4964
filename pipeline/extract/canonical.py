"""Frames at the stored size -> H.264 in memory -> motion vectors.

Every frame but the intra-coded ones refers to the frame before it and to no other, so
these vectors are motion from frame k to k+1, whatever codec the video had.
"""

from collections.abc import Iterable

import av
import numpy as np
from av.codec.context import Flags2
from av.packet import Packet
from av.video.frame import PictureType

from .vectors import Geometry, Grids
from .x264 import SAME_BYTES, PlanarFrames, x264_encoder


def canonical_encoder(
    *, height: int, width: int, crf: int, preset: str, keyint: int
) -> av.VideoCodecContext:
    """An encoder (libx264) whose frames refer to the previous frame only."""
    params = (
        f"keyint={keyint}:min-keyint={keyint}:scenecut=0:bframes=0:ref=1:"
        "threads=1:lookahead-threads=1:sliced-threads=0:open-gop=0:"
        f"{SAME_BYTES}:rc-lookahead=0"
    )
    return x264_encoder(
        height=height, width=width, crf=crf, preset=preset, params=params
    )


class CanonicalVectors:
    """Encodes the frames of one video as they come, and reads their vectors.

    The encoder does not look ahead, so nothing waits, whatever the length.
    One thread everywhere: the same frames give the same vectors, bit for bit.
    """

    def __init__(
        self, *, height: int, width: int, crf: int, preset: str, keyint: int
    ) -> None:
        """
        Args:
            height, width: of the frames, both even.
            crf, preset, keyint: of libx264.
        """
        encoder = canonical_encoder(
            height=height, width=width, crf=crf, preset=preset, keyint=keyint
        )
        self._encoder = encoder
        self._frames = PlanarFrames(height=height, width=width)
        self._packets = PacketVectors(height=height, width=width)

    def send(self, rgb: np.ndarray) -> None:
        """Encode the next frame, (height, width, 3) uint8."""
        self._packets.decode(self._encoder.encode(self._frames.next(rgb)))

    def finish(self) -> None:
        """Encode what the encoder still holds."""
        self._packets.decode(self._encoder.encode(None))
        self._packets.finish(self._frames.count)

    def take(self) -> tuple[np.ndarray, np.ndarray]:
        """`mv` (F, M, N, 2) and `mv_valid` (F,) of the intervals finished since the last call."""
        return self._packets.take()


class StoredVectors:
    """Reads the vectors of the packets that are stored as rgb: the encoder works once."""

    def __init__(self, *, height: int, width: int) -> None:
        """
        Args:
            height, width: of the frames, both even.
        """
        self._packets = PacketVectors(height=height, width=width)
        self._sent = 0

    def send(self, packet: Packet) -> None:
        """Decode the packet of the next frame, of `CodedFrames`."""
        self._packets.decode([packet])
        self._sent += 1

    def finish(self) -> None:
        """Decode what the decoder still holds."""
        self._packets.finish(self._sent)

    def take(self) -> tuple[np.ndarray, np.ndarray]:
        """`mv` and `mv_valid`, as `CanonicalVectors.take`."""
        return self._packets.take()


class PacketVectors:
    """Vectors of packets of H.264 whose frames refer to the previous frame only."""

    def __init__(self, *, height: int, width: int) -> None:
        """
        Args:
            height, width: of the frames, both even.
        """
        decoder = av.CodecContext.create("h264", "r")
        decoder.thread_count, decoder.thread_type = 1, "NONE"
        decoder.flags2 |= Flags2.export_mvs.value
        decoder.options = {"skip_loop_filter": "all"}  # the pixels are not used
        self._decoder = decoder
        self._grids = Grids(Geometry.of((height, width), (height, width)))
        self._valid: list[bool] = []
        self._seen = 0

    def finish(self, expected: int) -> None:
        """Decode what the decoder still holds.

        Raises:
            RuntimeError: these were not all frames.
        """
        self.decode([None])
        if self._seen != expected:
            raise RuntimeError(f"libx264: expected {expected} frames, got {self._seen}")

    def take(self) -> tuple[np.ndarray, np.ndarray]:
        """`mv` (F, M, N, 2) and `mv_valid` (F,) of the intervals finished since the last call."""
        valid = np.array(self._valid, bool)
        self._valid.clear()
        return self._grids.take(), valid

    def decode(self, packets: Iterable[Packet | None]) -> None:
        """Take the vectors of the next packets."""
        for packet in packets:
            for frame in self._decoder.decode(packet):
                if self._seen > 0:  # no interval leads to the first frame
                    self._grids.add(frame)
                    self._valid.append(frame.pict_type == PictureType.P)
                self._seen += 1
