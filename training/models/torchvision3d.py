"""torchvision's video networks of convolutions by parts and of attention.

All take (B, C, T, H, W). Only the first layer differs from torchvision's, where it sees
another number of channels. Features of the transformers' stages are tapped as maps
(B, C, T, H, W): see `taps.as_map`.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import nn
from torchvision.models import video
from torchvision.models.video.mvit import PositionalEncoding
from torchvision.ops import StochasticDepth

from ..errors import RecipeError
from .net import Net
from .taps import channels_last, of_tokens

SIZE = (16, 224, 224)
"""Frames, height and width that the published MViTs have positions for."""
STEPS = (2, 32, 32)
"""Frames, rows and columns that one position of an MViT's last stage covers."""

OF_S3D = ("features.0", "features.3", "features.6", "features.12", "features.15")
OF_MVIT = ("conv_proj", "blocks.0", "blocks.2", "blocks.13", "blocks.15")
OF_SWIN = (
    "patch_embed",
    "features.0",
    "features.2",
    "features.4",
    "features.6",
    "avgpool",
)


def s3d(channels: int, num_classes: int) -> nn.Module:
    """S3D: 8,320,048 parameters with 3 channels and 400 classes.

    Source:
        Xie et al., "Rethinking Spatiotemporal Feature Learning: Speed-Accuracy
        Trade-offs in Video Classification", ECCV 2018, arXiv:1712.04851.
    """
    model = video.s3d(weights=None, num_classes=num_classes)
    return seeing(channels, model, "features.0.0.0")


def mvit(
    build: Callable[..., nn.Module],
    channels: int,
    num_classes: int,
    *,
    size: tuple[int, int, int] | None = None,
    stochastic_depth: float | None = None,
) -> nn.Module:
    """MViT of torchvision for clips of one size.

    Args:
        size: frames, height, width; None is `SIZE`.
        stochastic_depth: largest share of clips that skip a block; None is the published.

    Raises:
        RecipeError: the last stage would not divide the size evenly.

    Source:
        Fan et al., "Multiscale Vision Transformers", ICCV 2021, arXiv:2104.11227; Li et
        al., "MViTv2", CVPR 2022, arXiv:2112.01526.
    """
    model = build(weights=None, num_classes=num_classes)
    of_tokens(model.get_submodule("norm"), prefix=1)
    if stochastic_depth is not None:
        _skip(model, stochastic_depth)
    if size not in (None, SIZE):
        model.pos_encoding = _positions(model, size)
    return seeing(channels, model, "conv_proj")


def swin(
    build: Callable[..., nn.Module],
    channels: int,
    num_classes: int,
    *,
    stochastic_depth: float | None = None,
) -> nn.Module:
    """Video Swin of torchvision.

    Args:
        stochastic_depth: largest share of clips that skip a block; None is the published.

    Source:
        Liu et al., "Video Swin Transformer", CVPR 2022, arXiv:2106.13230.
    """
    model = build(weights=None, num_classes=num_classes)
    if stochastic_depth is not None:
        _skip(model, stochastic_depth)
    for name in (*OF_SWIN[:-1], "norm"):
        channels_last(model.get_submodule(name))
    return seeing(channels, model, "patch_embed.proj")


def seeing(channels: int, model: nn.Module, name: str) -> nn.Module:
    """The same network with a first convolution for `channels` channels.

    Its weights are drawn with the spread that they had, per input of the layer.

    Args:
        name: of the convolution.
    """
    first = model.get_submodule(name)
    assert isinstance(first, nn.Conv2d | nn.Conv3d)
    if channels != first.in_channels:
        old = first.weight
        size = (first.out_channels, channels, *first.kernel_size)
        spread = old.detach().std() * (first.in_channels / channels) ** 0.5
        first.in_channels = channels
        first.weight = nn.Parameter(torch.randn(size, device=old.device) * spread)
    return model


def _skip(model: nn.Module, largest: float) -> None:
    """Blocks are skipped by shares that grow evenly from 0 in the first to the last's."""
    blocks = [m for m in model.modules() if isinstance(m, StochasticDepth)]
    for number, block in enumerate(blocks):
        block.p = largest * number / (len(blocks) - 1)


def _positions(model: nn.Module, size: tuple[int, int, int]) -> nn.Module:
    """Positions of an MViT for clips of another size. Relative ones, of MViTv2, are
    interpolated by torchvision, so that published weights fit."""
    frames, height, width = size
    if any(px % step or px < step for px, step in zip(size, STEPS, strict=True)):
        raise RecipeError(
            "expected a size of an even number of frames, and of height and width that"
            f" are multiples of 32, for an MViT, got {frames}x{height}x{width}"
        )
    old = model.pos_encoding
    assert isinstance(old, PositionalEncoding)
    positions = PositionalEncoding(
        embed_size=old.class_token.shape[0],
        spatial_size=(height // 4, width // 4),
        temporal_size=frames // 2,
        rel_pos_embed=old.spatial_pos is None,
    )
    for weight in positions.parameters():
        nn.init.trunc_normal_(weight, std=0.02)
    return positions


def _mvit(build: Callable[..., nn.Module]) -> Net:
    return Net(
        partial(mvit, build),
        3,
        OF_MVIT,
        "head.1",
        ("size", "stochastic_depth"),
        ("KINETICS400_V1",),
    )


def _swin(build: Callable[..., nn.Module], *more: str) -> Net:
    known = ("KINETICS400_V1", *more)
    return Net(partial(swin, build), 3, OF_SWIN, "head", ("stochastic_depth",), known)


NETS = {
    "s3d": Net(
        s3d,
        3,
        OF_S3D,
        "classifier.1",
        torchvision=("KINETICS400_V1",),
        smallest=(13, 209, 209),
    ),
    "mvit_v1_b": _mvit(video.mvit_v1_b),
    "mvit_v2_s": _mvit(video.mvit_v2_s),
    "swin3d_t": _swin(video.swin3d_t),
    "swin3d_s": _swin(video.swin3d_s),
    "swin3d_b": _swin(video.swin3d_b, "KINETICS400_IMAGENET22K_V1"),
}
