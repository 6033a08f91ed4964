"""Motion from frames, and a network that sees it: together a network that sees rgb.

Axes: B clips, F frames, L = F - 1 fields, H W pixels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import RecipeError
from .constants import constant
from .motionnet import MotionNet, motionnet, motionnet_narrow, motionnet_tiny
from .tvl1 import TVL1Config, TVL1Flow

BOUND_PX = 20.0
"""Beyond it, a motion counts as this much: as for stored flow."""

ESTIMATORS: dict[str, Callable[[int], nn.Module]] = {
    "tvl1": lambda frames: TVL1Flow(),
    "tvl1_learnable": lambda frames: TVL1Flow(TVL1Config(learnable=True)),
    "motionnet": lambda frames: motionnet(frames=frames),
    "motionnet_narrow": lambda frames: motionnet_narrow(frames=frames),
    "motionnet_tiny": lambda frames: motionnet_tiny(frames=frames),
}
"""Name -> a function of the number of frames F, which gives a module that maps
(B, 3, F, H, W) from 0 to 1 to (B, 2, F-1, h, w) px of the input. The field has the sides of the input, or half of them."""


class HasClips(Protocol):
    """Clip settings that are needed here; a `ClipConfig` has them."""

    @property
    def rgb_mean(self) -> tuple[float, float, float]: ...

    @property
    def rgb_std(self) -> tuple[float, float, float]: ...

    @property
    def motion_gain(self) -> float: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionConfig:
    """Source of the motion that a network sees, other than the store."""

    estimator: str = "motionnet"
    frames: int = 11
    """Frames of a clip: one more than the fields that the network sees."""
    stored_px: float = 1.0
    """px of the stored grid per px of the clip, for a network that learned from stored
    motion: frames reduced to half before they are cut have 2."""
    learns: bool = True
    """Whether the estimator does, if it has weights."""

    def __post_init__(self) -> None:
        if self.estimator not in ESTIMATORS:
            raise RecipeError(
                f"expected an estimator among {', '.join(ESTIMATORS)},"
                f" got {self.estimator}"
            )
        if self.frames < 2:
            raise RecipeError(f"expected 2 frames or more, got {self.frames}")

    @property
    def trains_alone(self) -> bool:
        """Whether the photometric losses of several levels can train the estimator."""
        return self.learns and self.estimator.startswith("motionnet")


def build_estimator(config: MotionConfig) -> nn.Module:
    """An estimator with first weights drawn from torch's global generator."""
    estimator = ESTIMATORS[config.estimator](config.frames)
    return estimator.requires_grad_(config.learns)


def build_motion_backbone(
    config: MotionConfig, net: nn.Module, clip: HasClips
) -> "MotionBackbone":
    """Put an estimator before a network that sees motion.

    Args:
        net: takes (B, 2, F-1, H, W).
        clip: how the frames that come are normalised, and how the motion shall be.
    """
    return MotionBackbone(
        build_estimator(config),
        net,
        rgb_mean=clip.rgb_mean,
        rgb_std=clip.rgb_std,
        motion_gain=clip.motion_gain,
        stored_px=config.stored_px,
    )


class MotionBackbone(nn.Module):
    """(B, 3, F, H, W) frames as the data set normalises them -> (B, classes) logits.

    The motion between them becomes what stored flow becomes: at most 20 px, divided by
    20 px, times a gain. A smaller field is enlarged bilinearly; its values stay, as they
    are px of the input already.

    The network is `net`, the estimator `estimator`. Taps need no prefix: a name that is
    not of this module is looked for in `net`, so "layer4" is "net.layer4".

    Source:
        Zhou, Chen, Sugumaran, "Hidden Two-Stream Collaborative Learning Network for Action
        Recognition", section 3.1, where MotionNet feeds the temporal network; Zhao and
        Lee, "Teacher-Student Architecture Based CNN for Action Recognition", where TV-L1
        does. Neither says how a flow is scaled; as in the released code of Zhu et al.,
        "Hidden Two-Stream Convolutional Networks", it is clipped at 20 px.
    """

    def __init__(
        self,
        estimator: nn.Module,
        net: nn.Module,
        *,
        rgb_mean: Sequence[float],
        rgb_std: Sequence[float],
        motion_gain: float = 1.0,
        stored_px: float = 1.0,
    ) -> None:
        """
        Args:
            rgb_mean, rgb_std: with which the data set normalises, to undo it.
            motion_gain: what 20 px become.
            stored_px: see `MotionConfig`.
        """
        super().__init__()
        self.estimator, self.net = estimator, net
        self.rgb_mean, self.rgb_std = tuple(rgb_mean), tuple(rgb_std)
        self.motion_gain, self.stored_px = motion_gain, stored_px

    def forward(self, clips: Tensor) -> Tensor:
        motion = self.estimator(self.frames(clips))
        return self.net(self.motion_input(motion, clips.shape[-2:]))

    def forward_with_flows(self, clips: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """For learning both at once.

        Returns:
            The logits, the frames from 0 to 1, and the flows of every level.

        Raises:
            RecipeError: the estimator has no levels.
        """
        if not isinstance(self.estimator, MotionNet):
            raise RecipeError(
                "expected an estimator with flows at several levels (MotionNet),"
                f" got {type(self.estimator).__name__}"
            )
        frames = self.frames(clips)
        flows = self.estimator.scales(frames)
        return self.net(self.motion_input(flows[0], clips.shape[-2:])), frames, flows

    def frames(self, clips: Tensor) -> Tensor:
        """Frames from 0 to 1."""
        return unnormalised(clips, mean=self.rgb_mean, std=self.rgb_std)

    def motion_input(self, flow: Tensor, size: Sequence[int]) -> Tensor:
        """Flow in px of the clip -> what a network sees.

        Args:
            flow: (B, 2, L, h, w).
            size: H and W.

        Returns:
            (B, 2, L, H, W) from -gain to gain.
        """
        field = (flow * self.stored_px).clamp(-BOUND_PX, BOUND_PX) / BOUND_PX
        if tuple(field.shape[-2:]) != tuple(size):
            # a smaller field of n px a side covers 2n or 2n - 1: it is cut, not squeezed
            planes = F.interpolate(field.flatten(1, 2), scale_factor=2, mode="bilinear")
            planes = planes[..., : size[0], : size[1]]
            field = planes.unflatten(1, (2, -1))
        return self.motion_gain * field

    def get_submodule(self, target: str) -> nn.Module:
        """Find a module here, or else in `net`, so that taps need no prefix."""
        try:
            return super().get_submodule(target)
        except AttributeError:
            return self.net.get_submodule(target)


def unnormalised(
    clips: Tensor, *, mean: Sequence[float], std: Sequence[float]
) -> Tensor:
    """Undo the scaling of `rgb_input`: frames from 0 to 1; jitter may go beyond.

    Args:
        clips: (B, 3, F, H, W).
    """
    shape = (3, 1, 1, 1)
    return clips * constant(std, clips).view(shape) + constant(mean, clips).view(shape)
