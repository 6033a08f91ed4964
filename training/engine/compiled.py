"""Networks -> the same networks, compiled by torch."""

import os
import shutil
import sysconfig
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import nn

from ..errors import MachineError


def compile_networks(networks: Iterable[nn.Module], device: torch.device) -> None:
    """Compile networks in place, at their first batch; names of weights stay.

    Values change by rounding, so a resumed run should be compiled as before.

    Raises:
        MachineError: a CPU's code needs a C++ compiler, that of a GPU a C compiler and
            the header files of Python, and they are not there.
    """
    if device.type == "cpu" and not compiler():
        raise MachineError("expected a C++ compiler to compile networks, found none")
    if device.type == "cuda":
        missing = missing_for_gpus()
        if missing:
            raise MachineError(
                f"expected {' and '.join(missing)} to compile networks for a GPU, found"
                " none: install gcc and python3-dev, or train without --compile"
            )
    for network in networks:
        network.compile()


def missing_for_gpus() -> list[str]:
    """The parts that Triton needs to load its kernels and that this machine lacks."""
    compilers = (os.environ.get("CC"), "gcc", "clang", "cc")
    header = Path(sysconfig.get_path("include"), "Python.h")
    return [
        name
        for name, there in (
            ("a C compiler", any(map(shutil.which, filter(None, compilers)))),
            (f"{header}", header.is_file()),
        )
        if not there
    ]


def compiler() -> str | None:
    """The C++ compiler that torch would use on this machine."""
    return next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))), None)
