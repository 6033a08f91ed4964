"""Frozen networks -> targets of a student: logits, and features by tap."""

import math
from collections.abc import Iterable, Mapping
from typing import Self

import torch
from torch import Tensor, nn

from ..engine.loop import Batch
from ..errors import RecipeError
from ..losses.terms import Outputs
from ..models.taps import Taps


class Teacher(nn.Module):
    """One frozen network, or several whose predictions are averaged.

    It never changes: no gradient, and batch norm in evaluation mode. With several
    streams the logits are the logarithm of the mean of their softmax scores, and
    features are named by stream: "flow.layer4".
    """

    def __init__(self, streams: Mapping[str, nn.Module], sees: Mapping[str, str]):
        """
        Args:
            streams: name -> a network that takes (B, C, T, H, W).
            sees: name -> its modality. Two streams may see the same.

        Raises:
            RecipeError: no stream, or one without a modality.
        """
        super().__init__()
        if not streams or streams.keys() != sees.keys():
            raise RecipeError(
                "expected a modality for every stream of a teacher, and at least one"
                f" stream, got {', '.join(streams)} and {', '.join(sees)}"
            )
        self.streams = nn.ModuleDict(streams)
        self.sees = dict(sees)
        self.requires_grad_(False)
        self.eval()
        self.set_taps(())

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode: else batch norm would follow the student's data."""
        return super().train(False)

    def set_taps(self, taps: Iterable[str]) -> None:
        """Choose the features that each later call returns.

        Args:
            taps: of the only stream, or "stream.tap".

        Raises:
            RecipeError: no stream has one of them.
        """
        wanted: dict[str, list[str]] = {name: [] for name in self.streams}
        for written in sorted(set(taps)):
            name, inside = next(iter(self.streams)), written
            if len(self.streams) > 1:
                name, _, inside = written.partition(".")
            try:
                self.streams[name].get_submodule(inside)
            except (KeyError, AttributeError):
                raise RecipeError(
                    "expected a tap of the teacher, or of a stream of"
                    f" {', '.join(self.streams)} as {next(iter(self.streams))}.layer4,"
                    f" got {written}"
                ) from None
            wanted[name].append(inside)
        self.readers = {
            name: Taps(stream, wanted[name]) for name, stream in self.streams.items()
        }

    @torch.no_grad()
    def forward(self, batch: Batch) -> Outputs:
        logits: list[Tensor] = []
        features: dict[str, Tensor] = {}
        for name, reader in self.readers.items():
            said, seen, _ = reader(batch[self.sees[name]])
            logits.append(said)
            prefix = "" if len(self.readers) == 1 else f"{name}."
            features |= {prefix + inside: value for inside, value in seen.items()}
        return Outputs(mean_softmax(logits), features)


def mean_softmax(logits: list[Tensor]) -> Tensor:
    """Logits whose softmax is the mean of the softmax of these, each (B, classes)."""
    if len(logits) == 1:
        return logits[0]
    logs = torch.stack([one.float().log_softmax(1) for one in logits])
    return logs.logsumexp(0) - math.log(len(logits))
