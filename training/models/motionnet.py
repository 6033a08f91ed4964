"""MotionNet: frames -> the flow between them, learned without labels of motion.

Axes: B clips, F frames, H W pixels of the input, h w of a level.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..errors import RecipeError
from .constants import constant

MEAN_RGB = (0.482, 0.459, 0.408)
"""Subtracted from frames from 0 to 1."""

UNIT_PX = 20.0
"""Motion in px of the input for an output of 1."""

SLOPE = 0.1
"""Slope of the leaky ReLU below 0."""

HEAD_GAIN = 0.03
"""First weights of the layers that give a flow, against He's."""

LEVELS = (2, 3, 4, 5, 6)
"""Levels with a flow, from fine to coarse; level l has 1/2^(l-1) of the input's sides."""


class MotionNet(nn.Module):
    """Encoder, decoder with connections across, and a flow at each of five levels.

    All convolutions are 3x3 with a leaky ReLU, except: those that give a flow, and those
    after a concatenation (xconv), have none; deconvolutions are 4x4, with the leaky ReLU
    but without biases; a flow is carried to the next finer level (upflow) by a learned
    4x4 deconvolution that mixes all its channels, without ReLU and biases.

    Sides need not be multiples of 32. A level has half the side of the next finer one,
    rounded up; what is carried up is cut at the right and at the bottom to the size of
    the level it joins. For multiples of 32 nothing is ever cut.

    Source:
        Zhou, Chen, Sugumaran, "Hidden Two-Stream Collaborative Learning Network for
        Action Recognition", table 2, after Zhu et al., "Hidden Two-Stream Convolutional
        Networks for Action Recognition", ACCV 2018. The table leaves out the rows of
        upflow, without which the inputs of xconv have 20 channels too few; they are as in
        the latter's released network, and so are units and order of concatenation. First
        weights are He's, as there, but those of the flows 0.03 of them: an output of 1 is
        20 px, and motion that far from the true one learns from chance likeness only.
    """

    def __init__(
        self,
        *,
        frames: int = 11,
        encoder: Sequence[int] = (64, 128, 256, 512, 512, 1024),
        decoder: Sequence[int] = (64, 128, 256, 512),
    ) -> None:
        """
        Args:
            frames: F, at least 2.
            encoder: channels of levels 1 to 6.
            decoder: channels of levels 2 to 5 on the way back.
        """
        super().__init__()
        if frames < 2 or len(encoder) != 6 or len(decoder) != 4:
            raise RecipeError(
                "MotionNet: expected 2 frames or more, 6 widths of the encoder and 4 of"
                f" the decoder, got {frames}, {len(encoder)} and {len(decoder)}"
            )
        self.frames = frames
        fields = 2 * (frames - 1)
        inputs = (3 * frames, *encoder[:-1])
        self.encoder = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(before, width, 3, 1 if level == 0 else 2, 1),
                nn.LeakyReLU(SLOPE),
                nn.Conv2d(width, width, 3, 1, 1),
                nn.LeakyReLU(SLOPE),
            )
            for level, (before, width) in enumerate(zip(inputs, encoder, strict=True))
        )
        wide = {6: encoder[5]} | dict(zip(LEVELS[:-1], decoder, strict=True))
        self.flow = nn.ModuleDict(
            {str(level): nn.Conv2d(wide[level], fields, 3, 1, 1) for level in LEVELS}
        )
        self.deconv, self.upflow = nn.ModuleDict(), nn.ModuleDict()
        self.xconv = nn.ModuleDict()
        for level in LEVELS[:-1]:
            here, name = wide[level], str(level)
            self.deconv[name] = nn.Sequential(
                nn.ConvTranspose2d(wide[level + 1], here, 4, 2, 1, bias=False),
                nn.LeakyReLU(SLOPE),
            )
            self.upflow[name] = nn.ConvTranspose2d(fields, fields, 4, 2, 1, bias=False)
            joined = encoder[level - 1] + here + fields
            self.xconv[name] = nn.Conv2d(joined, here, 3, 1, 1)
        self._first_weights()

    def forward(self, frames: Tensor) -> Tensor:
        """The finest flow, for the network that sees it.

        Args:
            frames: (B, 3, F, H, W) RGB from 0 to 1.

        Returns:
            (B, 2, F-1, ceil(H/2), ceil(W/2)) in px of the input, not of this grid; entry
            k leads from frame k to frame k + 1.

        Raises:
            RecipeError: frames of another shape.
        """
        return self.scales(frames)[0]

    def scales(self, frames: Tensor) -> list[Tensor]:
        """The flows of all five levels, from fine to coarse, as `forward` gives the finest."""
        if frames.dim() != 5 or frames.shape[1:3] != (3, self.frames):
            raise RecipeError(
                f"MotionNet: expected frames (B, 3, {self.frames}, H, W),"
                f" got {tuple(frames.shape)}"
            )
        mean = constant(MEAN_RGB, frames).view(3, 1, 1, 1)
        x = (frames - mean).transpose(1, 2).flatten(1, 2)  # r0 g0 b0 r1 ...
        across = []
        for stage in self.encoder:
            x = stage(x)
            across.append(x)
        flows = [self.flow["6"](x)]
        for level in reversed(LEVELS[:-1]):
            name, skip = str(level), across[level - 1]
            height, width = skip.shape[-2:]
            up = self.deconv[name](x)[..., :height, :width]
            coarse = self.upflow[name](flows[-1])[..., :height, :width]
            x = self.xconv[name](torch.cat((skip, up, coarse), dim=1))
            flows.append(self.flow[name](x))
        return [_fields(raw) for raw in reversed(flows)]

    @torch.no_grad()
    def _first_weights(self) -> None:
        heads = set(self.flow.values())
        for module in self.modules():
            if isinstance(module, nn.ConvTranspose2d):  # 2x2 of its 4x4 reach a pixel
                spread = math.sqrt(2 / (1 + SLOPE**2) / (4 * module.in_channels))
                nn.init.normal_(module.weight, 0, spread)
            elif isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, SLOPE)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
                if module in heads:
                    module.weight *= HEAD_GAIN


def motionnet(*, frames: int = 11) -> MotionNet:
    """42,318,820 parameters for 11 frames."""
    return MotionNet(frames=frames)


def motionnet_narrow(*, frames: int = 11) -> MotionNet:
    """A quarter of the channels: 2,773,060 parameters for 11 frames."""
    return MotionNet(
        frames=frames,
        encoder=(16, 32, 64, 128, 128, 256),
        decoder=(16, 32, 64, 128),
    )


def motionnet_tiny(*, frames: int = 11) -> MotionNet:
    """An eighth of the channels: 747,220 parameters for 11 frames.

    As `motionnet_small` learns on the demo data set (crops of 40x56 at half size, batches
    of 8, one cycle to 1.5e-3, 40 epochs), it leaves an end-point error of 0.58 px of the
    stored grid against TV-L1, whose mean motion is 1.16 px. The lesson is as gentle as it
    is because of its start: for some epochs motion is zero everywhere, and a net that is
    thrown far from there (heads with a tenth of He's weights, a cycle to 3e-3) may not
    find back, from seed to seed.
    """
    return MotionNet(
        frames=frames, encoder=(8, 16, 32, 64, 64, 128), decoder=(8, 16, 32, 64)
    )


def _fields(raw: Tensor) -> Tensor:
    """(B, 2(F-1), h, w), u0 v0 u1 ..., in units of 20 px -> (B, 2, F-1, h, w) in px."""
    return UNIT_PX * raw.unflatten(1, (-1, 2)).transpose(1, 2)
