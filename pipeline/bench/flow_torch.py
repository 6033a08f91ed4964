"""TV-L1 in plain torch, written from the formulas and independently of the back ends.

For comparison: an answer that shares no code with theirs, and the time of a GPU that is
asked one operation at a time. Fixed iterations only.

Source: see `pipeline.flow.profiles`.
"""

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.flow.profiles import Profile, level_sizes

FLAT = 1.1920929e-7


def eager_flow(first: Tensor, second: Tensor, profile: Profile) -> Tensor:
    """(B, 2, H, W) flow in px from the first images to the second, each (B, H, W) float
    with grey levels of 0 to 255; where they lie, there it is computed."""
    sizes = level_sizes(first.shape[1], first.shape[2], profile)
    pyramid = [torch.stack([first, second], dim=1)]
    for size in sizes[1:]:
        pyramid.append(resized(pyramid[-1], size, (1 / profile.step,) * 2))
    flow = first.new_zeros(len(first), 2, *sizes[-1])
    for images in reversed(pyramid):
        if flow.shape[2:] != images.shape[2:]:
            size = images.shape[2], images.shape[3]
            scales = flow.shape[2] / size[0], flow.shape[3] / size[1]
            flow = resized(flow, size, scales) / profile.step
        flow = improved(images, flow, profile)
    return flow


def improved(images: Tensor, flow: Tensor, profile: Profile) -> Tensor:
    """One level: (B, 2, H, W) images and flow so far -> better flow."""
    second = torch.cat([images[:, 1:], gradient(images[:, 1])], dim=1)
    dual = flow.new_zeros(len(flow), 2, 2, *flow.shape[2:])  # component, axis
    for _ in range(profile.warps):
        value, slope = warped(second, flow).split((1, 2), dim=1)
        constant = value - (slope * flow).sum(1, keepdim=True) - images[:, :1]
        square = slope.square().sum(1, keepdim=True)
        inverse = torch.where(square > FLAT, 1 / square, torch.zeros_like(square))
        for _ in range(profile.outer):
            if profile.median > 1:
                flow = median(flow, profile.median)
            for _ in range(profile.inner):
                residual = constant + (slope * flow).sum(1, keepdim=True)
                limit = profile.lam * profile.theta
                pull = (-residual * inverse).clamp(-limit, limit) * slope
                flow = flow + pull + profile.tau * divergence(dual)
                steps = forward(flow)
                norm = steps.square().sum(2, keepdim=True).sqrt()
                dual = (dual + steps) / (1 + profile.tau / profile.theta * norm)
    return flow


def resized(
    images: Tensor, size: tuple[int, int], scales: tuple[float, float]
) -> Tensor:
    """(B, C, H, W) -> that size, bilinear, pixels' centres at halves.

    Args:
        scales: old pixels per new one, down and right.
    """
    for axis, (target, scale) in enumerate(zip(size, scales, strict=True), start=2):
        last = images.shape[axis] - 1
        place = (torch.arange(target, dtype=torch.float64) + 0.5) * scale - 0.5
        place = place.clamp(0, last)
        before = place.floor().long().clamp(max=max(last - 1, 0))
        share = (place - before).to(images).view(-1, *[1] * (3 - axis))
        before = before.to(images.device)
        after = (before + 1).clamp(max=last)
        images = (
            images.index_select(axis, before) * (1 - share)
            + images.index_select(axis, after) * share
        )
    return images


def gradient(image: Tensor) -> Tensor:
    """(B, H, W) -> (B, 2, H, W): centred differences to the right and downward."""
    padded = functional.pad(image[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    right = padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]
    down = padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]
    return torch.stack([right, down], dim=1) / 2


def warped(images: Tensor, flow: Tensor) -> Tensor:
    """(B, C, H, W) images where the flow leads; bicubic, 0 outside."""
    height, width = flow.shape[2:]
    y, x = torch.meshgrid(
        torch.arange(height, device=flow.device),
        torch.arange(width, device=flow.device),
        indexing="ij",
    )
    place = torch.stack(
        [
            2 * (x + flow[:, 0]) / max(width - 1, 1) - 1,
            2 * (y + flow[:, 1]) / max(height - 1, 1) - 1,
        ],
        dim=3,
    )
    return functional.grid_sample(
        images, place, mode="bicubic", padding_mode="zeros", align_corners=True
    )


def median(flow: Tensor, side: int) -> Tensor:
    """The median of each pixel's neighbours, borders repeated."""
    beyond = side // 2
    padded = functional.pad(flow, (beyond,) * 4, mode="replicate")
    windows = padded.unfold(2, side, 1).unfold(3, side, 1)
    return windows.flatten(4).median(dim=4).values


def forward(flow: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C, 2, H, W): differences to the right and downward, 0 at the
    far border."""
    right = functional.pad(flow[..., 1:] - flow[..., :-1], (0, 1))
    down = functional.pad(flow[..., 1:, :] - flow[..., :-1, :], (0, 0, 0, 1))
    return torch.stack([right, down], dim=2)


def divergence(dual: Tensor) -> Tensor:
    """(B, C, 2, H, W) -> (B, C, H, W): minus the adjoint of `forward`; the dual vectors
    are 0 at the far border."""
    right, down = dual.unbind(2)
    across = right - functional.pad(right[..., :-1], (1, 0))
    along = down - functional.pad(down[..., :-1, :], (0, 0, 1, 0))
    return across + along
