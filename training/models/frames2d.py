"""2D networks of images on the frames or fields of a clip: stacked, averaged or shifted.

`over_time` is one of:

- stack: all entries become channels of one image, u0, v0, u1, v1, ...;
- average: each entry passes the network alone, and the logits are averaged;
- shift: as average, but in every residual block an eighth of the channels comes from the
  entry before, and an eighth from the one after (TSM).
"""

from collections.abc import Callable
from functools import partial
from typing import Literal

from torch import Tensor, nn
from torchvision import models

from ..errors import RecipeError
from .layers2d import stacked
from .net import Net
from .taps import of_entries
from .torchvision3d import seeing

OverTime = Literal["stack", "average", "shift"]
WAYS = ("stack", "average", "shift")
FOLD = 8
"""One channel of eight comes from each neighbour."""
OPTIONS = ("frames", "over_time")


class FrameNet(nn.Module):
    """A network of images that takes clips.

    Args:
        net: (N, C, H, W) -> (N, classes) logits.
        channels: of the network.
        frames: entries of a clip.
    """

    def __init__(
        self, net: nn.Module, *, channels: int, frames: int, over_time: OverTime
    ) -> None:
        super().__init__()
        self.net, self.channels = net, channels
        self.frames, self.over_time = frames, over_time
        if over_time != "stack":
            for module in net.modules():
                of_entries(module, frames)
        if over_time == "shift":
            for convolution in shifted_convolutions(net):
                convolution.register_forward_pre_hook(partial(_shift_input, frames))

    def forward(self, clips: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, classes) logits.

        Raises:
            RecipeError: the clips have another number of entries.
        """
        if self.over_time == "stack":
            return self.net(stacked(clips, self.channels))
        if clips.shape[2] != self.frames:
            raise RecipeError(
                f"expected clips of {self.frames} entries, got {tuple(clips.shape)}"
            )
        images = clips.transpose(1, 2).flatten(0, 1)
        return self.net(images).unflatten(0, (-1, self.frames)).mean(1)


def shifted(features: Tensor, frames: int) -> Tensor:
    """Move an eighth of the channels one entry back in time, another one forward.

    What comes from beyond the clip is zero.

    Args:
        features: (B*frames, C, H, W), the entries of a clip next to each other.

    Source:
        Lin, Gan and Han, "TSM: Temporal Shift Module for Efficient Video
        Understanding", ICCV 2019, arXiv:1811.08383: bidirectional, one eighth each way.
    """
    clips = features.unflatten(0, (-1, frames))
    fold = clips.shape[2] // FOLD
    moved = clips.clone()
    moved[:, :-1, :fold] = clips[:, 1:, :fold]
    moved[:, -1, :fold] = 0
    moved[:, 1:, fold : 2 * fold] = clips[:, :-1, fold : 2 * fold]
    moved[:, 0, fold : 2 * fold] = 0
    return moved.flatten(0, 1)


def shifted_convolutions(net: nn.Module) -> list[nn.Module]:
    """The first convolution of every residual block of a ResNet, or of every second one
    where its third stage has 23 blocks or more, as in TSM.

    Raises:
        RecipeError: the network is no ResNet of layer1 to layer4.
    """
    stages = [getattr(net, f"layer{i}", None) for i in range(1, 5)]
    if not all(isinstance(stage, nn.Sequential) and len(stage) for stage in stages):
        raise RecipeError(
            "expected a residual network with layer1 to layer4 for over_time shift,"
            f" got {type(net).__name__}"
        )
    every = 2 if len(stages[2]) >= 23 else 1  # type: ignore[arg-type]
    blocks = [block for stage in stages for block in list(stage)[::every]]  # type: ignore[arg-type]
    if not all(
        isinstance(getattr(block, "conv1", None), nn.Module) for block in blocks
    ):
        raise RecipeError(
            "expected residual blocks that begin with conv1 for over_time shift,"
            f" got {type(blocks[0]).__name__}"
        )
    return [block.conv1 for block in blocks]


def resnet(
    build: Callable[..., nn.Module],
    channels: int,
    num_classes: int,
    *,
    frames: int,
    over_time: OverTime,
) -> nn.Module:
    """ResNet of torchvision.

    Source:
        He et al., "Deep Residual Learning for Image Recognition", CVPR 2016.
    """
    net = seeing(channels, build(weights=None, num_classes=num_classes), "conv1")
    return FrameNet(net, channels=channels, frames=frames, over_time=over_time)


def _shift_input(frames: int, module: nn.Module, given: tuple[Tensor]) -> Tensor:
    return shifted(given[0], frames)


def _resnet(build: Callable[..., nn.Module], *torchvision: str) -> Net:
    taps = tuple(f"net.{name}" for name in (*_STAGES, "avgpool"))
    return Net(
        partial(resnet, build),
        2,
        taps,
        "net.fc",
        OPTIONS,
        torchvision,
        inside="net.",
    )


_STAGES = ("layer1", "layer2", "layer3", "layer4")

NETS = {
    "resnet18": _resnet(models.resnet18, "IMAGENET1K_V1"),
    "resnet50": _resnet(models.resnet50, "IMAGENET1K_V1", "IMAGENET1K_V2"),
}
