"""Sample an image where a motion field says, differentiably.

Written with `gather`, not with `grid_sample`: a field of zeros gives back the image bit by
bit, and the gradient is reproducible on a GPU in torch's deterministic mode.
"""

import torch
from torch import Tensor

KEYS = -0.75
"""Free parameter of Keys' cubic kernel, as in cv2.remap."""


def warp(images: Tensor, flow: Tensor, *, cubic: bool = False) -> Tensor:
    """Sample each image at (x + u, y + v); zero where that is outside.

    Args:
        images: (N, C, H, W).
        flow: (N, 2, H, W) in px of this grid; u to the right, v down.
        cubic: from 4 x 4 pixels, as cv2.remap; else bilinear, from 2 x 2.

    Returns:
        (N, C, H, W). With the flow from `first` to `second`, warp(second) is `first`.
    """
    height, width = images.shape[-2:]
    columns = torch.arange(width, device=flow.device, dtype=flow.dtype)
    rows = torch.arange(height, device=flow.device, dtype=flow.dtype)
    x = columns + flow[:, 0]
    y = rows[:, None] + flow[:, 1]
    left, top = x.detach().floor(), y.detach().floor()
    kernel = _cubic if cubic else _linear
    first = -1 if cubic else 0
    flat = images.flatten(2)
    total = torch.zeros((), dtype=images.dtype, device=images.device)
    for j, down in enumerate(kernel(y - top), start=first):
        row, row_inside = _index(top + j, height)
        line = torch.zeros((), dtype=images.dtype, device=images.device)
        for i, across in enumerate(kernel(x - left), start=first):
            column, inside = _index(left + i, width)
            place = (row * width + column).flatten(1)[:, None]
            values = flat.gather(2, place.expand(-1, flat.shape[1], -1))
            weight = across * (inside & row_inside)
            line = line + weight[:, None] * values.view_as(images)
        total = total + down[:, None] * line
    return total


def _index(place: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Whole numbers that may be read, and whether the place is one of them."""
    inside = (place >= 0) & (place < size)
    return place.long().clamp(0, size - 1), inside


def _linear(offset: Tensor) -> tuple[Tensor, ...]:
    return 1 - offset, offset


def _cubic(offset: Tensor) -> tuple[Tensor, ...]:
    """Weights of the samples at -1, 0, 1 and 2, for a place at `offset` of 0 to 1."""
    before, rest = offset + 1, 1 - offset
    first = KEYS * (((before - 5) * before + 8) * before - 4)
    second = ((KEYS + 2) * offset - (KEYS + 3)) * offset * offset + 1
    third = ((KEYS + 2) * rest - (KEYS + 3)) * rest * rest + 1
    return first, second, third, 1 - first - second - third
