"""Frames at the stored size -> H.264 in memory -> motion vectors.

Every frame but the intra-coded ones refers to the frame before it and to no other, so
these vectors are motion from frame k to k+1, whatever codec the video had.
"""

from collections.abc import Iterable
from fractions import Fraction

import av
import cv2
import numpy as np
from av.codec.context import Flags2
from av.packet import Packet
from av.video.frame import PictureType

from .vectors import Geometry, Grids


def canonical_encoder(
    *, height: int, width: int, crf: int, preset: str, keyint: int
) -> av.VideoCodecContext:
    """An encoder (libx264) whose frames refer to the previous frame only."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.height, encoder.width = height, width
    encoder.pix_fmt = "yuv420p"
    encoder.framerate = Fraction(25)  # whatever the video has: it changes nothing
    encoder.thread_count, encoder.thread_type = 1, "NONE"
    encoder.options = {
        "preset": preset,
        "crf": str(crf),
        "x264-params": f"keyint={keyint}:min-keyint={keyint}:scenecut=0:bframes=0:ref=1:"
        "threads=1:lookahead-threads=1:sliced-threads=0:open-gop=0:"
        # x264's macroblock tree reads memory it has not written where the width in
        # macroblocks is no multiple of its vectors: other bytes from run to run
        "mbtree=0:rc-lookahead=0",
    }
    return encoder


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
        decoder = av.CodecContext.create("h264", "r")
        decoder.thread_count, decoder.thread_type = 1, "NONE"
        decoder.flags2 |= Flags2.export_mvs.value
        decoder.options = {"skip_loop_filter": "all"}  # nobody sees the pixels
        self._encoder, self._decoder = encoder, decoder
        self._i420 = np.empty((height * 3 // 2, width), np.uint8)
        self._grids = Grids(Geometry.of((height, width), (height, width)))
        self._valid: list[bool] = []
        self._sent = self._seen = 0

    def send(self, rgb: np.ndarray) -> None:
        """Encode the next frame, (height, width, 3) uint8."""
        cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420, dst=self._i420)
        frame = av.VideoFrame.from_ndarray(self._i420, format="yuv420p")
        frame.pts = self._sent
        self._sent += 1
        self._decode(self._encoder.encode(frame))

    def finish(self) -> None:
        """Encode what the encoder still holds."""
        self._decode([*self._encoder.encode(None), None])
        if self._seen != self._sent:
            raise RuntimeError(
                f"libx264: expected {self._sent} frames, got {self._seen}"
            )

    def take(self) -> tuple[np.ndarray, np.ndarray]:
        """`mv` (F, M, N, 2) and `mv_valid` (F,) of the intervals finished since the last call."""
        valid = np.array(self._valid, bool)
        self._valid.clear()
        return self._grids.take(), valid

    def _decode(self, packets: Iterable[Packet | None]) -> None:
        for packet in packets:
            for frame in self._decoder.decode(packet):
                if self._seen > 0:  # no interval leads to the first frame
                    self._grids.add(frame)
                    self._valid.append(frame.pict_type == PictureType.P)
                self._seen += 1
