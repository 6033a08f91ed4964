"""Trees of frames whose answers are known, as other programs leave them."""

from pathlib import Path

import cv2
import numpy as np

HEIGHT, WIDTH = 24, 40


def level(number: int, component: int) -> int:
    """The grey level of a file of flow, different for each."""
    return (100 + 20 * number + 3 * component) % 256


def grey_of_image(number: int) -> int:
    """The colour of an image: a grey, different for each."""
    return 20 + 9 * number


def picture(value: int, *, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def write(path: Path, values: np.ndarray, *options: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), values, options)


def write_video(
    folder: Path,
    frames: int,
    *,
    flows: int | None = None,
    first: int = 1,
    names: tuple[str, str, str] = ("img_", "flow_x_", "flow_y_"),
    flow_folder: Path | None = None,
) -> None:
    """A video of flat pictures, as denseflow writes it unless told otherwise.

    Args:
        flows: files of each component. Default: one less than frames.
    """
    image, *components = names
    for number in range(first, first + frames):
        write(folder / f"{image}{number:05d}.jpg", picture(grey_of_image(number)))
    for number in range(first, first + (frames - 1 if flows is None else flows)):
        for k, prefix in enumerate(components):
            path = (flow_folder or folder) / f"{prefix}{number:05d}.jpg"
            write(path, picture(level(number, k))[..., 0])
