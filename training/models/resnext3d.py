"""Deep 3D residual networks of bottlenecks: ResNeXt3D-50 and -101, ResNet3D-101.

All take (B, C, T, H, W) and have the taps stem (before its pooling), layer1 to layer4
(after the last ReLU) and avgpool. Parts of a block have the names that the released
checkpoints of Hara et al. and of MARS use.

Source:
    Hara, Kataoka, Satoh, "Can Spatiotemporal 3D CNNs Retrace the History of 2D CNNs
    and ImageNet?", CVPR 2018, arXiv:1711.09577, section 3.2; ResNeXt as the flow
    teacher and the student of Crasto et al., "MARS", CVPR 2019.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .resnet3d import draw_weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Sizes of a network."""

    blocks: tuple[int, int, int, int]
    """Per stage."""
    stem: int = 64
    planes: int
    """Channels inside the blocks of the first stage; twice as many in each next one."""
    expansion: int
    """Channels after a block per channel inside."""
    groups: int


RESNEXT_50 = Layout(blocks=(3, 4, 6, 3), planes=128, expansion=2, groups=32)
RESNEXT_101 = Layout(blocks=(3, 4, 23, 3), planes=128, expansion=2, groups=32)
RESNET_101 = Layout(blocks=(3, 4, 23, 3), planes=64, expansion=4, groups=1)
NARROW = Layout(blocks=(1, 1, 2, 1), stem=16, planes=32, expansion=2, groups=8)
TINY = Layout(blocks=(1, 1, 1, 1), stem=8, planes=16, expansion=2, groups=4)


def resnext3d_101(channels: int, num_classes: int) -> nn.Module:
    """ResNeXt3D-101, 32 groups. 47,728,165 parameters with 3 channels and 101 classes."""
    return DeepResNet3D(channels, num_classes, RESNEXT_101)


def resnext3d_50(channels: int, num_classes: int) -> nn.Module:
    """ResNeXt3D-50, 32 groups. 26,072,613 parameters with 3 channels and 101 classes."""
    return DeepResNet3D(channels, num_classes, RESNEXT_50)


def resnet3d_101(channels: int, num_classes: int) -> nn.Module:
    """ResNet3D-101. 85,452,069 parameters with 3 channels and 101 classes."""
    return DeepResNet3D(channels, num_classes, RESNET_101)


def resnext3d_narrow(channels: int, num_classes: int) -> nn.Module:
    """Five blocks, 8 groups: 877,692 parameters with 3 channels and 12 classes."""
    return DeepResNet3D(channels, num_classes, NARROW)


def resnext3d_tiny(channels: int, num_classes: int) -> nn.Module:
    """One block a stage, 4 groups: 269,508 parameters with 3 channels and 12 classes."""
    return DeepResNet3D(channels, num_classes, TINY)


class DeepResNet3D(nn.Module):
    """Stem, pooling, four stages; each stage but the first halves frames and sides."""

    def __init__(self, channels: int, num_classes: int, layout: Layout) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv3d(channels, layout.stem, 7, (1, 2, 2), 3, bias=False),
            nn.BatchNorm3d(layout.stem),
            nn.ReLU(inplace=True),
        )
        self.maxpool = nn.MaxPool3d(3, stride=2, padding=1)
        stages, inputs, planes = [], layout.stem, layout.planes
        for place, count in enumerate(layout.blocks):
            stage = nn.Sequential()
            for block in range(count):
                stride = 2 if place and not block else 1
                stage.append(Bottleneck(inputs, planes, layout, stride=stride))
                inputs = planes * layout.expansion
            stages.append(stage)
            planes *= 2
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.avgpool = nn.AdaptiveAvgPool3d(1)
        self.fc = nn.Linear(inputs, num_classes)
        draw_weights(self, self.fc)

    def forward(self, clips: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, classes) logits."""
        x = self.layer1(self.maxpool(self.stem(clips)))
        x = self.layer4(self.layer3(self.layer2(x)))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class Bottleneck(nn.Module):
    """1x1x1, 3x3x3 in groups, 1x1x1; beside it the identity, or a 1x1x1 convolution
    (shortcut B) where the size changes."""

    def __init__(
        self, inputs: int, planes: int, layout: Layout, *, stride: int
    ) -> None:
        super().__init__()
        outputs = planes * layout.expansion
        self.conv1 = nn.Conv3d(inputs, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm3d(planes)
        self.conv2 = nn.Conv3d(
            planes, planes, 3, stride, 1, groups=layout.groups, bias=False
        )
        self.bn2 = nn.BatchNorm3d(planes)
        self.conv3 = nn.Conv3d(planes, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm3d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv3d(inputs, outputs, 1, stride, bias=False),
                nn.BatchNorm3d(outputs),
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, T, H, W) -> (B, outputs, ...), smaller by the stride."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))
