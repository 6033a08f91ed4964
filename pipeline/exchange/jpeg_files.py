"""JPEG files of other programs: whether they are whole, and whether a store can hold them."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from pipeline.extract.errors import DecodeError
from pipeline.store.fields import is_grid

from .jpeg_scan import END, Component, Scan, damaged_row

START = b"\xff\xd8"
SCAN, TABLES, RESTARTS, JFIF, COMMENT = 0xDA, (0xC4, 0xDB), 0xDD, 0xE0, 0xFE
"""Segments of a header: the pixels follow, Huffman and quantisation tables, and others."""
BASELINE = 0xC0
SEQUENTIAL = (BASELINE, 0xC1)
HUFFMAN, HUFFMAN_COUNTS, AC = TABLES[0], 16, 0x10
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Segments that say the size, in all kinds of JPEG."""
PLAIN = frozenset((*TABLES, RESTARTS, JFIF, COMMENT, BASELINE, SCAN))
"""Segments of a JPEG that every decoder shows alike: no profile, orientation or colours."""
HALVED = ((1, 0x22), (2, 0x11), (3, 0x11))
"""Names and sampling of the three components in 4:2:0."""
MOST_HEADER_BYTES = 4096
"""Bytes in which readers of a store look for the size."""
LEAST_BITS = 2
"""Bits of a block of 8x8 px, at least, in a row of a store."""


class Segment(NamedTuple):
    """A part of the header of a JPEG."""

    kind: int
    content: bytes
    end: int
    """Position behind it."""


def picture(content: bytes, name: str, *, grey: bool) -> np.ndarray:
    """A JPEG file -> (H, W, 3) RGB, or (H, W) if grey, uint8.

    Raises:
        DecodeError: no JPEG, one that was cut short, or one that does not decode.
    """
    if not content:
        raise DecodeError(f"{name}: expected a JPEG, found an empty file")
    if not content.startswith(START):
        raise DecodeError(f"{name}: expected a JPEG, found {len(content)} other bytes")
    header = list(segments(content))
    size = next((_size(each) for each in header if each.kind in FRAMES), None)
    if size is None or not is_grid(*size) or header[-1].kind != SCAN:
        raise DecodeError(
            f"{name}: expected a JPEG, found a header that is damaged or cut short"
        )
    # The decoder takes a JPEG that was cut short for a picture with a grey rest.
    if content.rfind(END, header[-1].end) < 0:
        raise DecodeError(
            f"{name}: expected a whole JPEG, found one without an end: it was cut short"
        )
    scan = only_scan(header)
    if scan is not None and (row := damaged_row(content, scan)) is not None:
        raise DecodeError(
            f"{name}: expected a whole JPEG, found one whose data are damaged (in or above "
            f"row {row} of {scan.height})"
        )
    kind = cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR_RGB
    try:
        decoded = cv2.imdecode(np.frombuffer(content, np.uint8), kind)
    except cv2.error:
        decoded = None
    if decoded is None:
        raise DecodeError(f"{name}: expected a JPEG, found one that does not decode")
    return decoded


def only_scan(header: Sequence[Segment]) -> Scan | None:
    """The scan of a JPEG that has all components in one; None of a progressive or other one."""
    (frame,) = [each for each in header if each.kind in FRAMES] or [header[-1]]
    if frame.kind not in SEQUENTIAL or frame.content[0] != 8:
        return None
    tables: dict[int, bytes] = {}
    interval = 0
    for each in header:
        if each.kind == RESTARTS:
            interval = int.from_bytes(each.content[:2])
        content = each.content if each.kind == HUFFMAN else b""
        while len(content) > HUFFMAN_COUNTS:
            count = 1 + HUFFMAN_COUNTS + sum(content[1 : 1 + HUFFMAN_COUNTS])
            tables[content[0]] = content[1:count]
            content = content[count:]
    sampling = {
        frame.content[k]: (frame.content[k + 1] >> 4, frame.content[k + 1] & 15)
        for k in range(6, len(frame.content) - 2, 3)
    }
    named = header[-1].content[1:-3]
    components = []
    for name, used in zip(named[::2], named[1::2], strict=False):
        dc, ac = tables.get(used >> 4), tables.get(AC | used & 15)
        if name not in sampling or dc is None or ac is None or not all(sampling[name]):
            return None
        components.append(Component(*sampling[name], dc, ac))
    if len(components) != len(sampling):
        return None
    return Scan(*_size(frame), components, interval, header[-1].end)


def is_row(content: bytes) -> bool:
    """Whether the bytes of a picture that decodes can be a row of `jpeg_rgb` as they are.

    That is a baseline JPEG of 8 bits, YCbCr 4:2:0, with nothing in its header by which
    decoders might differ (profiles, orientation, other colours). It need not have the
    restart markers of our own.
    """
    found = list(segments(content))
    frames = [each for each in found if each.kind in FRAMES]
    if not all(each.kind in PLAIN for each in found) or len(frames) != 1:
        return False
    height, width = _size(frames[0])
    body, last = frames[0].content, found[-1]
    return (
        len(body) == 15
        and (body[0], body[5]) == (8, 3)
        and tuple((body[k], body[k + 1]) for k in (6, 9, 12)) == HALVED
        and last.kind == SCAN
        and last.content[:1] == b"\x03"
        and last.end <= MOST_HEADER_BYTES
        and content.endswith(END)
        and 8 * len(content) >= height * width // 64 * LEAST_BITS
    )


def segments(content: bytes) -> Iterator[Segment]:
    """The header of a JPEG, up to the first scan; it ends early where it is damaged."""
    place = len(START)
    while place + 4 <= len(content) and content[place] == 0xFF:
        kind = content[place + 1]
        end = place + 2 + int.from_bytes(content[place + 2 : place + 4])
        if end > len(content) or end < place + 4:
            return
        yield Segment(kind, content[place + 4 : end], end)
        if kind == SCAN:
            return
        place = end


def _size(frame: Segment) -> tuple[int, int]:
    return (
        int.from_bytes(frame.content[1:3]),
        int.from_bytes(frame.content[3:5]),
    )
