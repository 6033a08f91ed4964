"""Weights that others have trained and no package has: by name, as files in one folder.

`weights="named:kinetics_flow"` of a net resnext3d_101 is the file
$VIDEO_DATA/weights/resnext3d_101-kinetics_flow.pth.
"""

import hashlib
from pathlib import Path
from typing import NamedTuple

from pipeline.store import weights_folder

from ..errors import CheckpointError
from .backbones import BackboneConfig

PREFIX = "named:"
DOWNLOADED = ("torchvision:", "timm:")


class Release(NamedTuple):
    """Weights of one name: what they learned, and the files of one net that have them."""

    learned: str
    net: str
    files: str


KNOWN = {
    "imagenet": Release(
        "ImageNet",
        "clarifai",
        "CNN-M-2048, VGG_CNN_M_2048.caffemodel of Chatfield et al., as torch tensors named"
        " as in Caffe or here",
    ),
    "kinetics_rgb": Release(
        "Kinetics400 from rgb",
        "resnext3d_101",
        "RGB_Kinetics_16f.pth of MARS or resnext-101-kinetics.pth of 3D-ResNets-PyTorch",
    ),
    "kinetics_flow": Release(
        "Kinetics400 from flow", "resnext3d_101", "Flow_Kinetics_16f.pth of MARS"
    ),
    "kinetics_mars": Release(
        "Kinetics400 from rgb, taught by flow",
        "resnext3d_101",
        "MARS_Kinetics_16f.pth of MARS",
    ),
    "kinetics64_rgb": Release(
        "Kinetics400 from 64 frames of rgb",
        "resnext3d_101",
        "RGB_Kinetics_64f.pth of MARS",
    ),
    "kinetics64_flow": Release(
        "Kinetics400 from 64 frames of flow",
        "resnext3d_101",
        "Flow_Kinetics_64f.pth of MARS",
    ),
    "kinetics64_mars": Release(
        "Kinetics400 from 64 frames of rgb, taught by flow",
        "resnext3d_101",
        "MARS_Kinetics_64f.pth of MARS",
    ),
}
"""Name -> the weights that it stands for."""


def is_named(config: BackboneConfig) -> bool:
    """Whether the first weights of a network are looked up by name."""
    return (config.weights or "").startswith(PREFIX)


def named_file(config: BackboneConfig) -> Path:
    """The file of a network's named weights, which may be missing."""
    assert config.weights is not None
    net = config.net.replace(":", "-").replace("/", "-")
    return weights_folder() / f"{net}-{config.weights.removeprefix(PREFIX)}.pth"


def described(config: BackboneConfig) -> str:
    """The named weights of a network in words, with the files that others released."""
    known = KNOWN.get((config.weights or "").removeprefix(PREFIX))
    if known is None:
        return "named tensors"
    of_net = f": {known.files}" if config.net == known.net else ""
    return f"learned on {known.learned}{of_net}"


def lacking(config: BackboneConfig) -> str:
    """The file that a network's named weights lack, and what belongs there; nothing where
    it is there, or weights have no name."""
    if not is_named(config) or named_file(config).is_file():
        return ""
    assert config.weights is not None
    name = config.weights.removeprefix(PREFIX)
    return (
        f"needs weights {name} of {config.net}; put them at {named_file(config)}"
        f" ({described(config)})"
    )


def weights_hashes(*configs: BackboneConfig) -> tuple[str, ...] | None:
    """SHA-256 of the files from which networks start, for what decides a run; None
    without any. Those that are downloaded are known by their names.

    Raises:
        CheckpointError: there is no file at a path.
    """
    found = []
    for config in configs:
        path = named_file(config) if is_named(config) else _path(config)
        if path is None or lacking(config):
            continue
        if not path.is_file():
            raise CheckpointError(
                f"{path}: expected a file of weights, but there is no file"
            )
        with path.open("rb") as file:
            found.append(hashlib.file_digest(file, "sha256").hexdigest())
    return tuple(found) or None


def _path(config: BackboneConfig) -> Path | None:
    """The file that a network's weights name; None without, or of a download."""
    weights = config.weights
    if weights is None or weights.startswith(DOWNLOADED):
        return None
    return Path(weights)
