"""Numbers as tensors on a device, copied there once.

`tensor.new_tensor((1, 2))` on a GPU waits until the GPU has done all work that was queued
before it: in a training step that costs more than the copy.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

Key = tuple[Any, torch.dtype, torch.device]
_KEPT: dict[Key, Tensor] = {}
MOST_KEPT = 256


def constant(values: Sequence[Any], like: Tensor) -> Tensor:
    """Numbers as a tensor of the type and device of `like`. Not to be changed.

    Args:
        values: numbers, or tuples of numbers for a tensor of two axes.
    """
    if torch.compiler.is_compiling():  # a traced tensor must not outlive its trace
        return like.new_tensor(values)
    key = (tuple(values), like.dtype, like.device)
    found = _KEPT.get(key)
    if found is None:
        with torch.inference_mode(False):
            found = torch.tensor(values, dtype=like.dtype, device=like.device)
        if type(found) is Tensor and type(like) is Tensor:  # not one of a trace
            if len(_KEPT) >= MOST_KEPT:
                _KEPT.clear()
            _KEPT[key] = found
    return found
