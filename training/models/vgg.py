"""VGG16, the 2D network of hidden two-stream, and a narrow sibling.

Takes (B, C, T, H, W) and stacks T into channels. Tensors have torchvision's names
(features.0.weight, ..., classifier.6.bias). Taps conv1 to conv5 (the last of a group),
fc6 and fc7: after the ReLU, before pooling and dropout.

Source:
    Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
    Recognition", ICLR 2015, arXiv:1409.1556, configuration D; for motion as in Wang et
    al., "Towards Good Practices for Very Deep Two-Stream ConvNets", arXiv:1507.02159.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .layers2d import ClassifierSizes, Grid, draw_weights, stacked


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout(ClassifierSizes):
    """Sizes of a network."""

    counts: tuple[int, int, int, int, int]
    """Convolutions of each group, 3x3 all; a pooling of 2 follows each group."""
    widths: tuple[int, int, int, int, int]
    ceil: bool
    """Whether a row left over gets a pooling window, too."""


FULL = Layout(
    counts=(2, 2, 3, 3, 3),
    widths=(64, 128, 256, 512, 512),
    ceil=False,
    grid=(7, 7),
    hidden=(4096, 4096),
    dropout_rgb=(0.5, 0.5),
    dropout_motion=(0.9, 0.8),
)
NARROW = Layout(
    counts=(1, 1, 2, 2, 2),
    widths=(24, 48, 96, 128, 128),
    ceil=True,
    grid=(4, 4),
    hidden=(256, 256),
    dropout_rgb=(0.5, 0.5),
    dropout_motion=(0.5, 0.5),
)
TINY = Layout(
    counts=(1, 1, 2, 2, 2),
    widths=(12, 24, 48, 64, 64),
    ceil=True,
    grid=(2, 2),
    hidden=(128, 128),
    dropout_rgb=(0.3, 0.3),
    dropout_motion=(0.3, 0.3),
)


def vgg16(channels: int, num_classes: int, **options) -> nn.Module:
    """VGG16 for crops of 224: 134,674,341 parameters with rgb and 101 classes,
    134,684,133 with ten fields of motion."""
    return VGG(channels, num_classes, FULL, **options)


def vgg_narrow(channels: int, num_classes: int, **options) -> nn.Module:
    """For crops of 112: 1,286,260 parameters with ten fields and 12 classes."""
    return VGG(channels, num_classes, NARROW, **options)


def vgg_tiny(channels: int, num_classes: int, **options) -> nn.Module:
    """For crops of 40 x 56: 225,440 parameters with ten fields and 12 classes."""
    return VGG(channels, num_classes, TINY, **options)


class VGG(nn.Module):
    """Groups of convolutions, then three linear layers.

    Args:
        channels: of the stack, T*C.
        motion: the dropout of motion.
        dropout: after fc6 and fc7, instead of the layout's.
    """

    def __init__(
        self,
        channels: int,
        num_classes: int,
        layout: Layout,
        *,
        motion: bool = False,
        dropout: tuple[float, float] | None = None,
    ) -> None:
        super().__init__()
        self.channels = channels
        drop6, drop7 = layout.dropout(motion, dropout)
        hidden6, hidden7 = layout.hidden
        self.features = nn.Sequential()
        group_ends, inputs = [], channels
        for count, width in zip(layout.counts, layout.widths, strict=True):
            for _ in range(count):
                self.features.append(nn.Conv2d(inputs, width, 3, padding=1))
                self.features.append(nn.ReLU(inplace=True))
                inputs = width
            group_ends.append(self.features[-1])
            self.features.append(nn.MaxPool2d(2, 2, ceil_mode=layout.ceil))
        self.avgpool = Grid(layout.grid)
        head = nn.Linear(hidden7, num_classes)
        self.classifier = nn.Sequential(
            nn.Linear(layout.flat(inputs), hidden6),
            nn.ReLU(inplace=True),
            nn.Dropout(drop6),
            nn.Linear(hidden6, hidden7),
            nn.ReLU(inplace=True),
            nn.Dropout(drop7),
            head,
        )
        # Second names of modules without weights, so that the tensors' names stay.
        self.conv1, self.conv2, self.conv3, self.conv4, self.conv5 = group_ends
        self.fc6, self.fc7 = self.classifier[1], self.classifier[4]
        draw_weights(self, head)

    def forward(self, clips: Tensor) -> Tensor:
        """(B, C, T, H, W) with T*C channels in all -> (B, classes) logits."""
        x = self.avgpool(self.features(stacked(clips, self.channels)))
        return self.classifier(torch.flatten(x, 1))
