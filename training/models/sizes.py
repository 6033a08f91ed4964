"""Parameters, multiply-adds and shapes of a network; nothing is allocated or computed."""

from typing import NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from .backbones import BackboneConfig, build_backbone, clip_shape, net_named
from .taps import tap


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
    """
    model = without_numbers(config, num_classes)
    return cost_of(model, clip_shape(config, frames, (height, width)))


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
    3D net; (C, H, W), or (C,) of a linear layer, in a 2D net.

    >>> tap_shapes(BackboneConfig(net="r3d_18"), frames=16, height=112, width=112)["layer4"]
    (512, 2, 7, 7)

    Args:
        frames: length of the clip; for a 2D net what it stacks.
        names: other submodules than the net's taps.

    Raises:
        RecipeError: a 2D net stacks another number of frames.
    """
    model = without_numbers(config, 2)
    shape = clip_shape(config, frames, (height, width))
    clip = torch.zeros(1, *shape, device="meta")
    with (
        torch.no_grad(),
        tap(model, *(names or net_named(config.net).taps)) as features,
    ):
        model(clip)
    return {name: tuple(value.shape[1:]) for name, value in features.items()}
