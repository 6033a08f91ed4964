"""Networks by name, and the settings of one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from torch import nn

from motion_shards.choices import MOTION
from pipeline.store import Json

from ..errors import RecipeError
from . import clarifai, resnet3d, resnext3d, vgg
from . import layers2d as ending
from .weights import Scale

CHANNELS = {"rgb": 3, "flow": 2, "mv": 2}


class Net(NamedTuple):
    """A kind of network and its properties."""

    build: Callable[..., nn.Module]
    """channels, classes -> network; 2D ones also take motion and `options`."""
    dim: Literal[2, 3]
    """3 convolves over frames, and takes any number; 2 stacks them into channels."""
    taps: tuple[str, ...]
    """Submodules a distillation may name, from input to output."""
    head: str
    """The layer that knows the classes."""
    options: tuple[str, ...] = ()
    """Fields of `BackboneConfig` it also takes."""
    torchvision: tuple[str, ...] = ()
    """Names of weights that torchvision has for it."""
    aliases: Mapping[str, str] = {}
    """Parts of released checkpoints that have another name there -> ours."""


def _residual(build: Callable[..., nn.Module], *torchvision: str) -> Net:
    return Net(build, 3, resnet3d.TAPS, "fc", torchvision=torchvision)


def _deep(build: Callable[..., nn.Module]) -> Net:
    names = {"conv1": "stem.0", "bn1": "stem.1"}  # of Hara et al. and of MARS
    return Net(build, 3, resnet3d.TAPS, "fc", aliases=names)


def _clarifai(build: Callable[..., nn.Module]) -> Net:
    return Net(build, 2, ending.TAPS, "fc8", ("frames", "dropout", "lrn_k"))


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
}

TAPS = {name: net.taps for name, net in NETS.items()}
"""Net -> the submodules a distillation may name, from input to output."""

DIM = {name: net.dim for name, net in NETS.items()}
"""Net -> 3 (convolves over frames) or 2 (stacks them into channels)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackboneConfig:
    """A network and the modality it sees."""

    net: str = "r3d_18"
    sees: str = "rgb"
    frames: int = 1
    """Entries of a clip that a 2D net stacks; 3D nets take any number, and none here."""
    dropout: tuple[float, float] | None = None
    """After fc6 and fc7 of a 2D net; None is what the net has for what it sees."""
    lrn_k: float = 1.0
    """ClarifaiNet's response norm: 2 where weights of the original network are loaded."""
    weights: str | None = None
    """First weights from elsewhere: "torchvision:NAME" or a file; None draws them."""
    first_layer: Scale = "response"
    """Adaptation of the first layer of `weights` to another number of channels."""

    def __post_init__(self) -> None:
        if self.net not in NETS:
            raise RecipeError(f"expected a net among {', '.join(NETS)}, got {self.net}")
        if self.sees not in CHANNELS:
            raise RecipeError(
                f"expected a modality among {', '.join(CHANNELS)}, got {self.sees}"
            )
        net, usual = NETS[self.net], {"frames": 1, "dropout": None, "lrn_k": 1.0}
        for name, value in usual.items():
            if name not in net.options and getattr(self, name) != value:
                raise RecipeError(
                    f"expected no {name} for {self.net}, got {getattr(self, name)}"
                )
        if self.frames < 1:
            raise RecipeError(f"expected at least one frame, got {self.frames}")
        if self.dropout and not all(0 <= share < 1 for share in self.dropout):
            raise RecipeError(f"expected dropout from 0 to 1, got {self.dropout}")
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
        return CHANNELS[self.sees] * self.frames

    def architecture(self) -> dict[str, Json]:
        """The fields that say which trained weights fit, and what the net makes of them."""
        return {
            "net": self.net,
            "sees": self.sees,
            "frames": self.frames,
            "lrn_k": self.lrn_k,
        }


def build_backbone(config: BackboneConfig, num_classes: int) -> nn.Module:
    """A network with first weights drawn from torch's global generator.

    Takes (B, C, T, H, W) of the modality it sees, gives (B, num_classes) logits.
    `config.weights` are not read: see `pretrained.first_weights`.
    """
    net = NETS[config.net]
    if net.dim == 3:
        return net.build(config.channels, num_classes)
    options = {name: getattr(config, name) for name in net.options if name != "frames"}
    motion = config.sees in MOTION
    return net.build(config.channels, num_classes, motion=motion, **options)


def check_length(config: BackboneConfig, length: int) -> None:
    """Check that a net takes clips of `length` entries.

    Raises:
        RecipeError: a 2D net stacks another number.
    """
    if DIM[config.net] == 2 and length != config.frames:
        raise RecipeError(
            f"expected clips of the {config.frames} frames that {config.net} stacks,"
            f" got {length}"
        )
