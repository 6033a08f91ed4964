"""Photometric losses: how well a flow predicts the next frame. MotionNet learns from them.

Axes: B clips, F frames, H W pixels of the input, h w of a level.

Source:
    Zhou, Chen, Sugumaran, "Hidden Two-Stream Collaborative Learning Network for Action
    Recognition", equations 1 to 6, after Zhu et al., "Hidden Two-Stream Convolutional
    Networks for Action Recognition", ACCV 2018. In the former,
    - one exponent serves both penalties and no value is given: the latter's 0.4 and 0.3.
    - weights of terms and scales are not given: see `BALANCED` and `REFERENCE`.
    - m and n are called height and width in either order, and sums depend on the size:
      here all is a mean, over pairs, channels and the pixels that count.
    - the similarity is named SSMI once, and its window is not described but for 8x8.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import RecipeError
from ..models.constants import constant
from ..models.warp import warp

EPSILON = 1e-3
BLOCK = 8
"""Side in px of the blocks that are compared by their structure."""

C1, C2 = 1e-4, 1e-3
"""Keep structural similarity finite, for images from 0 to 1."""

Weights = tuple[float, float, float, float, float]
"""From the finest level to the coarsest."""

ONES: Weights = (1.0, 1.0, 1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowLoss:
    """Weights of the three terms at five levels, and how they are taken.

    A term whose weight at a level is 0 is not computed there, and recorded as 0.
    """

    photometric: Weights = ONES
    smoothness: Weights = (0.01, 0.01, 0.01, 0.01, 0.01)
    ssim: Weights = ONES
    scales: Weights = ONES
    """Weights of the levels, for all three terms."""
    photometric_power: float = 0.4
    smoothness_power: float = 0.3
    border: float = 0.1
    """Share of a side at each border that does not count: what moves out is not seen."""
    window: Literal["uniform", "gaussian"] = "uniform"
    """Weights within a block. The Gaussian has sigma 8/6 px around the block's middle."""
    normalise_contrast: bool = False
    """Compare frames divided by their local brightness, as the reference does."""

    def __post_init__(self) -> None:
        if self.window not in ("uniform", "gaussian"):
            raise RecipeError(
                f"expected the window uniform or gaussian, got {self.window}"
            )
        if not 0 <= self.border < 0.5:
            raise RecipeError(f"expected border in [0, 0.5), got {self.border}")
        if not any(any(level) for level in self.level_weights):
            raise RecipeError(
                "expected a photometric, smoothness or ssim weight other than 0, got none"
            )

    @property
    def level_weights(self) -> list[tuple[float, ...]]:
        """For each level the weights of its photometric, smoothness and structural terms."""
        terms = zip(self.photometric, self.smoothness, self.ssim, strict=True)
        return [
            tuple(scale * weight for weight in weights)
            for scale, weights in zip(self.scales, terms, strict=True)
        ]


BALANCED = FlowLoss()
"""Terms of a similar size."""

REFERENCE = FlowLoss(
    smoothness=(0.0079, 0.0079, 0.0079, 0.0079, 0.0079), ssim=(11.2, 5.6, 3.6, 1.8, 0.9)
)
"""The released network's weights for 224x224, batches of 16, frames from 0 to 255 and
sums over blocks, as they are for frames from 0 to 1 and means."""


class FlowLossTerms(NamedTuple):
    """Unweighted terms, each (levels,), from fine to coarse."""

    photometric: Tensor
    smoothness: Tensor
    ssim: Tensor


def flow_loss(
    frames: Tensor,
    flows: Sequence[Tensor],
    config: FlowLoss = BALANCED,
    *,
    valid: Tensor | None = None,
) -> tuple[Tensor, FlowLossTerms]:
    """The loss of the flows at five levels, and its terms.

    Args:
        frames: (B, 3, F, H, W) RGB from 0 to 1. No gradient reaches them.
        flows: of each level, from fine to coarse, (B, 2, F-1, h, w) in px of the input.
        valid: (B, F-1) bool: pairs of frames that do follow each other; None for all.

    Raises:
        RecipeError: flows that do not fit the frames, or not five of them.
    """
    if len(flows) != len(config.scales):
        raise RecipeError(
            f"expected flows of {len(config.scales)} levels, got {len(flows)}"
        )
    with torch.autocast(frames.device.type, enabled=False):  # EPSILON is small
        terms = [
            level_terms(frames.detach(), flow, config, valid, weights=weights)
            for flow, weights in zip(flows, config.level_weights, strict=True)
        ]
        parts = FlowLossTerms(*(torch.stack(each) for each in zip(*terms, strict=True)))
        total = parts.photometric.new_zeros(())
        for part, weights in zip(
            parts, (config.photometric, config.smoothness, config.ssim), strict=True
        ):
            both = constant(weights, part) * constant(config.scales, part)
            total = total + (both * part).sum()
    return total, parts


def level_terms(
    frames: Tensor,
    flow: Tensor,
    config: FlowLoss,
    valid: Tensor | None,
    *,
    weights: Sequence[float] = (1.0, 1.0, 1.0),
) -> tuple[Tensor, Tensor, Tensor]:
    """Photometric, smoothness and structural terms of one level: three scalars.

    Args:
        flow: (B, 2, F-1, h, w) in px of the input.
        weights: of the three; a term of weight 0 is not computed, and 0.
    """
    batch, _, pairs, height, width = flow.shape
    if flow.shape[:3] != (len(frames), 2, frames.shape[2] - 1):
        raise RecipeError(
            f"expected flows ({len(frames)}, 2, {frames.shape[2] - 1}, h, w),"
            f" got {tuple(flow.shape)}"
        )
    shrink = constant((width / frames.shape[4], height / frames.shape[3]), flow)
    motion = (flow.float() if flow.dtype.itemsize < 4 else flow) * shrink.view(
        2, 1, 1, 1
    )
    motion = motion.transpose(1, 2).flatten(0, 1)  # (B (F-1), 2, h, w), px of the level
    images = F.adaptive_avg_pool2d(
        frames.to(motion.dtype).transpose(1, 2).flatten(0, 1), (height, width)
    )
    if config.normalise_contrast:
        squares = images.square().sum(dim=1, keepdim=True)
        images = images / (1 + squares / 9) ** 0.7
    images = images.unflatten(0, (batch, pairs + 1))
    first, second = images[:, :-1].flatten(0, 1), images[:, 1:].flatten(0, 1)
    explained = warp(second, motion)
    if valid is None:
        counts = motion.new_ones(len(motion))
    else:
        counts = valid.flatten().to(motion.dtype)

    mask = counts.view(-1, 1, 1, 1) * inner(height, width, config.border, like=motion)
    photometric = smoothness = structure = motion.new_zeros(())
    if weights[0]:
        off = charbonnier(first - explained, config.photometric_power)
        photometric = masked_mean(off, mask)
    for dim in (-1, -2) if weights[1] else ():
        rough = charbonnier(motion.diff(dim=dim), config.smoothness_power)
        counted = mask.narrow(dim, 0, rough.shape[dim])
        # each of the four derivatives is a mean of its own: twice that of a pair
        smoothness = smoothness + 2 * masked_mean(rough, counted)
    if weights[2]:
        unlike = 1 - similarity(first, explained, gaussian=config.window == "gaussian")
        structure = masked_mean(unlike, counts.view(-1, 1, 1, 1))
    return photometric, smoothness, structure


def charbonnier(x: Tensor, power: float) -> Tensor:
    """(x^2 + 0.001^2)^power: a distance that forgives outliers."""
    return (x.square() + EPSILON**2) ** power


def inner(height: int, width: int, border: float, *, like: Tensor) -> Tensor:
    """(height, width): 1 inside, 0 within `border` times a side of that side."""
    mask = like.new_zeros(height, width)
    top, left = round(border * height), round(border * width)
    mask[top : height - top, left : width - left].fill_(1)
    return mask


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of what counts; 0 where nothing does.

    Args:
        values: (N, C, h, w).
        mask: (N, 1, h, w) or what broadcasts to it, 0 or 1.
    """
    mask = mask.expand(len(values), 1, *values.shape[2:])
    return (values * mask).sum() / (mask.sum() * values.shape[1]).clamp(min=1)


def similarity(first: Tensor, second: Tensor, *, gaussian: bool = False) -> Tensor:
    """Structural similarity of blocks of 8x8 px, side by side from the upper left on.

    Blocks that reach beyond the image count with the part inside.

    Args:
        first, second: (N, C, h, w) from 0 to 1.

    Returns:
        (N, C, ceil(h/8), ceil(w/8)), 1 where they are equal.

    Source:
        Wang, Bovik, Sheikh, Simoncelli, "Image Quality Assessment", IEEE TIP 2004.
    """
    window = _window(gaussian, like=first)
    inside = _blocks(first.new_ones(1, 1, *first.shape[2:]))
    weights = window * inside / (window * inside).sum((-1, -3), keepdim=True)

    def mean(blocks: Tensor) -> Tensor:
        return (weights * blocks).sum((-1, -3), keepdim=True)

    x, y = _blocks(first), _blocks(second)
    mean_x, mean_y = mean(x), mean(y)
    x, y = x - mean_x, y - mean_y  # else variances are differences of large numbers
    variances = mean(x * x) + mean(y * y)
    light = (2 * mean_x * mean_y + C1) / (mean_x.square() + mean_y.square() + C1)
    return (light * (2 * mean(x * y) + C2) / (variances + C2)).squeeze(-1).squeeze(-2)


def _blocks(images: Tensor) -> Tensor:
    """(N, C, h, w) -> (N, C, rows, 8, columns, 8); 0 outside the image."""
    down, right = -images.shape[-2] % BLOCK, -images.shape[-1] % BLOCK
    whole = F.pad(images, (0, right, 0, down))
    return whole.unflatten(-1, (-1, BLOCK)).unflatten(-3, (-1, BLOCK))


def _window(gaussian: bool, *, like: Tensor) -> Tensor:
    """(8, 1, 8) weights of a block's pixels."""
    line = like.new_ones(BLOCK)
    if gaussian:
        places = torch.arange(BLOCK, device=like.device) - (BLOCK - 1) / 2
        line = torch.exp(-0.5 * (places.to(like.dtype) / (BLOCK / 6)) ** 2)
    return line.view(BLOCK, 1, 1) * line
