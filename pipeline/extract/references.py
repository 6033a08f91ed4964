"""Which motion vectors are known to point to the frame before.

FFmpeg says that a vector points to the past, not how far. What a decoder's rules leave no
doubt about is called known; everything else is not, and nobody guesses.
"""

from typing import Protocol

import av
from av.packet import Packet

ANCHORS = ("I", "P", "S")


class References(Protocol):
    """Follows a stream and says of each frame whether its reference is known."""

    def packet(self, packet: Packet) -> None:
        """The next packet, before it is decoded."""

    def lost(self) -> None:
        """The last packet did not decode."""

    def frame(self, frame: av.VideoFrame, *, reordered: bool) -> bool:
        """The next frame that came out. Are its vectors known to point to the last?"""


class Unknown:
    """Codecs whose rules we do not use: nothing is known."""

    def packet(self, packet: Packet) -> None:
        pass

    def lost(self) -> None:
        pass

    def frame(self, frame: av.VideoFrame, *, reordered: bool) -> bool:
        return False


def references(codec: str, extradata: bytes) -> References:
    """The rules of a codec, by its name in FFmpeg."""
    return Unknown()
