"""Extras of the package: libraries that not everybody needs, and the line that names one.

setup.cfg lists their requirements; tests/test_requirements.py holds the two together.
"""

from importlib.util import find_spec
from typing import NamedTuple

PACKAGE = "motion-shards"


class Extra(NamedTuple):
    """Requirements that are installed by name: `pip install 'motion-shards[NAME]'`."""

    name: str
    library: str
    """Name of what is missing without it, in messages."""
    purpose: str
    """Completes "for ..."."""
    modules: tuple[str, ...]
    """Top-level packages that code imports from it, the one that decides first."""

    @property
    def installed(self) -> bool:
        """Whether all of its modules can be imported. Nothing is imported."""
        return all(map(is_there, self.modules))

    @property
    def install(self) -> str:
        """The line to type."""
        return f"pip install '{PACKAGE}[{self.name}]'"

    def needed_by(self, what: str) -> str:
        """The message that it is missing, in one line.

        Args:
            what: needs it; starts the line.
        """
        return f"{what} needs {self.library}: {self.install}"


TRAINING = Extra(
    "training",
    "PyTorch",
    "training and evaluating networks",
    ("torch", "torchvision"),
)
CUDA = Extra("cuda", "numba-cuda", "TV-L1 flow on NVIDIA GPUs", ("numba_cuda",))
EXPORT = Extra("export", "ONNX", "writing networks as ONNX", ("onnx", "onnxscript"))
RAY_TRAIN = Extra(
    "ray-train",
    "Ray Train",
    "training on the machines of a Ray cluster",
    ("pyarrow", "pandas"),
)
TIMM = Extra("timm", "timm", "networks of timm", ("timm",))
LOG = Extra("log", "TensorBoard", "metrics for TensorBoard", ("tensorboard",))
REMOTE = Extra(
    "remote",
    "fsspec",
    "reading and writing stores at addresses (s3://, https://, hf://)",
    ("fsspec", "s3fs", "huggingface_hub"),
)

EXTRAS = (TRAINING, CUDA, EXPORT, RAY_TRAIN, TIMM, LOG, REMOTE)


def is_there(module: str) -> bool:
    """Whether a top-level module can be imported."""
    try:
        return find_spec(module) is not None
    except ValueError:  # it is loaded, and was made without a specification
        return True


def extra_of(module: str) -> Extra | None:
    """The extra that brings a module, if that is why it was not found.

    Args:
        module: dotted name, as a ModuleNotFoundError has it.
    """
    top = module.partition(".")[0]
    for extra in EXTRAS:
        if top in extra.modules and not is_there(top):
            return extra
    return None
