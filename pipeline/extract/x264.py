"""libx264 with one thread and no look-ahead, and frames as it takes them."""

from fractions import Fraction

import av
import cv2
import numpy as np

SAME_BYTES = "mbtree=0"
"""Settings with which one thread gives the same bytes each time: x264's macroblock tree
reads memory that it has not written, with or without B-frames, where the width in
macroblocks is no multiple of the processor's vectors."""

LONGEST_PX = 16_384
"""Limit of libx264 for a side of the frames."""


def enlargement(height: int, width: int, *, short_side: int) -> int:
    """The whole number by which frames are enlarged to be looked at, at least 1.

    Args:
        height, width: of the frames, px.
        short_side: least length of their shorter side, px, unless the longer one would
            be more than the encoder takes.

    >>> enlargement(32, 48, short_side=240), enlargement(32, 1600, short_side=480)
    (8, 10)
    """
    wanted = -(-short_side // min(height, width))
    return max(1, min(wanted, LONGEST_PX // max(height, width)))


def x264_encoder(
    *, height: int, width: int, crf: int, preset: str, params: str
) -> av.VideoCodecContext:
    """An encoder of frames in 4:2:0.

    Args:
        height, width: of the frames, both even.
        crf, preset: of libx264.
        params: other settings of libx264, as in `-x264-params` of ffmpeg.
    """
    encoder = av.CodecContext.create("libx264", "w")
    encoder.height, encoder.width = height, width
    encoder.pix_fmt = "yuv420p"
    encoder.framerate = Fraction(25)  # whatever the video has: it changes nothing
    encoder.thread_count, encoder.thread_type = 1, "NONE"
    encoder.options = {"preset": preset, "crf": str(crf), "x264-params": params}
    return encoder


class PlanarFrames:
    """Converts RGB frames of one size to 4:2:0, and numbers them."""

    def __init__(self, *, height: int, width: int) -> None:
        """
        Args:
            height, width: of the frames, both even.
        """
        self._i420 = np.empty((height * 3 // 2, width), np.uint8)
        self.count = 0
        """Frames so far."""

    def next(self, rgb: np.ndarray) -> av.VideoFrame:
        """The next frame, (height, width, 3) uint8, with memory of its own."""
        cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420, dst=self._i420)
        frame = av.VideoFrame.from_ndarray(self._i420, format="yuv420p")
        frame.pts = self.count
        self.count += 1
        return frame
