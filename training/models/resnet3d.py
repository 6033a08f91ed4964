"""3D residual networks of basic blocks: torchvision's three, and narrow siblings for a CPU.

All take (B, C, T, H, W) and have the taps stem, layer1 to layer4 and avgpool.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision.models import video
from torchvision.models.video.resnet import BasicBlock, Conv3DSimple

TAPS = ("stem", "layer1", "layer2", "layer3", "layer4", "avgpool")


def r3d_18(channels: int, num_classes: int) -> nn.Module:
    """R3D-18. 33,192,435 parameters with 3 channels and 51 classes, 33,183,027 with 2.

    Source:
        Tran et al., "A Closer Look at Spatiotemporal Convolutions for Action
        Recognition", CVPR 2018, arXiv:1711.11248, as in torchvision.
    """
    return _seeing(channels, video.r3d_18(weights=None, num_classes=num_classes))


def mc3_18(channels: int, num_classes: int) -> nn.Module:
    """MC3-18: 3D convolutions in stem and layer1, 2D after them; all frames are kept.

    11,516,403 parameters with 3 channels and 51 classes. Source: as r3d_18.
    """
    return _seeing(channels, video.mc3_18(weights=None, num_classes=num_classes))


def r2plus1d_18(channels: int, num_classes: int) -> nn.Module:
    """R(2+1)D-18: each 3D convolution is one in space and then one in time.

    31,326,288 parameters with 3 channels and 51 classes. Source: as r3d_18.
    """
    return _seeing(channels, video.r2plus1d_18(weights=None, num_classes=num_classes))


def r3d_tiny(channels: int, num_classes: int) -> nn.Module:
    """One block a stage, 8 to 64 channels: 228,900 parameters with 3 and 12 classes."""
    return NarrowResNet3D(channels, num_classes, widths=(8, 16, 32, 64))


def r3d_narrow(channels: int, num_classes: int) -> nn.Module:
    """`r3d_tiny` at twice the width: 904,887 parameters with 3 channels and 7 classes."""
    return NarrowResNet3D(channels, num_classes, widths=(16, 32, 64, 128))


class NarrowResNet3D(nn.Module):
    """R3D with one residual block a stage; the first stage keeps the size, others halve it."""

    def __init__(self, channels: int, num_classes: int, *, widths: Sequence[int]):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv3d(channels, widths[0], (3, 7, 7), (1, 2, 2), (1, 3, 3), bias=False),
            nn.BatchNorm3d(widths[0]),
            nn.ReLU(inplace=True),
        )
        self.layer1 = _block(widths[0], widths[0], stride=1)
        self.layer2 = _block(widths[0], widths[1], stride=2)
        self.layer3 = _block(widths[1], widths[2], stride=2)
        self.layer4 = _block(widths[2], widths[3], stride=2)
        self.avgpool = nn.AdaptiveAvgPool3d(1)
        self.fc = nn.Linear(widths[3], num_classes)
        draw_weights(self, self.fc)

    def forward(self, clips: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, classes) logits."""
        x = self.layer1(self.stem(clips))
        x = self.layer4(self.layer3(self.layer2(x)))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def draw_weights(net: nn.Module, last: nn.Linear) -> None:
    """First weights: He's for the convolutions; the last layer's hardly differ from 0."""
    for module in net.modules():
        if isinstance(module, nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    nn.init.normal_(last.weight, 0, 0.01)
    nn.init.zeros_(last.bias)


def _seeing(channels: int, model: nn.Module) -> nn.Module:
    """The same network with a first convolution for `channels` channels."""
    first = model.get_submodule("stem.0")
    assert isinstance(first, nn.Conv3d)
    if channels != first.in_channels:
        size = (first.out_channels, channels, *first.kernel_size)
        first.in_channels, first.weight = channels, nn.Parameter(torch.empty(size))
        nn.init.kaiming_normal_(first.weight, mode="fan_out", nonlinearity="relu")
    return model


def _block(inputs: int, outputs: int, *, stride: int) -> nn.Module:
    shortcut = None
    if stride != 1 or inputs != outputs:
        shortcut = nn.Sequential(
            nn.Conv3d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm3d(outputs)
        )
    return BasicBlock(inputs, outputs, Conv3DSimple, stride, shortcut)
