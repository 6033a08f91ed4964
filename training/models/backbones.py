"""Names of networks -> networks."""

from dataclasses import dataclass

from torch import nn

from ..errors import RecipeError
from . import resnet3d

NETS = {
    "r3d_18": resnet3d.r3d_18,
    "r3d_narrow": resnet3d.r3d_narrow,
    "r3d_tiny": resnet3d.r3d_tiny,
}

TAPS = {name: resnet3d.TAPS for name in NETS}
"""Net -> the submodules a distillation may ask for, from input to output."""

CHANNELS = {"rgb": 3, "flow": 2, "mv": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class BackboneConfig:
    """A network, and what it looks at."""

    net: str = "r3d_18"
    sees: str = "rgb"

    def __post_init__(self) -> None:
        if self.net not in NETS:
            raise RecipeError(f"expected a net among {', '.join(NETS)}, got {self.net}")
        if self.sees not in CHANNELS:
            raise RecipeError(
                f"expected a modality among {', '.join(CHANNELS)}, got {self.sees}"
            )


def build_backbone(config: BackboneConfig, num_classes: int) -> nn.Module:
    """A network with first weights drawn from torch's global generator.

    Takes (B, C, T, H, W) of the modality it sees, gives (B, num_classes) logits.
    """
    return NETS[config.net](CHANNELS[config.sees], num_classes)
