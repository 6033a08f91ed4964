"""Snippets of two streams, each of which weights those of the other.

Axes: V videos, N snippets of a video, d features of a snippet, K classes.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import RecipeError


class GuidedAttention(nn.Module):
    """A weighted mean of a stream's snippets; another stream says which ones matter.

    H = tanh(W F + (U V) 1^T), c = softmax(w^T H) over the snippets, V' = F c: 2 d k + k
    parameters without biases where both streams have d features.

    Source:
        Zhou, Chen, Sugumaran, "Hidden Two-Stream Collaborative Learning Network for Action
        Recognition", equations 7 to 9. Equation 8 calls the weights z and equation 9 c;
        N is the number of snippets and of hidden units (that is, classes) at once; step
        8's "F^T c" holds for snippets as rows.
    """

    def __init__(self, features: int, guide: int, *, hidden: int) -> None:
        """
        Args:
            features: d of the stream that is averaged.
            guide: d of the other.
            hidden: k.
        """
        super().__init__()
        self.own = nn.Linear(features, hidden, bias=False)
        self.guide = nn.Linear(guide, hidden, bias=False)
        self.weigh = nn.Linear(hidden, 1, bias=False)

    def forward(self, snippets: Tensor, guide: Tensor) -> Tensor:
        """(V, N, d) of one stream and (V, d) of the other -> (V, d) of the one."""
        return torch.einsum("vn,vnd->vd", self.weights(snippets, guide), snippets)

    def weights(self, snippets: Tensor, guide: Tensor) -> Tensor:
        """(V, N), each row sums to 1."""
        hidden = torch.tanh(self.own(snippets) + self.guide(guide)[:, None])
        return self.weigh(hidden)[..., 0].softmax(dim=1)


class Collaborative(nn.Module):
    """Two streams guide each other for some rounds; then each has a classifier.

    8,389,632 parameters with 4,096 features and 512 hidden units, and the classifiers:
    827,594 for 101 classes, 417,894 for 51.

    Source:
        As `GuidedAttention`, section 3.2. The first weights are not specified: the mean
        of the snippets. "Iterate until the loss converges" mixes epochs of training with
        this loop: two rounds, after which it hardly changes. Parameters are shared by the
        rounds. How the loss is made of two predictions is not said: the sum of both
        cross-entropies; the prediction is the mean of both. Nor what the classifiers start
        from: the last layers of the two streams (`CollaborativeFit`), so that training
        adds to the hidden two-stream instead of learning to classify anew.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        spatial: int = 4096,
        motion: int = 4096,
        hidden: int = 512,
        rounds: int = 2,
        dropout: float = 0.5,
    ) -> None:
        """
        Args:
            spatial, motion: d of each stream.
            hidden: k.
        """
        super().__init__()
        if rounds < 1:
            raise RecipeError(f"collaborative: expected rounds above 0, got {rounds}")
        self.rounds = rounds
        self.motion_by_spatial = GuidedAttention(motion, spatial, hidden=hidden)
        self.spatial_by_motion = GuidedAttention(spatial, motion, hidden=hidden)
        self.dropout = nn.Dropout(dropout)
        self.spatial_head = nn.Linear(spatial, num_classes)
        self.motion_head = nn.Linear(motion, num_classes)

    def forward(self, spatial: Tensor, motion: Tensor) -> tuple[Tensor, Tensor]:
        """(V, N, d) of each stream -> (V, K) logits of each."""
        seen, moved = self.pooled(spatial, motion)
        return (
            self.spatial_head(self.dropout(seen)),
            self.motion_head(self.dropout(moved)),
        )

    def pooled(self, spatial: Tensor, motion: Tensor) -> tuple[Tensor, Tensor]:
        """(V, N, d) of each stream -> (V, d) of each."""
        seen = spatial.mean(dim=1)
        for _ in range(self.rounds):
            moved = self.motion_by_spatial(motion, seen)
            seen = self.spatial_by_motion(spatial, moved)
        return seen, moved


class Predicted(NamedTuple):
    """Outputs of the two classifiers, for the weighting that follows."""

    spatial: np.ndarray
    """(V, K) float64 logits."""
    motion: np.ndarray
    """(V, K) float64 logits."""
    softmax: np.ndarray
    """(V, K) mean of both probabilities."""


@torch.no_grad()
def predict(model: Collaborative, spatial: Tensor, motion: Tensor) -> Predicted:
    """Scores of videos, in evaluation mode.

    Args:
        spatial, motion: (V, N, d), as in training.
    """
    training = model.training
    model.eval()
    device = next(model.parameters()).device
    logits = [it.double().cpu() for it in model(spatial.to(device), motion.to(device))]
    model.train(training)
    mean = torch.stack(logits).softmax(dim=-1).mean(dim=0)
    return Predicted(logits[0].numpy(), logits[1].numpy(), mean.numpy())


@dataclass(frozen=True, slots=True, kw_only=True)
class CollaborativeConfig:
    """Settings by which a `Collaborative` is built and trained."""

    hidden: int = 512
    rounds: int = 2
    dropout: float = 0.5
    learning_rate: float = 1e-4
    weight_decay: float = 5e-4
    batch_size: int = 64
    epochs: int = 50
    fewest_snippets: int = 8
    """Least number of random snippets that a batch sees of its videos; the most is all."""
