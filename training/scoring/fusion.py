"""Scores of several streams -> one prediction.

Axes: S streams, V videos, K classes.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import DataError, RecipeError

On = Literal["logits", "softmax", "clipped"]


class StreamScores(Protocol):
    """Scores of V videos for K classes by one network: the part of `Scores` used here."""

    @property
    def ids(self) -> tuple[str, ...]: ...

    @property
    def labels(self) -> np.ndarray: ...

    @property
    def logits(self) -> np.ndarray: ...

    @property
    def softmax(self) -> np.ndarray: ...

    @property
    def relevant(self) -> np.ndarray | None:
        """(V, K) bool where videos have several labels or none, else None."""
        ...


def stacked(streams: Sequence[StreamScores], *, on: On) -> np.ndarray:
    """Scores of all streams, of the same videos and classes: (S, V, K) float64.

    Args:
        on: "logits", "softmax" (mean probabilities), or "clipped": logits, what is below
            0 set to 0, and divided by their sum (all classes alike where none is above).

    Raises:
        DataError: the streams are of other videos or classes.
        RecipeError: no stream, or an unknown `on`.
    """
    if on not in ("logits", "softmax", "clipped"):
        raise RecipeError(
            f"fusion: expected scores on logits, softmax or clipped, got {on}"
        )
    check_aligned(streams)
    chosen = [each.softmax if on == "softmax" else each.logits for each in streams]
    scores = np.stack(chosen).astype(np.float64)
    if on != "clipped":
        return scores
    scores = np.maximum(scores, 0)
    total = scores.sum(axis=-1, keepdims=True)
    return np.where(total > 0, scores, 1.0) / np.where(
        total > 0, total, scores.shape[-1]
    )


def relevant_classes(stream: StreamScores) -> np.ndarray:
    """(V, K) bool: which classes each video is of."""
    if stream.relevant is not None:
        return np.asarray(stream.relevant, bool)
    return np.asarray(stream.labels)[:, None] == np.arange(stream.logits.shape[1])


def check_aligned(streams: Sequence[StreamScores]) -> None:
    """Check that the streams are of the same videos, in the same order, and classes.

    Raises:
        DataError: they are not; the first difference is named.
        RecipeError: there is none.
    """
    if not streams:
        raise RecipeError("fusion: expected at least one stream, got none")
    first = streams[0]
    for number, other in enumerate(streams[1:], start=2):
        if set(other.ids) != set(first.ids):
            name = min(set(other.ids) ^ set(first.ids))
            has, lacks = (1, number) if name in first.ids else (number, 1)
            raise DataError(
                f"fusion: expected streams of one split and part, but video {name} is"
                f" in stream {has} and not in stream {lacks}"
            )
        if other.ids != first.ids:
            raise DataError(f"fusion: stream {number} has its videos in another order")
        if other.logits.shape != first.logits.shape:
            raise DataError(
                f"fusion: expected {first.logits.shape[1]} classes in every stream,"
                f" got {other.logits.shape[1]} in stream {number}"
            )
        if not np.array_equal(other.labels, first.labels):
            raise DataError(
                f"fusion: stream {number} has other labels of the same videos"
            )


def check_unseen(ids: Sequence[str], *, training: Collection[str]) -> None:
    """Check that no video was used to train a stream, where scores are meaningless.

    Args:
        training: ids of the videos on which any of the streams was trained.

    Raises:
        DataError: one was.
    """
    seen = sorted(set(ids) & set(training))
    if seen:
        raise DataError(
            f"fusion: expected held-out videos, but {len(seen)} of {len(ids)} are"
            f" training videos (first: {seen[0]}): their scores are too good to learn from"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightedAverage:
    """A weighted mean of the streams' scores.

    Source:
        On softmax, 1 : 2 for rgb and vectors: Zhang et al., "Real-Time Action Recognition
        With Deeply Transferred Motion Vector CNNs", IEEE TIP 2018. On logits, 1 : 1:
        Crasto et al., "MARS", CVPR 2019 (its code). Clipped, 1 : 1.5 for spatial and
        temporal: Zhu et al., "Hidden Two-Stream Convolutional Networks", ACCV 2018 (its
        code).
    """

    weights: tuple[float, ...]
    """One per stream, in their order; only their ratio counts."""
    on: On = "softmax"

    def __post_init__(self) -> None:
        if self.on not in ("logits", "softmax", "clipped"):
            raise RecipeError(
                f"fusion: expected scores on logits, softmax or clipped, got {self.on}"
            )
        if not self.weights or min(self.weights) < 0 or sum(self.weights) <= 0:
            raise RecipeError(
                "fusion: expected weights of at least 0 and one above,"
                f" got {self.weights}"
            )

    def __call__(self, streams: Sequence[StreamScores]) -> np.ndarray:
        """(V, K) float64.

        Raises:
            DataError: the streams are of other videos or classes.
            RecipeError: the number of weights is not that of the streams.
        """
        if len(streams) != len(self.weights):
            raise RecipeError(
                f"fusion: expected {len(self.weights)} streams, got {len(streams)}"
            )
        weights = np.array(self.weights) / sum(self.weights)
        return np.tensordot(weights, stacked(streams, on=self.on), axes=1)


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
