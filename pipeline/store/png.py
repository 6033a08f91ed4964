"""Pictures as PNG files."""

import numpy as np


def encode_png(picture: np.ndarray) -> bytes:
    """A PNG file of a picture, without loss.

    Args:
        picture: (H, W, 3) uint8 RGB.
    """
    import cv2  # on first use: importing the store is cheap

    return cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()
