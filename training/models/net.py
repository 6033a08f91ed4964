"""Properties of a kind of network, one of this package or of a user."""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from torch import nn


class Net(NamedTuple):
    """A kind of network and its properties."""

    build: Callable[..., nn.Module]
    """channels, classes, and `options` by name -> network. 2D ones with `dropout` also
    take motion."""
    dim: Literal[2, 3]
    """3 convolves over frames, and takes any number; 2 has a fixed number of frames."""
    taps: tuple[str, ...]
    """Submodules a distillation may name, from input to output."""
    head: str
    """The layer that knows the classes."""
    options: tuple[str, ...] = ()
    """Fields of `BackboneConfig` it also takes."""
    torchvision: tuple[str, ...] = ()
    """Names of weights that torchvision has for it."""
    aliases: Mapping[str, str] = {}
    """Parts or tensors of released checkpoints that have another name there -> ours."""
    smallest: tuple[int, int, int] = (1, 1, 1)
    """Frames, height and width of the smallest clip that it takes."""
    cells: bool = False
    """Whether it takes motion vectors on their own grid: u, v and whether they are known."""
    inside: str = ""
    """Beginning of its names of weights that released checkpoints lack: "net."."""
