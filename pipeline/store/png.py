"""Pictures as PNG files."""

from pathlib import Path

import numpy as np

from .replacement import replacing


def encode_png(picture: np.ndarray) -> bytes:
    """A PNG file of a picture, without loss.

    Args:
        picture: (H, W, 3) uint8 RGB.
    """
    import cv2  # on first use: importing the store is cheap

    return cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()


def write_png(path: Path, picture: np.ndarray) -> None:
    """Write a picture as a PNG file, whole or not at all.

    Args:
        picture: as of `encode_png`.

    Raises:
        OSError: it cannot be written; the error names the file.
    """
    with replacing(path, durable=False) as file:
        file.write(encode_png(picture))
