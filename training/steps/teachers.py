"""Frozen networks -> targets of a student: logits, and features by tap."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Self

import torch
from torch import Tensor, nn

from ..data.sampling import window_count
from ..engine.loop import Batch
from ..errors import RecipeError
from ..losses.terms import Outputs
from ..models.taps import Taps


class Teacher(nn.Module):
    """One frozen network, or several whose predictions are averaged.

    It never changes: no gradient, and batch norm in evaluation mode. With several
    streams the logits are the logarithm of the weighted mean of their softmax scores, those
    of each stream are there too, and features are named by stream: "flow.layer4". A stream
    of fewer entries than a clip has sees windows of it, evenly over the clip; their softmax
    scores and features are averaged.
    """

    def __init__(
        self,
        streams: Mapping[str, nn.Module],
        sees: Mapping[str, str],
        entries: Mapping[str, int] | None = None,
        weights: Mapping[str, float] | None = None,
    ):
        """
        Args:
            streams: name -> a network that takes (B, C, T, H, W).
            sees: name -> its modality. Two streams may see the same.
            entries: name -> entries of a clip that a stream takes; a stream without a
                number takes clips of any length.
            weights: name -> weight in the mean; 1 for a stream without one.

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
        self.entries = dict(entries or {})
        self.weights = [(weights or {}).get(name, 1.0) for name in streams]
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
        logits: dict[str, Tensor] = {}
        features: dict[str, Tensor] = {}
        for name, reader in self.readers.items():
            clips = batch[self.sees[name]]
            parts = windows(clips, self.entries.get(name, clips.shape[2]))
            said, seen, _ = reader(torch.cat(parts))
            logits[name] = mean_softmax(list(said.chunk(len(parts))))
            prefix = "" if len(self.readers) == 1 else f"{name}."
            features |= {
                prefix + inside: value.unflatten(0, (len(parts), -1)).mean(0)
                for inside, value in seen.items()
            }
        if len(logits) == 1:
            return Outputs(next(iter(logits.values())), features)
        mean = mean_softmax(list(logits.values()), self.weights)
        return Outputs(mean, features, logits)


def windows(clips: Tensor, entries: int) -> list[Tensor]:
    """Parts of `entries` entries that cover clips, no more than needed, from start to end.

    >>> [part[0, 0, :, 0, 0].tolist() for part in windows(torch.arange(5.0).view(1, 1, 5, 1, 1), 3)]
    [[0.0, 1.0, 2.0], [2.0, 3.0, 4.0]]

    Args:
        clips: (B, C, T, H, W), T at least `entries`.
    """
    length = clips.shape[2]
    if length == entries:
        return [clips]
    count = window_count(length, entries)
    starts = (round(place * (length - entries) / (count - 1)) for place in range(count))
    return [clips[:, :, start : start + entries] for start in starts]


def mean_softmax(
    logits: Sequence[Tensor], weights: Sequence[float] | None = None
) -> Tensor:
    """Logits whose softmax is the mean of the softmax of these, each (B, classes).

    Args:
        weights: of the mean, in the order of `logits`, not all 0; None: equal.
    """
    if len(logits) == 1:
        return logits[0]
    logs = torch.stack([one.float().log_softmax(1) for one in logits])
    if weights is None or len(set(weights)) == 1:
        return logs.logsumexp(0) - math.log(len(logits))
    shares = torch.tensor(weights, device=logs.device) / math.fsum(weights)
    return (logs + shares.log()[:, None, None]).logsumexp(0)
