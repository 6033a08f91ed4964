"""Motion in pixels -> colours: direction is the hue, length the saturation.

The one colour code of all pictures here: of previews and of reports.
"""

import numpy as np

# Hues of the Middlebury wheel, clockwise on the screen from "to the right". Steps
# between them are uneven because the eye tells reds and blues apart better than greens.
_PLACES = (0, 15, 21, 25, 36, 49, 55)
_HUES = np.array(
    [(1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 1, 1), (0, 0, 1), (1, 0, 1), (1, 0, 0)]
)
_BEYOND = 0.75


def motion_colours(motion: np.ndarray, *, bound_px: float) -> np.ndarray:
    """The picture of a motion field: white where nothing moves.

    To the right is red, down yellow, left a light blue, up violet. At `bound_px` a
    colour is full; longer vectors keep their hue and are darker by a quarter.

    Args:
        motion: (..., 2) float, px to the right and down.
        bound_px: above 0.

    Returns:
        (..., 3) uint8 RGB.

    Source:
        Baker et al., "A Database and Evaluation Methodology for Optical Flow", IJCV
        2011, figure 1 and its color coding, which torchvision.utils.flow_to_image draws
        too. Ours closes the circle, theirs stops one of 55 steps earlier.
    """
    across, down = motion[..., 0], motion[..., 1]
    turn = np.arctan2(down, across) % (2 * np.pi) / (2 * np.pi)
    hue = np.stack(
        [np.interp(turn * _PLACES[-1], _PLACES, channel) for channel in _HUES.T], -1
    )
    length = (np.hypot(across, down) / bound_px)[..., None]
    colour = np.where(length <= 1, 1 - length * (1 - hue), _BEYOND * hue)
    return np.round(255 * colour).astype(np.uint8)


def motion_wheel(size: int, *, background: tuple[int, int, int]) -> np.ndarray:
    """(size, size, 3) uint8 RGB: the legend, whose rim is `bound_px`."""
    axis = (np.arange(size) + 0.5) * 2 / size - 1
    disc = np.stack(np.meshgrid(axis, axis), -1)
    colours = motion_colours(disc, bound_px=1)
    colours[np.hypot(*np.moveaxis(disc, -1, 0)) > 1] = background
    return colours
