"""Parser of the references of an H.264 stream.

FFmpeg reads all this too, but does not tell. Section numbers are of ITU-T H.264 (08/2021).
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

SLICE, IDR_SLICE, SEQUENCE, PICTURE = 1, 5, 7, 8
"""nal_unit_type, table 7-1."""

WITH_CHROMA_FORMAT = (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135)
"""profile_idc of which a sequence parameter set says more, 7.3.2.1.1."""

FEW_BYTES = 16
"""Bytes that most headers of slices fit into."""

LONGEST_HEADER = 256
"""Bytes of a slice that are parsed; few headers need more than ten."""


class Unit(NamedTuple):
    """A NAL unit, without the bytes that only keep start codes unique."""

    kind: int
    reference: bool
    """Later pictures may refer to this one."""
    payload: bytes


class Sequence(NamedTuple):
    """Fields of a sequence parameter set that are needed here."""

    number: int
    references: int
    """Reference frames kept, at most."""
    progressive: bool
    """Whole frames only, no fields."""
    frame_number_bits: int
    separate_planes: bool
    cropped: tuple[int, int]
    """Luma rows and columns cut off at the top and left."""
    order_type: int
    """pic_order_cnt_type: how a slice states its position in the order of display."""
    order_bits: int
    """Bits of the number that states it where the type is 0."""
    coloured: bool
    """Weights of chroma follow those of luma."""


class Bits:
    """Reads bits from the first one on. Past the end: ValueError.

    Begins with a few bytes, enough for most headers: short numbers are quick.
    """

    def __init__(self, data: bytes) -> None:
        first, self._more = data[:FEW_BYTES], data[FEW_BYTES:]
        self._value = int.from_bytes(first)  # of the bits that are left
        self._left = 8 * len(first)

    def read(self, count: int) -> int:
        """An unsigned number of `count` bits, u(n)."""
        left = self._left - count
        if left < 0:
            if not self._more:
                raise ValueError("expected more bits")
            self._take_more()
            return self.read(count)
        value = self._value >> left
        self._value -= value << left
        self._left = left
        return value

    def golomb(self) -> int:
        """An unsigned Exp-Golomb number, ue(v), 9.1."""
        if not self._value and self._more:
            self._take_more()
        return self.read(2 * (self._left - self._value.bit_length()) + 1) - 1

    def signed(self) -> int:
        """A signed Exp-Golomb number, se(v), 9.1.1."""
        code = self.golomb()
        return (code + 1) // 2 if code % 2 else -(code // 2)

    def _take_more(self) -> None:
        more, self._more = self._more, b""
        self._value = self._value << 8 * len(more) | int.from_bytes(more)
        self._left += 8 * len(more)


def units(data: bytes | memoryview, *, length_bytes: int) -> Iterator[Unit]:
    """NAL units of a packet.

    Args:
        length_bytes: of the number before each unit, in MP4 and Matroska; 0 where start
            codes stand between them (annex B).
    """
    for raw in _split(data, length_bytes):
        if raw:
            kind = raw[0] & 31
            end = LONGEST_HEADER if kind in (SLICE, IDR_SLICE) else None
            payload = bytes(raw[1:end]).replace(b"\0\0\3", b"\0\0")
            yield Unit(kind, bool(raw[0] >> 5 & 3), payload)


def configuration(extradata: bytes) -> tuple[int, list[Unit]]:
    """Length of the number before each unit, and the units outside of the packets.

    Args:
        extradata: an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1), or
            annex B, or nothing.
    """
    if not extradata or extradata[0] != 1 or len(extradata) < 7:
        return 0, list(units(extradata, length_bytes=0))
    found: list[Unit] = []
    position = 5
    for mask in (31, 255):  # sequence, then picture parameter sets
        if position >= len(extradata):
            break
        count = extradata[position] & mask
        position += 1
        for _ in range(count):
            size = 2 + int.from_bytes(extradata[position : position + 2])
            found += units(extradata[position : position + size], length_bytes=2)
            position += size
    return (extradata[4] & 3) + 1, found


def sequence(payload: bytes) -> Sequence:
    """Read a sequence parameter set, 7.3.2.1.1.

    Raises:
        ValueError: it is cut short.
    """
    bits = Bits(payload)
    profile = bits.read(8)
    bits.read(16)
    number = bits.golomb()
    chroma, separate = 1, False
    if profile in WITH_CHROMA_FORMAT:
        chroma = bits.golomb()
        if chroma == 3:
            separate = bool(bits.read(1))
        bits.golomb(), bits.golomb(), bits.read(1)
        if bits.read(1):
            for index in range(12 if chroma == 3 else 8):
                if bits.read(1):
                    _skip_scaling_list(bits, 16 if index < 6 else 64)
    frame_number_bits = 4 + bits.golomb()
    order, order_bits = bits.golomb(), 0
    if order == 0:
        order_bits = 4 + bits.golomb()
    elif order == 1:
        bits.read(1), bits.signed(), bits.signed()
        for _ in range(bits.golomb()):
            bits.signed()
    references = bits.golomb()
    bits.read(1), bits.golomb(), bits.golomb()
    progressive = bool(bits.read(1))
    if not progressive:
        bits.read(1)
    bits.read(1)
    cropped = (0, 0)
    if bits.read(1):
        left, _, top, _ = (bits.golomb() for _ in range(4))
        across = 2 if chroma in (1, 2) and not separate else 1
        down = (2 if chroma == 1 and not separate else 1) * (2 - progressive)
        cropped = (top * down, left * across)
    return Sequence(
        number,
        references,
        progressive,
        frame_number_bits,
        separate,
        cropped,
        order,
        order_bits,
        chroma != 0 and not separate,
    )


def picture_set(payload: bytes) -> tuple[int, int]:
    """Numbers of a picture parameter set and of its sequence parameter set, 7.3.2.2."""
    bits = Bits(payload)
    return bits.golomb(), bits.golomb()


def slice_numbers(
    payload: bytes, sequences: Mapping[int, Sequence]
) -> tuple[Sequence, int]:
    """Sequence and frame_num (which counts reference frames) of a slice, 7.3.3.

    Args:
        sequences: by the number of the picture parameter set.

    Raises:
        ValueError: the slice is cut short, or of an unknown set.
    """
    bits = Bits(payload)
    bits.golomb(), bits.golomb()
    of = sequences.get(bits.golomb())
    if of is None:
        raise ValueError("expected a slice of a known picture parameter set")
    if of.separate_planes:
        bits.read(2)
    return of, bits.read(of.frame_number_bits)


def _skip_scaling_list(bits: Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last


def _split(data: bytes | memoryview, length_bytes: int) -> Iterator[bytes | memoryview]:
    if length_bytes:
        position = 0
        while position + length_bytes < len(data):
            start = position + length_bytes
            position = start + int.from_bytes(data[position:start])
            yield data[start:position]
        return
    data = bytes(data)
    start = data.find(b"\0\0\1") + 3
    while start > 2:
        end = data.find(b"\0\0\1", start)
        yield data[start : end if end >= 0 else None].rstrip(b"\0")
        start = end + 3
