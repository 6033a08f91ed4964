"""Scores of several streams -> one prediction, by learned weights.

Axes: S streams, V videos, K classes.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import DataError
from .weighted_average import (
    StreamScores,
    check_aligned,
    check_unseen,
    relevant_classes,
    stacked,
)


class AttentionFusion(nn.Module):
    """Weights of the streams of each video, from all their scores.

    The second layer starts at 0, so the first prediction is the mean of the streams,
    exactly. 13,122 parameters for 2 streams of 101 classes, 6,722 for 51.

    Source:
        "Dual-action Stream", section 3.4. It calls its two layers a linear model and gives
        no width: then they would be one layer. Here 64 hidden units with a ReLU, and
        probabilities as inputs, whose scale is the same for every stream.
    """

    def __init__(self, num_classes: int, *, streams: int = 2, hidden: int = 64) -> None:
        super().__init__()
        self.hidden = nn.Linear(streams * num_classes, hidden)
        self.weigh = nn.Linear(hidden, streams)
        nn.init.zeros_(self.weigh.weight)
        nn.init.zeros_(self.weigh.bias)

    def forward(self, scores: Tensor) -> Tensor:
        """(V, S, K) probabilities -> (V, K) probabilities."""
        return (self.weights(scores)[..., None] * scores).sum(dim=1)

    def weights(self, scores: Tensor) -> Tensor:
        """(V, S), each row sums to 1."""
        return self.weigh(torch.relu(self.hidden(scores.flatten(1)))).softmax(dim=1)

    @torch.no_grad()
    def fuse(self, streams: Sequence[StreamScores]) -> np.ndarray:
        """(V, K) float64 probabilities.

        Raises:
            DataError: the streams are of other videos or classes.
        """
        return self(probabilities(streams)).double().numpy()


def probabilities(streams: Sequence[StreamScores]) -> Tensor:
    """(V, S, K) float32 mean probabilities."""
    return torch.from_numpy(stacked(streams, on="softmax")).float().transpose(0, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionConfig:
    """Settings by which an `AttentionFusion` is trained."""

    hidden: int = 64
    learning_rate: float = 1e-3
    epochs: int = 50
    batch_size: int = 16
    validation_share: float = 0.25
    """Share of the videos that are only used for early stopping."""
    patience: int = 10
    """Epochs without a lower loss on the validation videos before it stops."""


def fit_attention(
    streams: Sequence[StreamScores],
    *,
    training: Collection[str],
    config: AttentionConfig = AttentionConfig(),
    seed: int = 0,
) -> AttentionFusion:
    """Train the weights with Adam on held-out videos; the epoch with the lowest validation
    loss is selected.

    The start counts as an epoch, so the result is not worse than the mean on the
    validation videos. On training videos each stream is nearly always right, and there
    would be nothing to learn.

    The loss is cross-entropy; the targets of a video of several classes are uniform over
    them.

    Args:
        streams: scores of held-out videos.
        training: ids of the videos that trained a stream.

    Raises:
        DataError: a video is a training video, fewer than two have a class, or the
            streams do not fit each other.
    """
    check_aligned(streams)
    check_unseen(streams[0].ids, training=training)
    relevant = relevant_classes(streams[0])
    known = torch.from_numpy(np.flatnonzero(relevant.any(axis=1)))
    if len(known) < 2:
        raise DataError(
            f"fusion: expected two held-out videos with a class, got {len(known)}"
        )
    scores = probabilities(streams)[known]
    targets = torch.from_numpy(relevant).float()[known]
    targets = targets / targets.sum(dim=1, keepdim=True)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(known), generator=generator)
    count = min(max(round(config.validation_share * len(known)), 1), len(known) - 1)
    validation, own = order[:count], order[count:]

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # for the first weights
        model = AttentionFusion(
            scores.shape[2], streams=len(streams), hidden=config.hidden
        )
    optimizer = torch.optim.Adam(model.parameters(), config.learning_rate)

    def loss(videos: Tensor) -> Tensor:
        logs = model(scores[videos]).clamp(min=1e-12).log()
        return -(targets[videos] * logs).sum(dim=1).mean()

    with torch.no_grad():
        lowest = loss(validation).item()
    best, since = _copied(model), 0
    for _ in range(config.epochs):
        shuffled = own[torch.randperm(len(own), generator=generator)]
        for batch in shuffled.split(config.batch_size):
            optimizer.zero_grad()
            loss(batch).backward()
            optimizer.step()
        with torch.no_grad():
            now = loss(validation).item()
        if now < lowest:
            lowest, best, since = now, _copied(model), 0
        else:
            since += 1
            if since >= config.patience:
                break
    model.load_state_dict(best)
    return model.eval()


def _copied(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}
