"""TV-L1 optical flow as layers: unrolled iterations through which a gradient passes.

Axes: B clips, F frames, N pairs of frames, H W pixels. The energy of a flow u between
the grey images I0 and I1,

    sum |grad u_1| + |grad u_2| + lam |I1(x + u) - I0(x)|,

is lowered in turns: a thresholding step pulls u to where the images agree, and a step of
the dual variables p smooths it. Each turn adds to u, as a block of a residual net does.

Source:
    Zhao and Lee, "Teacher-Student Architecture Based CNN for Action Recognition", module
    M1, which unrolls Zach, Pock, Bischof, "A Duality Based Approach for Realtime TV-L1
    Optical Flow", DAGM 2007; the equations here are those of Sánchez, Meinhardt-Llopis,
    Facciolo, "TV-L1 Optical Flow Estimation", IPOL 2013. In the former,
    - equations 1 and 2 expand the first image, but the updates use the gradient of the
      second: that gives minus the flow. Here I1(x + u) = I0(x).
    - equation 4 lacks the minus in "rho < -lam theta |grad I1|^2" (its cases overlap, and
      equal frames would seem to move by 0.7 px), and divides by |I1|^2 where
      |grad I1|^2 belongs.
    - equation 5 has one p and one u. Here each component has its own, and |grad u_k| is
      that of its component.
    - theta is called the weight of the smoothness. It couples u to its smooth version;
      lam alone sets data against smoothness.
    - tau is at most 1/8, where convergence is proven. Everybody runs 1/4.
    - there is no pyramid and no warp: so only about one pixel of motion can be found.
      `TVL1Config(scales=1, warps=1)` is that.
    Parameters that learn: Piergiovanni and Ryoo, "Representation Flow for Action
    Recognition", CVPR 2019.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import RecipeError
from .constants import constant
from .tvl1_operators import (
    CENTRED,
    FORWARD,
    divergence,
    flow_gradient,
    image_gradient,
    median,
    shrunk,
)
from .warp import warp

GREY = (0.299, 0.587, 0.114)

FLAT = 1.1920929e-7
"""Squared gradient up to which a pixel has no data term, as in OpenCV."""

MIN_SIDE_PX = 16
"""No level of the pyramid but the first has a smaller side."""

TINY = 1e-12
"""px**2 under a square root."""

SLOW = 0.1
"""Factor on learned changes: SGD then moves them at 0.01 of its rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TVL1Config:
    """One setting of TV-L1. Numbers are those of IPOL and OpenCV where it has them."""

    tau: float = 0.25
    """Step of the dual ascent, above 0, at most 0.25."""
    lam: float = 0.15
    """Weight of the data term, in 1 / grey levels of 0 to 255: lower is smoother."""
    theta: float = 0.3
    """Coupling of the flow to its smooth version: larger values let the data term pull more."""
    scales: int = 3
    """Levels of the pyramid at most; it ends before a side falls below 16 px."""
    step: float = 0.5
    """Side of a level over the side of the next finer one."""
    warps: int = 2
    iterations: int = 10
    """Per warp."""
    median: int = 1
    """Side of a median filter before each warp's iterations, in px; 1 for none."""
    cubic: bool = False
    """Warp by bicubic interpolation: dearer, and closer to 0.01 px than to 0.05."""
    learnable: bool = False
    """tau, lam, theta and both gradients learn."""

    def __post_init__(self) -> None:
        if not 0 < self.tau <= 0.25:
            raise RecipeError(f"TV-L1: expected tau in (0, 0.25], got {self.tau}")
        if self.lam <= 0 or self.theta <= 0:
            raise RecipeError(
                "TV-L1: expected lam and theta above 0,"
                f" got {self.lam} and {self.theta}"
            )
        if min(self.scales, self.warps, self.iterations) < 1:
            raise RecipeError(
                "TV-L1: expected at least 1 scale, warp and iteration,"
                f" got {self.scales}, {self.warps}, {self.iterations}"
            )
        if not 0 < self.step < 1:
            raise RecipeError(f"TV-L1: expected step in (0, 1), got {self.step}")
        if self.median % 2 == 0 or self.median < 1:
            raise RecipeError(
                f"TV-L1: expected an odd side of the median filter, got {self.median}"
            )


class Numbers(NamedTuple):
    """Parameters of the iterations; learned ones are scalars and small tensors."""

    tau: Tensor
    lam: Tensor
    theta: Tensor
    image_taps: Tensor
    """(2, 3), as `CENTRED`."""
    flow_taps: Tensor | None
    """(2, 2) where they learn: as `FORWARD`, which None stands for."""

    def like(self, images: Tensor) -> "Numbers":
        """The same in the type of the images, and where they are."""
        flow_taps = self.flow_taps
        return Numbers(
            self.tau.to(images),
            self.lam.to(images),
            self.theta.to(images),
            self.image_taps.to(images),
            None if flow_taps is None else flow_taps.to(images),
        )


class TVL1Flow(nn.Module):
    """Flow between consecutive frames of clips.

    Without `learnable` it has no parameters. With it, 13 numbers learn: three scalars
    through a softplus, so that they stay positive, 6 weights of the image's gradient and
    4 of the flow's (the divergence stays its negative adjoint). Each is kept as its change
    from the start, times `SLOW`, so that weight decay pulls it to where it began.
    """

    def __init__(self, config: TVL1Config = TVL1Config()) -> None:
        super().__init__()
        self.config = config
        self.changes = nn.ParameterDict()
        if config.learnable:
            for name in ("tau", "lam", "theta"):
                self.changes[name] = nn.Parameter(torch.zeros(()))
            self.changes["image_taps"] = nn.Parameter(torch.zeros(2, 3))
            self.changes["flow_taps"] = nn.Parameter(torch.zeros(2, 2))

    def forward(self, frames: Tensor) -> Tensor:
        """
        Args:
            frames: (B, 3, F, H, W) RGB from 0 to 1, F at least 2, sides at least 2 px.

        Returns:
            (B, 2, F-1, H, W) in px; entry k leads from frame k to frame k + 1. Equal
            frames give exactly 0.

        Raises:
            RecipeError: frames of another shape.
        """
        if frames.dim() != 5 or frames.shape[1] != 3 or min(frames.shape[2:]) < 2:
            raise RecipeError(
                "TV-L1: expected (B, 3, F, H, W) with at least 2 frames of 2x2 px,"
                f" got {tuple(frames.shape)}"
            )
        with torch.autocast(frames.device.type, enabled=False):  # 8 bits are too few
            if frames.dtype != torch.float64:
                frames = frames.float()
            red, green, blue = frames.unbind(dim=1)
            grey = 255 * (GREY[0] * red + GREY[1] * green + GREY[2] * blue)
            first, second = grey[:, :-1], grey[:, 1:]
            flow = tvl1(
                first.flatten(0, 1), second.flatten(0, 1), self.config, self.numbers()
            )
        pairs = flow.unflatten(0, first.shape[:2])
        return pairs.transpose(1, 2)

    def numbers(self) -> Numbers:
        """The present ones."""
        start, changes = numbers_of(self.config), self.changes
        if not self.config.learnable:
            return start
        tau, lam, theta = (
            F.softplus(
                SLOW * changes[name] + math.log(math.expm1(getattr(start, name)))
            )
            for name in ("tau", "lam", "theta")
        )
        image_taps, flow_taps = (
            SLOW * changes[name] + constant(first, changes[name])
            for name, first in (("image_taps", CENTRED), ("flow_taps", FORWARD))
        )
        return Numbers(tau, lam, theta, image_taps, flow_taps)


def numbers_of(config: TVL1Config) -> Numbers:
    """The parameters of a setting, on the CPU, in float64."""
    tau, lam, theta, taps = (
        torch.tensor(it, dtype=torch.float64)
        for it in (config.tau, config.lam, config.theta, CENTRED)
    )
    return Numbers(tau, lam, theta, taps, None)


def tvl1(
    first: Tensor, second: Tensor, config: TVL1Config, numbers: Numbers | None = None
) -> Tensor:
    """Flow of pairs of grey images.

    Images of another range than 0 to 255 give the same flow when lam is divided by the
    factor: a range of 0 to 1 wants 38.25.

    Args:
        first, second: (N, H, W) grey levels, float32 or float64.
        numbers: instead of the setting's own.

    Returns:
        (N, 2, H, W) in px, such that second(x + u, y + v) is first(x, y).
    """
    numbers = numbers_of(config) if numbers is None else numbers
    numbers = numbers.like(first)
    height, width = first.shape[-2:]
    sizes = level_sizes(height, width, config)
    images = [torch.stack((first, second), dim=1)]
    for size in sizes[1:]:
        images.append(shrunk(images[-1], size, config.step))
    flow = first.new_zeros(first.shape[0], 2, *sizes[-1])
    for number, image in reversed(list(enumerate(images))):
        flow = improved(flow, image[:, :1], image[:, 1:], config, numbers)
        if number:
            flow = F.interpolate(flow, sizes[number - 1], mode="bilinear")
            flow = flow / config.step
    return flow


def improved(
    flow: Tensor, first: Tensor, second: Tensor, config: TVL1Config, numbers: Numbers
) -> Tensor:
    """A better flow on one level.

    Args:
        flow: (N, 2, H, W) px of this level.
        first, second: (N, 1, H, W).
    """
    tau, lam, theta, image_taps, flow_taps = numbers
    pull, slope = lam * theta, tau / theta
    both = torch.cat((second, image_gradient(second, image_taps)), dim=1)
    first = first[:, 0]
    u, v = flow.unbind(dim=1)
    dual_u = dual_v = (torch.zeros_like(u), torch.zeros_like(v))
    for _ in range(config.warps):
        value, gx, gy = warp(both, torch.stack((u, v), 1), cubic=config.cubic).unbind(1)
        square = gx * gx + gy * gy
        inverse = torch.where(square > FLAT, 1 / square.clamp(min=FLAT), 0)
        constant = value - gx * u - gy * v - first
        if config.median > 1:
            u, v = median(u, config.median), median(v, config.median)
        for _ in range(config.iterations):
            rho = constant.addcmul(gx, u).addcmul(gy, v)
            # one clamp for the three cases; lam and theta keep their gradient
            wanted = torch.minimum(torch.maximum(-rho * inverse, -pull), pull)
            u = u.addcmul(wanted, gx) + theta * divergence(*dual_u, flow_taps)
            v = v.addcmul(wanted, gy) + theta * divergence(*dual_v, flow_taps)
            dual_u = _ascended(dual_u, u, slope, flow_taps)
            dual_v = _ascended(dual_v, v, slope, flow_taps)
    return torch.stack((u, v), dim=1)


def _ascended(
    dual: tuple[Tensor, Tensor], plane: Tensor, slope: Tensor, taps: Tensor | None
) -> tuple[Tensor, Tensor]:
    """One step of the dual variables of one component of the flow."""
    right, down = flow_gradient(plane, taps)
    # TINY: a square root of 0 has no gradient, and the first iteration has it everywhere
    length = (right * right).addcmul(down, down).add(TINY).sqrt()
    shrink = 1 / (1 + slope * length)
    return (dual[0] + slope * right) * shrink, (dual[1] + slope * down) * shrink


def level_sizes(height: int, width: int, config: TVL1Config) -> list[tuple[int, int]]:
    """(height, width) of the levels of the pyramid, the frame itself first."""
    sizes = [(height, width)]
    while len(sizes) < config.scales:
        height, width = round(height * config.step), round(width * config.step)
        if min(height, width) < MIN_SIDE_PX:
            break
        sizes.append((height, width))
    return sizes
