"""Last layers of ClarifaiNet and VGG16: a grid of features, then fc6, fc7 and fc8.

Their tensors have different names, those of the weights that others published; the rest
is the same.
"""

from dataclasses import dataclass
from functools import lru_cache

from torch import Tensor, nn

from ..errors import RecipeError
from .constants import constant

TAPS = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierSizes:
    """Sizes of the linear layers, and the dropout after them."""

    grid: tuple[int, int]
    """Height and width that fc6 sees: the last pooling's at the crop the net is made
    for; other crops are averaged to it."""
    hidden: tuple[int, int]
    """Widths of fc6 and fc7."""
    dropout_rgb: tuple[float, float]
    """After fc6 and fc7."""
    dropout_motion: tuple[float, float]

    def flat(self, channels: int) -> int:
        """Inputs of fc6 for a number of channels."""
        return channels * self.grid[0] * self.grid[1]

    def dropout(
        self, motion: bool, instead: tuple[float, float] | None
    ) -> tuple[float, float]:
        """After fc6 and fc7."""
        return instead or (self.dropout_motion if motion else self.dropout_rgb)


def draw_weights(net: nn.Module, last: nn.Linear) -> None:
    """First weights: He's for ReLU, biases 0; the last layer's hardly differ from 0."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    nn.init.normal_(last.weight, 0, 0.01)


class Grid(nn.Module):
    """A deterministic AdaptiveAvgPool2d: each cell is the mean of the pixels it touches.

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
        rows = constant(_shares(height, h), features)
        columns = constant(_shares(width, w), features)
        return rows @ features @ columns.T

    def extra_repr(self) -> str:
        return f"{self.size}"


@lru_cache(maxsize=64)
def _shares(pixels: int, cells: int) -> tuple[tuple[float, ...], ...]:
    """[cell][pixel]: the pixel's share of the cell's mean."""
    table = []
    for cell in range(cells):
        first, stop = cell * pixels // cells, -(-(cell + 1) * pixels // cells)
        inside = range(first, stop)
        table.append(tuple((p in inside) / len(inside) for p in range(pixels)))
    return tuple(table)


def stacked(clips: Tensor, channels: int) -> Tensor:
    """(B, C, T, H, W) -> (B, T*C, H, W), time before channel: u0, v0, u1, v1, ...

    Args:
        channels: T*C of the network.

    Raises:
        RecipeError: the clips have another number.
    """
    if clips.dim() != 5 or clips.shape[1] * clips.shape[2] != channels:
        raise RecipeError(
            f"expected clips (B, C, T, H, W) that stack to {channels} channels,"
            f" got {tuple(clips.shape)}"
        )
    return clips.transpose(1, 2).flatten(1, 2)
