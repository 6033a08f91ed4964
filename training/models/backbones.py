"""Networks by name, and the settings of one."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from motion_shards.choices import MOTION
from motion_shards.near import near
from pipeline.store import Json

from ..errors import RecipeError
from ..run_files.fields import ADDED
from . import (
    clarifai,
    frames2d,
    grid,
    grid_attention,
    resnet3d,
    resnext3d,
    timm2d,
    torchvision3d,
    vgg,
)
from . import layers2d as ending
from .frames2d import OverTime
from .net import Net
from .user_nets import registered_net
from .weights import Scale

CHANNELS = {"rgb": 3, "flow": 2, "mv": 2}


def _residual(build: Callable[..., nn.Module], *torchvision: str) -> Net:
    return Net(build, 3, resnet3d.TAPS, "fc", torchvision=torchvision)


def _deep(build: Callable[..., nn.Module]) -> Net:
    names = {"conv1": "stem.0", "bn1": "stem.1"}  # of Hara et al. and of MARS
    return Net(build, 3, resnet3d.TAPS, "fc", aliases=names)


def _clarifai(build: Callable[..., nn.Module]) -> Net:
    names = {
        f"{part}.{kind}": f"{part}.0.{kind}"  # as in Caffe
        for part in ending.TAPS
        for kind in ("weight", "bias")
    }
    options = ("frames", "dropout", "lrn_k")
    return Net(build, 2, ending.TAPS, "fc8", options, aliases=names)


def _grid(build: Callable[..., nn.Module], taps: tuple[str, ...]) -> Net:
    return Net(build, 3, taps, "fc", cells=True)


def _vgg(build: Callable[..., nn.Module], *torchvision: str) -> Net:
    options = ("frames", "dropout")
    return Net(build, 2, ending.TAPS, "classifier.6", options, torchvision)


NETS = {
    "r3d_18": _residual(resnet3d.r3d_18, "KINETICS400_V1"),
    "mc3_18": _residual(resnet3d.mc3_18, "KINETICS400_V1"),
    "r2plus1d_18": _residual(resnet3d.r2plus1d_18, "KINETICS400_V1"),
    "r3d_narrow": _residual(resnet3d.r3d_narrow),
    "r3d_tiny": _residual(resnet3d.r3d_tiny),
    "resnext3d_101": _deep(resnext3d.resnext3d_101),
    "resnext3d_50": _deep(resnext3d.resnext3d_50),
    "resnext3d_narrow": _deep(resnext3d.resnext3d_narrow),
    "resnext3d_tiny": _deep(resnext3d.resnext3d_tiny),
    "resnet3d_101": _deep(resnext3d.resnet3d_101),
    "clarifai": _clarifai(clarifai.clarifai),
    "clarifai_narrow": _clarifai(clarifai.clarifai_narrow),
    "clarifai_tiny": _clarifai(clarifai.clarifai_tiny),
    "vgg16": _vgg(vgg.vgg16, "IMAGENET1K_V1"),
    "vgg_narrow": _vgg(vgg.vgg_narrow),
    "vgg_tiny": _vgg(vgg.vgg_tiny),
    "grid": _grid(grid.grid, grid.TAPS),
    "grid_tiny": _grid(grid.grid_tiny, grid.TAPS),
    "grid_attention": _grid(grid_attention.grid_attention, grid_attention.TAPS),
    "grid_attention_tiny": _grid(
        grid_attention.grid_attention_tiny, grid_attention.TAPS
    ),
    **torchvision3d.NETS,
    **frames2d.NETS,
}


def net_named(name: str) -> Net:
    """The properties of a network: of `NETS`, of timm (timm:resnet50), or of a file that
    the command has named (`user_nets`).

    Raises:
        RecipeError: there is no such network, or timm is not installed.
    """
    found = NETS.get(name) or registered_net(name)
    if found is not None:
        return found
    if name.startswith(timm2d.PREFIX):
        return timm2d.timm_net(name.removeprefix(timm2d.PREFIX))
    if ".py:" in name:
        raise RecipeError(
            f"expected a net of a file that this command names, got {name}: give its file"
            " with --code"
        )
    known = ", ".join(NETS)
    raise RecipeError(
        f"expected a net among {known}, timm:NAME, got {name}{near(name, NETS)}"
    )


def is_ours(name: str) -> bool:
    """Whether a network is known without any file of the user's."""
    return name in NETS or name.startswith(timm2d.PREFIX)


USUAL = {
    "frames": 1,
    "dropout": None,
    "lrn_k": 1.0,
    "over_time": "stack",
    "size": None,
    "stochastic_depth": None,
}
"""Option of some nets -> its value for all others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackboneConfig:
    """A network and the modality it sees."""

    net: str = "r3d_18"
    sees: str = "rgb"
    frames: int = 1
    """Entries of a clip that a 2D net stacks; 3D nets take any number, and none here."""
    over_time: OverTime = field(default="stack", metadata=ADDED)
    """Use of the entries by a 2D net of images (resnet50, timm:NAME): stack makes them
    channels, average averages the logits of each, shift lets neighbours exchange channels
    in every residual block (TSM) and averages."""
    size: tuple[int, int, int] | None = field(default=None, metadata=ADDED)
    """Frames, height and width that an MViT has positions for; None is 16x224x224."""
    stochastic_depth: float | None = field(default=None, metadata=ADDED)
    """Largest share of clips that skip a block; None is what the net has."""
    dropout: tuple[float, float] | None = None
    """After fc6 and fc7 of a 2D net; None is what the net has for what it sees."""
    lrn_k: float = 1.0
    """ClarifaiNet's response norm: 2 where weights of the original network are loaded."""
    weights: str | None = None
    """First weights from elsewhere: "torchvision:NAME", "timm:NAME", "named:NAME" (see
    `named_weights`) or a file; None draws them."""
    first_layer: Scale = "response"
    """Adaptation of the first layer of `weights` to another number of channels."""

    def __post_init__(self) -> None:
        net = net_named(self.net)
        if self.sees not in CHANNELS:
            raise RecipeError(
                f"expected a modality among {', '.join(CHANNELS)}, got {self.sees}"
            )
        if net.cells and self.sees != "mv":
            raise RecipeError(
                f"expected {self.net} to see mv, whose own grid it takes, got {self.sees}"
            )
        for name, value in USUAL.items():
            if name not in net.options and getattr(self, name) != value:
                raise RecipeError(
                    f"expected no {name} for {self.net}, got {getattr(self, name)}"
                )
        if self.frames < 1:
            raise RecipeError(f"expected at least one frame, got {self.frames}")
        if self.dropout and not all(0 <= share < 1 for share in self.dropout):
            raise RecipeError(f"expected dropout from 0 to 1, got {self.dropout}")
        if self.over_time not in frames2d.WAYS:
            raise RecipeError(
                f"expected over_time stack, average or shift, got {self.over_time}"
            )
        if self.stochastic_depth is not None and not 0 <= self.stochastic_depth < 1:
            raise RecipeError(
                "expected stochastic_depth from 0 to below 1, got"
                f" {self.stochastic_depth:g}"
            )
        if self.first_layer not in ("response", "plain"):
            raise RecipeError(
                f"expected first_layer response or plain, got {self.first_layer}"
            )
        source, _, name = (self.weights or "").rpartition(":")
        if source == "torchvision" and name not in net.torchvision:
            known = ", ".join(net.torchvision) or "none"
            raise RecipeError(
                f"expected torchvision weights of {self.net} among {known}, got {name}"
            )

    @property
    def channels(self) -> int:
        """Input channels of the first layer."""
        if net_named(self.net).cells:
            return grid.CHANNELS
        stacked = self.frames if self.over_time == "stack" else 1
        return CHANNELS[self.sees] * stacked

    def architecture(self) -> dict[str, Json]:
        """The fields that say which trained weights fit, and what the net makes of them."""
        more: dict[str, Json] = {}
        if self.over_time != "stack":
            more["over_time"] = self.over_time
        if self.size is not None:
            more["size"] = list(self.size)
        return {
            "net": self.net,
            "sees": self.sees,
            "frames": self.frames,
            "lrn_k": self.lrn_k,
            **more,
        }


def build_backbone(config: BackboneConfig, num_classes: int) -> nn.Module:
    """A network with first weights drawn from torch's global generator.

    Takes (B, C, T, H, W) of the modality it sees, gives (B, num_classes) logits.
    `config.weights` are not read: see `pretrained.first_weights`.
    """
    net = net_named(config.net)
    options: dict[str, Any] = {
        name: value
        for name in net.options
        if (value := getattr(config, name)) is not None
    }
    if "over_time" not in options:
        options.pop("frames", None)
    if "dropout" in net.options:
        options["motion"] = config.sees in MOTION
    return net.build(config.channels, num_classes, **options)


def clip_shape(
    config: BackboneConfig, length: int, size: tuple[int, int]
) -> tuple[int, int, int, int]:
    """(C, T, H, W) of a clip as a network takes it; M and N instead of H and W of one that
    takes cells.

    Args:
        size: of the clip's `size_of` for what the network sees.
    """
    cells = net_named(config.net).cells
    return (grid.CHANNELS if cells else CHANNELS[config.sees], length, *size)


def check_length(config: BackboneConfig, length: int) -> None:
    """Check that a net takes clips of `length` entries.

    Raises:
        RecipeError: a 2D net takes another number.
    """
    if net_named(config.net).dim == 2 and length != config.frames:
        raise RecipeError(
            f"expected clips of the {config.frames} frames that {config.net} stacks,"
            f" got {length}: set clip.length and the net's frames alike"
        )


def check_clip(
    config: BackboneConfig, length: int, size: tuple[int, int], *, cells: bool
) -> None:
    """Check that a net takes clips of `length` entries and crops of `size`.

    Args:
        size: of the clip's `size_of` for what the network sees.
        cells: whether motion vectors are left on their own grid.

    Raises:
        RecipeError: they are too small, of another size than it has positions for, or
            motion vectors are painted for a net of cells, or the other way round.
    """
    check_length(config, length)
    net, got = net_named(config.net), (length, *size)
    if net.cells and not cells:
        raise RecipeError(
            f"expected clips with cells, rows and columns of motion vectors, for"
            f" {config.net} (such as clip.cells=13,18), got none"
        )
    if cells and config.sees == "mv" and not net.cells:
        raise RecipeError(
            f"expected clips without cells for {config.net}, which takes motion vectors"
            f" painted to pixels (clip.cells=none), got {size[0]}x{size[1]} cells"
        )
    if "size" in net.options:
        wanted = config.size or torchvision3d.SIZE
        if got != wanted:
            raise RecipeError(
                f"expected clips of {size_text(wanted)}, which {config.net} has positions for"
                f" (size), got {size_text(got)}: set clip.length and clip.crop_px, or the"
                " net's size"
            )
    if any(ours < least for ours, least in zip(got, net.smallest, strict=True)):
        raise RecipeError(
            f"expected clips of at least {size_text(net.smallest)} (clip.length,"
            f" clip.crop_px) for {config.net}, got {size_text(got)}"
        )
    if config.net.startswith(timm2d.PREFIX):
        timm2d.check_size(config.net.removeprefix(timm2d.PREFIX), *size)


def size_text(size: tuple[int, ...]) -> str:
    """Entries, height and width in words: 16 frames of 112x112."""
    return f"{size[0]} frames of {size[1]}x{size[2]}"
