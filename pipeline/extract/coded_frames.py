"""Frames at the stored size -> the H.264 packets that a store keeps, one per frame at once.

The encoder decides everything from the frames that it has seen, on one thread: the same
frames give the same bytes, whatever the size of the blocks in which rows are taken.
"""

import numpy as np
from av.packet import Packet

from .x264 import PlanarFrames, x264_encoder

STREAM = (
    "keyint={keyint}:min-keyint={keyint}:scenecut=0:open-gop=0:bframes=0:ref=1:"
    # nothing waits: one packet comes for each frame
    "rc-lookahead=0:sync-lookahead=0:mbtree=0:force-cfr=1:"
    "threads=1:lookahead-threads=1:sliced-threads=0:repeat-headers=1:"
    # fast to decode
    "cabac=0:no-deblock=1:weightp=0:"
    # measured: least bytes for the error of RGB, of which chroma has a large part
    "aq-mode=0:psy=0:chroma-qp-offset=-3"
)
"""Parameters of x264, whatever its preset says."""


class CodedFrames:
    """Encodes the frames of one video as they come."""

    def __init__(
        self, *, height: int, width: int, crf: int, preset: str, keyint: int
    ) -> None:
        """
        Args:
            height, width: of the frames, both even.
            crf, preset, keyint: of libx264.
        """
        self._encoder = x264_encoder(
            height=height,
            width=width,
            crf=crf,
            preset=preset,
            params=STREAM.format(keyint=keyint),
        )
        self._keyint = keyint
        self._frames = PlanarFrames(height=height, width=width)
        self._rows: list[np.ndarray] = []

    def send(self, rgb: np.ndarray) -> Packet:
        """Encode the next frame, (height, width, 3) uint8, and return its packet."""
        number = self._frames.count
        packets = self._encoder.encode(self._frames.next(rgb))
        key = number % self._keyint == 0
        if [packet.is_keyframe for packet in packets] != [key]:
            raise RuntimeError(
                f"libx264: expected one packet for frame {number}, key {key}, got "
                f"{packets}"
            )
        self._rows.append(np.frombuffer(bytes(packets[0]), np.uint8))
        return packets[0]

    def finish(self) -> None:
        """Check that nothing is left in the encoder."""
        if left := self._encoder.encode(None):
            raise RuntimeError(f"libx264: expected no more packets, got {len(left)}")

    def take(self) -> list[np.ndarray]:
        """The packets since the last call, each as the bytes of a row."""
        taken, self._rows = self._rows, []
        return taken
