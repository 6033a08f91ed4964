"""How ClarifaiNet and VGG16 end: a grid of features, then fc6, fc7 and fc8.

Their tensors have different names, those of the weights that others published; the rest
is the same.
"""

from dataclasses import dataclass

from torch import nn

TAPS = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Sizes of the linear layers, and the dropout after them."""

    grid: tuple[int, int]
    """Height and width that fc6 sees: the last pooling's at the crop the net is made
    for; other crops are averaged to it."""
    hidden: tuple[int, int]
    """Of fc6 and fc7."""
    dropout_rgb: tuple[float, float]
    """After fc6 and fc7."""
    dropout_motion: tuple[float, float]

    def flat(self, channels: int) -> int:
        """Numbers that fc6 sees of so many channels."""
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
