"""ClarifaiNet, the 2D network of motion-vector CNNs, and a narrow sibling.

Takes (B, C, T, H, W) and stacks T into channels. Taps conv1 to conv5, fc6 and fc7: after
the activation, before normalisation, pooling and dropout.

Source:
    CNN-M-2048 of Chatfield et al., "Return of the Devil in the Details", BMVC 2014,
    arXiv:1405.3531; with PReLU and more dropout for motion in Zhang et al.,
    "Real-Time Action Recognition With Deeply Transferred Motion Vector CNNs",
    IEEE TIP 2018, section V.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layers2d import ClassifierSizes, Grid, draw_weights, stacked


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout(ClassifierSizes):
    """Sizes of a network."""

    widths: tuple[int, int, int, int, int]
    first: tuple[int, int, int]
    """Kernel, stride and padding of conv1."""
    second: tuple[int, int, int]
    """And of conv2. The others are 3, 1, 1."""
    drawn_for_dropout: bool = False
    """First weights of fc7 and fc8 are smaller by the root of the share that dropout
    keeps, so that dropout does not enlarge the logits."""
    pool_px: int
    """Side of a pooling window; its stride is 2, the last window may stand out."""


FULL = Layout(
    widths=(96, 256, 512, 512, 512),
    first=(7, 2, 0),
    second=(5, 2, 1),
    pool_px=3,
    grid=(6, 6),
    hidden=(4096, 2048),
    dropout_rgb=(0.5, 0.5),
    dropout_motion=(0.9, 0.8),
    drawn_for_dropout=True,
)
NARROW = Layout(
    widths=(48, 96, 128, 128, 128),
    first=(7, 2, 3),
    second=(5, 1, 2),
    pool_px=2,
    grid=(7, 7),
    hidden=(512, 256),
    dropout_rgb=(0.5, 0.5),
    dropout_motion=(0.5, 0.5),
)
TINY = Layout(
    widths=(24, 48, 64, 64, 64),
    first=(5, 2, 2),
    second=(3, 1, 1),
    pool_px=2,
    grid=(3, 4),
    hidden=(128, 64),
    dropout_rgb=(0.3, 0.3),
    dropout_motion=(0.3, 0.3),
)


def clarifai(channels: int, num_classes: int, **options) -> nn.Module:
    """ClarifaiNet for crops of 224: 90,627,813 parameters with rgb and 101 classes,
    90,715,813 with ten fields of motion."""
    return ClarifaiNet(channels, num_classes, FULL, **options)


def clarifai_narrow(channels: int, num_classes: int, **options) -> nn.Module:
    """For crops of 112: 3,915,756 parameters with ten fields and 12 classes."""
    return ClarifaiNet(channels, num_classes, NARROW, **options)


def clarifai_tiny(channels: int, num_classes: int, **options) -> nn.Module:
    """For crops of 40 x 56: 231,932 parameters with ten fields and 12 classes."""
    return ClarifaiNet(channels, num_classes, TINY, **options)


class ClarifaiNet(nn.Module):
    """Five convolutions, three linear layers.

    Args:
        channels: of the stack, T*C.
        motion: PReLU instead of ReLU, and the dropout of motion.
        dropout: after fc6 and fc7, instead of the layout's.
        lrn_k: added inside the response norm: 1 in the motion-vector release, 2 in
            the original network, whose weights want it.
    """

    def __init__(
        self,
        channels: int,
        num_classes: int,
        layout: Layout,
        *,
        motion: bool = False,
        dropout: tuple[float, float] | None = None,
        lrn_k: float = 1.0,
    ) -> None:
        super().__init__()
        self.channels = channels
        drop6, drop7 = layout.dropout(motion, dropout)
        one, two, three, four, five = layout.widths
        hidden6, hidden7 = layout.hidden
        flat = layout.flat(five)

        self.conv1 = _convolution(channels, one, layout.first, motion)
        self.norm1 = ResponseNorm(lrn_k)
        self.pool1 = nn.MaxPool2d(layout.pool_px, 2, ceil_mode=True)
        self.conv2 = _convolution(one, two, layout.second, motion)
        self.norm2 = ResponseNorm(lrn_k)
        self.pool2 = nn.MaxPool2d(layout.pool_px, 2, ceil_mode=True)
        self.conv3 = _convolution(two, three, (3, 1, 1), motion)
        self.conv4 = _convolution(three, four, (3, 1, 1), motion)
        self.conv5 = _convolution(four, five, (3, 1, 1), motion)
        self.pool5 = nn.MaxPool2d(layout.pool_px, 2, ceil_mode=True)
        self.grid = Grid(layout.grid)
        self.fc6 = nn.Sequential(nn.Linear(flat, hidden6), _activation(hidden6, motion))
        self.drop6 = nn.Dropout(drop6)
        fc7 = nn.Linear(hidden6, hidden7)
        self.fc7 = nn.Sequential(fc7, _activation(hidden7, motion))
        self.drop7 = nn.Dropout(drop7)
        self.fc8 = nn.Linear(hidden7, num_classes)
        draw_weights(self, self.fc8)
        if layout.drawn_for_dropout:
            with torch.no_grad():
                fc7.weight *= math.sqrt(1 - drop6)
                self.fc8.weight *= math.sqrt(1 - drop7)

    def forward(self, clips: Tensor) -> Tensor:
        """(B, C, T, H, W) with T*C channels in all -> (B, classes) logits."""
        x = stacked(clips, self.channels)
        x = self.pool1(self.norm1(self.conv1(x)))
        x = self.pool2(self.norm2(self.conv2(x)))
        x = self.pool5(self.conv5(self.conv4(self.conv3(x))))
        x = self.drop6(self.fc6(torch.flatten(self.grid(x), 1)))
        return self.fc8(self.drop7(self.fc7(x)))


class ResponseNorm(nn.Module):
    """Each value divided by (k + 1e-4 times the squares of the five channels around)^.75.

    The same as LocalResponseNorm(5, 5e-4, 0.75, k), whose gradient on a GPU is not the
    same twice.

    Source:
        Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural
        Networks", NIPS 2012, section 3.3; alpha over the size as in Caffe.
    """

    def __init__(self, k: float) -> None:
        super().__init__()
        self.k = k

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W), and the same."""
        squares = F.pad(x.square(), (0, 0, 0, 0, 2, 2))
        around = squares.unfold(1, 5, 1).sum(dim=-1)
        return x * (self.k + 1e-4 * around).pow(-0.75)

    def extra_repr(self) -> str:
        return f"k={self.k}"


def _convolution(
    inputs: int, outputs: int, shape: tuple[int, int, int], motion: bool
) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, *shape), _activation(outputs, motion)
    )


def _activation(width: int, motion: bool) -> nn.Module:
    """ReLU, or for motion one that learns a slope per channel, .25 at first."""
    return nn.PReLU(width) if motion else nn.ReLU(inplace=True)
