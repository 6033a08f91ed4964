"""Grey frames of a smooth texture that moves by a known number of pixels."""

import cv2
import numpy as np


def textured(seed: int, height: int, width: int) -> np.ndarray:
    """(H, W) float32 from 0 to 255."""
    noise = np.random.default_rng(seed).uniform(0, 255, (height, width))
    smooth = cv2.GaussianBlur(noise.astype(np.float32), (0, 0), 2)
    return cv2.normalize(smooth, np.empty_like(smooth), 0, 255, cv2.NORM_MINMAX)


def moving(
    seed: int, height: int, width: int, right: float, down: float, *, count: int = 2
) -> np.ndarray:
    """(count, H, W) uint8: a texture that moves so far from each frame to the next."""
    image = textured(seed, height, width)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    frames = [
        cv2.remap(
            image,
            x - k * right,
            y - k * down,
            cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REFLECT,
        )
        for k in range(count)
    ]
    return np.stack(frames).clip(0, 255).round().astype(np.uint8)
