"""Features of any crop -> the grid that a linear layer was made for."""

from functools import lru_cache

import torch
from torch import Tensor, nn


class Grid(nn.Module):
    """As AdaptiveAvgPool2d: each cell is the mean of the pixels it touches.

    Nothing happens where the size is the grid's, as with the crop a net is made for.
    Torch's own has no gradient that is the same twice on a GPU; this is two products
    with small matrices.

    Args:
        size: height and width.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, *size)."""
        (height, width), (h, w) = features.shape[-2:], self.size
        if (height, width) == (h, w):
            return features
        rows = torch.tensor(_shares(height, h)).to(features)
        columns = torch.tensor(_shares(width, w)).to(features)
        return rows @ features @ columns.T

    def extra_repr(self) -> str:
        return f"{self.size}"


@lru_cache(maxsize=64)
def _shares(pixels: int, cells: int) -> list[list[float]]:
    """[cell][pixel]: the pixel's share of the cell's mean."""
    table = []
    for cell in range(cells):
        first, stop = cell * pixels // cells, -(-(cell + 1) * pixels // cells)
        inside = range(first, stop)
        table.append([(p in inside) / len(inside) for p in range(pixels)])
    return table
