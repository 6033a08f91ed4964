"""A file that torch saved -> its content. Nothing in it is executed."""

import pickle
import struct
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import CheckpointError, DamagedFile
from .reading import reading
from .sealed import check_archive, checked_seal, is_archive

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
    RecursionError,
    OverflowError,
    MemoryError,
)
"""Errors raised on a file that is truncated, changed or malicious."""


def read_saved(
    path: Path, *, what: str, ours: bool = True, old_format: bool = False
) -> Any:
    """Tensors on the CPU, numbers, strings, and containers of them.

    Args:
        what: expected content, for the message: "a checkpoint of a training".
        ours: it was written by a run, with its hash.
        old_format: also accept the format of torch before 1.6, as of released weights.

    Raises:
        CheckpointError: it is not there, damaged, or holds anything else.
        RunError: it cannot be read.
    """
    with reading(path):
        return _read(path, what, ours=ours, old_format=old_format)


def _read(path: Path, what: str, *, ours: bool, old_format: bool) -> Any:
    if not path.is_file():
        raise CheckpointError(f"{path}: expected {what}, but there is no file")
    try:
        if ours:
            checked_seal(path)
        archive = is_archive(path)
        if archive:
            check_archive(path, hashed=ours)
    except DamagedFile as error:
        told = str(error).removeprefix(f"{path}: ")
        raise CheckpointError(f"{path}: expected {what}: {told}") from None
    if not archive and not old_format:
        raise CheckpointError(f"{path}: expected {what}, got something else")
    try:
        with warnings.catch_warnings():  # of sparse tensors, which are refused later
            warnings.simplefilter("ignore", UserWarning)
            return torch.load(path, map_location="cpu", weights_only=True)
    except DAMAGED:
        raise CheckpointError(
            f"{path}: expected {what}, got a damaged file, or one with more than tensors"
        ) from None


MOST_NUMBERS = 1 << 28
"""Limit of one tensor: VGG16's largest has 1 << 27."""


def named_tensors(
    state: Any, *, what: str, repeated: bool = False
) -> dict[str, Tensor]:
    """Check that something is named tensors that a network could hold.

    Args:
        repeated: take tensors of which the file stores less than their size.

    Raises:
        CheckpointError: it is something else; or a tensor is sparse, too large, or not
            of finite numbers.
    """
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor)
        for name, value in state.items()
    ):
        raise CheckpointError(f"{what}: expected named tensors, got something else")
    for name, tensor in state.items():
        odd = tensor.is_meta or tensor.is_quantized or tensor.is_nested
        if odd or tensor.layout != torch.strided:
            raise CheckpointError(f"{what}: {name}: expected a dense tensor")
        size, stored = tensor.numel(), tensor.untyped_storage().nbytes()
        if not repeated and size * tensor.element_size() > stored:
            raise CheckpointError(
                f"{what}: {name}: expected {size} numbers for {tuple(tensor.shape)}, got"
                f" {stored // tensor.element_size()}"
            )
        if size > MOST_NUMBERS:
            raise CheckpointError(
                f"{what}: {name}: expected at most {MOST_NUMBERS:,} numbers, got {size:,}"
            )
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise CheckpointError(
                f"{what}: {name}: expected numbers, got infinite ones or none"
            )
    return state
