"""Networks for motion vectors on their own grid: one vector per cell of 8x8 px.

Painted to the pixels of a crop, vectors make a network 25 times as expensive and add
nothing. These take (B, 3, T, M, N): u, v and whether the vectors of the interval are
known, and give (B, classes) logits. T, M and N are any numbers.

Source:
    Factorised convolutions: Tran et al., "A Closer Look at Spatiotemporal Convolutions
    for Action Recognition", CVPR 2018, arXiv:1711.11248.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CHANNELS = 3
"""u, v, known."""

TAPS = ("stem", "layer1", "layer2", "layer3", "layer4", "features")


def grid(channels: int, num_classes: int) -> nn.Module:
    """(2+1)D residual network of 32 to 128 channels: 381,132 parameters with 12 classes."""
    return GridResidual(channels, num_classes, width=32, entries=4, stride=2)


def grid_tiny(channels: int, num_classes: int) -> nn.Module:
    """`grid` of 24 to 96 channels, for small frames: 214,668 parameters with 12 classes."""
    return GridResidual(channels, num_classes, width=24, entries=2, stride=1)


class GridResidual(nn.Module):
    """Four (2+1)D residual blocks; the mean and the largest response are classified.

    The mean says how much moves in which way, the largest response that something small
    does.

    Args:
        width: channels of the first two blocks; the others have 2 and 4 times as many.
        entries: consecutive intervals that the first convolution sees as one.
        stride: of the first convolution in space.
    """

    def __init__(
        self,
        channels: int,
        num_classes: int,
        *,
        width: int,
        entries: int,
        stride: int,
    ) -> None:
        super().__init__()
        self.stem = StackingStem(channels, width, entries=entries, stride=stride)
        self.layer1 = ResidualBlock(width, width, stride=(1, 2 if stride == 1 else 1))
        self.layer2 = ResidualBlock(width, 2 * width, stride=(2, 2))
        self.layer3 = ResidualBlock(2 * width, 4 * width, stride=(1, 2))
        self.layer4 = ResidualBlock(4 * width, 4 * width)
        self.features = MeanAndLargest()
        self.fc = nn.Linear(8 * width, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(
                    module.weight, mode="fan_out", nonlinearity="relu"
                )
        nn.init.normal_(self.fc.weight, 0, 0.01)
        nn.init.zeros_(self.fc.bias)

    def forward(self, clips: Tensor) -> Tensor:
        """(B, C, T, M, N) -> (B, classes) logits."""
        x = self.layer2(self.layer1(self.stem(clips)))
        return self.fc(self.features(self.layer4(self.layer3(x))))


class StackingStem(nn.Module):
    """A 3x3 convolution over intervals stacked into channels, batch norm and ReLU.

    The last interval is repeated where the number of intervals is no multiple.
    """

    def __init__(self, channels: int, width: int, *, entries: int, stride: int) -> None:
        super().__init__()
        self.entries = entries
        self.convolution = nn.Conv2d(
            entries * channels, width, 3, stride, 1, bias=False
        )
        self.norm = nn.BatchNorm2d(width)

    def forward(self, clips: Tensor) -> Tensor:
        """(B, C, T, M, N) -> (B, width, T / entries, M', N')."""
        short = -clips.shape[2] % self.entries
        if short:
            clips = torch.cat((clips, *[clips[:, :, -1:]] * short), dim=2)
        stacks = clips.transpose(1, 2).unflatten(1, (-1, self.entries)).flatten(2, 3)
        found = F.relu(self.norm(self.convolution(stacks.flatten(0, 1))))
        return found.unflatten(0, (clips.shape[0], -1)).transpose(1, 2)


class ResidualBlock(nn.Module):
    """A convolution in space, one in time, and a shortcut; the same shape without stride.

    Both are 2D convolutions of torch, over (M, N) and over (T, M N): on a CPU they take
    less than half the time of 3D convolutions with the same kernels.

    Args:
        stride: in time, and in space.
    """

    def __init__(
        self, inputs: int, outputs: int, *, stride: tuple[int, int] = (1, 1)
    ) -> None:
        super().__init__()
        in_time, in_space = stride
        self.space = nn.Conv2d(inputs, outputs, 3, in_space, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.time = nn.Conv2d(
            outputs, outputs, (3, 1), (in_time, 1), (1, 0), bias=False
        )
        self.norm2 = nn.BatchNorm2d(outputs)
        self.step = (in_time, in_space, in_space)
        self.project: nn.Module | None = None
        if inputs != outputs:
            self.project = nn.Conv2d(inputs, outputs, 1, bias=False)
            self.norm3 = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, M, N) -> (B, outputs, T', M', N')."""
        batch = x.shape[
            0
        ]  # an int would make an exported network take this number only
        inner = F.relu(self.norm1(self.space(x.transpose(1, 2).flatten(0, 1))))
        size = inner.shape[2:]
        inner = inner.unflatten(0, (batch, -1)).transpose(1, 2).flatten(3)
        inner = self.norm2(self.time(inner))
        step = tuple(map(min, self.step, x.shape[2:]))  # a single interval stays one
        shortcut = F.avg_pool3d(x, step, ceil_mode=True) if max(step) > 1 else x
        shortcut = shortcut.flatten(3)
        if self.project is not None:
            shortcut = self.norm3(self.project(shortcut))
        return F.relu(inner + shortcut).unflatten(3, size)


class MeanAndLargest(nn.Module):
    """The mean over all positions, and the largest of the means over time."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, M, N) -> (B, 2 C)."""
        over_time = x.mean(dim=2)
        return torch.cat((over_time.mean(dim=(2, 3)), over_time.amax(dim=(2, 3))), 1)
