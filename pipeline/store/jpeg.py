"""Pictures <-> JPEG, always with the same options. OpenCV is imported by the first one.

A restart marker after every 16 rows cuts the picture into bands that decode by
themselves. Other readers can ignore this; ours skips the bands above and below a crop.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .errors import LayoutError

BAND_PX = 16
WORTH_CUTTING = 0.75
"""Share of the rows up to which finding the bands costs less than decoding them all."""
START, END = b"\xff\xd8", b"\xff\xd9"
FRAME, INTERVAL, SCAN = 0xC0, 0xDD, 0xDA
"""Segments that say the size, the restart interval, and end the header."""
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Segments that say the size in all kinds of JPEG."""
HEADER_BYTES = 4096
"""Bytes in which the header must end; ours has under 700."""
MIN_BITS_PER_BLOCK = 2
"""Least bits of a block of 8x8 px in any baseline JPEG: a picture with fewer is truncated."""


def encoded(image: np.ndarray, *, quality: int) -> np.ndarray:
    """(H, W, 3) RGB or (H, W) grey uint8 -> the bytes of a baseline JPEG, 1-D uint8.

    Colours are stored as everywhere (YCbCr, 4:2:0): any decoder shows them right.
    """
    import cv2

    colour = image.ndim == 3
    interval = _blocks_per_band(image.shape)
    if colour:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    # Huffman tables made for it make a flow field a sixth smaller for .2 ms, but a frame
    # only a twentieth for more than twice the time.
    options = _options(quality, own_tables=not colour, interval=interval)
    return cv2.imencode(".jpg", image, options)[1]


def decoded(row: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The picture in a row of bytes: (H, W, 3) RGB or (H, W) grey uint8, as `shape` says.

    Raises:
        LayoutError: no JPEG, one that was cut short, or of another size.
    """
    # The decoder takes a JPEG that was cut short for a picture with a grey rest.
    if row[:2].tobytes() != START or row[-2:].tobytes() != END:
        raise LayoutError(f"expected a whole JPEG, got {row.size} other bytes")
    # A false header would make the decoder allocate gigabytes.
    size = _header(row[:HEADER_BYTES].tobytes()).size
    blocks = shape[0] * shape[1] // 64
    if size != shape[:2] or row.size * 8 < blocks * MIN_BITS_PER_BLOCK:
        raise LayoutError(
            f"expected a JPEG of {shape}, got one of {size} in {row.size} bytes"
        )
    return _decoded(row, shape)


def _decoded(row: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """`decoded` of a JPEG whose header has been checked."""
    import cv2

    kind = cv2.IMREAD_COLOR_RGB if len(shape) == 3 else cv2.IMREAD_GRAYSCALE
    image = cv2.imdecode(row, kind)
    if image is None or image.shape != shape:
        got = "none" if image is None else f"one of {image.shape}"
        raise LayoutError(f"expected a JPEG of {shape}, got {got}")
    return image


def decoded_rows(
    row: np.ndarray, shape: tuple[int, ...], begin: int, end: int
) -> np.ndarray:
    """`decoded(row, shape)[begin:end]` to the bit, without decoding most other rows.

    Raises:
        LayoutError: as `decoded`, as far as it can be seen there.
    """
    # Colours are at half size: what is shown next to an edge of two rows depends on
    # the row beyond it.
    around = 2 if len(shape) == 3 else 0
    first = max(begin - around, 0) // BAND_PX
    stop = -(-min(end + around, shape[0]) // BAND_PX)
    height = min(stop * BAND_PX, shape[0]) - first * BAND_PX
    part = None
    if height < WORTH_CUTTING * shape[0]:
        part = _bands(row.tobytes(), shape, first, stop, height)
    if part is None:
        return decoded(row, shape)[begin:end]
    image = _decoded(np.frombuffer(part, np.uint8), (height, *shape[1:]))
    return image[begin - first * BAND_PX : end - first * BAND_PX]


def _bands(
    content: bytes, shape: tuple[int, ...], first: int, stop: int, height: int
) -> bytes | None:
    """A JPEG of some of the bands alone; None if this one is not cut into bands."""
    if not content.startswith(START) or not content.endswith(END):
        raise LayoutError(f"expected a whole JPEG, got {len(content)} other bytes")
    frame, interval, scan, size = _header(content)
    if interval != _blocks_per_band(shape) or size != shape[:2]:
        return None
    parts = [content[: frame + 5], height.to_bytes(2), content[frame + 7 : scan]]
    last = -(-shape[0] // BAND_PX) - 1
    begin = scan
    for band in range(stop):
        end = len(content) - len(END)
        if band < last:
            end = content.find(_restart(band), begin)
        if end < 0:
            raise LayoutError(f"expected a JPEG of {last + 1} bands, got {band + 1}")
        if band >= first:
            parts.append(content[begin:end])
            parts.append(_restart(band - first) if band + 1 < stop else END)
        begin = end + 2
    return b"".join(parts)


class _Header(NamedTuple):
    frame: int
    """Position at which the frame's segment begins."""
    interval: int
    """Restart interval; 0 for none."""
    scan: int
    """Position at which the scan begins."""
    size: tuple[int, int]
    """Height and width in pixels."""


def _header(content: bytes) -> _Header:
    """The header of a baseline JPEG, from its first bytes."""
    last = _last_header
    if last and content.startswith(last[0][0]):  # most rows have the same header
        return last[0][1]
    header = _parsed(content)
    last[:] = [(content[: header.scan], header)]
    return header


_last_header: list[tuple[bytes, _Header]] = []
"""Text and content of the header that was read last."""


def _parsed(content: bytes) -> _Header:
    frame = interval = 0
    place = len(START)
    while place + 9 <= len(content) and content[place] == 0xFF:
        kind = content[place + 1]
        after = place + 2 + int.from_bytes(content[place + 2 : place + 4])
        if kind == SCAN and frame and after <= len(content):
            height, width = (
                content[frame + 5 : frame + 7],
                content[frame + 7 : frame + 9],
            )
            size = int.from_bytes(height), int.from_bytes(width)
            return _Header(frame, interval, after, size)
        if kind == FRAME and not frame:
            frame = place
        elif kind in FRAMES:
            break  # a second one, or not baseline
        elif kind == INTERVAL:
            interval = int.from_bytes(content[place + 4 : place + 6])
        place = after
    raise LayoutError("expected the header of a baseline JPEG, got another one")


def _restart(band: int) -> bytes:
    """The marker after a band."""
    return bytes((0xFF, 0xD0 + band % 8))


def _blocks_per_band(shape: tuple[int, ...]) -> int:
    """Coding units in 16 rows of pixels: of 16x16 px with colour, 8x8 px in grey."""
    return -(-shape[1] // 16) if len(shape) == 3 else 2 * -(-shape[1] // 8)


@lru_cache
def _options(quality: int, *, own_tables: bool, interval: int) -> list[int]:
    """All options that determine the bytes: new defaults of OpenCV change nothing."""
    import cv2

    return [
        cv2.IMWRITE_JPEG_QUALITY,
        quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
        cv2.IMWRITE_JPEG_PROGRESSIVE,
        0,
        cv2.IMWRITE_JPEG_OPTIMIZE,
        int(own_tables),
        cv2.IMWRITE_JPEG_RST_INTERVAL,
        interval,
    ]
