"""Pictures <-> JPEG, always with the same options. OpenCV is imported by the first one."""

from functools import lru_cache

import numpy as np

from .errors import LayoutError

START, END = b"\xff\xd8", b"\xff\xd9"


def encoded(image: np.ndarray, *, quality: int) -> np.ndarray:
    """(H, W, 3) RGB or (H, W) grey uint8 -> the bytes of a baseline JPEG, 1-D uint8.

    Colours are stored as everywhere (YCbCr, 4:2:0): any decoder shows them right.
    """
    import cv2

    colour = image.ndim == 3
    if colour:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    # Own Huffman tables make a flow field a sixth smaller for .2 ms, but a frame only
    # a twentieth for more than twice the time.
    return cv2.imencode(".jpg", image, _options(quality, own_tables=not colour))[1]


def decoded(row: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The picture in a row of bytes: (H, W, 3) RGB or (H, W) grey uint8, as `shape` says.

    Raises:
        LayoutError: no JPEG, one that was cut short, or of another size.
    """
    import cv2

    # The decoder takes a JPEG that was cut short for a picture with a grey rest.
    if row[:2].tobytes() != START or row[-2:].tobytes() != END:
        raise LayoutError(f"expected a whole JPEG, got {row.size} other bytes")
    kind = cv2.IMREAD_COLOR_RGB if len(shape) == 3 else cv2.IMREAD_GRAYSCALE
    image = cv2.imdecode(row, kind)
    if image is None or image.shape != shape:
        got = "none" if image is None else f"one of {image.shape}"
        raise LayoutError(f"expected a JPEG of {shape}, got {got}")
    return image


@lru_cache
def _options(quality: int, *, own_tables: bool) -> list[int]:
    """Everything that decides about the bytes, so that a new default changes nothing."""
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
        0,
    ]
