"""Frames of blobs that move by a constant step."""

import numpy as np

HEIGHT, WIDTH = 48, 64


def moving(seed: int, frames: int, step: tuple[int, int]) -> np.ndarray:
    """(F, HEIGHT, WIDTH, 3) uint8.

    Args:
        step: px per frame, down and right.
    """
    rng = np.random.default_rng(seed)
    blobs = rng.integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), np.uint8)
    texture = blobs.repeat(8, axis=0).repeat(8, axis=1)
    return np.stack(
        [np.roll(texture, (t * step[0], t * step[1]), (0, 1)) for t in range(frames)]
    )
