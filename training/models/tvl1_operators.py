"""Operators of TV-L1 on images and planes of a flow: gradients, their adjoint, median, size.

Axes: N images, H W pixels. A gradient passes through all of them.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

CENTRED = ((-0.5, 0.0, 0.5), (-0.5, 0.0, 0.5))
"""Image gradient along x and y: weights of the pixel before, this one, the next."""

FORWARD = ((-1.0, 1.0), (-1.0, 1.0))
"""Gradient of the flow along x and y: weights of this pixel and the next."""


def shrunk(images: Tensor, size: tuple[int, int], step: float) -> Tensor:
    """Smaller by exactly `step`, bilinear, without blur: as cv2.resize with fx and fy.

    (F.interpolate takes a factor or a size, and rounds odd sizes otherwise.)

    Args:
        images: (N, C, H, W).
    """
    for dim, length in zip((-2, -1), size, strict=True):
        last = images.shape[dim] - 1
        numbers = torch.arange(length, device=images.device, dtype=images.dtype)
        place = ((numbers + 0.5) / step - 0.5).clamp(0, last)
        before = place.long()
        share = (place - before).unsqueeze(-1) if dim == -2 else place - before
        here = images.index_select(dim, before)
        there = images.index_select(dim, (before + 1).clamp(max=last))
        images = here + share * (there - here)
    return images


def image_gradient(image: Tensor, taps: Tensor) -> Tensor:
    """Along x and y, weighted by `taps`; beyond a border the image goes on unchanged.

    Args:
        image: (N, 1, H, W).

    Returns:
        (N, 2, H, W) in grey levels per px.
    """
    wide = F.pad(image, (1, 1, 0, 0), mode="replicate")
    tall = F.pad(image, (0, 0, 1, 1), mode="replicate")
    x, y = taps
    right = x[0] * wide[..., :-2] + x[1] * image + x[2] * wide[..., 2:]
    down = y[0] * tall[..., :-2, :] + y[1] * image + y[2] * tall[..., 2:, :]
    return torch.cat((right, down), dim=1)


def flow_gradient(plane: Tensor, taps: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Along x and along y; 0 in the last column and in the last row.

    Args:
        plane: (N, H, W), one component of a flow.
        taps: as `FORWARD`, which None stands for.

    Returns:
        Two (N, H, W).
    """
    if taps is None:
        right, down = plane.diff(dim=-1), plane.diff(dim=-2)
    else:
        (x0, x1), (y0, y1) = taps
        right = x0 * plane[..., :-1] + x1 * plane[..., 1:]
        down = y0 * plane[..., :-1, :] + y1 * plane[..., 1:, :]
    return F.pad(right, (0, 1)), F.pad(down, (0, 0, 0, 1))


def divergence(right: Tensor, down: Tensor, taps: Tensor | None = None) -> Tensor:
    """The negative adjoint of `flow_gradient`: <flow_gradient(u), p> = -<u, divergence(p)>.

    So what p has in the last column of its x part and in the last row of its y part does
    not count.

    Args:
        right, down: (N, H, W), the parts of p.

    Returns:
        (N, H, W).
    """
    right = F.pad(right[..., :-1], (1, 1))
    down = F.pad(down[..., :-1, :], (0, 0, 1, 1))
    if taps is None:
        return right.diff(dim=-1) + down.diff(dim=-2)
    (x0, x1), (y0, y1) = taps
    across = x0 * right[..., 1:] + x1 * right[..., :-1]
    return -across - y0 * down[..., 1:, :] - y1 * down[..., :-1, :]


def median(plane: Tensor, side: int) -> Tensor:
    """Median of side x side px; beyond a border the plane goes on unchanged.

    Args:
        plane: (N, H, W).
    """
    pad = side // 2
    height, width = plane.shape[-2:]
    wide = F.pad(plane, (pad, pad, pad, pad), mode="replicate")
    shifted = [
        wide[..., y : y + height, x : x + width]
        for y in range(side)
        for x in range(side)
    ]
    # torch.median has no reproducible gradient on a GPU
    return torch.stack(shifted).sort(dim=0).values[side * side // 2]
