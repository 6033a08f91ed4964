"""Attention for motion vectors on their own grid: see `grid` for the input.

Source:
    Arnab et al., "ViViT: A Video Vision Transformer", ICCV 2021, arXiv:2103.15691, model 3:
    attention among the positions of a time, then among the times of a position.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

TAPS = ("stem", "norm", "features")


def grid_attention(channels: int, num_classes: int) -> nn.Module:
    """Four blocks of 128 features: 809,356 parameters with 12 classes."""
    return GridTransformer(channels, num_classes, width=128, blocks=4, heads=4)


def grid_attention_tiny(channels: int, num_classes: int) -> nn.Module:
    """Three blocks of 64 features: 157,836 parameters with 12 classes."""
    return GridTransformer(channels, num_classes, width=64, blocks=3, heads=4)


class GridTransformer(nn.Module):
    """Attention among the positions of an interval, then among the intervals of a position.

    Tokens are tubelets of 2 intervals and 4x4 cells. Where they are is said by sines and
    cosines, so that any size of clip is taken.

    Args:
        width: features of a token.
        blocks, heads: of attention.
    """

    def __init__(
        self, channels: int, num_classes: int, *, width: int, blocks: int, heads: int
    ) -> None:
        super().__init__()
        self.width = width
        self.stem = nn.Conv3d(channels, width, (2, 4, 4), (2, 4, 4))
        self.blocks = nn.ModuleList(
            FactorisedBlock(width, heads) for _ in range(blocks)
        )
        self.norm = nn.LayerNorm(width)
        self.features = nn.Identity()
        self.fc = nn.Linear(width, num_classes)
        nn.init.normal_(self.fc.weight, 0, 0.01)
        nn.init.zeros_(self.fc.bias)

    def forward(self, clips: Tensor) -> Tensor:
        """(B, C, T, M, N) -> (B, classes) logits."""
        short = [
            -size % step for size, step in zip(clips.shape[2:], (2, 4, 4), strict=True)
        ]
        clips = F.pad(clips, (0, short[2], 0, short[1], 0, short[0]))
        x = self.stem(clips).permute(0, 2, 3, 4, 1)  # (B, T, M, N, width)
        x = x + positions(x.shape[1:4], self.width).to(x)
        x = x.flatten(2, 3)
        for block in self.blocks:
            x = block(x)
        return self.fc(self.features(self.norm(x.mean(dim=(1, 2)))))


class FactorisedBlock(nn.Module):
    """Attention in space, attention in time, two layers; each added to what came in."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))
        self.space = nn.MultiheadAttention(width, heads, batch_first=True)
        self.time = nn.MultiheadAttention(width, heads, batch_first=True)
        self.layers = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, P, width), the same shape."""
        batch, entries, places, width = x.shape
        within = self.norm1(x).flatten(0, 1)
        x = x + self.space(within, within, within, need_weights=False)[0].view_as(x)
        along = self.norm2(x).transpose(1, 2).flatten(0, 1)
        moved = self.time(along, along, along, need_weights=False)[0]
        x = x + moved.view(batch, places, entries, width).transpose(1, 2)
        return x + self.layers(self.norm3(x))


def positions(size: tuple[int, ...], width: int) -> Tensor:
    """Sines and cosines of each position: (*size, width), a share of the width per axis.

    Source:
        Vaswani et al., "Attention Is All You Need", NIPS 2017, section 3.5, for three axes.
    """
    pairs = width // 6
    rates = 100.0 ** (-torch.arange(pairs) / pairs)
    parts = []
    for axis, count in enumerate(size):
        angles = torch.arange(count)[:, None] * rates
        waves = torch.cat((angles.sin(), angles.cos()), dim=1)
        shape = [1, 1, 1, 2 * pairs]
        shape[axis] = count
        parts.append(waves.view(shape).expand(*size, 2 * pairs))
    found = torch.cat(parts, dim=-1)
    return F.pad(found, (0, width - found.shape[-1]))
