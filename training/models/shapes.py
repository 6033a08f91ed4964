"""The sizes inside a network, without its numbers: nothing is allocated or computed."""

import torch
from torch import nn

from .backbones import CHANNELS, TAPS, BackboneConfig, build_backbone
from .taps import tap


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
    clip = torch.zeros(1, CHANNELS[config.sees], frames, height, width, device="meta")
    with torch.no_grad(), tap(model, *(names or TAPS[config.net])) as features:
        model(clip)
    return {name: tuple(value.shape[1:]) for name, value in features.items()}
