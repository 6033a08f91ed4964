"""What a network costs, without its numbers: nothing is allocated or computed."""

from typing import NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from .backbones import CHANNELS, BackboneConfig
from .shapes import without_numbers


class Cost(NamedTuple):
    """Of one input."""

    parameters: int
    multiply_adds: int
    """Of convolutions and linear layers; half of what is counted as FLOPs elsewhere."""

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
    return cost_of(model, (CHANNELS[config.sees], frames, height, width))


def cost_of(model: nn.Module, shape: tuple[int, ...]) -> Cost:
    """The same for a network that is there, wherever its weights lie.

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
