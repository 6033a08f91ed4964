"""A file that torch saved -> its content. Nothing in it is executed."""

import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import torch

from .errors import CheckpointError

DAMAGED = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    struct.error,
    RuntimeError,
    EOFError,
    LookupError,
    ValueError,
    AttributeError,
    TypeError,
)
"""What reading raises on a file that was cut, changed, or made to do harm."""


def read_saved(path: Path, *, what: str, old_format: bool = False) -> Any:
    """Tensors on the CPU, numbers, strings, and containers of them.

    Args:
        what: the file should be, for the message: "a checkpoint of a training".
        old_format: also take what torch wrote before 1.6, as released weights are.

    Raises:
        CheckpointError: it is not there, damaged, or holds anything else.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: expected {what}, but there is no file")
    if not old_format and not zipfile.is_zipfile(path):
        raise CheckpointError(f"{path}: expected {what}, got something else")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except DAMAGED:
        raise CheckpointError(
            f"{path}: expected {what}, got a damaged file or more than numbers"
        ) from None
