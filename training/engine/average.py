"""Exponential moving average of the weights of a training."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class Average:
    """The average of all that a step trains; batch norm's running values included.

    After the first step it is the weights w, then decay * average + (1 - decay) * w.

    Source:
        torch.optim.swa_utils; Tarvainen and Valpola, "Mean teachers", NIPS 2017.
    """

    def __init__(self, step: nn.Module, decay: float) -> None:
        """
        Args:
            step: its submodules are averaged; frozen teachers are none of them.
        """
        self.live = nn.ModuleList(step.children())
        self.averaged = AveragedModel(
            self.live, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True
        )
        self.averaged.requires_grad_(False)

    def update(self) -> None:
        """Count the weights of one more step."""
        self.averaged.update_parameters(self.live)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Give the step's modules the averaged weights; afterwards their own again, to the
        bit."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    def put(self) -> None:
        """Leave the average in the step's own modules."""
        self._exchange()

    def state_dict(self) -> dict[str, Any]:
        """State for a checkpoint."""
        return self.averaged.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load the state of a checkpoint."""
        self.averaged.load_state_dict(state)

    @torch.no_grad()
    def _exchange(self) -> None:
        if not int(self.averaged.n_averaged):
            return  # before the first step they are equal
        theirs = dict(_tensors(self.averaged.module))
        for name, value in _tensors(self.live):
            other = theirs[name]
            kept = value.clone()
            value.copy_(other)
            other.copy_(kept)


def _tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from module.named_parameters()
    yield from module.named_buffers()
