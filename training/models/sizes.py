"""Parameters, multiply-adds and shapes of a network; nothing is allocated or computed."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from motion_shards.plain_text import first_line

from ..errors import RecipeError, TrainingError
from .backbones import (
    BackboneConfig,
    build_backbone,
    clip_shape,
    is_ours,
    net_named,
    size_text,
)
from .taps import tap
from .user_files import place_of

Found = TypeVar("Found")


class Cost(NamedTuple):
    """Cost of a network for one input."""

    parameters: int
    multiply_adds: int
    """Multiply-adds of convolutions and linear layers: half of the FLOPs of other counts."""

    def text(self) -> str:
        """33.19 M parameters, 40.70 G multiply-adds"""
        return (
            f"{self.parameters / 1e6:.2f} M parameters,"
            f" {self.multiply_adds / 1e9:.2f} G multiply-adds"
        )


def cost(
    config: BackboneConfig, num_classes: int, *, frames: int, height: int, width: int
) -> Cost:
    """Parameters and multiply-adds of a network for one clip.

    Args:
        frames: length of the clip; for a 2D net what it stacks.

    Raises:
        RecipeError: the network takes no such clips.
    """
    shape = clip_shape(config, frames, (height, width))
    return _of_network(config, num_classes, shape, lambda net: cost_of(net, shape))


def cost_of(model: nn.Module, shape: tuple[int, ...]) -> Cost:
    """The same for an existing network, on any device.

    Args:
        shape: of one input, without the batch: (C, T, H, W).
    """
    weights = list(model.parameters())
    clip = torch.zeros(1, *shape, device=weights[0].device)
    was_training = model.training
    counter = FlopCounterMode(display=False)
    try:
        with torch.no_grad(), counter:
            model.eval()(clip)
    finally:
        model.train(was_training)
    return Cost(sum(w.numel() for w in weights), counter.get_total_flops() // 2)


def without_numbers(config: BackboneConfig, num_classes: int) -> nn.Module:
    """A network of shapes only, in eval mode."""
    with torch.device("meta"):
        return build_backbone(config, num_classes).eval()


def tap_shapes(
    config: BackboneConfig,
    *,
    frames: int,
    height: int,
    width: int,
    names: tuple[str, ...] = (),
) -> dict[str, tuple[int, ...]]:
    """Tap -> shape of its features for one clip, without the batch: (C, T, H, W) in a
    3D net, and in a 2D net that sees each entry by itself; (C, H, W), or (C,) of a linear
    layer, in one that stacks them.

    >>> tap_shapes(BackboneConfig(net="r3d_18"), frames=16, height=112, width=112)["layer4"]
    (512, 2, 7, 7)

    Args:
        frames: length of the clip; for a 2D net what it stacks.
        names: other submodules than the net's taps.

    Raises:
        RecipeError: the network takes no such clips: they are too small for its layers,
            or a 2D net stacks another number of frames.
    """
    shape = clip_shape(config, frames, (height, width))

    def tapped(model: nn.Module) -> dict[str, tuple[int, ...]]:
        clip = torch.zeros(1, *shape, device=next(model.parameters()).device)
        with (
            torch.no_grad(),
            tap(model, *(names or net_named(config.net).taps)) as features,
        ):
            model(clip)
        return {name: tuple(value.shape[1:]) for name, value in features.items()}

    return _of_network(config, 2, shape, tapped)


def _of_network(
    config: BackboneConfig,
    num_classes: int,
    shape: tuple[int, ...],
    measure: Callable[[nn.Module], Found],
) -> Found:
    """A measure of a network for one clip.

    Networks of a user's file that cannot run without numbers are built with them.

    Args:
        shape: of the clip.
        measure: passes a clip through the network.

    Raises:
        RecipeError: the network cannot be built, or takes no such clip; its reason is
            named.
    """
    try:
        return measure(without_numbers(config, num_classes))
    except TrainingError:
        raise
    except Exception as error:
        if is_ours(config.net):
            raise RecipeError(_refusal(config, shape, error)) from error
    try:
        return measure(build_backbone(config, num_classes).eval())
    except TrainingError:
        raise
    except Exception as error:
        raise RecipeError(_refusal(config, shape, error)) from error


def _refusal(config: BackboneConfig, shape: tuple[int, ...], error: Exception) -> str:
    place = place_of(error)
    return (
        f"expected clips (clip.length, clip.crop_px) that {config.net} takes, got"
        f" {size_text(shape[1:])}: {first_line(error)}{f' ({place})' if place else ''}"
    )
