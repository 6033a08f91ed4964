"""Motion vectors that are known to point to the previous frame.

FFmpeg says that a vector points to the past, not how far. What the rules of a codec leave
no doubt about is called known; everything else is not, and nobody guesses.
"""

from typing import NamedTuple, Protocol

import av
from av.packet import Packet
from av.video.frame import PictureType

from . import h264

ANCHORS = (PictureType.I, PictureType.P, PictureType.S)
"""In MPEG, what a P frame may refer to: the last one of these, in any order of frames."""


class VectorStatus(NamedTuple):
    """Status of the vectors of one frame, by the stream."""

    known: bool
    """They are known to point to the frame before, in the order of output."""
    cropped: tuple[int, int] = (0, 0)
    """Rows and columns cut off at the top and left of what they refer to."""


UNKNOWN = VectorStatus(False)


class References(Protocol):
    """Follows a stream, and tells about the vectors of each frame."""

    def packet(self, packet: Packet) -> None:
        """The next packet, before it is decoded."""

    def lost(self) -> None:
        """A packet did not decode."""

    def frame(self, frame: av.VideoFrame) -> VectorStatus:
        """The next frame that came out, in the order of output."""


class NoReferences:
    """A codec whose rules we do not know. Nothing is known."""

    def packet(self, packet: Packet) -> None:
        pass

    def lost(self) -> None:
        pass

    def frame(self, frame: av.VideoFrame) -> VectorStatus:
        return UNKNOWN


class _Before(NamedTuple):
    """State of a stream before a packet."""

    lost: int
    """Packets that did not decode."""
    hidden: int
    """Packets whose frames are decoded and not shown: outside of an edit list."""


class MpegReferences:
    """MPEG-1, MPEG-2 and MPEG-4 Part 2: a P frame refers to the last frame that is not B.

    If that is also the last frame of the output, and no frame between the two was hidden,
    the reference is known. Where a packet was lost or a frame is damaged, nothing is known
    until the next intra-coded frame; nor of interlaced MPEG-1 and MPEG-2, where a field
    may refer to its own frame. Frames come out later than their packets go in: what
    happened is noted on the packets.
    """

    def __init__(self, *, fields: bool) -> None:
        """`fields`: interlaced frames may be coded as two pictures."""
        self._fields = fields
        self._sound = True
        self._now = _Before(0, 0)
        self._last: tuple[int, _Before | None] = (PictureType.NONE, None)

    def packet(self, packet: Packet) -> None:
        lost, hidden = self._now
        self._now = _Before(lost, hidden + packet.is_discard)
        packet.opaque = _Before(*self._now)  # PyAV forgets what several packets share

    def lost(self) -> None:
        self._now = self._now._replace(lost=self._now.lost + 1)

    def frame(self, frame: av.VideoFrame) -> VectorStatus:
        before = frame.opaque if isinstance(frame.opaque, _Before) else None
        kind, (last, last_before) = frame.pict_type, self._last
        self._last = (kind, before)
        joined = before is not None and before == last_before
        if frame.is_corrupt or (
            last_before and before and before.lost > last_before.lost
        ):
            self._sound = False
        if kind == PictureType.I and not frame.is_corrupt:
            self._sound = True
        whole = not (self._fields and frame.interlaced_frame)
        follows = kind == PictureType.P and last in ANCHORS and joined
        return VectorStatus(follows and self._sound and whole)


class _Coded(NamedTuple):
    """A coded picture of H.264."""

    number: int
    """In the order of coding."""
    cropped: tuple[int, int]
    follows: bool
    """The only frame it may refer to is the picture coded before it."""


class H264References:
    """H.264: a stream whose sequence parameter set says one reference frame.

    Then a P frame can refer to one frame only: to the picture coded before it, if that
    was a reference and no number is missing between the two. If that is also the last
    frame of the output, the reference is known. Not for streams with fields, nor from
    the first B frame on.
    """

    def __init__(self, extradata: bytes) -> None:
        self._length_bytes, outside = h264.configuration(extradata)
        self._sequences: dict[int, h264.Sequence] = {}
        self._sets: dict[int, int] = {}
        self._by_set: dict[int, h264.Sequence] = {}
        self._count = 0
        self._last_reference: int | None = None
        self._last_output: int | None = None
        self._bidirectional = False
        for unit in outside:
            self._note(unit)

    def packet(self, packet: Packet) -> None:
        packet.opaque = None
        if self._bidirectional:
            return  # nothing can be known any more: do not look
        for unit in h264.units(bytes(packet), length_bytes=self._length_bytes):
            if unit.kind in (h264.SLICE, h264.IDR_SLICE):
                packet.opaque = self._coded(unit)
                return  # the other slices are of the same picture
            self._note(unit)

    def lost(self) -> None:
        pass  # its number is missing

    def frame(self, frame: av.VideoFrame) -> VectorStatus:
        coded, last = frame.opaque, self._last_output
        self._bidirectional |= frame.pict_type == PictureType.B
        if not isinstance(coded, _Coded):
            self._last_output = None
            return UNKNOWN
        self._last_output = None if frame.is_corrupt else coded.number
        return VectorStatus(
            frame.pict_type == PictureType.P
            and not self._bidirectional
            and coded.follows
            and coded.number - 1 == last,
            coded.cropped,
        )

    def _note(self, unit: h264.Unit) -> None:
        try:
            if unit.kind == h264.SEQUENCE:
                sequence = h264.sequence(unit.payload)
                self._sequences[sequence.number] = sequence
            elif unit.kind == h264.PICTURE:
                number, sequence_number = h264.picture_set(unit.payload)
                self._sets[number] = sequence_number
        except ValueError:  # damaged: what refers to it stays unknown
            self._sequences.clear()
        self._by_set = {
            number: self._sequences[of]
            for number, of in self._sets.items()
            if of in self._sequences
        }

    def _coded(self, unit: h264.Unit) -> _Coded | None:
        last, self._last_reference = self._last_reference, None
        self._count += 1
        try:
            sequence, number = h264.slice_numbers(unit.payload, self._by_set)
        except ValueError:
            return None
        if unit.reference:
            self._last_reference = number
        expected = (
            None if last is None else (last + 1) % (1 << sequence.frame_number_bits)
        )
        single = sequence.references == 1 and sequence.progressive
        return _Coded(self._count, sequence.cropped, single and number == expected)


def references(codec: str, extradata: bytes) -> References:
    """The rules of a codec, by its name in FFmpeg."""
    if codec == "h264":
        return H264References(extradata)
    if codec in ("mpeg1video", "mpeg2video"):
        return MpegReferences(fields=True)
    if codec == "mpeg4":
        return MpegReferences(fields=False)
    return NoReferences()
