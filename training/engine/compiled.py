"""Networks -> the same networks, compiled by torch."""

import shutil
from collections.abc import Iterable

import torch
from torch import nn

from ..errors import MachineError


def compile_networks(networks: Iterable[nn.Module], device: torch.device) -> None:
    """Compile networks in place, at their first batch; names of weights stay.

    Values change by rounding, so a resumed run should be compiled as before.

    Raises:
        MachineError: a CPU's code needs a C++ compiler, and none is there.
    """
    if device.type == "cpu" and not compiler():
        raise MachineError("expected a C++ compiler to compile networks, found none")
    for network in networks:
        network.compile()


def compiler() -> str | None:
    """The C++ compiler that torch would use on this machine."""
    return next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))), None)
