"""Rules of the codecs: the frames that the motion vectors of a frame refer to.

FFmpeg says that a vector points to the past or to the future, not how far. What the rules
of a codec leave no doubt about is called known; everything else is not, and nothing
is guessed.
"""

from typing import NamedTuple, Protocol

import av
from av.packet import Packet
from av.video.frame import PictureType

from . import h264
from .distances import LONGEST, Output, VectorStatus
from .h264_lists import ReferenceBuffer
from .h264_slices import SliceFields, picture_set_of, read_slice, slice_fields

ANCHORS = (PictureType.I, PictureType.P, PictureType.S)
"""In MPEG, what a P frame may refer to: the last one of these, in any order of frames."""

GROUP, BROKEN_LINK = b"\0\0\1\xb8", 0x20
"""Start code of a group of pictures in MPEG-1/2, and the bit of the fourth byte behind it
that says that the B frames after its first frame have lost a reference."""


class References(Protocol):
    """Follows a stream, and tells about the vectors of each frame."""

    def packet(self, packet: Packet) -> None:
        """The next packet, before it is decoded."""

    def lost(self) -> None:
        """A packet did not decode."""

    def frame(self, frame: av.VideoFrame) -> VectorStatus:
        """The next frame that came out, in the order of output.

        Distances to frames that are still to come are filled in when they do.
        """


class NoReferences:
    """A codec whose rules we do not know. Nothing is known."""

    def packet(self, packet: Packet) -> None:
        pass

    def lost(self) -> None:
        pass

    def frame(self, frame: av.VideoFrame) -> VectorStatus:
        return VectorStatus()


class _Before(NamedTuple):
    """State of a stream before a packet."""

    lost: int
    """Packets that did not decode."""
    hidden: int
    """Packets whose frames are decoded and not shown: outside of an edit list."""


class MpegReferences:
    """MPEG-1, MPEG-2 and MPEG-4 Part 2: a P frame refers to the last frame that is not B.

    B frames refer to that one and to the next one that is not B. If nothing but B frames
    came out between the two, and no frame was hidden, the distances are known. Where a
    packet was lost or a frame is damaged, nothing is known until the next intra-coded
    frame; nor of interlaced MPEG-1 and MPEG-2, where a field may refer to its own frame.
    Frames come out later than their packets go in: what happened is noted on the packets.
    """

    def __init__(self, *, fields: bool) -> None:
        """`fields`: MPEG-1 and MPEG-2, where interlaced frames may be coded as two pictures,
        and where FFmpeg exports the vectors of B frames; of MPEG-4 it exports zeros."""
        self._fields = fields
        self._sound = True
        self._now = _Before(0, 0)
        self._last: tuple[int, _Before | None] = (PictureType.NONE, None)
        self._anchor: _Before | None = None
        """State before the last frame that was not B; None: damage, or none came yet."""
        self._between: list[tuple[VectorStatus, bool]] = []
        """The B frames since, and whether their vectors may be used."""

    def packet(self, packet: Packet) -> None:
        lost, hidden = self._now
        hidden += packet.is_discard or self._fields and _broken_link(bytes(packet))
        self._now = _Before(lost, hidden)
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
        status = VectorStatus()
        if kind == PictureType.B:
            self._add_between(status, usable=self._fields and whole)
            return status
        if kind not in ANCHORS:
            self._anchor = None
        distance = self._close_between()
        follows = last in ANCHORS and joined
        if kind == PictureType.P and self._sound and whole:
            status.distances[0] = 1 if follows else distance
        usable = kind in ANCHORS and self._sound
        self._anchor = before if usable else None
        return status

    def _add_between(self, status: VectorStatus, *, usable: bool) -> None:
        if not self._sound or len(self._between) == LONGEST:
            self._anchor = None
        self._between.append((status, usable))
        status.settled = self._anchor is None
        if self._anchor is None:
            self._close_between()

    def _close_between(self) -> int | None:
        """Settle the B frames before a frame that is not B -> its distance to the last such."""
        between, self._between = self._between, []
        count = len(between)
        known = self._sound and self._anchor == self._now
        for number, (status, usable) in enumerate(between, 1):
            if known and usable:
                status.distances[:] = number, number - count - 1
            status.settled = True
        return count + 1 if known and count else None


def _broken_link(octets: bytes) -> bool:
    start = octets.find(GROUP)
    return start >= 0 and any(
        octet & BROKEN_LINK for octet in octets[start + 7 : start + 8]
    )


class _Coded(NamedTuple):
    """A coded picture of H.264."""

    number: int
    """In the order of coding."""
    cropped: tuple[int, int]
    references: tuple[int | None, int | None] = (None, None)
    """Numbers of the only frames that the vectors of list 0 and list 1 may refer to."""
    order: int | None = None
    """Position in the order of display."""


class H264References:
    """H.264: the reference lists of each picture, from its slice headers.

    Where all slices of a picture can refer to one frame per list, the reference is known;
    FFmpeg does not say which one of several a vector refers to. In a stream whose sequence
    parameter set says one reference frame that is the picture coded before, if it was a
    reference and no number is missing between the two, and only P frames are known. Not for streams with fields, nor, with several reference frames, for
    those that do not state the order of display in their slices.
    """

    def __init__(self, extradata: bytes) -> None:
        self._length_bytes, outside = h264.configuration(extradata)
        self._sequences: dict[int, h264.Sequence] = {}
        self._sets: dict[int, int] = {}
        self._by_set: dict[int, h264.Sequence] = {}
        self._pictures: dict[int, SliceFields | None] = {}
        self._buffer = ReferenceBuffer()
        self._output = Output()
        self._count = 0
        self._last_reference: int | None = None
        for unit in outside:
            self._note(unit)

    def packet(self, packet: Packet) -> None:
        packet.opaque = None
        slices: list[h264.Unit] = []
        for unit in h264.units(memoryview(packet), length_bytes=self._length_bytes):
            if unit.kind in (h264.SLICE, h264.IDR_SLICE):
                slices.append(unit)
            elif not slices:
                self._note(unit)
        if slices:
            packet.opaque = self._coded(slices)

    def lost(self) -> None:
        self._buffer.forget()  # elsewhere its number is missing

    def frame(self, frame: av.VideoFrame) -> VectorStatus:
        coded, status = frame.opaque, VectorStatus()
        if not isinstance(coded, _Coded):
            self._output.add(status)
            return status
        status.cropped = coded.cropped
        single = coded.order is None
        usable = not frame.is_corrupt and (
            not single or frame.pict_type == PictureType.P
        )
        self._output.add(
            status,
            coded=None if frame.is_corrupt else coded.number,
            order=coded.order,
            references=coded.references if usable else (None, None),
        )
        return status

    def _note(self, unit: h264.Unit) -> None:
        try:
            if unit.kind == h264.SEQUENCE:
                sequence = h264.sequence(unit.payload)
                self._sequences[sequence.number] = sequence
            elif unit.kind == h264.PICTURE:
                number, sequence_number = h264.picture_set(unit.payload)
                self._sets[number] = sequence_number
                self._pictures[number] = slice_fields(unit.payload)
        except ValueError:  # damaged: what refers to it stays unknown
            self._sequences.clear()
        self._by_set = {
            number: self._sequences[of]
            for number, of in self._sets.items()
            if of in self._sequences
        }

    def _coded(self, units: list[h264.Unit]) -> _Coded | None:
        last, self._last_reference = self._last_reference, None
        self._count += 1
        try:
            sequence, number = h264.slice_numbers(units[0].payload, self._by_set)
        except ValueError:
            self._buffer.forget()
            return None
        if units[0].reference:
            self._last_reference = number
        if not sequence.progressive:
            return _Coded(self._count, sequence.cropped)
        if sequence.references > 1:
            return self._listed(units, sequence)
        expected = (
            None if last is None else (last + 1) % (1 << sequence.frame_number_bits)
        )
        before = self._count - 1 if number == expected else None
        return _Coded(self._count, sequence.cropped, (before, None))

    def _listed(self, units: list[h264.Unit], sequence: h264.Sequence) -> _Coded:
        """A picture of a stream with several reference frames."""
        unknown = _Coded(self._count, sequence.cropped)
        if sequence.order_type:
            return unknown
        try:
            slices = [
                read_slice(unit, sequence, self._pictures.get(picture_set_of(unit)))
                for unit in units
            ]
            lists = self._buffer.add(self._count, slices, sequence)
        except ValueError:  # damaged, or beyond what is read here
            self._buffer.forget()
            return unknown
        if lists is None:
            return unknown
        return _Coded(self._count, sequence.cropped, lists.only, lists.order)


def references(codec: str, extradata: bytes) -> References:
    """The rules of a codec, by its name in FFmpeg."""
    if codec == "h264":
        return H264References(extradata)
    if codec in ("mpeg1video", "mpeg2video"):
        return MpegReferences(fields=True)
    if codec == "mpeg4":
        return MpegReferences(fields=False)
    return NoReferences()
