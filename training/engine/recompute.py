"""Gradient checkpointing: activations are computed again instead of kept.

Values and gradients are the same, to the bit where the device computes the same twice:
random numbers (dropout, stochastic depth) are drawn again alike, and batch norm's running
values change once only.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from ..models.blocks import blocks_of


def recompute(network: nn.Module) -> None:
    """Compute the blocks of a network twice in training, and keep only their inputs.

    Source:
        Chen et al., "Training Deep Nets with Sublinear Memory Cost", arXiv:1604.06174.
    """
    for _, block in blocks_of(network):
        block.forward = partial(_twice, block, block.forward)  # type: ignore[method-assign]


def _twice(block: nn.Module, forward: Callable[..., Any], *given: Any) -> Any:
    if not (block.training and torch.is_grad_enabled()):
        return forward(*given)
    return checkpoint(
        forward, *given, use_reentrant=False, context_fn=partial(_contexts, block)
    )


def _contexts(
    block: nn.Module,
) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    return nullcontext(), _running_values_stay(block)


@contextmanager
def _running_values_stay(block: nn.Module) -> Iterator[None]:
    """Batch norm without an update of its running values.

    They take part, as torch saves them for the backward pass, but count nothing new.
    """
    norms = [m for m in block.modules() if isinstance(m, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    counts = [norm.num_batches_tracked for norm in norms]
    before = [None if count is None else count.clone() for count in counts]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for count, value in zip(counts, before, strict=True):
            if count is not None and value is not None:
                count.copy_(value)
